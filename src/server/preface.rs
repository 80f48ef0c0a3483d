//! The first bytes of a connection, under a timeout.
//!
//! Which HTTP version a client speaks is told from its first bytes. A client that sends none, or the beginning
//! of HTTP/2's preface and no more, would hold its place for ever: nothing else has a clock running yet.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::socket::Stream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection whose first bytes must come in time.
pub(super) struct Timely {
    stream: Stream,
    /// Bytes of the preface that have come, and how long the rest may take; none once the version is clear.
    waiting: Option<(usize, Pin<Box<Sleep>>)>,
}

impl Timely {
    pub(super) fn new(stream: Stream, timeout: Duration) -> Self {
        Self { stream, waiting: Some((0, Box::pin(tokio::time::sleep(timeout)))) }
    }
}

impl AsyncRead for Timely {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, waiting } = &mut *self;
        let before = buf.filled().len();
        let read = Pin::new(stream).poll_read(cx, buf);
        let Some((seen, timeout)) = waiting else { return read };
        if read.is_pending() {
            std::task::ready!(timeout.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let new = &buf.filled()[before..];
        let due = &PREFACE[*seen..];
        *seen += new.len();
        if *seen >= PREFACE.len() || new != &due[..new.len()] {
            *waiting = None;
        }
        read
    }
}

impl AsyncWrite for Timely {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
