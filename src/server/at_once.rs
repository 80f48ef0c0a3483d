//! The executor of HTTP/2 streams: a call that is answered at once needs no task of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Waker};

/// Polls a stream's future once where it stands, and gives it a task only if it is not ready then.
///
/// The first poll has a waker that wakes nobody, by which a future may tell; the task polls it again.
#[derive(Debug, Clone, Copy)]
pub(super) struct AtOnce;

impl<F> hyper::rt::Executor<F> for AtOnce
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        let mut future = Box::pin(future);
        // As a task's, a panic of one stream is not the connection's.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let pending = future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
            pending.then_some(future)
        }));
        match polled {
            Ok(Some(unfinished)) => drop(tokio::spawn(unfinished)),
            Ok(None) => {}
            Err(_) => tracing::error!("a request panicked outside of its call"),
        }
    }
}
