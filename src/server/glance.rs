//! A clock for the heads of HTTP/1.1 requests that is looked at now and then, rather than set for each.
//!
//! hyper asks its timer for a sleep with every request. One of tokio's is an entry in a wheel behind a lock, made
//! and taken out again some ten microseconds later. Ours are nothing: looks are counted, a quarter of the timeout apart,
//! while the connection waits for a head. A client that is slow with one is let go a little later, and all others pay next
//! to nothing. Connections that wait for no head have no tick.
//!
//! To hyper a connection waits for a head from the end of the request before it. Only once a byte of it has come is it a
//! slow head; before that the client is at rest, and how long it may be so is another's business (`lifetime`). A byte may
//! have come with the request before: then what came last does not end where a head does. Behind a body nobody here can
//! tell, and the client is taken to be at rest.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use pin_project_lite::pin_project;

/// In how many looks the timeout is divided.
const LOOKS: u32 = 4;

thread_local! {
    /// Whether the connection that is being polled has waited for too long.
    static OVER: Cell<bool> = const { Cell::new(false) };
    /// Whether it waits for a head.
    static WAITS: Cell<bool> = const { Cell::new(false) };
    /// How many heads it has waited for.
    static HEADS: Cell<u32> = const { Cell::new(0) };
    /// Whether bytes have come since it began to wait.
    static BYTES_CAME: Cell<bool> = const { Cell::new(false) };
    /// What it read last, and the request that it read last.
    static LAST: Cell<Last> = const { Cell::new(Last { ends_a_head: true, has_body: false }) };
}

/// Where the last head ended, as far as it can be told.
#[derive(Debug, Clone, Copy)]
struct Last {
    ends_a_head: bool,
    has_body: bool,
}

impl Last {
    /// Whether a head has begun behind the last request.
    fn is_followed(self) -> bool {
        !self.ends_a_head && !self.has_body
    }
}

/// Says that the connection that is being polled has read bytes, and whether the last of them may be the end of a head.
pub(super) fn bytes_came(ends_a_head: bool) {
    BYTES_CAME.set(true);
    LAST.set(Last { ends_a_head, ..LAST.get() });
}

/// Says that the request it has read has a body.
pub(super) fn body_comes() {
    LAST.set(Last { has_body: true, ..LAST.get() });
}

/// The timer for hyper. Its sleeps end only below a [`Glancing`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Glances;

impl Timer for Glances {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        HEADS.set(HEADS.get().wrapping_add(1));
        let last = LAST.get();
        BYTES_CAME.set(last.is_followed());
        LAST.set(Last { has_body: false, ..last });
        Box::pin(Head)
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(Duration::ZERO)
    }
}

/// The wait for one head.
struct Head;

impl Future for Head {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        WAITS.set(true);
        if OVER.get() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Sleep for Head {}

pin_project! {
    /// A connection whose heads have to come in time.
    pub(super) struct Glancing<C> {
        #[pin]
        connection: C,
        every: Duration,
        // Made when the connection first waits for a head.
        tick: Option<Pin<Box<tokio::time::Sleep>>>,
        // Of the head it waits for.
        looks: u32,
        waits: bool,
        heads: u32,
        bytes_came: bool,
        last: Last,
    }
}

impl<C> Glancing<C> {
    /// A connection whose heads may take `timeout`.
    pub(super) fn new(connection: C, timeout: Duration) -> Self {
        let every = (timeout / LOOKS).max(Duration::from_millis(1));
        let last = Last { ends_a_head: true, has_body: false };
        Self { connection, every, tick: None, looks: 0, waits: false, heads: 0, bytes_came: false, last }
    }

    /// The connection itself.
    pub(super) fn connection(self: Pin<&mut Self>) -> Pin<&mut C> {
        self.project().connection
    }

    /// How many heads of HTTP/1.1 it has waited for; the number wraps.
    pub(super) fn heads(&self) -> u32 {
        self.heads
    }

    /// Whether it waits for one, as it does between requests.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }
}

impl<C: Future> Future for Glancing<C> {
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        let mut this = self.project();
        let mut over = false;
        loop {
            OVER.set(over);
            WAITS.set(false);
            HEADS.set(*this.heads);
            BYTES_CAME.set(*this.bytes_came);
            LAST.set(*this.last);
            let polled = this.connection.as_mut().poll(cx);
            *this.waits = WAITS.get();
            *this.bytes_came = BYTES_CAME.get();
            *this.last = LAST.get();
            if HEADS.get() != *this.heads {
                *this.heads = HEADS.get();
                *this.looks = 0;
            }
            if polled.is_ready() || !*this.waits {
                return polled;
            }
            let every = *this.every;
            let tick = this.tick.get_or_insert_with(|| Box::pin(tokio::time::sleep(every)));
            loop {
                std::task::ready!(tick.as_mut().poll(cx));
                tick.as_mut().reset(tokio::time::Instant::now() + every);
                // The first head is due from the start: its beginning told us the version of HTTP.
                if *this.bytes_came || *this.heads <= 1 {
                    *this.looks += 1;
                }
                // The first look may have come at once.
                if *this.looks > LOOKS {
                    break;
                }
            }
            over = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::ready;

    /// A connection that waits for one head after another; the first `come` do.
    fn waiting(come: u32) -> impl Future<Output = ()> {
        let mut head = Glances.sleep(Duration::ZERO);
        let mut left = come;
        std::future::poll_fn(move |cx| {
            while left > 0 {
                left -= 1;
                head = Glances.sleep(Duration::ZERO);
            }
            ready!(head.as_mut().poll(cx));
            Poll::Ready(())
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_come_is_given_up_within_a_look_of_its_time() {
        let began = tokio::time::Instant::now();
        Glancing::new(waiting(1), Duration::from_millis(40)).await;
        let waited = began.elapsed().as_millis();
        assert!((40..=50).contains(&waited), "{waited} ms");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_at_rest_is_not_slow() {
        let at_rest = Glancing::new(waiting(2), Duration::from_millis(40));
        assert!(tokio::time::timeout(Duration::from_secs(1), at_rest).await.is_err());
        // Until its head begins.
        let began = Glancing::new(
            async {
                let mut connection = Box::pin(waiting(2));
                std::future::poll_fn(|cx| {
                    let polled = connection.as_mut().poll(cx);
                    bytes_came(false);
                    polled
                })
                .await;
            },
            Duration::from_millis(40),
        );
        assert!(tokio::time::timeout(Duration::from_secs(1), began).await.is_ok());
    }

    #[tokio::test]
    async fn nobody_who_waits_for_no_head_has_a_tick() {
        let mut idle = std::pin::pin!(Glancing::new(std::future::pending::<()>(), Duration::from_secs(1)));
        std::future::poll_fn(|cx| {
            assert!(idle.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        assert!(idle.tick.is_none());
    }
}
