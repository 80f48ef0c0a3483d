//! A panic while a call is polled on the runtime is INTERNAL to its caller, and to nobody else.
//!
//! Scheduler threads catch their own; this is for handlers, interceptors and streams that are polled by a
//! connection's task, which a panic would otherwise take down with every other call on it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tonic::Status;

use crate::call::MethodSpec;

/// Runs one poll; a panic in it is logged with the method's name and becomes an INTERNAL status that says
/// nothing of the inside. Whatever was polled must not be polled again after an `Err`.
pub(super) fn caught<T>(method: &'static MethodSpec, poll: impl FnOnce() -> T) -> Result<T, Status> {
    // Nothing is observed after a panic: the caller drops what it polled.
    catch_unwind(AssertUnwindSafe(poll)).map_err(|panic| {
        tracing::error!(method = method.full_name(), panic = message(panic.as_ref()), "a call panicked");
        Status::internal("internal error")
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
