//! The body of a reply: its messages in frames, then the trailers that say how it ended.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body as HttpBody, Frame};
use tonic::Status;

use super::data::Data;
use crate::call::prefix::COMPRESSED;
use crate::call::{self, Batch, Bounds, Filled, MessageSource as _, MessageStream, Trailers};
use crate::coding::Coding;

/// Messages of a stream are gathered up to so many bytes, if they are there at once: tonic's own measure.
const GATHERED_BYTES: usize = 32 * 1024;

/// A larger message is not copied to those that were gathered.
const COPIED_MAX_BYTES: usize = 4 * 1024;

/// A stream that has so many messages in one turn of its task, and lets others run then, will have more in the next. With
/// fewer it may be one that polls for what it waits for.
const HELD_MIN_MESSAGES: usize = 16;

/// How messages become frames.
#[derive(Debug, Clone, Copy)]
pub(super) struct Framing {
    pub(super) coding: Option<Coding>,
    /// A smaller message is not packed.
    pub(super) packed_min_bytes: usize,
}

impl Framing {
    /// The flags of the message and what is sent of it.
    fn pack(self, message: Bytes) -> (u8, Bytes) {
        match self.coding {
            Some(coding) if message.len() >= self.packed_min_bytes => match coding.encode(&message) {
                Ok(packed) => (COMPRESSED, packed),
                Err(_) => (0, message),
            },
            _ => (0, message),
        }
    }
}

/// What is gathered. How large a message may be was said before it came here.
const GATHERED: Bounds = Bounds {
    bytes_max: GATHERED_BYTES,
    alone_min_bytes: COPIED_MAX_BYTES + 1,
    message_max_bytes: usize::MAX,
};

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
    /// None any more when they have ended, and how is known.
    messages: Option<MessageStream>,
    batch: Batch,
    end: Option<Result<(), Status>>,
    /// The stream had nothing to say when it was last asked.
    waited: bool,
    /// When it had waited, one message came and then none for the time being.
    one_by_one: bool,
    /// It only lets others run: what is here goes out with what comes then.
    holds: bool,
    trailers: Trailers,
    framing: Framing,
}

impl ReplyBody {
    /// A reply of one message.
    pub(super) fn one(message: Bytes, trailers: Trailers, framing: Framing) -> Self {
        let (flags, message) = framing.pack(message);
        Self(State::One(Data::message(flags, message), trailers))
    }

    /// Begins a stream of them. It may wait this long for the first: an error in its place is trailers-only, which it
    /// cannot be once the head is out.
    pub(super) async fn many(
        messages: MessageStream,
        trailers: Trailers,
        wait: Duration,
        framing: Framing,
    ) -> Result<Self, Status> {
        let mut many = Box::new(Many {
            messages: Some(messages),
            batch: Batch::new(GATHERED),
            end: None,
            waited: true,
            one_by_one: false,
            holds: false,
            trailers,
            framing,
        });
        let mut begun = std::pin::pin!(std::future::poll_fn(|cx| many.poll_begin(cx)));
        if wait.is_zero() {
            // Who does not wait needs no timer.
            std::future::poll_fn(|cx| Poll::Ready(begun.as_mut().poll(cx).is_ready())).await;
        } else {
            let _ = tokio::time::timeout(wait, begun).await;
        }
        match many.end.take_if(|_| many.batch.count() == 0) {
            None => Ok(Self(State::Many(many))),
            Some(Ok(())) => Ok(Self(State::Trailers(many.trailers))),
            Some(Err(status)) => Err(status),
        }
    }
}

impl Many {
    /// What is to be sent next, of what is here.
    fn take(&mut self) -> Option<Data> {
        if let Some(gathered) = self.batch.take_gathered() {
            return Some(Data::Plain(gathered));
        }
        self.batch.take_alone().map(|(flags, message)| Data::message(flags, message))
    }

    /// Resolves when there is something to send, or it is known that there is nothing.
    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.gather(cx);
        if self.batch.count() > 0 || self.end.is_some() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Gathers messages until there are enough, or no more for now. If there are none then, and no end, the task is woken
    /// when it goes on.
    ///
    /// A stream that has one message after each wait, such as answers to what its client says, is asked for one, so that
    /// it goes out at once and nobody is asked in vain. As soon as there is more than one, they go together again.
    ///
    /// One that has many and only lets others run has its messages held until it goes on, since frames and their way out
    /// cost more than messages.
    fn gather(&mut self, cx: &mut Context<'_>) {
        let asks_for_one = self.waited && self.one_by_one;
        self.batch.ask_for(if asks_for_one { 1 } else { usize::MAX });
        let before = self.batch.count();
        let Some(messages) = &mut self.messages else { return };
        let filled = match self.framing.coding {
            None => Pin::new(&mut *messages).poll_batch(cx, &mut self.batch),
            Some(_) => poll_packed(messages, self.framing, cx, &mut self.batch),
        };
        let waited = std::mem::replace(&mut self.waited, self.batch.count() == 0);
        if !asks_for_one && !self.waited {
            self.one_by_one = waited && self.batch.count() == 1 && filled.is_pending();
        }
        let came = self.batch.count() - before;
        let goes_on = self.batch.is_more_soon() && filled.is_pending() && !self.batch.is_full();
        self.holds = goes_on && came >= HELD_MIN_MESSAGES;
        let end = match filled {
            Poll::Ready(None) => Ok(()),
            Poll::Ready(Some(Err(status))) => Err(status),
            Poll::Ready(Some(Ok(()))) | Poll::Pending => return,
        };
        self.end = Some(end.map_err(|status| self.trailers.along_with(status)));
        self.messages = None;
    }
}

