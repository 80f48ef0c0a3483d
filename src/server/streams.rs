//! The streams of one HTTP/2 connection: whether any is open, and how many there were.
//!
//! hyper hands each stream to an executor and forgets it. Ours answers at once if it can be answered so; any other gets a
//! task, and something to hold.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use super::at_once::at_once;
use super::unread_reply::{self, Taking};
use hyper::rt::Executor;

/// The executor of one connection's streams.
#[derive(Debug, Clone, Default)]
pub(super) struct Streams(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Held by the task of every stream that is open: its count is theirs, and one.
    open: Arc<()>,
    /// Only the connection's own task writes it.
    begun: AtomicU32,
    /// How long the client of a stream may take nothing of its reply.
    unread: Duration,
}

impl Streams {
    /// Streams whose clients take something of a reply at least so often; zero for as seldom as they like.
    pub(super) fn new(unread: Duration) -> Self {
        Self(Arc::new(Shared { unread, ..Shared::default() }))
    }

    /// Whether any is open.
    pub(super) fn are_open(&self) -> bool {
        Arc::strong_count(&self.0.open) > 1
    }

    /// How many there were, of late: the number wraps.
    pub(super) fn begun(&self) -> u32 {
        self.0.begun.load(Ordering::Relaxed)
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let begun = self.begun().wrapping_add(1);
        self.0.begun.store(begun, Ordering::Relaxed);
        unread_reply::begins();
        if let Some(stream) = at_once(stream) {
            let open = Open { stream, _held: Arc::clone(&self.0.open) };
            tokio::spawn(Taking::new(open, self.0.unread));
        }
    }
}

/// A stream that is open.
struct Open<F> {
    stream: Pin<Box<F>>,
    _held: Arc<()>,
}

impl<F: Future> Future for Open<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.stream.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_is_open_until_it_ends() {
        let streams = Streams::default();
        assert!(!streams.are_open());
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        streams.clone().execute(std::future::ready(()));
        assert!(!streams.are_open(), "it was answered at once");
        streams.clone().execute(async {
            let _ = ended.await;
        });
        assert!(streams.are_open());
        assert_eq!(streams.begun(), 2);
        end.send(()).unwrap_or_default();
        while streams.are_open() {
            tokio::task::yield_now().await;
        }
    }
}
