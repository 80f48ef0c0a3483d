//! The messages of a call or a reply as protobuf wire bytes: one of them, or a stream.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use tokio_stream::StreamExt;
use tonic::Status;

/// Wire bytes of one message, or a stream of them.
///
/// A request arrives as a stream even for a unary method: it is read, decompressed and decoded only when
/// the handler asks, so an interceptor that refuses a call has cost nobody a decompression.
#[derive(Debug)]
pub enum Body {
    /// Exactly one message, already here.
    Message(Bytes),
    /// Messages as they come.
    Stream(MessageStream),
}

/// The wire bytes of a message.
pub(crate) fn encoded(message: &impl prost::Message) -> Bytes {
    encode(message, Vec::new()).into()
}

/// The same, behind what is in `wire` already.
pub(crate) fn encode(message: &impl prost::Message, mut wire: Vec<u8>) -> Vec<u8> {
    ambidex_schema::encode_wire(message, &mut wire);
    wire
}

impl Body {
    /// A body of messages as they come.
    pub fn stream(messages: impl Stream<Item = Result<Bytes, Status>> + Send + 'static) -> Self {
        Self::Stream(MessageStream::new(messages))
    }

    /// Has the messages counted: one that is here at once, others as they are read.
    pub(crate) fn count(&mut self, counter: Arc<dyn CountMessages>) {
        match self {
            Self::Message(message) => counter.message(message.len()),
            Self::Stream(messages) => messages.counter = Some(counter),
        }
    }

    /// Reads the only message of a unary side.
    ///
    /// # Errors
    ///
    /// The stream's own error, or UNIMPLEMENTED when there is no message or more than one: gRPC's code for
    /// a peer that disagrees about the method's kind.
    pub async fn single(self) -> Result<Bytes, Status> {
        let mut messages = match self {
            Self::Message(message) => return Ok(message),
            Self::Stream(messages) => messages,
        };
        let first = messages.next().await.transpose()?;
        let message =
            first.ok_or_else(|| Status::unimplemented("the method takes one message, and none was sent"))?;
        match messages.next().await.transpose()? {
            None => Ok(message),
            Some(_) => Err(Status::unimplemented("the method takes one message, and more than one was sent")),
        }
    }

    /// The messages as a stream, whichever form they have.
    pub fn into_stream(self) -> MessageStream {
        match self {
            Self::Message(message) => MessageStream::new(tokio_stream::once(Ok(message))),
            Self::Stream(messages) => messages,
        }
    }
}

/// A stream of messages as wire bytes; an `Err` ends it.
pub struct MessageStream {
    messages: Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>,
    counter: Option<Arc<dyn CountMessages>>,
}

/// Is told of each message that is read.
pub(crate) trait CountMessages: Send + Sync {
    fn message(&self, bytes: usize);
}

impl MessageStream {
    fn new(messages: impl Stream<Item = Result<Bytes, Status>> + Send + 'static) -> Self {
        Self { messages: Box::pin(messages), counter: None }
    }
}

impl Stream for MessageStream {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = self.messages.as_mut().poll_next(cx);
        if let (Some(counter), Poll::Ready(Some(Ok(message)))) = (&self.counter, &item) {
            counter.message(message.len());
        }
        item
    }
}

impl fmt::Debug for MessageStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageStream")
    }
}
