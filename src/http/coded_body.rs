//! A response body that is packed on its way out.
//!
//! Each frame of the body is packed and flushed by itself, so that a stream's messages are not held back for the
//! sake of those to come, and a large body is packed a piece at a time between other work of the runtime.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body as AxumBody;
use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::{Body as _, Frame, SizeHint};

use super::answer_body::AnswerBody;
use super::coding::{Coding, Encoder};
use super::status;

/// What is packed without a look at other work.
const PIECE_BYTES: usize = 64 * 1024;

/// Packs a response, if that pays.
pub(super) fn pack(response: Response<AnswerBody>, coding: Coding, min_bytes: usize) -> Response<AnswerBody> {
    let is_small = response.body().size_hint().exact().is_some_and(|bytes| bytes < min_bytes as u64);
    let has_body = !status::has_no_body(response.status());
    let headers = response.headers();
    let is_coded = headers.contains_key(header::CONTENT_ENCODING);
    if status::is_not_modified(response.status()) {
        // As the answer that it stands for would say, which caches go by.
        let mut response = response;
        response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
        return response;
    }
    if is_small || !has_body || is_coded || !can_shrink(headers.get(header::CONTENT_TYPE)) {
        return response;
    }
    let Ok(encoder) = Encoder::new(coding) else { return response };
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_ENCODING, coding.header_value());
    parts.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    weaken(&mut parts.headers);
    let body = AxumBody::new(Coded { body, encoder: Some(encoder), waiting: Bytes::new() });
    Response::from_parts(parts, body.into())
}

/// A strong tag promises the same bytes, which these are not any more (RFC 9110, section 8.8.1).
fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(header::ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/")) else {
        return;
    };
    if let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
        headers.insert(header::ETAG, weak);
    }
}

/// Pictures, sound, films and archives are packed already.
fn can_shrink(content_type: Option<&HeaderValue>) -> bool {
    let Some(content_type) = content_type.and_then(|value| value.to_str().ok()) else { return false };
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let packed = ["application/gzip", "application/zip", "application/zstd", "application/x-7z-compressed"];
    let is_media = ["image/", "audio/", "video/", "font/"].iter().any(|kind| media_type.starts_with(kind));
    !packed.contains(&&*media_type) && (!is_media || media_type == "image/svg+xml")
}

struct Coded {
    body: AnswerBody,
    /// None once the end is out.
    encoder: Option<Encoder>,
    /// What of the last frame is not packed yet.
    waiting: Bytes,
}

impl http_body::Body for Coded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        loop {
            let Some(encoder) = &mut this.encoder else { return Poll::Ready(None) };
            if this.waiting.has_remaining() {
                let piece = this.waiting.split_to(this.waiting.len().min(PIECE_BYTES));
                return Poll::Ready(Some(encoder.push(&piece).map(Frame::data).map_err(axum::Error::new)));
            }
            match std::task::ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.waiting = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Some(Err(error)) => {
                    this.encoder = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    let end = this.encoder.take().map(Encoder::finish);
                    return Poll::Ready(end.map(|end| end.map(Frame::data).map_err(axum::Error::new)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.encoder.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn response(content_type: &'static str, body: Vec<u8>) -> Response<AnswerBody> {
        let mut response = Response::new(AnswerBody::from(Bytes::from(body)));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }

    #[tokio::test]
    async fn a_large_text_is_packed_and_comes_out_again() {
        let text = b"a line of text\n".repeat(20_000);
        let mut whole = response("text/plain", text.clone());
        whole.headers_mut().insert(header::ETAG, HeaderValue::from_static("\"a\""));
        let packed = pack(whole, Coding::Gzip, 1000);
        assert_eq!(packed.headers()[header::ETAG], "W/\"a\"");
        assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
        assert_eq!(packed.headers()[header::VARY], "accept-encoding");
        let body = packed.into_body().collect().await.expect("a body").to_bytes();
        assert!(body.len() < text.len() / 10);
        assert_eq!(Coding::Gzip.decode(&body, text.len()).expect("gzip"), text);
    }

    #[test]
    fn what_would_not_gain_stays_as_it_is() {
        for (content_type, length) in [("text/plain", 999), ("image/png", 5000), ("application/zip", 5000)] {
            let packed = pack(response(content_type, vec![b'a'; length]), Coding::Gzip, 1000);
            assert!(!packed.headers().contains_key(header::CONTENT_ENCODING), "{content_type}");
        }
    }
}
