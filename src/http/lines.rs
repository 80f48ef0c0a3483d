//! A request body as lines, each the JSON of a message: NDJSON.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use tonic::Status;

use super::chunks::{BLANK_MAX_BYTES, Chunks, blank};
use super::status::body_too_large;

/// The lines of a body as they arrive, empty ones left out, each with its number from 1.
pub(super) struct Lines {
    chunks: Chunks,
    ended: bool,
    buffer: BytesMut,
    /// How far the buffer is known to hold no line end.
    searched: usize,
    number: usize,
    /// Bytes of blank lines since the last that was not.
    blank: usize,
    limit_bytes: usize,
}

impl Lines {
    /// Lines of at most `limit_bytes` each; the stream itself may go on.
    pub(super) fn new(chunks: Chunks, limit_bytes: usize) -> Self {
        Self { chunks, ended: false, buffer: BytesMut::new(), searched: 0, number: 0, blank: 0, limit_bytes }
    }

    /// Forgets what is there: an error was the last there is to say.
    fn give_up(&mut self, status: Status) -> Poll<Option<Result<(usize, Bytes), Status>>> {
        self.chunks.give_up();
        self.ended = true;
        self.buffer.clear();
        self.searched = 0;
        Poll::Ready(Some(Err(status)))
    }

    /// The next line in the buffer. At the end of the body the rest is a line too.
    fn next_buffered(&mut self) -> Option<Bytes> {
        let end = memchr::memchr(b'\n', &self.buffer[self.searched..]);
        let Some(end) = end else {
            self.searched = self.buffer.len();
            let last = self.ended && !self.buffer.is_empty();
            return last.then(|| {
                self.searched = 0;
                self.number += 1;
                self.buffer.split().freeze()
            });
        };
        let line = self.buffer.split_to(self.searched + end).freeze();
        self.buffer.advance(1);
        self.searched = 0;
        self.number += 1;
        Some(line)
    }
}

impl Stream for Lines {
    type Item = Result<(usize, Bytes), Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            while let Some(line) = self.next_buffered() {
                if line.len() > self.limit_bytes {
                    let status = body_too_large(self.limit_bytes);
                    return self.give_up(status);
                }
                if !line.trim_ascii().is_empty() {
                    self.blank = 0;
                    return Poll::Ready(Some(Ok((self.number, line))));
                }
                self.blank += line.len() + 1;
                if self.blank > BLANK_MAX_BYTES {
                    return self.give_up(blank());
                }
            }
            if self.buffer.len() > self.limit_bytes {
                let status = body_too_large(self.limit_bytes);
                return self.give_up(status);
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match std::task::ready!(self.chunks.poll_chunk(cx)) {
                Some(Ok(chunk)) => self.buffer.extend_from_slice(&chunk),
                Some(Err(status)) => return self.give_up(status),
                None => self.ended = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use tokio_stream::StreamExt;

    async fn lines(chunks: &[&'static str], limit_bytes: usize) -> Vec<Result<(usize, String), tonic::Code>> {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok::<_, std::io::Error>(*chunk)).collect();
        let chunks = Chunks::new(Body::from_stream(tokio_stream::iter(chunks)), None, limit_bytes);
        let lines = Lines::new(chunks, limit_bytes).map(|line| match line {
            Ok((number, line)) => Ok((number, String::from_utf8_lossy(&line).into_owned())),
            Err(status) => Err(status.code()),
        });
        lines.collect().await
    }

    #[tokio::test]
    async fn lines_are_found_across_chunks() {
        let found = lines(&["{\"a\"", ":1}\n\n{\"b\":", "2}\r\n{\"c\":3}"], 64).await;
        let expected = [(1, "{\"a\":1}"), (3, "{\"b\":2}\r"), (4, "{\"c\":3}")];
        assert_eq!(found, expected.map(|(number, line)| Ok((number, line.to_owned()))));
    }

    /// Packed, megabytes of them are a few bytes, and reading them would be all a thread does.
    #[tokio::test]
    async fn nobody_is_kept_busy_with_blank_lines() {
        let blank: &'static str = "\n".repeat(BLANK_MAX_BYTES + 1).leak();
        assert_eq!(
            lines(&["1\n", blank], 1 << 20).await,
            [Ok((1, "1".into())), Err(tonic::Code::InvalidArgument)]
        );
        let fine: &'static str = "\n".repeat(BLANK_MAX_BYTES / 2).leak();
        assert_eq!(lines(&[fine, "1\n", fine, "2"], 1 << 20).await.len(), 2);
    }

    #[tokio::test]
    async fn a_line_over_the_bound_is_an_error_also_without_an_end() {
        assert_eq!(lines(&["12345", "6789"], 8).await, [Err(tonic::Code::ResourceExhausted)]);
    }
}
