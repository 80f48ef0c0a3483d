//! Interceptors: tower layers over the one call shape.
//!
//! An interceptor is a [`tower::Layer`] over [`CallService`], so what the tower ecosystem offers fits, and
//! it sees every protocol and every kind of method alike, before a message is decompressed or decoded. For
//! the common cases [`from_fn`] makes one from an async function, and [`blocking`] from a plain one that
//! runs on a scheduler thread.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::Status;
use tower::{Layer, Service, ServiceExt};

use crate::call::{Call, Reply, Scoped};
use crate::handler::ReplyFuture;
use crate::scheduler::{Job, Scheduler};

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

/// An interceptor with its type erased.
pub(crate) type Wrap = Arc<dyn Fn(CallService) -> CallService + Send + Sync>;

/// Erases a tower layer.
pub(crate) fn erase<L>(layer: L) -> Wrap
where
    L: Layer<CallService> + Send + Sync + 'static,
    L::Service: Service<Call, Response = Reply, Error = Status> + Clone + Send + Sync + 'static,
    <L::Service as Service<Call>>::Future: Send + 'static,
{
    Arc::new(move |inner| {
        let service = layer.layer(inner);
        CallService(Arc::new(move |call| Box::pin(service.clone().oneshot(call))))
    })
}

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

/// An interceptor from a plain function that may block, such as one that looks a session up in a database.
/// It runs on a scheduler thread under the call's deadline, and may change the call or refuse it.
///
/// ```
/// use ambidex::interceptor;
/// use ambidex::{Status, call::Call};
///
/// fn load_session(call: &mut Call) -> Result<(), Status> {
///     let user = std::fs::read_to_string("user").map_err(|_| Status::unauthenticated("no session"))?;
///     call.extensions.insert(user); // the handler finds it in its request's extensions
///     Ok(())
/// }
///
/// let server = ambidex::Server::builder().interceptor(interceptor::blocking(load_session));
/// ```
pub fn blocking<F>(function: F) -> Blocking<F>
where
    F: Fn(&mut Call) -> Result<(), Status> + Clone + Send + Sync + 'static,
{
    Blocking(function)
}

/// The layer [`blocking`] makes.
#[derive(Debug, Clone)]
pub struct Blocking<F>(F);

impl<F: Clone> Layer<CallService> for Blocking<F> {
    type Service = BlockingService<F>;

    fn layer(&self, inner: CallService) -> BlockingService<F> {
        BlockingService { function: self.0.clone(), inner }
    }
}

/// The service [`Blocking`] makes.
#[derive(Debug, Clone)]
pub struct BlockingService<F> {
    function: F,
    inner: CallService,
}

impl<F> Service<Call> for BlockingService<F>
where
    F: Fn(&mut Call) -> Result<(), Status> + Clone + Send + Sync + 'static,
{
    type Response = Reply;
    type Error = Status;
    type Future = ReplyFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut call: Call) -> ReplyFuture {
        let Self { function, inner } = self.clone();
        Box::pin(async move {
            let context = call.context().clone();
            let scheduler =
                context.state::<Scheduler>().expect("every server keeps its scheduler in its state");
            let job = Job::new(context.method().full_name())
                .lane(scheduler.lane("interceptors"))
                .deadline(context.deadline())
                .cancellation(context.cancellation().clone());
            let checked = Scoped::new(context.clone(), async move {
                let result = function(&mut call);
                result.map(|()| call)
            });
            let call = scheduler.run_future(job, checked).await??;
            inner.invoke(call).await
        })
    }
}
