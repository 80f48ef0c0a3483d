//! Interceptors: tower layers over the one call shape.
//!
//! An interceptor is a [`tower::Layer`] over [`CallService`], and it sees every protocol and every kind of method
//! alike, before a message is decompressed or decoded. For the common cases there are functions that make one:
//!
//! - [`check`](check()) from an async function that looks at a call and lets it pass or refuses it;
//! - [`blocking`](blocking()) from a plain function that does the same and may block: it runs on a scheduler thread;
//! - [`from_fn`](from_fn()) from an async function that has the call in its hands, and sees the reply too.
//!
//! [`RateLimit`] is one that lets each caller make so many calls in a time.
//!
//! tower's own layers fit, too: `Timeout`, `LoadShed`, `ConcurrencyLimit`, `Buffer`, `Filter`, `MapRequest` and whatever
//! else asks of a request nothing that a [`Call`] is not. Each is put once around all that it was added for, so that the
//! methods of a server or a service share its state. Its errors become statuses: one that is a [`Status`] is
//! that, `Elapsed` is DEADLINE_EXCEEDED, `Overloaded` is RESOURCE_EXHAUSTED, and any other is INTERNAL, and logged.
//!
//! ```
//! use std::time::Duration;
//! use tower::ServiceBuilder;
//!
//! let server = ambidex::Server::builder()
//!     .interceptor(ServiceBuilder::new().load_shed().concurrency_limit(1_000))
//!     .interceptor_for("bookshop.v1.Bookshop", tower::timeout::TimeoutLayer::new(Duration::from_secs(2)));
//! ```
//!
//! What such a layer answers with is the head of a reply: where replies are streamed, a permit is given back, and a
//! timeout met, before the first message. What is to last as long as the stream goes into it:
//!
//! ```
//! use std::sync::Arc;
//! use ambidex::interceptor::{self, Next};
//! use ambidex::{Server, Status, call::{Body, Call}};
//! use tokio::sync::Semaphore;
//! use tokio_stream::StreamExt;
//!
//! let places = Arc::new(Semaphore::new(10));
//! let ten_at_once = interceptor::from_fn(move |call: Call, next: Next| {
//!     let place = Arc::clone(&places).try_acquire_owned();
//!     async move {
//!         let place = place.map_err(|_| Status::resource_exhausted("too many streams; try again later"))?;
//!         let mut reply = next.run(call).await?;
//!         if let Body::Stream(messages) = reply.body {
//!             reply.body = Body::stream(messages.map(move |message| {
//!                 let _kept = &place; // until the stream is dropped
//!                 message
//!             }));
//!         }
//!         Ok(reply)
//!     }
//! });
//! let server = Server::builder().interceptor_for("bookshop.v1.Bookshop/WatchOrders", ten_at_once);
//! ```
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
mod layer_error;
mod rate_limit;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::Status;
use tower::{BoxError, Layer, Service, ServiceExt};

use crate::call::{Call, Reply};
use crate::handler::ReplyFuture;

pub use blocking::{Blocking, BlockingService, blocking};
pub(crate) use chain::{Behind, Interceptors};
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
        // Not before it is polled: a layer may call from a task of its own, and may yet refuse what it has called.
        let inside = self.clone();
        Box::pin(async move { inside.invoke(call).await })
    }
}

impl fmt::Debug for CallService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallService")
    }
}

/// What can be added to a server as an interceptor: every [`tower::Layer`] over [`CallService`] whose service
/// answers a [`Call`] with a [`Reply`], or with an error that can be boxed; it has to be `Clone`, since calls come at
/// the same time. It is there so that nobody has to write that bound.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an interceptor",
    label = "not a tower layer over `CallService`",
    note = "make one of a function: `interceptor::check(f)` for `async fn f(call: &mut Call) -> Result<(), Status>`, \
            `interceptor::blocking(f)` for the same as a `fn` that may block, or `interceptor::from_fn(f)` for \
            `async fn f(call: Call, next: Next) -> Result<Reply, Status>`",
    note = "a layer of tower fits if its service is `Clone` (behind a `BufferLayer` every one is), and asks no more of a \
            request than that it is a `Call`, which is not `Clone`"
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
    L::Service: Service<Call, Response = Reply, Error: Into<BoxError>> + Clone + Send + Sync + 'static,
    <L::Service as Service<Call>>::Error: 'static,
    <L::Service as Service<Call>>::Future: Send + 'static,
{
    fn erase(self) -> Erased {
        Erased(Arc::new(move |inner| {
            let service = self.layer(inner);
            CallService(Arc::new(move |call| {
                let told = layer_error::Told::of::<<L::Service as Service<Call>>::Error>(&call);
                let reply = service.clone().oneshot(call);
                Box::pin(async move { reply.await.map_err(|error| told.status(error)) })
            }))
        }))
    }
}

mod sealed {
    /// The trait is a name for a bound: there is nothing to implement.
    pub trait Sealed {}

    impl<L: tower::Layer<super::CallService>> Sealed for L {}
}
