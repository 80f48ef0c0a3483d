//! Reading a request body within its bound: whole, or in chunks as they come; unpacked on the way.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt;
use tonic::Status;

use super::coding::{Coding, Decoder, refusal};
use super::status::{body_too_large, body_too_slow};
use crate::call::{Pace, Paced};

/// Reads a whole body, of at most `limit_bytes` as it comes and as many unpacked, that comes at this pace.
pub(super) async fn whole(
    body: Body,
    coding: Option<Coding>,
    limit_bytes: usize,
    pace: Pace,
) -> Result<Bytes, Status> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    // A body that announces its size is refused before a byte of it is read.
    if body.size_hint().lower() > limit_bytes as u64 {
        return Err(body_too_large(limit_bytes));
    }
    let mut body = std::pin::pin!(Paced::new(body, pace));
    // Most bodies are one frame, which stays where it is.
    let (mut first, mut all) = (Bytes::new(), Vec::new());
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else { break };
        let frame = frame.map_err(|error| {
            error.downcast().map_or_else(|error| broken(&*error), |slow| body_too_slow(*slow))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > limit_bytes - first.len().max(all.len()) {
            return Err(body_too_large(limit_bytes));
        }
        if first.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&data);
    }
    let body = if all.is_empty() { first } else { all.into() };
    match coding {
        Some(coding) if !body.is_empty() => coding.decode(&body, limit_bytes).map_err(refusal),
        _ => Ok(body),
    }
}

/// Bytes of blanks between two messages. Packed they are next to nothing, and a thread that reads them has no time for
/// anybody else.
pub(super) const BLANK_MAX_BYTES: usize = 64 * 1024;

/// The refusal of more.
pub(super) fn blank() -> Status {
    Status::invalid_argument("the body: there is next to nothing in it but blanks")
}

/// Why a body cannot be read to its end: its client left, or framed it in a way that is none.
fn broken(error: &(dyn Error + 'static)) -> Status {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(kind, Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)) {
            return Status::invalid_argument("the request body is not framed as its head says");
        }
        cause = error.source();
    }
    Status::cancelled("the request body ended before it was complete")
}

/// The bytes of a body as they come.
pub(super) struct Chunks {
    body: Option<Body>,
    coding: Option<Coding>,
    /// Made when the first byte is there: an empty body is packed in no coding.
    decoder: Option<Decoder>,
    /// What has come and is not unpacked yet.
    packed: Bytes,
    /// The most that is unpacked at once.
    chunk_max_bytes: usize,
}

/// What deflate makes of one byte at most. Brotli and zstd can make more of one: of bombs, and of text that says the same over
/// and over.
const UNPACKED_BYTES_MAX: usize = 1032;

/// zstd gives out its blocks of 128 KiB as a whole; one may end and another begin in the same few bytes.
const CHUNK_MIN_BYTES: usize = 2 * 128 * 1024;

impl Chunks {
    /// Of messages of at most `limit_bytes`. How many there are is the stream's own business, and so it must not matter how
    /// many of them came together: a body that is packed is unpacked in steps.
    pub(super) fn new(body: Body, coding: Option<Coding>, limit_bytes: usize) -> Self {
        let chunk_max_bytes = limit_bytes.max(CHUNK_MIN_BYTES);
        Self { body: Some(body), coding, decoder: None, packed: Bytes::new(), chunk_max_bytes }
    }

    /// Reads no more.
    pub(super) fn give_up(&mut self) {
        self.body = None;
        self.decoder = None;
        self.packed = Bytes::new();
    }

    /// The next bytes; none of them when the body has ended.
    pub(super) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        loop {
            let chunk = if self.packed.is_empty() {
                let Some(body) = &mut self.body else { return Poll::Ready(None) };
                match std::task::ready!(Pin::new(body).poll_frame(cx)) {
                    Some(Ok(frame)) => match (frame.into_data(), self.coding) {
                        (Ok(data), None) => Ok(data),
                        (Ok(data), Some(_)) => {
                            self.packed = data;
                            continue;
                        }
                        (Err(_), _) => continue,
                    },
                    Some(Err(error)) => Err(broken(&error)),
                    None => {
                        self.body = None;
                        self.decoder.take().map_or(Ok(Bytes::new()), Decoder::finish).map_err(refusal)
                    }
                }
            } else {
                self.unpack()
            };
            match chunk {
                Ok(chunk) if chunk.is_empty() => {}
                Ok(chunk) => return Poll::Ready(Some(Ok(chunk))),
                Err(status) => {
                    self.give_up();
                    return Poll::Ready(Some(Err(status)));
                }
            }
        }
    }

    /// Unpacks as much of what has come as cannot come to more than a chunk has.
    fn unpack(&mut self) -> Result<Bytes, Status> {
        let Some(coding) = self.coding else { return Ok(std::mem::take(&mut self.packed)) };
        let step = (self.chunk_max_bytes / UNPACKED_BYTES_MAX).clamp(1, self.packed.len());
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            none => none.insert(Decoder::new(coding, self.chunk_max_bytes).map_err(refusal)?),
        };
        decoder.push(&self.packed.split_to(step)).map_err(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const PACE: Pace = Pace { timeout: Duration::from_secs(10), bytes_per_second_min: 1 };

    #[tokio::test]
    async fn a_body_of_the_bound_is_read_and_one_byte_more_is_not() {
        assert_eq!(whole(Body::from("12345678"), None, 8, PACE).await.expect("read"), "12345678");
        let error = whole(Body::from("123456789"), None, 8, PACE).await.expect_err("too large");
        assert_eq!(error.code(), tonic::Code::ResourceExhausted);
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_put_together_within_the_same_bound() {
        let pieces = |pieces: &[&'static str]| {
            let pieces: Vec<_> = pieces.iter().map(|piece| Ok::<_, axum::Error>(*piece)).collect();
            whole(Body::from_stream(tokio_stream::iter(pieces)), None, 8, PACE)
        };
        assert_eq!(pieces(&["", "123", "", "45", "678"]).await.expect("read"), "12345678");
        for too_many in [&["123", "45", "6789"][..], &["1234", "56789"], &["", "123456789"]] {
            let error = pieces(too_many).await.expect_err("too large");
            assert_eq!(error.code(), tonic::Code::ResourceExhausted, "{too_many:?}");
        }
    }

    #[tokio::test]
    async fn a_packed_body_is_held_to_the_same_bound() {
        let packed = Coding::Gzip.encode(&[b'a'; 100]).expect("packed");
        let read = whole(Body::from(packed.clone()), Some(Coding::Gzip), 100, PACE).await;
        assert_eq!(read.expect("read"), [b'a'; 100][..]);
        let error = whole(Body::from(packed), Some(Coding::Gzip), 99, PACE).await.expect_err("too large");
        assert_eq!(error.code(), tonic::Code::ResourceExhausted);
    }
}
