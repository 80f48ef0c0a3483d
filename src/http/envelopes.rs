//! Connect's framing of streams: each message behind a byte of flags and its length.
//!
//! <https://connectrpc.com/docs/protocol/#streaming-rpcs>

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use tonic::Status;

use super::chunks::Chunks;
use super::coding::{Coding, refusal};
use super::status::body_too_large;
use crate::call::prefix::{COMPRESSED, PREFIX_BYTES, prefix, read_prefix};

/// It is no message but how the stream ended.
const END_STREAM: u8 = 2;

/// The messages of a request stream, unpacked, each with its number from 1.
pub(super) struct Envelopes {
    chunks: Chunks,
    coding: Option<Coding>,
    buffer: BytesMut,
    ended: bool,
    number: usize,
    limit_bytes: usize,
}

impl Envelopes {
    /// Messages of at most `limit_bytes` each, packed and unpacked.
    pub(super) fn new(chunks: Chunks, coding: Option<Coding>, limit_bytes: usize) -> Self {
        Self { chunks, coding, buffer: BytesMut::new(), ended: false, number: 0, limit_bytes }
    }

    fn give_up(&mut self, status: Status) -> Poll<Option<Result<(usize, Bytes), Status>>> {
        self.chunks.give_up();
        self.ended = true;
        self.buffer.clear();
        Poll::Ready(Some(Err(status)))
    }

    fn next_buffered(&mut self) -> Result<Option<Bytes>, Status> {
        let Some((flags, length)) = read_prefix(&self.buffer) else { return Ok(None) };
        // Known before the message is there: nobody waits for what will be refused.
        if length > self.limit_bytes {
            return Err(body_too_large(self.limit_bytes));
        }
        if flags & !COMPRESSED != 0 {
            let what = if flags & END_STREAM != 0 {
                "only a server ends a stream with a message"
            } else {
                "unknown flags"
            };
            return Err(Status::invalid_argument(format!("an envelope of the request stream: {what}")));
        }
        if self.buffer.len() < PREFIX_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(PREFIX_BYTES);
        let message = self.buffer.split_to(length).freeze();
        self.number += 1;
        match (flags & COMPRESSED != 0, self.coding) {
            (false, _) => Ok(Some(message)),
            (true, _) if message.is_empty() => Ok(Some(message)),
            (true, Some(coding)) => coding.decode(&message, self.limit_bytes).map(Some).map_err(refusal),
            (true, None) => Err(Status::internal("a compressed message without a Connect-Content-Encoding")),
        }
    }
}

impl Stream for Envelopes {
    type Item = Result<(usize, Bytes), Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match self.next_buffered() {
                Ok(Some(message)) => return Poll::Ready(Some(Ok((self.number, message)))),
                Ok(None) if !self.ended => {}
                Ok(None) if self.buffer.is_empty() => return Poll::Ready(None),
                Ok(None) => {
                    return self.give_up(Status::invalid_argument("the request stream ends in a message"));
                }
                Err(status) => return self.give_up(status),
            }
            match std::task::ready!(self.chunks.poll_chunk(cx)) {
                Some(Ok(chunk)) => self.buffer.extend_from_slice(&chunk),
                Some(Err(status)) => return self.give_up(status),
                None => self.ended = true,
            }
        }
    }
}

/// Where an envelope begins that is being written.
pub(super) struct Open(usize);

/// Begins an envelope at the end of `out`.
pub(super) fn open(out: &mut Vec<u8>) -> Open {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX_BYTES]);
    Open(start)
}

/// Closes the envelope around what was written since; packs it, if it has at least `min_bytes`.
pub(super) fn close(
    Open(start): Open,
    end: bool,
    coding: Option<Coding>,
    min_bytes: usize,
    out: &mut Vec<u8>,
) {
    let mut flags = if end { END_STREAM } else { 0 };
    let body = start + PREFIX_BYTES;
    if let Some(coding) = coding.filter(|_| out.len() - body >= min_bytes)
        && let Ok(packed) = coding.encode(&out[body..])
    {
        flags |= COMPRESSED;
        out.truncate(body);
        out.extend_from_slice(&packed);
    }
    let prefix = prefix(flags, out.len() - body);
    out[start..body].copy_from_slice(&prefix);
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use tokio_stream::StreamExt;
    use tonic::Code;

    fn envelope(message: &[u8], coding: Option<Coding>) -> Vec<u8> {
        let mut out = b"before".to_vec();
        let opened = open(&mut out);
        out.extend_from_slice(message);
        close(opened, false, coding, 10, &mut out);
        out.split_off(6)
    }

    async fn read(body: &[u8], step: usize, coding: Option<Coding>) -> Result<Vec<Bytes>, Code> {
        let chunks: Vec<_> = body.chunks(step).map(<[u8]>::to_vec).map(Ok::<_, std::io::Error>).collect();
        let chunks = Chunks::new(Body::from_stream(tokio_stream::iter(chunks)), None, 1000);
        let mut envelopes = Envelopes::new(chunks, coding, 1000);
        let mut found = Vec::new();
        while let Some(message) = envelopes.next().await {
            found.push(message.map_err(|status| status.code())?.1);
        }
        Ok(found)
    }

    #[tokio::test]
    async fn messages_go_in_and_come_out() {
        for coding in [None, Some(Coding::Gzip), Some(Coding::Zstd), Some(Coding::Brotli)] {
            let long = [b'a'; 500];
            let body = [envelope(b"short", coding), envelope(b"", coding), envelope(&long, coding)].concat();
            for step in [1, 3, 1000] {
                assert_eq!(read(&body, step, coding).await.expect("messages"), [&b"short"[..], b"", &long]);
            }
        }
    }

    #[tokio::test]
    async fn nothing_is_packed_in_no_coding() {
        assert_eq!(read(b"\x01\0\0\0\0", 5, Some(Coding::Gzip)).await.expect("a message"), [Bytes::new()]);
    }

    #[tokio::test]
    async fn what_is_no_envelope_is_an_error() {
        let bomb = Coding::Gzip.encode(&[0; 100_000]).expect("packed");
        let mut packed = vec![COMPRESSED, 0, 0, 0, bomb.len() as u8];
        packed.extend_from_slice(&bomb);
        let cases = [
            (&b"\0\0\0\0"[..], Code::InvalidArgument),
            (b"\0\0\0\0\x02a", Code::InvalidArgument),
            (b"\0\xff\xff\xff\xff", Code::ResourceExhausted),
            (b"\x02\0\0\0\x02{}", Code::InvalidArgument),
            (b"\x04\0\0\0\0", Code::InvalidArgument),
            (b"\x01\0\0\0\x01a", Code::Internal),
        ];
        for (body, expected) in cases {
            assert_eq!(read(body, 3, None).await, Err(expected), "{body:?}");
        }
        assert_eq!(read(&packed, 1000, Some(Coding::Gzip)).await, Err(Code::ResourceExhausted));
    }
}
