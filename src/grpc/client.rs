//! The gRPC transport of generated clients, on tonic's channel.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use http::uri::PathAndQuery;
use tokio::sync::oneshot;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status};

use super::bytes_codec::BytesCodec;
use crate::call::timeout::{GRPC_TIMEOUT, format_grpc};
use crate::call::{
    Body, Call, CancelReason, Deadline, MessageStream, Protocol, Reply, Trailers, cancelled_status,
};
use crate::caller::Transport;
use crate::handler::ReplyFuture;

/// The server could not be reached, or its address is not one.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to {endpoint}: {source}")]
pub struct ConnectError {
    endpoint: String,
    source: tonic::transport::Error,
}

/// A gRPC connection to one server. Cheap to clone; clones share the connection.
#[derive(Debug, Clone)]
pub struct Channel(tonic::transport::Channel);

impl Channel {
    /// Connects to `http://host:port`.
    ///
    /// # Errors
    ///
    /// When the endpoint is not a URI, or nobody answers there.
    pub async fn connect(endpoint: impl Into<String>) -> Result<Self, ConnectError> {
        let endpoint = endpoint.into();
        let connect = async { Endpoint::from_shared(endpoint.clone())?.connect().await };
        match connect.await {
            Ok(channel) => Ok(Self(channel)),
            Err(source) => Err(ConnectError { endpoint, source }),
        }
    }

    /// Uses a channel made with tonic: with TLS, several endpoints, or a connector of its own.
    pub fn from_tonic(channel: tonic::transport::Channel) -> Self {
        Self(channel)
    }
}

impl Transport for Channel {
    fn protocol(&self) -> Protocol {
        Protocol::Grpc
    }

    fn call(&self, call: Call) -> ReplyFuture {
        let channel = self.0.clone();
        Box::pin(async move {
            let deadline = call.deadline();
            let answer = send(channel, call);
            let Some(deadline) = deadline else { return answer.await };
            let mut reply = match tokio::time::timeout_at(deadline.instant(), answer).await {
                Ok(Ok(reply)) => reply,
                // tonic's channel reads the timeout too, and calls what it ends so a cancellation.
                Ok(Err(status)) if status.code() != Code::Cancelled || !deadline.has_passed() => {
                    return Err(status);
                }
                Ok(Err(_)) | Err(_) => return Err(cancelled_status(CancelReason::DeadlineExceeded)),
            };
            let messages = Some(reply.body.into_stream());
            reply.body = Body::stream(Bounded { messages, sleep: sleep(deadline) });
            Ok(reply)
        })
    }
}

async fn send(channel: tonic::transport::Channel, call: Call) -> Result<Reply, Status> {
    let path = PathAndQuery::from_static(call.method().path());
    let codec = BytesCodec::client(call.method().kind());
    let deadline = call.deadline();
    let (context, mut metadata, _, body) = call.into_parts();
    if let Some(deadline) = deadline {
        let timeout = format_grpc(deadline.remaining());
        metadata.insert(GRPC_TIMEOUT, timeout.parse().expect("digits and a unit are ASCII"));
    }
    let mut grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(REPLY_MESSAGE_MAX_BYTES);
    grpc.ready()
        .await
        .map_err(|error| Status::unavailable(format!("the server is not reachable: {error}")))?;
    let (fail, failed) = oneshot::channel();
    let sent = Sent { messages: body.into_stream(), fail: Some(fail) };
    let request = Request::from_parts(metadata, tonic::Extensions::default(), sent);
    let mut failed = Some(failed);
    let response = tokio::select! {
        biased;
        Some(status) = own_failure(&mut failed) => return Err(status),
        response = grpc.streaming(request, path, codec) => response?,
    };
    let (metadata, messages, extensions) = response.into_parts();
    let messages = Received { messages, failed, context: context.clone() };
    Ok(Reply { metadata, body: Body::stream(messages), trailers: Trailers::of(context), extensions })
}

/// The reply messages. Their end is where tonic learns the trailing metadata, and we from it.
struct Received {
    messages: tonic::Streaming<Bytes>,
    failed: Option<oneshot::Receiver<Status>>,
    context: crate::call::Context,
}

impl Stream for Received {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(failed) = &mut self.failed
            && let Poll::Ready(failure) = Pin::new(failed).poll(cx)
        {
            self.failed = None;
            if let Ok(status) = failure {
                return Poll::Ready(Some(Err(status)));
            }
        }
        let item = std::task::ready!(Pin::new(&mut self.messages).poll_next(cx));
        let item = item.map(|message| message.map_err(super::oversize_is_resource_exhausted));
        if item.is_none() {
            let trailers = std::pin::pin!(self.messages.trailers()).poll(cx);
            if let Poll::Ready(Ok(Some(trailers))) = trailers {
                self.context.edit_trailers(|all| *all = trailers);
            }
        }
        Poll::Ready(item)
    }
}

/// The largest reply a client takes: what our servers send at the most by default.
const REPLY_MESSAGE_MAX_BYTES: usize = 64 * 1024 * 1024;

/// The status our own side of the call failed with; pending for ever when it does not.
async fn own_failure(failed: &mut Option<oneshot::Receiver<Status>>) -> Option<Status> {
    match failed.as_mut()?.await {
        Ok(status) => Some(status),
        // All requests are sent.
        Err(_) => {
            *failed = None;
            None
        }
    }
}

/// The request messages. tonic has no way to send an error, and to the server an end would look like a whole
/// request: so one that fails stays silent, and fails the call from the other side.
struct Sent {
    messages: MessageStream,
    fail: Option<oneshot::Sender<Status>>,
}

impl Stream for Sent {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(fail) = self.fail.take() else { return Poll::Pending };
        match Pin::new(&mut self.messages).poll_next(cx) {
            Poll::Ready(Some(Err(status))) => {
                // Whoever would hear of it is gone together with the call.
                let _ = fail.send(status);
                Poll::Pending
            }
            Poll::Ready(item) => {
                self.fail = Some(fail);
                Poll::Ready(item.and_then(Result::ok))
            }
            Poll::Pending => {
                self.fail = Some(fail);
                Poll::Pending
            }
        }
    }
}

type Sleep = Pin<Box<tokio::time::Sleep>>;

fn sleep(deadline: Deadline) -> Sleep {
    Box::pin(tokio::time::sleep_until(deadline.instant()))
}

/// Reply messages under the call's deadline: a server that falls silent does not hold the caller.
struct Bounded {
    messages: Option<MessageStream>,
    sleep: Sleep,
}

impl Stream for Bounded {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { messages, sleep } = &mut *self;
        let Some(stream) = messages else { return Poll::Ready(None) };
        // The deadline first: a server that always has a message ready must not outrun it.
        let item = match sleep.as_mut().poll(cx) {
            Poll::Ready(()) => Some(Err(cancelled_status(CancelReason::DeadlineExceeded))),
            Poll::Pending => std::task::ready!(Pin::new(stream).poll_next(cx)),
        };
        if !matches!(item, Some(Ok(_))) {
            *messages = None;
        }
        Poll::Ready(item)
    }
}
