//! A request body as one JSON array, each element the JSON of a message.
//!
//! Elements are found by their brackets and strings alone, as the body arrives, and are the transcoder's to check:
//! what is no JSON here is none there.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use tonic::Status;

use super::chunks::{BLANK_MAX_BYTES, Chunks};
use super::status::body_too_large;

/// The elements of an array as they arrive, each with its number from 1.
pub(super) struct Elements {
    chunks: Chunks,
    ended: bool,
    buffer: BytesMut,
    at: At,
    number: usize,
    /// Bytes of blanks since the last element.
    blank: usize,
    limit_bytes: usize,
}

/// Where in the array the buffer begins.
#[derive(Debug, Clone, Copy)]
enum At {
    /// Before the bracket that opens it.
    Start,
    /// Before an element, or, where it is the first, the bracket that closes the array.
    Element { first: bool },
    /// In an element, of which this much of the buffer is known.
    Inside { searched: usize, depth: usize, string: bool },
    /// Behind the bracket that closes it.
    End,
}

impl Elements {
    /// Elements of at most `limit_bytes` each; the array itself may go on.
    pub(super) fn new(chunks: Chunks, limit_bytes: usize) -> Self {
        Self {
            chunks,
            ended: false,
            buffer: BytesMut::new(),
            at: At::Start,
            number: 0,
            blank: 0,
            limit_bytes,
        }
    }

    fn give_up(&mut self, status: Status) -> Poll<Option<Result<(usize, Bytes), Status>>> {
        self.chunks.give_up();
        self.ended = true;
        self.at = At::End;
        self.buffer.clear();
        Poll::Ready(Some(Err(status)))
    }

    /// The next element in the buffer, if all of it is there.
    fn next_buffered(&mut self) -> Result<Option<Bytes>, &'static str> {
        loop {
            if !matches!(self.at, At::Inside { .. }) {
                let blank = self.buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                self.buffer.advance(blank);
                self.blank += blank;
                if self.blank > BLANK_MAX_BYTES {
                    return Err("there is next to nothing in it but blanks");
                }
                if self.buffer.is_empty() {
                    return Ok(None);
                }
            }
            match self.at {
                At::Start if self.buffer[0] == b'[' => {
                    self.buffer.advance(1);
                    self.at = At::Element { first: true };
                }
                At::Start => return Err("expected an array of messages"),
                At::Element { first: true } if self.buffer[0] == b']' => {
                    self.buffer.advance(1);
                    self.at = At::End;
                }
                At::Element { .. } if matches!(self.buffer[0], b',' | b']') => {
                    return Err("expected a message");
                }
                At::Element { .. } => {
                    self.blank = 0;
                    self.at = At::Inside { searched: 0, depth: 0, string: false };
                }
                At::Inside { searched, depth, string } => return Ok(self.search(searched, depth, string)),
                At::End => return Err("something stands behind the array"),
            }
        }
    }

    /// Looks for the end of the element.
    fn search(&mut self, mut searched: usize, mut depth: usize, mut string: bool) -> Option<Bytes> {
        while let Some(&byte) = self.buffer.get(searched) {
            match byte {
                // What is escaped may be the next chunk's.
                b'\\' if string && searched + 1 == self.buffer.len() => break,
                b'\\' if string => searched += 1,
                b'"' => string = !string,
                _ if string => {}
                b'{' | b'[' => depth += 1,
                b',' | b']' if depth == 0 => {
                    let element = self.buffer.split_to(searched).freeze();
                    self.at = if byte == b',' { At::Element { first: false } } else { At::End };
                    self.buffer.advance(1);
                    self.number += 1;
                    return Some(element);
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            searched += 1;
        }
        self.at = At::Inside { searched, depth, string };
        None
    }
}

impl Stream for Elements {
    type Item = Result<(usize, Bytes), Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let malformed = |what: &str| Status::invalid_argument(format!("the body: {what}"));
            match self.next_buffered() {
                Ok(Some(element)) if element.len() <= self.limit_bytes => {
                    return Poll::Ready(Some(Ok((self.number, element))));
                }
                Ok(None) if self.buffer.len() <= self.limit_bytes => {}
                Ok(_) => {
                    let status = body_too_large(self.limit_bytes);
                    return self.give_up(status);
                }
                Err(what) => return self.give_up(malformed(what)),
            }
            match (self.ended, self.at) {
                // No body is no message, as in NDJSON.
                (true, At::End | At::Start) => return Poll::Ready(None),
                (true, _) => return self.give_up(malformed("the array has no end")),
                (false, _) => {}
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

    async fn elements(body: &str, step: usize) -> Result<Vec<String>, String> {
        let chunks: Vec<_> =
            body.as_bytes().chunks(step).map(<[u8]>::to_vec).map(Ok::<_, std::io::Error>).collect();
        let chunks = Chunks::new(Body::from_stream(tokio_stream::iter(chunks)), None, 64);
        let mut elements = Elements::new(chunks, 64);
        let mut found = Vec::new();
        while let Some(element) = elements.next().await {
            let (number, element) = element.map_err(|status| status.message().to_owned())?;
            found.push(String::from_utf8_lossy(&element).into_owned());
            assert_eq!(number, found.len());
        }
        Ok(found)
    }

    #[tokio::test]
    async fn elements_are_found_wherever_the_chunks_part() {
        let body = "  [ {\"a\":\"]},\\\"[\"} ,\n[1,[2]], 3 ,\"\\\\\",null]\n ";
        for step in 1..body.len() {
            let found = elements(body, step).await.expect("an array");
            let found: Vec<_> = found.iter().map(|element| element.trim()).collect();
            assert_eq!(
                found,
                ["{\"a\":\"]},\\\"[\"}", "[1,[2]]", "3", "\"\\\\\"", "null"],
                "in steps of {step}"
            );
        }
        assert_eq!(elements("[]", 1).await, Ok(vec![]));
        assert_eq!(elements("", 1).await, Ok(vec![]));
    }

    #[tokio::test]
    async fn what_is_no_array_is_an_error() {
        let cases = [
            ("{}", "the body: expected an array of messages"),
            ("[,]", "the body: expected a message"),
            ("[1,]", "the body: expected a message"),
            ("[1", "the body: the array has no end"),
            ("[", "the body: the array has no end"),
            ("[1] 2", "the body: something stands behind the array"),
        ];
        for (body, expected) in cases {
            for step in [1, 100] {
                assert_eq!(elements(body, step).await.expect_err(body), expected, "{body}");
            }
        }
        let long = format!("[\"{}\"]", "a".repeat(64));
        for step in [1, 100] {
            let error = elements(&long, step).await.expect_err("too long");
            assert_eq!(error, "the request body is larger than 64 bytes");
        }
    }
}
