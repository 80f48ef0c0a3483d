//! A response body that is packed on its way out.
//!
//! Each frame of the body is packed and flushed by itself, so that a stream's messages are not held back for the
//! sake of those to come, and a large body is packed a piece at a time between other work of the runtime.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::{Buf, Bytes};
use http::{HeaderValue, Response, header};
use http_body::{Body as _, Frame, SizeHint};

use super::coding::{Coding, Encoder};
use super::heads::Values;
use super::status;

/// What is packed without a look at other work.
const PIECE_BYTES: usize = 64 * 1024;

/// Packs a response as its client likes it, if that pays. Whether its list is ordered is the protocol's to say.
pub(super) fn pack(
    response: Response<Body>,
    accepted: &Values,
    ordered: bool,
    min_bytes: usize,
) -> Response<Body> {
    let Some(coding) = Coding::accepted(accepted.iter(), ordered) else { return response };
    let is_small = response.body().size_hint().exact().is_some_and(|bytes| bytes < min_bytes as u64);
    let has_body = !status::has_no_body(response.status());
    let headers = response.headers();
    let is_coded = headers.contains_key(header::CONTENT_ENCODING);
    if is_small || !has_body || is_coded || !can_shrink(headers.get(header::CONTENT_TYPE)) {
        return response;
    }
    let Ok(encoder) = Encoder::new(coding) else { return response };
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_ENCODING, coding.header_value());
    parts.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    let body = Body::new(Coded { body, encoder: Some(encoder), waiting: Bytes::new() });
    Response::from_parts(parts, body)
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
    body: Body,
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
    use crate::http::heads::Heads;
    use http::HeaderMap;
    use http_body_util::BodyExt;

    fn accept(value: &'static str) -> Values {
        let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))]);
        Heads::of(&headers).accept_encoding
    }

    fn response(content_type: &'static str, body: Vec<u8>) -> Response<Body> {
        let mut response = Response::new(Body::from(body));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }

    #[tokio::test]
    async fn a_large_text_is_packed_and_comes_out_again() {
        let text = b"a line of text\n".repeat(20_000);
        let packed = pack(response("text/plain", text.clone()), &accept("gzip"), false, 1000);
        assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
        assert_eq!(packed.headers()[header::VARY], "accept-encoding");
        let body = packed.into_body().collect().await.expect("a body").to_bytes();
        assert!(body.len() < text.len() / 10);
        assert_eq!(Coding::Gzip.decode(&body, text.len()).expect("gzip"), text);
    }

    #[test]
    fn what_would_not_gain_stays_as_it_is() {
        let cases = [
            (response("text/plain", vec![b'a'; 999]), "gzip"),
            (response("image/png", vec![b'a'; 5000]), "gzip"),
            (response("text/plain", vec![b'a'; 5000]), "identity"),
        ];
        for (response, accepted) in cases {
            assert!(
                !pack(response, &accept(accepted), false, 1000)
                    .headers()
                    .contains_key(header::CONTENT_ENCODING)
            );
        }
    }
}
