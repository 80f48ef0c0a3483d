//! From wire bytes to a user's function and back.
//!
//! A user's method is generic over messages, futures and streams; a [`Method`] is none of that: a
//! [`MethodSpec`], an [`Execution`] and one erased function from [`Call`] to [`Reply`]. The erasure happens
//! here, once, when a service is registered. The files in reading order: [`rpc`](Rpc) (a method as a type),
//! [`Execution`] (where it runs), arguments and replies (what a user may write), the erased forms with one
//! reply and with many, and the streams a handler is given.
//!
//! This layer knows messages and scheduling, and no protocol.

mod argument;
mod execution;
mod many;
mod method_config;
mod offload;
mod one;
mod replies;
mod reply;
mod request_ext;
mod rpc;
mod streaming;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tonic::{Request, Response, Status};

use crate::call::{Call, MethodSpec, Reply, ReplyCoding};
use crate::scheduler::{LaneConfig, Scheduler};

pub use argument::{Argument, argument, message_argument};
pub use execution::Execution;
pub(crate) use method_config::MessageLimits;
pub use method_config::MethodConfig;
pub(crate) use method_config::MethodConfigs;
use method_config::Placement;
pub(crate) use offload::TenantKey;
use offload::{Offload, Wanted};
pub use replies::Replies;
pub use reply::{AsyncReply, BlockingReply, async_reply, blocking_reply};
pub use request_ext::RequestExt;
pub use rpc::{Input, Many, One, ReplyShape, ReplyStream, Rpc};
pub use streaming::{BlockingStreaming, Streaming};

/// A reply that is being made.
pub type ReplyFuture = Pin<Box<dyn Future<Output = Result<Reply, Status>> + Send>>;

/// An erased handler: one function from call to reply.
pub(crate) type Handler = Arc<dyn Fn(Call) -> ReplyFuture + Send + Sync>;

/// A registered method: what it is, where it runs and for how long, and the function behind it.
pub(crate) struct Method {
    pub(crate) spec: &'static MethodSpec,
    pub(crate) blocking: bool,
    /// Whether something reads a call's metadata on its way to the function, or the function is handed them.
    pub(crate) reads_metadata: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) message_limits: MessageLimits,
    pub(crate) grpc_compression: Option<Arc<[ReplyCoding]>>,
    pub(crate) handler: Handler,
}

/// What whoever runs the server says of its methods.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) methods: MethodConfigs,
    pub(crate) lanes: Vec<LaneConfig>,
    pub(crate) tenant_key: Option<TenantKey>,
}

/// A proto service with its handler, ready to be served. Generated servers (`BookshopServer`) implement it.
pub trait Service {
    /// The full proto name, `bookshop.v1.Bookshop`.
    const NAME: &'static str;

    /// The encoded `google.protobuf.FileDescriptorSet` that describes the service, imports and custom
    /// options included.
    const FILE_DESCRIPTOR_SET: &'static [u8];

    /// Registers every method.
    fn register(self, methods: &mut Methods);
}

/// Collects the methods of services while a server is built.
pub struct Methods {
    scheduler: Scheduler,
    settings: Settings,
    lanes: offload::Lanes,
    methods: Vec<Method>,
}

impl Methods {
    pub(crate) fn new(scheduler: Scheduler, settings: Settings) -> Self {
        let lanes = offload::Lanes::new(&settings.lanes);
        Self { scheduler, settings, lanes, methods: Vec::new() }
    }

    /// Every method, once all are registered.
    ///
    /// # Errors
    ///
    /// The names that something was said of, and that nobody has.
    pub(crate) fn into_methods(self) -> Result<Vec<Method>, Vec<String>> {
        let specs: Vec<_> = self.methods.iter().map(|method| method.spec).collect();
        match &self.settings.methods.strangers(&specs)[..] {
            [] => Ok(self.methods),
            strangers => Err(strangers.iter().map(|&name| name.to_owned()).collect()),
        }
    }

    fn register(
        &mut self,
        spec: &'static MethodSpec,
        execution: Execution,
        erase: impl FnOnce(Offload) -> Handler,
    ) {
        let placement = self.settings.methods.placement(spec, execution);
        let tenant_key = self.settings.tenant_key.clone();
        let scheduler = self.scheduler.clone();
        let wanted = if execution.is_message_only() { Wanted::Message } else { Wanted::Everything };
        let reads_metadata = matches!(wanted, Wanted::Everything) || tenant_key.is_some();
        let offload = Offload::new(scheduler, &mut self.lanes, spec, &placement, tenant_key, wanted);
        let Placement { blocking, timeout, message_limits, grpc_compression, .. } = placement;
        let handler = erase(offload);
        self.methods.push(Method {
            spec,
            blocking,
            reads_metadata,
            timeout,
            message_limits,
            grpc_compression,
            handler,
        });
    }

    /// Registers a method that was erased elsewhere and runs on the runtime.
    pub(crate) fn mount(&mut self, spec: &'static MethodSpec, handler: Handler) {
        let Placement { timeout, message_limits, grpc_compression, .. } =
            self.settings.methods.placement(spec, Execution::ASYNC);
        let (blocking, reads_metadata) = (false, true);
        self.methods.push(Method {
            spec,
            blocking,
            reads_metadata,
            timeout,
            message_limits,
            grpc_compression,
            handler,
        });
    }

    /// Registers a method with one message each way.
    pub fn unary<R, F, Fut>(&mut self, execution: Execution, function: F)
    where
        R: Rpc<Reply = One>,
        F: Fn(Request<R::Input>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<R::Response>, Status>> + Send + 'static,
    {
        self.register(R::SPEC, execution, |offload| one::erase::<R, F, Fut>(offload, function));
    }

    /// Registers a method that takes a stream and answers with one message.
    pub fn client_streaming<R, F, Fut>(&mut self, execution: Execution, function: F)
    where
        R: Rpc<Reply = One>,
        F: Fn(Request<R::Input>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<R::Response>, Status>> + Send + 'static,
    {
        self.unary::<R, F, Fut>(execution, function);
    }

    /// Registers a method that answers with a stream. The function sends it through the [`Replies`] it is
    /// given, so that the stream may borrow from the handler.
    pub fn server_streaming<R, F, Fut>(&mut self, execution: Execution, function: F)
    where
        R: Rpc<Reply = Many>,
        F: Fn(Request<R::Input>, Replies<R::Response>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.register(R::SPEC, execution, |offload| many::erase::<R, F, Fut>(offload, function));
    }

    /// Registers a method with a stream each way.
    pub fn bidi_streaming<R, F, Fut>(&mut self, execution: Execution, function: F)
    where
        R: Rpc<Reply = Many>,
        F: Fn(Request<R::Input>, Replies<R::Response>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.server_streaming::<R, F, Fut>(execution, function);
    }
}

/// Decodes a message that came over a wire.
pub(crate) fn decode<M: Message + Default>(bytes: bytes::Bytes) -> Result<M, Status> {
    M::decode(bytes).map_err(|error| {
        let mut status = Status::invalid_argument(format!("the message is not valid protobuf: {error}"));
        status.set_source(Arc::new(error));
        status
    })
}
