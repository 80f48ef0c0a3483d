//! An error that is none of its caller's business: the caller hears that there was one, and the log has the rest.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;

use tonic::Status;

use super::current;

/// INTERNAL, with nothing of the error in it. The error is logged with its causes and the name of the method it happened
/// in, and stays the status's [source](Error::source) for interceptors.
///
/// For errors of what a handler is built on: files, sockets, databases. Their texts name paths, hosts and tables, and a
/// status made of them tells its caller so. `?` alone makes one of a [`std::io::Error`].
///
/// ```
/// use ambidex::{Code, Status, call};
///
/// fn receipt() -> Result<String, Status> {
///     std::fs::read_to_string("/srv/shop/receipt.txt").map_err(call::internal)
/// }
///
/// let status = receipt().unwrap_err();
/// assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
/// ```
pub fn internal(error: impl Into<Box<dyn Error + Send + Sync>>) -> Status {
    let error: Arc<dyn Error + Send + Sync> = Arc::from(error.into());
    let call = current();
    tracing::error!(
        method = call.as_ref().map(|call| call.method().full_name()),
        error = with_causes(&*error),
        "a call failed, and its caller is not told why"
    );
    let mut status = Status::internal("internal error");
    status.set_source(error);
    status
}

fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Strings take everything.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the shelf is gone")]
    struct Gone(#[source] std::io::Error);

    #[test]
    fn the_caller_is_told_nothing_and_the_source_stays() {
        let status = internal(Gone(std::io::Error::other("disk 7 burns")));
        assert_eq!(status.message(), "internal error");
        let source = Error::source(&status).and_then(|source| source.downcast_ref::<Gone>());
        assert_eq!(source.map(|gone| with_causes(gone)).as_deref(), Some("the shelf is gone: disk 7 burns"));
        assert_eq!(internal("in words").message(), "internal error");
    }
}
