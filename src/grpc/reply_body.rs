//! The body of a reply: its messages in frames, then the trailers that say how it ended.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http::{HeaderMap, HeaderValue};
use http_body::{Body as HttpBody, Frame};
use tokio_stream::StreamExt;
use tonic::Status;

use super::data::{Data, prefix};
use crate::call::{self, MessageStream, Trailers};
use crate::coding::Coding;

/// Messages of a stream are gathered up to so many bytes, if they are there at once: tonic's own measure.
const GATHERED_BYTES: usize = 32 * 1024;

/// A larger message is not copied to those that were gathered.
const COPIED_MAX_BYTES: usize = 4 * 1024;

/// A smaller message is not compressed: it would hardly get smaller, and costs more than its bytes.
const COMPRESSED_MIN_BYTES: usize = 128;

/// How messages become frames.
#[derive(Debug, Clone, Copy)]
pub(super) struct Framing {
    pub(super) coding: Option<Coding>,
    /// The largest message.
    pub(super) message_max_bytes: usize,
}

impl Framing {
    /// The message as it is sent, and whether it is compressed.
    fn pack(self, message: Bytes) -> Result<(bool, Bytes), Status> {
        let (length, max_bytes) = (message.len(), self.message_max_bytes);
        if length > max_bytes {
            let what = format!("a reply of {length} bytes is more than the {max_bytes} allowed");
            return Err(Status::resource_exhausted(what));
        }
        match self.coding {
            Some(coding) if length >= COMPRESSED_MIN_BYTES => match coding.encode(&message) {
                Ok(packed) => Ok((true, packed)),
                Err(_) => Ok((false, message)),
            },
            _ => Ok((false, message)),
        }
    }

    /// The same for the next of a stream, which is told if it cannot be sent.
    fn pack_next(
        self,
        message: Result<Bytes, Status>,
        messages: &mut MessageStream,
        trailers: &mut Trailers,
    ) -> Result<(bool, Bytes), Status> {
        let packed =
            message.and_then(|message| self.pack(message).inspect_err(|status| messages.refuse(status)));
        packed.map_err(|status| trailers.along_with(status))
    }
}

/// The body of a reply. The default is that of an error, which is all in its head.
#[derive(Default)]
pub(crate) struct ReplyBody(State);

#[derive(Default)]
enum State {
    #[default]
    Ended,
    /// One message, and its trailers.
    One(Data, Trailers),
    /// Whatever was sent, this is how it ended.
    Trailers(Trailers),
    Failed(Status),
    Many(Box<Many>),
}

struct Many {
    messages: MessageStream,
    gathered: BytesMut,
    /// Sent after what was gathered before it.
    large: Option<Data>,
    trailers: Trailers,
    framing: Framing,
}

impl ReplyBody {
    /// A reply of one message.
    pub(super) fn one(message: Bytes, mut trailers: Trailers, framing: Framing) -> Result<Self, Status> {
        let packed = framing.pack(message);
        let (compressed, message) = packed.map_err(|status| trailers.along_with(status))?;
        Ok(Self(State::One(Data::message(compressed, message), trailers)))
    }

    /// Begins a stream of them. It may wait this long for the first: an error in its place is trailers-only, which it
    /// cannot be once the head is out.
    pub(super) async fn many(
        mut messages: MessageStream,
        mut trailers: Trailers,
        wait: Duration,
        framing: Framing,
    ) -> Result<Self, Status> {
        let first = match first_of(&mut messages, wait).await {
            Some(Some(first)) => Some(framing.pack_next(first, &mut messages, &mut trailers)?),
            Some(None) => return Ok(Self(State::Trailers(trailers))),
            None => None,
        };
        let mut many = Many { messages, gathered: BytesMut::new(), large: None, trailers, framing };
        if let Some((compressed, first)) = first {
            many.gather(compressed, first);
        }
        Ok(Self(State::Many(Box::new(many))))
    }
}

/// The first message, or the end, if it comes in time. Who does not wait needs no timer.
async fn first_of(messages: &mut MessageStream, wait: Duration) -> Option<Option<Result<Bytes, Status>>> {
    if !wait.is_zero() {
        return tokio::time::timeout(wait, messages.next()).await.ok();
    }
    let at_once = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *messages).poll_next(cx)));
    match at_once.await {
        Poll::Ready(first) => Some(first),
        Poll::Pending => None,
    }
}

impl Many {
    fn gather(&mut self, compressed: bool, message: Bytes) {
        if message.len() > COPIED_MAX_BYTES {
            self.large = Some(Data::message(compressed, message));
            return;
        }
        self.gathered.extend_from_slice(&prefix(compressed, message.len()));
        self.gathered.extend_from_slice(&message);
    }

    fn is_full(&self) -> bool {
        self.large.is_some() || self.gathered.len() >= GATHERED_BYTES
    }

    /// What is to be sent next, of what is here.
    fn take(&mut self) -> Option<Data> {
        if self.gathered.is_empty() {
            return self.large.take();
        }
        Some(Data::Plain(self.gathered.split().freeze()))
    }

