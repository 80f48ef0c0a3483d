//! Request bodies over HTTP/1.1 that nobody wants any more.
//!
//! A call that is refused has its answer before its body was read. Closing the connection on a client that is still
//! sending resets it, and the client sees a broken pipe instead of the answer (RFC 9112, section 9.6). So what is left
//! of a body is read on for a while by a task of its own; then the connection is as good as new. HTTP/2 needs none of
//! that: there a stream is reset without harm to what was said on it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::runtime::Handle;

use super::config::{LINGER, LINGER_MAX_BYTES};

/// The bodies of one connection that are read on. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Lingers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Bodies are read on here: the handler that drops one may be on a thread of the scheduler.
    runtime: Handle,
    open: AtomicU32,
}

impl Lingers {
    /// None as yet; they will be read on the runtime that this is called on.
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared { runtime: Handle::current(), open: AtomicU32::new(0) }))
    }

    /// Whether any is, or one is still to be read by who asked for it.
    pub(super) fn are_open(&self) -> bool {
        self.0.open.load(Ordering::Relaxed) > 0
    }

    /// One begins, and ends when this is dropped.
    pub(super) fn open(&self) -> Open {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(&self.0))
    }
}

/// A body that is read on.
pub(super) struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request body that is read on when it is dropped before its end.
pub(super) struct Lingering {
    /// There until the drop.
    body: Option<Incoming>,
    /// Until its end: who reads it may do so behind the answer, too. Nothing for a body that need not be read on.
    open: Option<Open>,
}

impl Lingering {
    pub(super) fn new(body: Incoming, version: Version, lingers: &Lingers) -> Self {
        let open = (version < Version::HTTP_2 && !body.is_end_stream()).then(|| lingers.open());
        Self { body: Some(body), open }
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let Some((body, open)) = self.body.take().zip(self.open.take()) else { return };
        if !body.is_end_stream() {
            let runtime = open.0.runtime.clone();
            runtime.spawn(async move {
                let _open = open;
                let _ = tokio::time::timeout(LINGER, read_on(body)).await;
            });
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
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        // Behind an answer hyper tells of the end only when the next head is there; of a known length there is no need to.
        if body.is_end_stream() {
            return Poll::Ready(None);
        }
        let frame = std::task::ready!(Pin::new(&mut *body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) || body.is_end_stream() {
            self.open = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}
