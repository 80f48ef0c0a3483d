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

use super::Batch;

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
        match self {
            Self::Message(message) => Ok(message),
            Self::Stream(mut messages) => messages.only().await,
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
    messages: Pin<Box<dyn MessageSource>>,
    counter: Option<Arc<dyn CountMessages>>,
}

/// How filling a batch went: as the next item of a stream, of which a batch is filled once it is full.
pub(crate) type Filled = Poll<Option<Result<(), Status>>>;

/// Where messages come from: one by one, or as many as are there.
pub(crate) trait MessageSource: Send {
    /// Adds what is there now to the batch, until that is full. What came is in the batch however it went, and comes
    /// before an end and before an error. Where something came and no more is there for now, nobody need be woken for
    /// more than the next message: who fills the batch comes again when it has sent that.
    fn poll_batch(self: Pin<&mut Self>, cx: &mut Context<'_>, batch: &mut Batch) -> Filled;

    /// The next message alone.
    fn poll_message(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        let mut batch = Batch::of_one();
        let filled = self.poll_batch(cx, &mut batch);
        match batch.take_alone() {
            Some((_, message)) => Poll::Ready(Some(Ok(message))),
            None => filled.map(|end| end?.err().map(Err)),
        }
    }

    /// A message could not be passed on to who waits for it: this is how the stream has ended. Only the first word on that
    /// counts, so it has to come before an end is asked for.
    fn refuse(self: Pin<&mut Self>, _: &Status) {}
}

/// Is told of each message that is read.
pub(crate) trait CountMessages: Send + Sync {
    fn message(&self, bytes: usize);
}

impl MessageStream {
    fn new(messages: impl Stream<Item = Result<Bytes, Status>> + Send + 'static) -> Self {
        Self::of(Box::pin(OneByOne { messages }))
    }

    /// The messages of a source.
    pub(crate) fn of(messages: Pin<Box<dyn MessageSource>>) -> Self {
        Self { messages, counter: None }
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

impl MessageSource for MessageStream {
    fn poll_batch(mut self: Pin<&mut Self>, cx: &mut Context<'_>, batch: &mut Batch) -> Filled {
        match self.counter {
            None => self.messages.as_mut().poll_batch(cx, batch),
            Some(_) => fill(self, cx, batch),
        }
    }

    fn poll_message(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        self.poll_next(cx)
    }

    fn refuse(mut self: Pin<&mut Self>, status: &Status) {
        self.messages.as_mut().refuse(status);
    }
}

impl Stream for MessageStream {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = self.messages.as_mut().poll_message(cx);
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

pin_project! {
    /// A stream as a source, which has its messages one by one.
    struct OneByOne<S> {
        #[pin]
        messages: S,
    }
}

impl<S: Stream<Item = Result<Bytes, Status>> + Send> MessageSource for OneByOne<S> {
    fn poll_batch(self: Pin<&mut Self>, cx: &mut Context<'_>, batch: &mut Batch) -> Filled {
        fill(self.project().messages, cx, batch)
    }

    fn poll_message(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        self.project().messages.poll_next(cx)
    }
}

/// Fills a batch with the messages of a stream.
pub(crate) fn fill(
    mut messages: Pin<&mut impl Stream<Item = Result<Bytes, Status>>>,
    cx: &mut Context<'_>,
    batch: &mut Batch,
) -> Filled {
    while !batch.is_full() {
        match std::task::ready!(messages.as_mut().poll_next(cx)) {
            Some(Ok(message)) => batch.push_bytes(0, message),
            end => return Poll::Ready(end.map(|failed| failed.map(drop))),
        }
    }
    Poll::Ready(Some(Ok(())))
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt;

    use super::*;
    use crate::call::Bounds;

    const BOUNDS: Bounds = Bounds { bytes_max: 100, alone_min_bytes: 50, message_max_bytes: 1000 };

    fn stream(messages: Vec<Result<Bytes, Status>>) -> MessageStream {
        MessageStream::new(tokio_stream::iter(messages))
    }

    #[test]
    fn a_batch_has_what_is_there_in_its_order_and_then_how_it_ended() {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let ok = |message: &'static str| Ok(Bytes::from(message));
        let messages = vec![ok("a"), ok("bc"), Err(Status::aborted("no more")), ok("never")];
        let mut failing = stream(messages);
        let mut batch = Batch::new(BOUNDS);
        let filled = Pin::new(&mut failing).poll_batch(&mut cx, &mut batch);
        assert!(matches!(filled, Poll::Ready(Some(Err(status))) if status.message() == "no more"));
        assert_eq!(batch.take_gathered().expect("both"), &b"\0\0\0\0\x01a\0\0\0\0\x02bc"[..]);
        let mut ending = stream(vec![ok("a")]);
        assert!(matches!(Pin::new(&mut ending).poll_batch(&mut cx, &mut batch), Poll::Ready(None)));
        assert_eq!(batch.count(), 1);
        let mut waiting = MessageStream::new(tokio_stream::once(ok("a")).chain(tokio_stream::pending()));
        let mut batch = Batch::new(BOUNDS);
        assert!(Pin::new(&mut waiting).poll_batch(&mut cx, &mut batch).is_pending());
        assert_eq!(batch.count(), 1);
    }

    /// A source that knows only batches.
    struct InBatches(u32);

    impl MessageSource for InBatches {
        fn poll_batch(mut self: Pin<&mut Self>, _: &mut Context<'_>, batch: &mut Batch) -> Filled {
            while !batch.is_full() {
                match self.0 {
                    0 => return Poll::Ready(None),
                    2 => return Poll::Pending,
                    number => batch.push(&number),
                }
                self.0 -= 1;
            }
            Poll::Ready(Some(Ok(())))
        }
    }

    #[test]
    fn a_source_of_batches_has_messages_one_by_one_too() {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut messages = MessageStream::of(Box::pin(InBatches(3)));
        let mut next = || Pin::new(&mut messages).poll_next(&mut cx);
        assert!(matches!(next(), Poll::Ready(Some(Ok(message))) if message == encoded(&3u32)));
        assert!(next().is_pending());
        let mut messages = MessageStream::of(Box::pin(InBatches(1)));
        let mut next = || Pin::new(&mut messages).poll_next(&mut cx);
        assert!(matches!(next(), Poll::Ready(Some(Ok(message))) if message == encoded(&1u32)));
        assert!(matches!(next(), Poll::Ready(None)));
    }

    struct Counted(std::sync::Mutex<Vec<usize>>);

    impl CountMessages for Counted {
        fn message(&self, bytes: usize) {
            self.0.lock().expect("no panic").push(bytes);
        }
    }

    #[test]
    fn messages_are_counted_however_they_are_read() {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let counted = Arc::new(Counted(std::sync::Mutex::default()));
        let lengths = [3, 0, 60].map(|length| Ok(Bytes::from(vec![b'm'; length])));
        let mut body = Body::Stream(stream(lengths.into()));
        body.count(counted.clone());
        let mut messages = body.into_stream();
        let mut batch = Batch::new(BOUNDS);
        assert!(Pin::new(&mut messages).poll_batch(&mut cx, &mut batch).is_ready());
        assert_eq!(*counted.0.lock().expect("no panic"), [3, 0, 60]);
    }
}
