//! A connection whose client takes nothing of what is written to it.
//!
//! Over HTTP/1.1 and on a WebSocket the handler of a stream is held back by a socket that is full, and with it the
//! call, its place in flight and its connection, for as long as the client likes: no clock of the protocol runs while
//! it is the client who is waited for.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::cut::Cut;
use super::glance;

/// A stream of bytes that fails when it takes none for too long.
pub(super) struct Taken<S> {
    stream: S,
    writing: Wait,
    /// Over TLS what is written may be taken into a buffer, and wait there.
    flushing: Wait,
}

/// How long something has been waited for.
struct Wait {
    timeout: Duration,
    /// Made when it is waited for the first time.
    clock: Option<Pin<Box<Sleep>>>,
    waits: bool,
}

impl<S> Taken<S> {
    /// No timeout is no bound.
    pub(super) fn new(stream: S, timeout: Duration) -> Self {
        let wait = || Wait { timeout, clock: None, waits: false };
        Self { stream, writing: wait(), flushing: wait() }
    }
}

impl Wait {
    /// What was done, or that it took too long.
    fn within<T>(&mut self, done: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let waited = std::mem::replace(&mut self.waits, done.is_pending());
        glance::sends(done.is_ready());
        if done.is_ready() || self.timeout.is_zero() {
            return done;
        }
        let timeout = self.timeout;
        let clock = self.clock.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        if !waited {
            clock.as_mut().reset(Instant::now() + timeout);
        }
        std::task::ready!(clock.as_mut().poll(cx));
        Poll::Ready(Err(Cut::ReplyStalled.error(io::ErrorKind::TimedOut)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Taken<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Taken<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.writing.within(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.writing.within(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.flushing.within(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.flushing.within(shut, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const TIMEOUT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn who_takes_something_now_and_then_is_waited_for_and_who_takes_nothing_is_not() {
        let (ours, mut clients) = tokio::io::duplex(10);
        let mut ours = Taken::new(ours, TIMEOUT);
        let writing = tokio::spawn(async move { ours.write_all(&[0; 1000]).await });
        for _ in 0..50 {
            tokio::time::sleep(TIMEOUT / 2).await;
            clients.read_exact(&mut [0; 10]).await.expect("read");
        }
        assert!(!writing.is_finished());
        let began = Instant::now();
        let error = writing.await.expect("no panic").expect_err("too late");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() <= TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_in_a_buffer_is_waited_for_no_longer() {
        let (ours, _clients) = tokio::io::duplex(10);
        let mut ours = Taken::new(tokio::io::BufWriter::new(ours), TIMEOUT);
        ours.write_all(&[0; 100]).await.expect("taken into the buffer");
        let began = Instant::now();
        let error = ours.flush().await.expect_err("too late");
        assert_eq!((error.kind(), began.elapsed()), (io::ErrorKind::TimedOut, TIMEOUT));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_timeout_there_is_no_bound() {
        let (ours, _clients) = tokio::io::duplex(10);
        let mut ours = Taken::new(ours, Duration::ZERO);
        let writing = ours.write_all(&[0; 1000]);
        assert!(tokio::time::timeout(Duration::from_secs(100_000), writing).await.is_err());
    }
}
