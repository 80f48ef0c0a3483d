//! Owns the wall between the scheduler and code that may panic: work, destructors, wakers.
//!
//! A panic ends one job and is logged under that job's name. The thread it happened on, the locks and the
//! counts belong to everyone and must not notice.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;

use super::error::RunError;
use super::job::JobName;

/// Runs `work`; a panic becomes [`RunError::Panicked`] and a line in the log.
///
/// `AssertUnwindSafe` is sound to claim here: the closure is consumed, so nobody can look at what a panic left
/// half-done in it, and whatever it shares with others was theirs to protect.
pub(super) fn isolate<T>(name: &JobName, work: impl FnOnce() -> T) -> Result<T, RunError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let message = message_of(payload);
        log(name, &message, "a job panicked");
        RunError::Panicked { message }
    })
}

/// Drops what a job left behind, wherever we happen to be.
pub(super) fn drop_quietly<T>(name: &JobName, left: T) {
    if !std::mem::needs_drop::<T>() {
        return;
    }
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(left))) {
        log(name, &message_of(payload), "a destructor panicked while a job was dropped");
    }
}

/// Wakes a caller; a waker is foreign code too.
pub(super) fn wake_quietly(name: &JobName, waker: Option<Waker>) {
    let Some(waker) = waker else { return };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
        log(name, &message_of(payload), "a waker panicked");
    }
}

/// A subscriber that panics has nobody left to be reported to.
fn log(name: &JobName, message: &str, what: &'static str) {
    let logged =
        catch_unwind(AssertUnwindSafe(|| tracing::error!(method = %name, panic = message, "{what}")));
    if let Err(payload) = logged {
        std::mem::forget(payload);
    }
}

/// The text of a panic, as `panic!` makes it. The payload itself is destroyed under guard: it is a value of the
/// user's making and may panic once more.
fn message_of(payload: Box<dyn Any + Send>) -> Arc<str> {
    let message = if let Some(text) = payload.downcast_ref::<&'static str>() {
        Arc::from(*text)
    } else if let Some(text) = payload.downcast_ref::<String>() {
        Arc::from(text.as_str())
    } else {
        Arc::from("a payload that is no text")
    };
    if let Err(nested) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(nested);
    }
    message
}
