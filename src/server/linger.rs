//! Request bodies over HTTP/1.1 that nobody wants any more.
//!
//! A call that is refused has its answer before its body was read. Closing the connection on a client that is still
//! sending resets it, and the client sees a broken pipe instead of the answer (RFC 9112, section 9.6). So what is left
//! of a body is read on for a while by a task of its own; then the connection is as good as new. HTTP/2 needs none of
//! that: there a stream is reset without harm to what was said on it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::runtime::Handle;

use super::config::{LINGER, LINGER_MAX_BYTES};
use super::glance;

/// A request body that is read on when it is dropped before its end.
pub(super) struct Lingering {
    /// There until the drop.
    body: Option<Incoming>,
    /// Nothing for a body that need not be read on.
    runtime: Option<Handle>,
}

impl Lingering {
    /// Reads on on this runtime: the handler that drops the body may be on a thread of the scheduler.
    pub(super) fn new(body: Incoming, version: Version) -> Self {
        let runtime = (version < Version::HTTP_2 && !body.is_end_stream()).then(Handle::current);
        if runtime.is_some() {
            glance::body_comes();
        }
        Self { body: Some(body), runtime }
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let Some((body, runtime)) = self.body.take().zip(self.runtime.take()) else { return };
        if !body.is_end_stream() {
            runtime.spawn(tokio::time::timeout(LINGER, read_on(body)));
        }
    }
}

async fn read_on(mut body: Incoming) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > LINGER_MAX_BYTES {
            return;
        }
    }
}

impl Body for Lingering {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}
