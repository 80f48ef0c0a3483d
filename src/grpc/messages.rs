//! The messages of a body: each behind a byte of flags and its length.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests>, "Length-Prefixed-Message". A message that
//! lies whole in one chunk of the body is a slice of it, and is not copied.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use http::HeaderMap;
use http_body::Body as HttpBody;
use tonic::Status;
use tonic::codegen::StdError;

use crate::call::prefix::{COMPRESSED, PREFIX_BYTES, read_prefix};
use crate::call::{Pace, Paced};
use crate::coding::{Coding, UnpackError};

/// The messages of a body as they come, unpacked.
pub(super) struct Messages<B> {
    /// None any more when it has ended or failed.
    body: Option<B>,
    unread: Unread,
    coding: Option<Coding>,
    limit_bytes: usize,
    trailers: Option<HeaderMap>,
}

/// What came and was not taken yet.
#[derive(Default)]
struct Unread {
    /// The rest of the last chunk.
    chunk: Bytes,
    /// The beginning of a message that goes on in the next; then all that is unread is in here.
    parts: BytesMut,
}

impl Unread {
    fn push(&mut self, data: Bytes) {
        if self.is_empty() {
            self.chunk = data;
            return;
        }
        self.parts.extend_from_slice(&std::mem::take(&mut self.chunk));
        self.parts.extend_from_slice(&data);
    }

    fn is_empty(&self) -> bool {
        self.chunk.is_empty() && self.parts.is_empty()
    }

    fn prefix(&self) -> Option<(u8, usize)> {
        read_prefix(if self.parts.is_empty() { &self.chunk[..] } else { &self.parts[..] })
    }

    fn take(&mut self, length: usize) -> Option<Bytes> {
        if !self.parts.is_empty() {
            if self.parts.len() < PREFIX_BYTES + length {
                return None;
            }
            self.parts.advance(PREFIX_BYTES);
            return Some(self.parts.split_to(length).freeze());
        }
        if self.chunk.len() < PREFIX_BYTES + length {
            return None;
        }
        self.chunk.advance(PREFIX_BYTES);
        Some(self.chunk.split_to(length))
    }
}

impl<B> Messages<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<StdError>,
{
    /// Messages of at most `limit_bytes` each, packed and unpacked.
    pub(super) fn new(body: B, coding: Option<Coding>, limit_bytes: usize) -> Self {
        Self { body: Some(body), unread: Unread::default(), coding, limit_bytes, trailers: None }
    }

    /// The same, if their body comes at this pace.
    pub(super) fn paced(self, pace: Pace) -> Messages<Paced<B>> {
        let Self { body, unread, coding, limit_bytes, trailers } = self;
        let body = body.map(|body| Paced::new(body, pace));
        Messages { body, unread, coding, limit_bytes, trailers }
    }

    /// The only message, if it is all there is and here already. Nothing is unpacked or refused for that, and nobody
    /// waits.
    pub(super) fn poll_only(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        let body = self.body.as_mut()?;
        let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut *body).poll_frame(cx) else { return None };
        let ended = body.is_end_stream();
        self.unread.push(frame.into_data().ok()?);
        let (flags, length) = self.unread.prefix()?;
        let is_only = ended && flags == 0 && length <= self.limit_bytes;
        if is_only && self.unread.chunk.len() == PREFIX_BYTES + length {
            self.unread.take(length)
        } else {
            None
        }
    }

    /// The trailers, once the body has ended.
    pub(super) fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }

    fn next_unread(&mut self) -> Result<Option<Bytes>, Status> {
        let Some((flags, length)) = self.unread.prefix() else { return Ok(None) };
        // Known before the message is there: nobody waits for what will be refused.
        if length > self.limit_bytes {
            return Err(too_large(self.limit_bytes));
        }
        if flags > COMPRESSED {
            let what =
                format!("a message begins with the flags {flags}, which are none: the stream is out of step");
            return Err(Status::internal(what));
        }
        let Some(message) = self.unread.take(length) else { return Ok(None) };
        match (flags == COMPRESSED, self.coding) {
            (false, _) => Ok(Some(message)),
            (true, Some(coding)) => coding.decode(&message, self.limit_bytes).map(Some).map_err(refusal),
            (true, None) => Err(Status::internal("a message is compressed, and no grpc-encoding says how")),
        }
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Status>> {
        loop {
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(false)) };
            match std::task::ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => {
                        self.unread.push(data);
                        return Poll::Ready(Ok(true));
                    }
                    // Nothing comes behind them, also where somebody's body would go on: tonic's does after an error.
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        self.body = None;
                    }
                },
                Some(Err(error)) => return Poll::Ready(Err(Status::from_error(error.into()))),
                None => self.body = None,
            }
        }
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Status>> {
        loop {
            if let Some(message) = self.next_unread()? {
                return Poll::Ready(Ok(Some(message)));
            }
            if !std::task::ready!(self.poll_more(cx))? {
                return Poll::Ready(match self.unread.is_empty() {
                    true => Ok(None),
                    false => Err(Status::internal("the stream ends in the middle of a message")),
                });
            }
        }
    }
}

impl<B> Stream for Messages<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<StdError>,
{
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let message = std::task::ready!(self.poll_message(cx));
        if message.is_err() {
            self.body = None;
            self.unread = Unread::default();
        }
        Poll::Ready(message.transpose())
    }
}

