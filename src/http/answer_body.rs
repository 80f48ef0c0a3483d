//! The body of an answer: bytes that are all there, as most are, or whatever axum knows.
//!
//! axum boxes every body, and asks it for its frames through that box. Bytes need neither.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum AnswerBody {
    /// Bytes, until they are taken.
    Whole(Bytes),
    Other(Body),
}

impl AnswerBody {
    pub(super) fn empty() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl Default for AnswerBody {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Bytes> for AnswerBody {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }
}

impl From<Body> for AnswerBody {
    fn from(body: Body) -> Self {
        Self::Other(body)
    }
}

impl From<AnswerBody> for Body {
    fn from(body: AnswerBody) -> Self {
        match body {
            AnswerBody::Whole(bytes) => bytes.into(),
            AnswerBody::Other(body) => body,
        }
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Other(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Other(body) => body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body as _;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn bytes_are_one_frame_and_know_their_length() {
        let mut body = AnswerBody::from(Bytes::from_static(b"abc"));
        assert_eq!(body.size_hint().exact(), Some(3));
        let frame = body.frame().await.expect("a frame").expect("no error");
        assert_eq!(frame.into_data().expect("data"), "abc");
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
        assert!(AnswerBody::empty().is_end_stream(), "an answer without a body has no frame");
    }

    #[tokio::test]
    async fn what_axum_knows_stays_what_it_is() {
        let body =
            AnswerBody::from(Body::from_stream(tokio_stream::iter([Ok::<_, axum::Error>("ab"), Ok("c")])));
        assert_eq!(body.size_hint().exact(), None);
        assert_eq!(Body::from(body).collect().await.expect("read").to_bytes(), "abc");
    }
}
