//! The typed side of calling: the mirror of `handler`, from a typed request to wire bytes and back.
//!
//! A generated client is a [`Caller`] with the methods' names on it. What carries the call is a
//! [`Transport`]: a gRPC [`Channel`](crate::client::Channel), or a server in the same process. Both speak
//! [`Call`] and [`Reply`], so a test exercises the same client code as production.

use prost::Message;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};

use crate::call::timeout::{GRPC_TIMEOUT, parse_grpc};
use crate::call::{Body, Call, Deadline, Entrance, Head, Peer, Protocol, Reply, encoded, go_on_with_trace};
use crate::handler::{ReplyFuture, Rpc, Streaming};

/// Carries calls to a server.
pub trait Transport: Send + Sync {
    /// The wire it uses.
    fn protocol(&self) -> Protocol;

    /// Makes one call. Dropping the future, or the body of the reply, gives the call up.
    fn call(&self, call: Call) -> ReplyFuture;
}

impl<T: Transport + ?Sized> Transport for std::sync::Arc<T> {
    fn protocol(&self) -> Protocol {
        (**self).protocol()
    }

    fn call(&self, call: Call) -> ReplyFuture {
        (**self).call(call)
    }
}

/// Makes typed calls over a [`Transport`]. Generated clients wrap one.
#[derive(Debug, Clone)]
pub struct Caller<T> {
    transport: T,
}

impl<T: Transport> Caller<T> {
    /// A caller over `transport`.
    pub const fn new(transport: T) -> Self {
        Self { transport }
    }

    /// Calls a method with one message each way.
    ///
    /// # Errors
    ///
    /// The status of the call; UNKNOWN with the cause as source when the wire failed.
    pub async fn unary<R: Rpc>(&self, request: Request<R::Request>) -> Result<Response<R::Response>, Status> {
        self.one::<R>(request.map(single)).await
    }

    /// Calls a method that takes a stream and answers with one message.
    ///
    /// # Errors
    ///
    /// As [`unary`](Self::unary).
    pub async fn client_streaming<R: Rpc>(
        &self,
        request: Request<impl Stream<Item = R::Request> + Send + 'static>,
    ) -> Result<Response<R::Response>, Status> {
        self.one::<R>(request.map(many)).await
    }

    /// Calls a method that answers with a stream.
    ///
    /// # Errors
    ///
    /// As [`unary`](Self::unary), for what fails before the stream begins.
    pub async fn server_streaming<R: Rpc>(
        &self,
        request: Request<R::Request>,
    ) -> Result<Response<Streaming<R::Response>>, Status> {
        self.stream::<R>(request.map(single)).await
    }

    /// Calls a method with a stream each way.
    ///
    /// # Errors
    ///
    /// As [`server_streaming`](Self::server_streaming).
    pub async fn bidi_streaming<R: Rpc>(
        &self,
        request: Request<impl Stream<Item = R::Request> + Send + 'static>,
    ) -> Result<Response<Streaming<R::Response>>, Status> {
        self.stream::<R>(request.map(many)).await
    }

    async fn one<R: Rpc>(&self, request: Request<Body>) -> Result<Response<R::Response>, Status> {
        let Reply { metadata, body, mut trailers, extensions } = self.call::<R>(request).await?;
        let message = crate::handler::decode(body.single().await?)?;
        // As in tonic, a unary response shows the trailers beside the initial metadata.
        let mut headers = metadata.into_headers();
        headers.extend(trailers.take().into_headers());
        Ok(Response::from_parts(tonic::metadata::MetadataMap::from_headers(headers), message, extensions))
    }

    async fn stream<R: Rpc>(
        &self,
        request: Request<Body>,
    ) -> Result<Response<Streaming<R::Response>>, Status> {
        let Reply { metadata, body, trailers, extensions } = self.call::<R>(request).await?;
        let messages = Streaming::of_reply(body.into_stream(), trailers);
        Ok(Response::from_parts(metadata, messages, extensions))
    }

    async fn call<R: Rpc>(&self, request: Request<Body>) -> Result<Reply, Status> {
        let (mut metadata, extensions, body) = request.into_parts();
        go_on_with_trace(&mut metadata);
        // `Request::set_timeout` leaves the timeout in the metadata; the call has a place for it.
        let deadline = match metadata.remove(GRPC_TIMEOUT) {
            None => None,
            Some(value) => Some(Deadline::after(
                parse_grpc(value.as_bytes()).map_err(|error| Status::invalid_argument(error.to_string()))?,
            )),
        };
        let head = Head {
            method: R::SPEC,
            protocol: self.transport.protocol(),
            peer: Peer::local(),
            deadline,
            entrance: Entrance::nowhere(),
        };
        let mut call = Call::new(head, metadata, body);
        call.extensions = extensions;
        self.transport.call(call).await
    }
}

fn single<M: Message>(message: M) -> Body {
    Body::Message(encoded(&message))
}

fn many<M: Message>(messages: impl Stream<Item = M> + Send + 'static) -> Body {
    Body::stream(messages.map(|message| Ok(encoded(&message))))
}