fn refusal(error: UnpackError) -> Status {
    match error {
        UnpackError::TooLarge { limit_bytes } => too_large(limit_bytes),
        UnpackError::Malformed => {
            Status::internal("a message is not what its grpc-encoding says, or ends early")
        }
    }
}

fn too_large(limit_bytes: usize) -> Status {
    Status::resource_exhausted(format!("a message is larger than the {limit_bytes} bytes allowed"))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body::Frame;
    use http_body_util::StreamBody;
    use tokio_stream::StreamExt;
    use tonic::Code;

    use super::*;

    type Chunks = Vec<Result<Frame<Bytes>, Infallible>>;

    fn body(chunks: &[&[u8]]) -> impl HttpBody<Data = Bytes, Error = Infallible> + use<> {
        let frames: Chunks =
            chunks.iter().map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk)))).collect();
        StreamBody::new(tokio_stream::iter(frames))
    }

    async fn read(chunks: &[&[u8]], coding: Option<Coding>) -> (Vec<Bytes>, Option<Code>) {
        let mut messages = Messages::new(body(chunks), coding, 10);
        let mut read = Vec::new();
        loop {
            match messages.next().await {
                Some(Ok(message)) => read.push(message),
                Some(Err(status)) => {
                    assert!(messages.next().await.is_none(), "nothing comes after an error");
                    return (read, Some(status.code()));
                }
                None => return (read, None),
            }
        }
    }

    /// Two messages and an empty one, cut everywhere.
    #[tokio::test]
    async fn messages_are_read_however_they_are_cut() {
        let wire = b"\0\0\0\0\x03abc\0\0\0\0\0\0\0\0\0\x04defg";
        for first in 0..=wire.len() {
            for second in first..=wire.len() {
                let chunks = [&wire[..first], &wire[first..second], &wire[second..]];
                let (messages, error) = read(&chunks, None).await;
                assert_eq!(messages, ["abc", "", "defg"], "{first} {second}");
                assert_eq!(error, None);
            }
        }
        let bytes: Vec<_> = wire.chunks(1).collect();
        assert_eq!(read(&bytes, None).await.0.len(), 3);
    }

    #[tokio::test]
    async fn nothing_comes_behind_the_trailers() {
        let message = || Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"\0\0\0\0\x01a")));
        let frames = [message(), Ok(Frame::trailers(HeaderMap::new())), message()];
        let mut messages = Messages::new(StreamBody::new(tokio_stream::iter(frames)), None, 10);
        assert!(messages.next().await.expect("a message").is_ok());
        assert!(messages.next().await.is_none());
        assert!(messages.take_trailers().is_some());
    }

    #[tokio::test]
    async fn what_is_no_message_is_an_error() {
        let cases: [(&[u8], Code); 6] = [
            (b"\0\0\0\0\x0bnever read", Code::ResourceExhausted),
            (b"\0\xff\xff\xff\xff", Code::ResourceExhausted),
            (b"\x02\0\0\0\0", Code::Internal),
            (b"\x01\0\0\0\x01a", Code::Internal),
            (b"\0\0\0\0\x03ab", Code::Internal),
            (b"\0\0", Code::Internal),
        ];
        for (wire, code) in cases {
            assert_eq!(read(&[wire], None).await, (vec![], Some(code)), "{wire:?}");
        }
        // What came before it is read all the same.
        let (messages, error) = read(&[b"\0\0\0\0\x01a\x07"], None).await;
        assert_eq!((messages, error), (vec![Bytes::from("a")], Some(Code::Internal)));
    }

    #[tokio::test]
    async fn packed_messages_are_unpacked_within_the_bound() {
        for coding in [Coding::Gzip, Coding::Deflate, Coding::Zstd] {
            let packed = coding.encode(&[b'a'; 1000]).expect("packed");
            let wire = [&[COMPRESSED][..], &(packed.len() as u32).to_be_bytes(), &packed].concat();
            for (limit_bytes, code) in [(1000, None), (999, Some(Code::ResourceExhausted))] {
                let mut messages = Messages::new(body(&[&wire]), Some(coding), limit_bytes);
                let read = messages.next().await.expect("a message or an error");
                assert_eq!(read.as_ref().err().map(Status::code), code, "{coding:?}");
                assert!(read.is_err() || read.is_ok_and(|message| message == vec![b'a'; 1000]));
            }
            let cut = [&[COMPRESSED][..], &4u32.to_be_bytes(), &packed[..4]].concat();
            assert_eq!(read(&[&cut], Some(coding)).await, (vec![], Some(Code::Internal)), "{coding:?}");
        }
    }

    #[tokio::test]
    async fn the_only_message_is_taken_without_waiting_where_it_is_all_there_is() {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for (chunks, only) in [
            (&[&b"\0\0\0\0\x01a"[..]][..], true),
            (&[&b"\0\0\0\0\x01a\0\0\0\0\0"[..]][..], false),
            (&[&b"\0\0\0\0\x0bnever read"[..]][..], false),
            (&[&b"\x01\0\0\0\x01a"[..]][..], false),
            (&[][..], false),
        ] {
            let whole = http_body_util::Full::new(Bytes::copy_from_slice(&chunks.concat()));
            let mut messages = Messages::new(whole, None, 10);
            let taken = messages.poll_only(&mut cx);
            assert_eq!(taken.is_some(), only, "{chunks:?}");
            if !only {
                // Nothing is lost by having asked.
                let rest = messages.next().await;
                assert_eq!(rest.is_none(), chunks.is_empty());
            }
        }
    }
}
