//! A reply over HTTP/2 whose client takes nothing of it.
//!
//! Each stream of a connection has a window, which its client opens as it reads. One that opens none holds the stream
//! with all that belongs to it: a reply that is made, or a handler held back in the middle. The connection is well
//! meanwhile, and pings are answered. Nobody below says what a stream waits for, but the stream's task can tell: where
//! it waits, and neither the answer nor its body said that they are not ready, it waits for the client.
//!
//! hyper has tasks that never say anything: those which carry what a tunnel (CONNECT) is given to send. They wait for
//! whoever holds the tunnel as well as for the client, and are left alone.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};

use super::glance::Answering;
use crate::grpc::Data;

/// What is handed down at once. A frame that was handed down waits where nobody can take it back, window or not.
const PIECE_BYTES: usize = 64 * 1024;

/// What a stream's own code said while its task was polled.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Said {
    Nothing,
    /// Here is more for the client.
    More,
    /// It is ourselves who are not ready.
    Wait,
}

thread_local! {
    static SAID: Cell<Said> = const { Cell::new(Said::Nothing) };
}

/// A stream is about to be polled for the first time: what others said before is not its word.
pub(super) fn begins() {
    SAID.set(Said::Nothing);
}

/// Notes whether what was polled is ready. It only looks: an answer is large, and would be moved through here.
pub(super) fn note<T>(polled: &Poll<T>) {
    SAID.set(if polled.is_pending() { Said::Wait } else { Said::More });
}

pin_project! {
    /// The task of a stream, which ends, and so resets the stream, when the client takes nothing for too long.
    pub(super) struct Taking<F> {
        #[pin]
        stream: F,
        timeout: Duration,
        // Made when the client is waited for the first time.
        clock: Option<Pin<Box<Sleep>>>,
        waits_for_client: bool,
        // Not a tunnel.
        is_answer: bool,
    }
}

impl<F> Taking<F> {
    /// A stream after its first poll. No timeout is no bound.
    pub(super) fn new(stream: F, timeout: Duration) -> Self {
        let is_answer = SAID.get() != Said::Nothing;
        Self { stream, timeout, clock: None, waits_for_client: false, is_answer }
    }
}

impl<F: Future<Output = ()>> Future for Taking<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        SAID.set(Said::Nothing);
        if this.stream.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let said = SAID.get();
        let waited = std::mem::replace(this.waits_for_client, said != Said::Wait);
        *this.is_answer |= said != Said::Nothing;
        if said == Said::Wait || !*this.is_answer || this.timeout.is_zero() {
            return Poll::Pending;
        }
        let timeout = *this.timeout;
        let clock = this.clock.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        if !waited || said == Said::More {
            clock.as_mut().reset(Instant::now() + timeout);
        }
        clock.as_mut().poll(cx)
    }
}

pin_project! {
    /// The body of a reply in pieces, each of which the client has to ask for.
    pub(super) struct Pieces<B> {
        #[pin]
        body: B,
        // What is left of a large frame. Boxed: an answer is moved several times before its body is asked for anything.
        waiting: Option<Box<Data>>,
        // Over HTTP/1.1: what says that its end is that of the answer.
        answering: Option<Answering>,
    }
}

impl<B> Pieces<B> {
    pub(super) fn new(body: B, answering: Option<Answering>) -> Self {
        Self { body, waiting: None, answering }
    }
}

impl<B: Body<Data = Data>> Body for Pieces<B> {
    type Data = Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Data>, Self::Error>>> {
        let this = self.project();
        let mut data = match this.waiting.take() {
            Some(waiting) => {
                note(&Poll::Ready(()));
                *waiting
            }
            None => {
                let polled = this.body.poll_frame(cx);
                note(&polled);
                match std::task::ready!(polled) {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => data,
                        Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                    },
                    end => return Poll::Ready(end),
                }
            }
        };
        if data.remaining() <= PIECE_BYTES {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let piece = data.take_piece(PIECE_BYTES);
        *this.waiting = data.has_remaining().then(|| Box::new(data));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.waiting.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let waiting = self.waiting.as_deref().map_or(0, Buf::remaining) as u64;
        let behind = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(behind.lower() + waiting);
        if let Some(upper) = behind.upper() {
            hint.set_upper(upper + waiting);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body_util::{BodyExt, Full};

    const TIMEOUT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_waits_for_its_client_ends_and_one_that_waits_for_us_does_not() {
        let for_client = || std::future::poll_fn(|_| Poll::<()>::Pending);
        let began = Instant::now();
        note(&Poll::Ready(()));
        Taking::new(for_client(), TIMEOUT).await;
        assert_eq!(began.elapsed(), TIMEOUT);
        begins();
        let tunnel = Taking::new(for_client(), TIMEOUT);
        assert!(tokio::time::timeout(TIMEOUT * 100, tunnel).await.is_err());
        let for_us = std::future::poll_fn(|_| {
            note(&Poll::<()>::Pending);
            Poll::<()>::Pending
        });
        assert!(tokio::time::timeout(TIMEOUT * 100, Taking::new(for_us, TIMEOUT)).await.is_err());
        let unbound = Taking::new(std::future::pending(), Duration::ZERO);
        assert!(tokio::time::timeout(TIMEOUT * 100, unbound).await.is_err());
    }

    #[tokio::test]
    async fn a_large_frame_goes_down_in_pieces_and_is_whole() {
        let all: Vec<u8> = (0..200_000u32).map(|byte| byte as u8).collect();
        let body = Full::new(Bytes::from(all.clone())).map_frame(|frame| frame.map_data(Data::Plain));
        let mut pieces = Pieces::new(body, None);
        let mut read = Vec::new();
        while let Some(frame) = pieces.frame().await {
            let piece = frame.expect("no error").into_data().expect("data").into_bytes();
            assert!(piece.len() <= PIECE_BYTES);
            read.extend_from_slice(&piece);
        }
        assert_eq!(read, all);
        assert!(pieces.is_end_stream());
    }
}
