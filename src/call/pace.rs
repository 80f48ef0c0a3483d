//! How fast the body of a request has to come that is one message.
//!
//! A call without a deadline waits for its body as long as the client likes, and holds its connection and its place in
//! flight meanwhile. A bound on the silence between two chunks would let a byte now and then hold them for hours, so
//! the bound is on all of it: a time for everybody, and more for who has sent more. It does not hold for streams of
//! requests, which may be silent for good reasons; those have deadlines and keep-alives.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};
use tonic::Status;

/// The slowest that a body may come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// What every body may take; zero for as long as it likes.
    pub(crate) timeout: Duration,
    /// Bytes that are worth another second.
    pub(crate) bytes_per_second_min: u32,
}

impl Pace {
    /// How long a body may take of which so much has come.
    fn time_for(self, bytes: u64) -> Duration {
        let seconds = bytes / u64::from(self.bytes_per_second_min.max(1));
        self.timeout.saturating_add(Duration::from_secs(seconds))
    }
}

pin_project! {
    /// A body that fails when it comes too slowly, with a [`Status`] for its error.
    pub(crate) struct Paced<B> {
        #[pin]
        body: B,
        pace: Pace,
        bytes: u64,
        // Made when the body is first waited for: most are there at once.
        clock: Option<Clock>,
    }
}

struct Clock {
    begun: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl<B> Paced<B> {
    pub(crate) fn new(body: B, pace: Pace) -> Self {
        Self { body, pace, bytes: 0, clock: None }
    }
}

/// What a client is told that is too slow.
fn too_slow() -> Status {
    Status::deadline_exceeded("the request body came too slowly")
}

impl Clock {
    fn new(pace: Pace) -> Self {
        let begun = Instant::now();
        Self { begun, sleep: Box::pin(tokio::time::sleep_until(begun + pace.timeout)) }
    }

    /// Resolves when `bytes` are too few for the time since the beginning. The alarm is put off only when it rings.
    fn poll(&mut self, pace: Pace, bytes: u64, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            std::task::ready!(self.sleep.as_mut().poll(cx));
            let due = self.begun + pace.time_for(bytes);
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(due);
        }
    }
}

impl<B> Body for Paced<B>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = B::Data;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        match this.body.poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                *this.bytes += frame.data_ref().map_or(0, Buf::remaining) as u64;
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(end) => Poll::Ready(end.map(|end| end.map_err(Into::into))),
            Poll::Pending if this.pace.timeout.is_zero() => Poll::Pending,
            Poll::Pending => {
                let clock = this.clock.get_or_insert_with(|| Clock::new(*this.pace));
                std::task::ready!(clock.poll(*this.pace, *this.bytes, cx));
                Poll::Ready(Some(Err(too_slow().into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body_util::{BodyExt, StreamBody};
    use tokio_stream::StreamExt;

    const PACE: Pace = Pace { timeout: Duration::from_secs(10), bytes_per_second_min: 100 };

    /// A body of so many chunks, each of `bytes` and a second after the one before.
    async fn a_chunk_a_second(chunks: usize, bytes: usize, pace: Pace) -> Result<(), String> {
        let chunks = tokio_stream::iter(0..chunks).then(move |_| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from(vec![b'a'; bytes])))
        });
        let body = Paced::new(StreamBody::new(Box::pin(chunks)), pace);
        body.collect().await.map(drop).map_err(|error| error.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_take_its_time_and_what_its_bytes_are_worth() {
        assert_eq!(a_chunk_a_second(9, 1, PACE).await, Ok(()));
        assert_eq!(a_chunk_a_second(1000, 100, PACE).await, Ok(()));
        for (chunks, bytes) in [(11, 1), (1000, 50)] {
            let error = a_chunk_a_second(chunks, bytes, PACE).await.expect_err("too slow");
            assert!(error.contains("too slowly"), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_time_there_is_no_bound() {
        let unbound = Pace { timeout: Duration::ZERO, bytes_per_second_min: 100 };
        assert_eq!(a_chunk_a_second(1000, 1, unbound).await, Ok(()));
    }
}