    /// Gathers messages until there are enough, or no more; `Ready` with how the stream ended.
    fn poll_gather(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        while !self.is_full() {
            match std::task::ready!(Pin::new(&mut self.messages).poll_next(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(message) => {
                    let Self { framing, messages, trailers, .. } = self;
                    let (compressed, message) = framing.pack_next(message, messages, trailers)?;
                    self.gather(compressed, message);
                }
            }
        }
        Poll::Pending
    }
}

impl HttpBody for ReplyBody {
    type Data = Data;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Data>, Infallible>>> {
        loop {
            let frame = match &mut self.0 {
                State::Ended => return Poll::Ready(None),
                State::Many(many) => {
                    let ended = if many.is_full() { Poll::Pending } else { many.poll_gather(cx) };
                    let data = many.take();
                    match (ended, data) {
                        (Poll::Pending, Some(data)) => Frame::data(data),
                        (Poll::Pending, None) => return Poll::Pending,
                        (Poll::Ready(end), data) => {
                            let trailers = std::mem::take(&mut many.trailers);
                            self.0 = match end {
                                Ok(()) => State::Trailers(trailers),
                                Err(status) => State::Failed(status),
                            };
                            let Some(data) = data else { continue };
                            Frame::data(data)
                        }
                    }
                }
                state => match std::mem::take(state) {
                    State::One(data, trailers) => {
                        *state = State::Trailers(trailers);
                        Frame::data(data)
                    }
                    State::Trailers(trailers) => Frame::trailers(success(trailers)),
                    State::Failed(status) => Frame::trailers(failure(&status)),
                    State::Ended | State::Many(_) => return Poll::Ready(None),
                },
            };
            return Poll::Ready(Some(Ok(frame)));
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, State::Ended)
    }
}

fn success(mut trailers: Trailers) -> HeaderMap {
    let mut headers = call::outgoing_metadata(trailers.take());
    headers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    headers
}

fn failure(status: &Status) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if status.add_header(&mut headers).is_err() {
        // Its message or metadata cannot be spelled; its code can.
        headers.clear();
        headers.insert(Status::GRPC_STATUS, HeaderValue::from(status.code() as i32));
    }
    headers
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tonic::Code;

    use super::*;
    use crate::call::Body;

    const FRAMING: Framing = Framing { coding: None, message_max_bytes: 10_000 };

    async fn sent(body: Body) -> (Vec<Bytes>, HeaderMap) {
        let begun = match body {
            Body::Message(message) => ReplyBody::one(message, Trailers::default(), FRAMING),
            Body::Stream(messages) => {
                ReplyBody::many(messages, Trailers::default(), Duration::ZERO, FRAMING).await
            }
        };
        let mut body = begun.expect("begun");
        let (mut data, mut trailers) = (Vec::new(), None);
        while let Some(Ok(frame)) = body.frame().await {
            assert!(trailers.is_none(), "nothing comes after the trailers");
            match frame.into_data() {
                Ok(piece) => data.push(piece.into_bytes()),
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
        assert!(body.is_end_stream());
        (data, trailers.expect("trailers"))
    }

    fn stream(messages: Vec<Result<Bytes, Status>>) -> Body {
        Body::stream(tokio_stream::iter(messages))
    }

    #[tokio::test]
    async fn one_message_then_trailers() {
        let (data, trailers) = sent(Body::Message(Bytes::from_static(b"abc"))).await;
        assert_eq!(data, [&b"\0\0\0\0\x03abc"[..]]);
        assert_eq!(trailers.get("grpc-status").expect("a status"), "0");
    }

    #[tokio::test]
    async fn messages_that_are_there_are_sent_together_and_large_ones_by_themselves() {
        let (small, large) = (Bytes::from_static(b"s"), Bytes::from(vec![b'l'; COPIED_MAX_BYTES + 1]));
        let (data, _) =
            sent(stream([&small, &small, &large, &small].map(|message| Ok(message.clone())).into())).await;
        let lengths: Vec<_> = data.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [12, COPIED_MAX_BYTES + 6, 6]);
        let many = vec![Ok(Bytes::from(vec![b'm'; 1000])); 100];
        let (data, _) = sent(stream(many)).await;
        assert_eq!(data.iter().map(Bytes::len).sum::<usize>(), 100_500);
        assert!(data.iter().all(|piece| piece.len() <= GATHERED_BYTES + 1005));
    }

    #[tokio::test]
    async fn an_error_comes_after_what_was_sent_before_it() {
        let messages = vec![Ok(Bytes::from_static(b"a")), Err(Status::aborted("no more")), Ok(Bytes::new())];
        let (data, trailers) = sent(stream(messages)).await;
        assert_eq!(data, [&b"\0\0\0\0\x01a"[..]]);
        assert_eq!(trailers.get("grpc-status").expect("a status"), "10");
        assert_eq!(trailers.get("grpc-message").expect("a message"), "no%20more");
        // Too large a message is one, too.
        let (data, trailers) = sent(stream(vec![Ok(Bytes::new()), Ok(vec![0; 10_001].into())])).await;
        assert_eq!((data.len(), trailers.get("grpc-status").expect("a status").as_bytes()), (1, &b"8"[..]));
    }

    #[tokio::test]
    async fn an_error_in_the_place_of_the_first_message_is_no_reply() {
        let messages = stream(vec![Err(Status::not_found("nothing"))]).into_stream();
        let begun = ReplyBody::many(messages, Trailers::default(), Duration::from_secs(60), FRAMING).await;
        assert_eq!(begun.err().expect("an error").code(), Code::NotFound);
        let (data, trailers) = sent(stream(vec![])).await;
        assert_eq!((data.len(), trailers.len()), (0, 1));
    }
}
