//! A call over HTTP/2 that is answered at once needs no task of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Context;

use crate::dispatch::nobody;

/// Polls a stream's future once where it stands, and hands it back if it is not ready then: for a task.
///
/// The first poll has a waker that wakes nobody, by which a future may tell; the task polls it again.
pub(super) fn at_once<F: Future>(future: F) -> Option<Pin<Box<F>>> {
    let mut future = Box::pin(future);
    // As a task's, a panic of one stream is not the connection's.
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let pending = future.as_mut().poll(&mut Context::from_waker(nobody())).is_pending();
        pending.then_some(future)
    }));
    polled.unwrap_or_else(|_| {
        tracing::error!("a request panicked outside of its call");
        None
    })
}
