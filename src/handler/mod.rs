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
mod offload;
mod one;
mod replies;
mod reply;
mod request_ext;
mod rpc;
mod streaming;

use std::pin::Pin;
use std::sync::Arc;

use prost::Message;
use tonic::{Request, Response, Status};

use crate::call::{Call, MethodSpec, Reply};
use crate::scheduler::Scheduler;

pub use argument::{Argument, argument};
pub use execution::Execution;
pub use replies::Replies;
pub use reply::{AsyncReply, BlockingReply, async_reply, blocking_reply};
pub use request_ext::RequestExt;
pub use rpc::{Input, Many, One, ReplyShape, ReplyStream, Rpc};
pub use streaming::{BlockingStreaming, Streaming};

/// A reply that is being made.
pub type ReplyFuture = Pin<Box<dyn Future<Output = Result<Reply, Status>> + Send>>;

/// An erased handler: one function from call to reply.
pub(crate) type Handler = Arc<dyn Fn(Call) -> ReplyFuture + Send + Sync>;

/// A registered method: what it is, where it runs, and the function behind it.
pub(crate) struct Method {
    pub(crate) spec: &'static MethodSpec,
    pub(crate) execution: Execution,
    pub(crate) handler: Handler,
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
    lanes: offload::Lanes,
    methods: Vec<Method>,
}

impl Methods {
    pub(crate) fn new(scheduler: Scheduler) -> Self {
        Self { scheduler, lanes: offload::Lanes::default(), methods: Vec::new() }
    }

    pub(crate) fn into_methods(self) -> Vec<Method> {
        self.methods
    }

    /// Registers a method with one message each way.
    pub fn unary<R, F, Fut>(&mut self, execution: Execution, function: F)
    where
        R: Rpc<Reply = One>,
        F: Fn(Request<R::Input>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<R::Response>, Status>> + Send + 'static,
    {
        let job = self.lanes.job(&self.scheduler, R::SPEC, execution);
        let handler = one::erase::<R, F, Fut>(self.scheduler.clone(), job, function);
        self.methods.push(Method { spec: R::SPEC, execution, handler });
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
        let job = self.lanes.job(&self.scheduler, R::SPEC, execution);
        let handler = many::erase::<R, F, Fut>(self.scheduler.clone(), job, function);
        self.methods.push(Method { spec: R::SPEC, execution, handler });
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
