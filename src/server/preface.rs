//! The bytes of a connection, watched: the first ones come in time, and HTTP/2's frames are not too many.
//!
//! Which HTTP version a client speaks is told from its first bytes. A client that sends none, or the beginning
//! of HTTP/2's preface and no more, would hold its place for ever: nothing else has a clock running yet.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::crumbs;
use super::cut::Cut;
use super::frames::{Flood, Frames};
use super::glance;
use super::socket::Stream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection whose first bytes must come in time.
pub(super) struct Timely {
    stream: Stream,
    version: Version,
    frames_per_second: u32,
    /// Whether all that was to be sent is, so that a frame may follow.
    all_sent: bool,
}

/// Which HTTP version the client speaks.
enum Version {
    /// Bytes of the preface that have come, and how long the rest may take.
    Unknown(usize, Pin<Box<Sleep>>),
    /// The last bytes that came.
    Http1([u8; 4]),
    Http2(Box<Frames>),
}

/// The last four of these bytes and those before them, and whether they end as a head does.
fn tail(before: [u8; 4], new: &[u8]) -> ([u8; 4], bool) {
    let last = new.last_chunk().copied().unwrap_or_else(|| {
        let mut last = before;
        last.rotate_left(new.len());
        last[4 - new.len()..].copy_from_slice(new);
        last
    });
    (last, matches!(last, [_, b'\n', b'\r', b'\n'] | [.., b'\n', b'\n']))
}

impl Timely {
    /// A connection whose version must be clear within `timeout`, and that may send so many frames that move no call.
    pub(super) fn new(stream: Stream, timeout: Duration, frames_per_second: u32) -> Self {
        let version = Version::Unknown(0, Box::pin(tokio::time::sleep(timeout)));
        Self { stream, version, frames_per_second, all_sent: true }
    }

    fn wrote(&mut self, wrote: &Poll<io::Result<usize>>, all: impl FnOnce() -> usize) {
        let Version::Http2(frames) = &mut self.version else { return };
        if let Poll::Ready(Ok(bytes)) = wrote {
            frames.sent(*bytes);
        }
        self.all_sent = matches!(wrote, Poll::Ready(Ok(bytes)) if *bytes == all());
    }

    /// Says why, if there is room for it, and makes the error that ends the connection.
    fn refuse(&mut self, cx: &mut Context<'_>, flood: Flood) -> io::Error {
        let why = match flood {
            Flood::Pings => Cut::Pings,
            Flood::Others => Cut::Frames,
        };
        if self.all_sent {
            let frame = calm_down(why.as_str());
            // Whoever floods may not be reading; then it is closed without a word.
            if Pin::new(&mut self.stream).poll_write(cx, &frame).is_ready() {
                let _ = Pin::new(&mut self.stream).poll_flush(cx);
            }
        }
        why.error(io::ErrorKind::ConnectionAborted)
    }
}

/// GOAWAY with ENHANCE_YOUR_CALM ([RFC 9113](https://www.rfc-editor.org/rfc/rfc9113#section-6.8)). Any stream may have been
/// begun.
fn calm_down(why: &str) -> Vec<u8> {
    const GOAWAY: u8 = 7;
    const ENHANCE_YOUR_CALM: u32 = 11;
    const LAST_STREAM: u32 = u32::MAX >> 1;
    let length = 8 + why.len() as u32;
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([GOAWAY, 0, 0, 0, 0, 0]);
    frame.extend(LAST_STREAM.to_be_bytes());
    frame.extend(ENHANCE_YOUR_CALM.to_be_bytes());
    frame.extend(why.as_bytes());
    frame
}

impl AsyncRead for Timely {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        let new = &buf.filled()[before..];
        let rest = match &this.version {
            Version::Http2(frames) => frames.rest(new),
            _ => 0,
        };
        let counted = match &mut this.version {
            Version::Http1(last) => {
                if !new.is_empty() {
                    let ends_a_head;
                    (*last, ends_a_head) = tail(*last, new);
                    glance::bytes_came(ends_a_head);
                }
                return read;
            }
            Version::Http2(frames) => {
                let counted = frames.came(new);
                if frames.has_crumbs() {
                    let length = crumbs::gather(&mut buf.filled_mut()[before..], rest);
                    buf.set_filled(before + length);
                }
                counted
            }
            Version::Unknown(_, timeout) if read.is_pending() => {
                std::task::ready!(timeout.as_mut().poll(cx));
                return Poll::Ready(Err(Cut::SlowPreface.error(io::ErrorKind::TimedOut)));
            }
            Version::Unknown(seen, _) => {
                let due = &PREFACE[*seen..];
                let (of_preface, after) = new.split_at(new.len().min(due.len()));
                *seen += of_preface.len();
                if of_preface != &due[..of_preface.len()] {
                    let (last, ends_a_head) = tail([0; 4], new);
                    glance::is_http1();
                    glance::bytes_came(ends_a_head);
                    this.version = Version::Http1(last);
                    return read;
                }
                if *seen < PREFACE.len() {
                    return read;
                }
                glance::is_http2();
                let mut frames = Frames::new(this.frames_per_second);
                let counted = frames.came(after);
                this.version = Version::Http2(Box::new(frames));
                counted
            }
        };
        match counted {
            Ok(()) => read,
            Err(flood) => Poll::Ready(Err(this.refuse(cx, flood))),
        }
    }
}

impl AsyncWrite for Timely {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(&wrote, || buf.len());
        wrote
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(&wrote, || bufs.iter().map(|buf| buf.len()).sum());
        wrote
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