/// Fills a batch with messages that are packed one by one.
fn poll_packed(
    messages: &mut MessageStream,
    framing: Framing,
    cx: &mut Context<'_>,
    batch: &mut Batch,
) -> Filled {
    while !batch.is_full() {
        match std::task::ready!(Pin::new(&mut *messages).poll_message(cx)) {
            None => return Poll::Ready(None),
            Some(Err(status)) => return Poll::Ready(Some(Err(status))),
            Some(Ok(message)) => {
                let (flags, message) = framing.pack(message);
                batch.push_bytes(flags, message);
            }
        }
    }
    Poll::Ready(Some(Ok(())))
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
                    if many.end.is_none() && (many.holds || many.batch.is_empty()) {
                        many.gather(cx);
                        if many.end.is_none() && (many.holds || many.batch.is_empty()) {
                            return Poll::Pending;
                        }
                    }
                    match (many.take(), many.end.take_if(|_| many.batch.count() == 0)) {
                        (None, None) => return Poll::Pending,
                        (Some(data), None) => Frame::data(data),
                        (data, Some(end)) => {
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

    const FRAMING: Framing = Framing { coding: None, packed_min_bytes: 128 };

    async fn sent(body: Body) -> (Vec<Bytes>, HeaderMap) {
        let mut body = match body {
            Body::Message(message) => ReplyBody::one(message, Trailers::default(), FRAMING),
            Body::Stream(messages) => {
                let begun = ReplyBody::many(messages, Trailers::default(), Duration::ZERO, FRAMING).await;
                begun.expect("begun")
            }
        };
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
    }

    /// Every frame by its length, and nothing for each time that the body had none.
    async fn frames(messages: MessageStream) -> Vec<usize> {
        let begun = ReplyBody::many(messages, Trailers::default(), Duration::ZERO, FRAMING).await;
        let mut body = begun.expect("begun");
        let mut lengths = Vec::new();
        loop {
            let polled = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut body).poll_frame(cx))).await;
            match polled {
                Poll::Pending => {
                    lengths.push(0);
                    tokio::task::yield_now().await;
                }
                Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                    lengths.push(frame.into_data().expect("data").into_bytes().len());
                }
                _ => return lengths,
            }
        }
    }

    /// What is there together goes together, also after a stream has shown that it has one message at a time; and none
    /// waits for the next.
    #[tokio::test]
    async fn a_message_waits_for_no_other() {
        const WAIT: Option<usize> = None;
        let one = Some(1);
        let script = [one, WAIT, WAIT, one, WAIT, one, one, one, WAIT, WAIT, one, one, WAIT, WAIT];
        let mut script = script.into_iter();
        let messages = futures_util::stream::poll_fn(move |cx| match script.next() {
            None => Poll::Ready(None),
            Some(Some(length)) => Poll::Ready(Some(Ok(Bytes::from(vec![b'm'; length])))),
            Some(None) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        });
        assert_eq!(frames(Body::stream(messages).into_stream()).await, [6, 0, 6, 0, 6, 12, 0, 12, 0]);
    }

    /// Has so many messages in each turn, and says that there will be more but in the last.
    struct InTurns(Vec<usize>);

    impl call::MessageSource for InTurns {
        fn poll_batch(mut self: Pin<&mut Self>, cx: &mut Context<'_>, batch: &mut Batch) -> Filled {
            if self.0.is_empty() {
                return Poll::Ready(None);
            }
            let messages = self.0.remove(0);
            (0..messages).for_each(|_| batch.push(&()));
            cx.waker().wake_by_ref();
            batch.say_more_soon(!self.0.is_empty());
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_stream_that_lets_others_run_has_its_messages_held() {
        let source = |turns: &[usize]| MessageStream::of(Box::pin(InTurns(turns.into())));
        assert_eq!(frames(source(&[32, 32, 32])).await, [0, 480]);
        // A few may be all there is for long, and too many are enough.
        assert_eq!(frames(source(&[3, 32, 0])).await, [15, 0, 160]);
        assert_eq!(frames(source(&[100, 28, 1])).await, [640, 5]);
    }

    #[tokio::test]
    async fn packed_messages_are_gathered_too() {
        let framing = Framing { coding: Some(Coding::Gzip), ..FRAMING };
        let (long, short) = (Bytes::from(vec![b'l'; 5000]), Bytes::from_static(b"s"));
        let messages = stream(vec![Ok(long), Ok(short)]).into_stream();
        let begun = ReplyBody::many(messages, Trailers::default(), Duration::ZERO, framing).await;
        let body = begun.expect("begun").collect().await.expect("a body");
        let mut wire = body.to_bytes();
        let (flags, length) = crate::call::prefix::read_prefix(&wire).expect("a prefix");
        assert!(flags == COMPRESSED && length < 1000, "{flags} {length}");
        assert_eq!(wire.split_off(5 + length), &b"\0\0\0\0\x01s"[..]);
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
