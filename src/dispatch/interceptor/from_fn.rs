//! An interceptor from an async function that has the whole call in its hands: before, around and after.

use std::task::{Context, Poll};

use tonic::Status;
use tower::{Layer, Service};

use super::CallService;
use crate::call::{Call, Reply};

/// The rest of the way to the handler, for an interceptor made by [`from_fn`].
#[derive(Debug)]
pub struct Next(CallService);

impl Next {
    /// Goes on to the next interceptor, or to the handler.
    ///
    /// # Errors
    ///
    /// The status the call ended with.
    pub async fn run(self, call: Call) -> Result<Reply, Status> {
        self.0.invoke(call).await
    }
}

/// An interceptor from an async function.
///
/// ```
/// use ambidex::interceptor::{self, Next};
/// use ambidex::{Status, call::{Call, Reply}};
///
/// async fn authenticate(call: Call, next: Next) -> Result<Reply, Status> {
///     if call.metadata.get("authorization").is_none() {
///         return Err(Status::unauthenticated("say who you are"));
///     }
///     next.run(call).await
/// }
///
/// let server = ambidex::Server::builder().interceptor(interceptor::from_fn(authenticate));
/// ```
pub fn from_fn<F, Fut>(function: F) -> FromFn<F>
where
    F: Fn(Call, Next) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Reply, Status>> + Send + 'static,
{
    FromFn(function)
}

/// The layer [`from_fn`] makes.
#[derive(Debug, Clone)]
pub struct FromFn<F>(F);

impl<F: Clone> Layer<CallService> for FromFn<F> {
    type Service = FromFnService<F>;

    fn layer(&self, inner: CallService) -> FromFnService<F> {
        FromFnService { function: self.0.clone(), inner }
    }
}

/// The service [`FromFn`] makes.
#[derive(Debug, Clone)]
pub struct FromFnService<F> {
    function: F,
    inner: CallService,
}

impl<F, Fut> Service<Call> for FromFnService<F>
where
    F: Fn(Call, Next) -> Fut,
    Fut: Future<Output = Result<Reply, Status>> + Send + 'static,
{
    type Response = Reply;
    type Error = Status;
    type Future = Fut;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Fut {
        (self.function)(call, Next(self.inner.clone()))
    }
}
