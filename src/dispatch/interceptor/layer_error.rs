//! What a layer failed with, as the caller is told it.
//!
//! Interceptors of ours fail with a status. Layers of tower fail with whatever they like, most with a boxed error, in
//! which there may be a status that came from further in. What tower has words of its own for is said in gRPC's, and
//! anything else is nobody's business but the log's.

use std::any::{Any, TypeId};
use std::error::Error;

use tonic::Status;
use tower::BoxError;
use tower::load_shed::error::Overloaded;
use tower::timeout::error::Elapsed;

use crate::call::{Call, CancelReason, Context, cancelled_status};
use crate::dispatch::overloaded;

/// Who is told of the failure of a layer: nobody, where it fails with a status and there is nothing to find out.
pub(super) struct Told(Option<Context>);

impl Told {
    /// For a layer that fails with `E`.
    pub(super) fn of<E: 'static>(call: &Call) -> Self {
        let says_it_all = TypeId::of::<E>() == TypeId::of::<Status>();
        Self((!says_it_all).then(|| call.context().clone()))
    }

    /// What the caller gets.
    pub(super) fn status<E: Into<BoxError> + 'static>(self, error: E) -> Status {
        // Not boxed only to be unboxed again: refusals come in floods.
        let mut error = Some(error);
        if let Some(status) = (&mut error as &mut dyn Any).downcast_mut::<Option<Status>>() {
            return status.take().expect("it was put there just now");
        }
        let error = error.expect("it was put there just now").into();
        let mut next: Option<&(dyn Error + 'static)> = Some(&*error);
        while let Some(cause) = next {
            if let Some(known) = self.known(cause) {
                return known;
            }
            next = cause.source();
        }
        let method = self.0.map_or("", |context| context.method().full_name());
        tracing::error!(method, error, "an interceptor failed");
        Status::internal("internal error")
    }

    /// The status that an error is, if it is one we know.
    fn known(&self, error: &(dyn Error + 'static)) -> Option<Status> {
        if let Some(status) = error.downcast_ref::<Status>() {
            return Some(status.clone());
        }
        if error.is::<Elapsed>() {
            // The layer has dropped what it waited for; what goes on elsewhere, such as blocking code, learns of it here.
            if let Some(context) = &self.0 {
                context.cancellation().cancel(CancelReason::DeadlineExceeded);
            }
            return Some(cancelled_status(CancelReason::DeadlineExceeded));
        }
        error.is::<Overloaded>().then(|| overloaded("too many calls are under way; try again later"))
    }
}
