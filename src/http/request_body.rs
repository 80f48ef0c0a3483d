//! Reading request bodies: one whole, or line by line, each within its bound.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tonic::Status;

use super::status::body_too_large;

/// Reads a whole body.
pub(super) async fn whole(body: Body, limit_bytes: usize) -> Result<Bytes, Status> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    // A body that announces its size is refused before a byte of it is read.
    if body.size_hint().lower() > limit_bytes as u64 {
        return Err(body_too_large(limit_bytes));
    }
    match Limited::new(body, limit_bytes).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(body_too_large(limit_bytes)),
        Err(_) => Err(cut_off()),
    }
}

fn cut_off() -> Status {
    Status::cancelled("the request body ended before it was complete")
}

/// The lines of a body as they arrive, empty ones left out, each with its number from 1.
pub(super) struct Lines {
    body: Option<Body>,
    buffer: BytesMut,
    /// How far the buffer is known to hold no line end.
    searched: usize,
    number: usize,
    limit_bytes: usize,
}

impl Lines {
    /// Lines of at most `limit_bytes` each; the stream itself may go on.
    pub(super) fn new(body: Body, limit_bytes: usize) -> Self {
        Self { body: Some(body), buffer: BytesMut::new(), searched: 0, number: 0, limit_bytes }
    }

    /// Forgets what is there: an error was the last there is to say.
    fn give_up(&mut self) {
        self.body = None;
        self.buffer.clear();
        self.searched = 0;
    }

    /// The next line in the buffer. At the end of the body the rest is a line too.
    fn next_buffered(&mut self) -> Option<Bytes> {
        let end = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n');
        let Some(end) = end else {
            self.searched = self.buffer.len();
            let last = self.body.is_none() && !self.buffer.is_empty();
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
                    self.give_up();
                    return Poll::Ready(Some(Err(body_too_large(self.limit_bytes))));
                }
                if !line.trim_ascii().is_empty() {
                    return Poll::Ready(Some(Ok((self.number, line))));
                }
            }
            if self.buffer.len() > self.limit_bytes {
                self.give_up();
                return Poll::Ready(Some(Err(body_too_large(self.limit_bytes))));
            }
            let Some(body) = &mut self.body else { return Poll::Ready(None) };
            match std::task::ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(_)) => {
                    self.give_up();
                    return Poll::Ready(Some(Err(cut_off())));
                }
                None => self.body = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_stream::StreamExt;

    async fn lines(chunks: &[&'static str], limit_bytes: usize) -> Vec<Result<(usize, String), tonic::Code>> {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok::<_, std::io::Error>(*chunk)).collect();
        let body = Body::from_stream(tokio_stream::iter(chunks));
        let lines = Lines::new(body, limit_bytes).map(|line| match line {
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

    #[tokio::test]
    async fn a_line_over_the_bound_is_an_error_also_without_an_end() {
        assert_eq!(lines(&["12345", "6789"], 8).await, [Err(tonic::Code::ResourceExhausted)]);
    }

    #[tokio::test]
    async fn a_body_of_the_bound_is_read_and_one_byte_more_is_not() {
        assert_eq!(whole(Body::from("12345678"), 8).await.expect("read"), "12345678");
        let error = whole(Body::from("123456789"), 8).await.expect_err("too large");
        assert_eq!(error.code(), tonic::Code::ResourceExhausted);
    }
}
