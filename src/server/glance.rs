//! A clock for the heads of HTTP/1.1 requests that is looked at now and then, rather than set for each.
//!
//! hyper asks its timer for a sleep with every request. One of tokio's is an entry in a wheel behind a lock, made
//! and taken out again some ten microseconds later. Ours is a number that is compared when the connection's one
//! tick has come, a quarter of the timeout apart: a client that is slow with a head is let go a little later, and
//! all others pay next to nothing. Connections that wait for no head have no tick.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use pin_project_lite::pin_project;

/// In how many looks the timeout is divided.
const LOOKS: u32 = 4;

thread_local! {
    /// Whether the connection that is being polled looks at the clock.
    static LOOKING: Cell<bool> = const { Cell::new(false) };
    /// Whether a sleep was polled meanwhile.
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// The timer for hyper. Its sleeps end only below a [`Glancing`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Glances;

impl Timer for Glances {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Until(deadline))
    }
}

struct Until(Instant);

impl Future for Until {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        ASKED.set(true);
        if LOOKING.get() && Instant::now() >= self.0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Sleep for Until {}

pin_project! {
    /// A connection whose sleeps are looked at.
    pub(super) struct Glancing<C> {
        #[pin]
        connection: C,
        every: Duration,
        // Made when the connection first waits for a head.
        tick: Option<Pin<Box<tokio::time::Sleep>>>,
    }
}

impl<C> Glancing<C> {
    /// A connection whose sleeps last `timeout`.
    pub(super) fn new(connection: C, timeout: Duration) -> Self {
        Self { connection, every: timeout / LOOKS, tick: None }
    }

    /// The connection itself.
    pub(super) fn connection(self: Pin<&mut Self>) -> Pin<&mut C> {
        self.project().connection
    }
}

impl<C: Future> Future for Glancing<C> {
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        let mut this = self.project();
        let mut looking = false;
        loop {
            ASKED.set(false);
            LOOKING.set(looking);
            let polled = this.connection.as_mut().poll(cx);
            LOOKING.set(false);
            if polled.is_ready() || !ASKED.get() {
                return polled;
            }
            let every = *this.every;
            let tick = this.tick.get_or_insert_with(|| Box::pin(tokio::time::sleep(every)));
            std::task::ready!(tick.as_mut().poll(cx));
            tick.as_mut().reset(tokio::time::Instant::now() + every);
            looking = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_sleep_ends_within_a_look_of_its_time() {
        // The sleeps compare real time, of which next to nothing passes here.
        let timeout = Duration::from_millis(40);
        let short = Glancing::new(Glances.sleep(Duration::ZERO), timeout);
        let began = tokio::time::Instant::now();
        short.await;
        assert_eq!(began.elapsed().as_millis(), 10, "not before it is looked at");
        let long = Glancing::new(Glances.sleep(Duration::from_secs(3600)), timeout);
        assert!(tokio::time::timeout(Duration::from_secs(1), long).await.is_err());
    }

    #[tokio::test]
    async fn nobody_who_does_not_sleep_has_a_tick() {
        let mut idle = std::pin::pin!(Glancing::new(std::future::pending::<()>(), Duration::from_secs(1)));
        std::future::poll_fn(|cx| {
            assert!(idle.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        assert!(idle.tick.is_none());
    }
}
