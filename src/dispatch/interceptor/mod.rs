//! Interceptors: tower layers over the one call shape.
//!
//! An interceptor is a [`tower::Layer`] over [`CallService`], so what the tower ecosystem offers fits, and
//! it sees every protocol and every kind of method alike, before a message is decompressed or decoded. For
//! the common cases there are functions that make one:
//!
//! - [`check`](check()) from an async function that looks at a call and lets it pass or refuses it;
//! - [`blocking`](blocking()) from a plain function that does the same and may block: it runs on a scheduler thread;
//! - [`from_fn`](from_fn()) from an async function that has the call in its hands, and sees the reply too.
//!
//! [`RateLimit`] is one that lets each caller make so many calls in a time.
//!
//! [`ServerBuilder::interceptor`] adds one for every call, [`ServerBuilder::interceptor_for`] one for a service or
//! a method. A call passes those of the server first, then those of its service, then those of its method, and in
//! each group the first one added first; a reply passes them the other way round.
//!
//! What an interceptor finds out, such as who calls, it puts among the call's `extensions` by its type. The handler
//! has it from [`RequestExt::value`], and code deep below it from [`call::value`].
//!
//! [`ServerBuilder::interceptor`]: crate::server::ServerBuilder::interceptor
//! [`ServerBuilder::interceptor_for`]: crate::server::ServerBuilder::interceptor_for
//! [`RequestExt::value`]: crate::RequestExt::value
//! [`call::value`]: crate::call::value

mod blocking;
mod chain;
mod check;
mod from_fn;
mod rate_limit;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::Status;
use tower::{Layer, Service, ServiceExt};

use crate::call::{Call, Reply};
use crate::handler::ReplyFuture;

pub use blocking::{Blocking, BlockingService, blocking};
pub(crate) use chain::Interceptors;
pub use check::{Check, CheckLayer, CheckService, check};
pub use from_fn::{FromFn, FromFnService, Next, from_fn};
pub use rate_limit::{RateLimit, RateLimitService};

/// What an interceptor wraps: the next interceptor, or the handler.
#[derive(Clone)]
pub struct CallService(Arc<dyn Fn(Call) -> ReplyFuture + Send + Sync>);

impl CallService {
    pub(super) fn new(function: Arc<dyn Fn(Call) -> ReplyFuture + Send + Sync>) -> Self {
        Self(function)
    }

    pub(super) fn invoke(&self, call: Call) -> ReplyFuture {
        (self.0)(call)
    }
}

impl Service<Call> for CallService {
    type Response = Reply;
    type Error = Status;
    type Future = ReplyFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        // Permits are taken in `call`: readiness would reserve a place that nobody may use.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> ReplyFuture {
        self.invoke(call)
    }
}

impl fmt::Debug for CallService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallService")
    }
}

/// What can be added to a server as an interceptor: every [`tower::Layer`] over [`CallService`] whose service
/// answers a [`Call`] with a [`Reply`] or a [`Status`]. It is there so that nobody has to write that bound.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an interceptor",
    label = "not a tower layer over `CallService`",
    note = "make one of a function: `interceptor::check(f)` for `async fn f(call: &mut Call) -> Result<(), Status>`, \
            `interceptor::blocking(f)` for the same as a `fn` that may block, or `interceptor::from_fn(f)` for \
            `async fn f(call: Call, next: Next) -> Result<Reply, Status>`"
)]
pub trait Interceptor: sealed::Sealed {
    #[doc(hidden)]
    fn erase(self) -> Erased;
}

/// An interceptor with its type erased.
#[doc(hidden)]
#[derive(Clone)]
pub struct Erased(Arc<dyn Fn(CallService) -> CallService + Send + Sync>);

impl Erased {
    fn wrap(&self, inner: CallService) -> CallService {
        (self.0)(inner)
    }
}

impl fmt::Debug for Erased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Erased")
    }
}

impl<L> Interceptor for L
where
    L: Layer<CallService> + Send + Sync + 'static,
    L::Service: Service<Call, Response = Reply, Error = Status> + Clone + Send + Sync + 'static,
    <L::Service as Service<Call>>::Future: Send + 'static,
{
    fn erase(self) -> Erased {
        Erased(Arc::new(move |inner| {
            let service = self.layer(inner);
            CallService(Arc::new(move |call| Box::pin(service.clone().oneshot(call))))
        }))
    }
}

mod sealed {
    /// The trait is a name for a bound: there is nothing to implement.
    pub trait Sealed {}

    impl<L: tower::Layer<super::CallService>> Sealed for L {}
}
