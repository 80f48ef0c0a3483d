//! An interceptor that looks at a call before anything else happens, and lets it pass or refuses it.

use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::Status;
use tower::{Layer, Service};

use super::CallService;
use crate::call::{Call, Reply};
use crate::handler::ReplyFuture;

/// What [`check`] makes an interceptor of: an `async fn` over `&mut Call`, or a type of yours that keeps what it needs.
///
/// ```
/// use ambidex::interceptor::{self, Check};
/// use ambidex::{Status, call::Call};
///
/// struct ApiKeys(Vec<String>);
///
/// impl Check for ApiKeys {
///     async fn check(&self, call: &mut Call) -> Result<(), Status> {
///         let key = call.metadata.get("x-api-key").and_then(|key| key.to_str().ok());
///         if key.is_some_and(|key| self.0.iter().any(|known| known == key)) {
///             return Ok(());
///         }
///         Err(Status::unauthenticated("send a known x-api-key"))
///     }
/// }
///
/// let keys = ApiKeys(vec!["secret".to_owned()]);
/// let server = ambidex::Server::builder().interceptor(interceptor::check(keys));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not check calls",
    label = "not an `async fn(&mut Call) -> Result<(), Status>`",
    note = "write it as `async fn name(call: &mut Call) -> Result<(), Status>`; what needs values of its own is a type \
            that implements `interceptor::Check`"
)]
pub trait Check: Send + Sync + 'static {
    /// Lets a call pass, perhaps changed, or refuses it with the status its caller gets.
    fn check(&self, call: &mut Call) -> impl Future<Output = Result<(), Status>> + Send;
}

impl<F> Check for F
where
    F: for<'a> CheckFn<'a> + Send + Sync + 'static,
{
    fn check(&self, call: &mut Call) -> impl Future<Output = Result<(), Status>> + Send {
        self.begin(call)
    }
}

/// An `async fn(&mut Call)`: its future borrows from the call, which takes a trait to say.
#[doc(hidden)]
pub trait CheckFn<'a> {
    type Future: Future<Output = Result<(), Status>> + Send + 'a;

    fn begin(&self, call: &'a mut Call) -> Self::Future;
}

impl<'a, F, Fut> CheckFn<'a> for F
where
    F: Fn(&'a mut Call) -> Fut,
    Fut: Future<Output = Result<(), Status>> + Send + 'a,
{
    type Future = Fut;

    fn begin(&self, call: &'a mut Call) -> Fut {
        self(call)
    }
}

/// An interceptor from an async function that may change the call, leave values in its extensions, or refuse it.
///
/// ```
/// use ambidex::interceptor;
/// use ambidex::{Status, call::Call};
///
/// #[derive(Clone)]
/// struct Tenant(String);
///
/// async fn tenant(call: &mut Call) -> Result<(), Status> {
///     let name = call.metadata.get("x-tenant").and_then(|name| name.to_str().ok());
///     let name = name.ok_or_else(|| Status::unauthenticated("say in x-tenant who you are"))?;
///     let tenant = Tenant(name.to_owned());
///     call.extensions.insert(tenant); // the handler has it from `request.value::<Tenant>()`
///     Ok(())
/// }
///
/// let server = ambidex::Server::builder().interceptor(interceptor::check(tenant));
/// ```
pub fn check<C: Check>(check: C) -> CheckLayer<C> {
    CheckLayer(Arc::new(check))
}

/// The layer [`check`] makes.
#[derive(Debug)]
pub struct CheckLayer<C>(Arc<C>);

impl<C> Layer<CallService> for CheckLayer<C> {
    type Service = CheckService<C>;

    fn layer(&self, inner: CallService) -> CheckService<C> {
        CheckService { check: Arc::clone(&self.0), inner }
    }
}

/// The service [`CheckLayer`] makes.
#[derive(Debug)]
pub struct CheckService<C> {
    check: Arc<C>,
    inner: CallService,
}

impl<C> Clone for CheckService<C> {
    fn clone(&self) -> Self {
        Self { check: Arc::clone(&self.check), inner: self.inner.clone() }
    }
}

impl<C: Check> Service<Call> for CheckService<C> {
    type Response = Reply;
    type Error = Status;
    type Future = ReplyFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut call: Call) -> ReplyFuture {
        let Self { check, inner } = self.clone();
        Box::pin(async move {
            check.check(&mut call).await?;
            inner.invoke(call).await
        })
    }
}
