//! The messages of a call or a reply as protobuf wire bytes: one of them, or a stream.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use pin_project_lite::pin_project;
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
        Self::Stream(MessageStream::new(Plain { messages }))
    }

    /// The same from who has to know how it ended for its reader.
    pub(crate) fn stream_to_the_end(messages: impl Messages + 'static) -> Self {
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
    pub async fn single(mut self) -> Result<Bytes, Status> {
        let mut first = None;
        poll_fn(|cx| self.poll_single(&mut first, cx)).await
    }

    /// The same for a future by hand; `first` keeps the message until it is clear that there is no second.
    pub(crate) fn poll_single(
        &mut self,
        first: &mut Option<Bytes>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes, Status>> {
        match self {
            Self::Message(message) => Poll::Ready(Ok(std::mem::take(message))),
            Self::Stream(messages) => messages.poll_only(first, cx),
        }
    }

    /// The messages as a stream, whichever form they have.
    pub fn into_stream(self) -> MessageStream {
        match self {
            Self::Message(message) => MessageStream::new(Plain { messages: tokio_stream::once(Ok(message)) }),
            Self::Stream(messages) => messages,
        }
    }
}

/// A stream of messages as wire bytes; an `Err` ends it.
pub struct MessageStream {
    messages: Pin<Box<dyn Messages>>,
    counter: Option<Arc<dyn CountMessages>>,
}

/// Is told of each message that is read.
pub(crate) trait CountMessages: Send + Sync {
    fn message(&self, bytes: usize);
}

/// Messages from who has to know how they ended for their reader.
pub(crate) trait Messages: Stream<Item = Result<Bytes, Status>> + Send {
    /// The last message could not be passed on: this is how the stream has ended. Only the first word on that counts.
    fn refuse(self: Pin<&mut Self>, status: &Status);
}

pin_project! {
    /// Messages from who need not know.
    struct Plain<S> {
        #[pin]
        messages: S,
    }
}

impl<S: Stream> Stream for Plain<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.project().messages.poll_next(cx)
    }
}

impl<S: Stream<Item = Result<Bytes, Status>> + Send> Messages for Plain<S> {
    fn refuse(self: Pin<&mut Self>, _: &Status) {}
}

impl MessageStream {
    fn new(messages: impl Messages + 'static) -> Self {
        Self { messages: Box::pin(messages), counter: None }
    }

    /// Says that the last message could not be passed on to who waits for it, and that the stream has ended with this.
    pub(crate) fn refuse(&mut self, status: &Status) {
        self.messages.as_mut().refuse(status);
    }

    /// Reads the only message there is.
    pub(crate) async fn only(&mut self) -> Result<Bytes, Status> {
        let mut first = None;
        poll_fn(|cx| self.poll_only(&mut first, cx)).await
    }

    fn poll_only(&mut self, first: &mut Option<Bytes>, cx: &mut Context<'_>) -> Poll<Result<Bytes, Status>> {
        let what = loop {
            match (ready!(Pin::new(&mut *self).poll_next(cx)).transpose()?, first.take()) {
                (Some(message), None) => *first = Some(message),
                (None, Some(message)) => return Poll::Ready(Ok(message)),
                (None, None) => break "none was sent",
                (Some(_), Some(_)) => break "more than one was sent",
            }
        };
        let status = Status::unimplemented(format!("the method takes one message, and {what}"));
        self.refuse(&status);
        Poll::Ready(Err(status))
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
