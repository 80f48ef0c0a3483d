//! An interceptor from a plain function that may block.

use std::task::{Context, Poll};

use tonic::Status;
use tower::{Layer, Service};

use super::CallService;
use crate::call::{Call, Reply, Scoped};
use crate::handler::ReplyFuture;
use crate::scheduler::{Job, Scheduler};

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
