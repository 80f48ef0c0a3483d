//! The heads of HTTP/1.1 requests come in time: looked at now and then, rather than with a timer for each.
//!
//! hyper has a clock for heads. It asks its timer for a sleep with every request, and goes through its reading and writing
//! once more after every answer, only to have the clock set. Ours costs nothing as long as nobody is slow: the connection
//! says what happens on it (`heard`), and looks are counted, a quarter of the timeout apart, while it waits for a head. A
//! client that is slow with one is let go a little later. Connections that wait for no head have no tick.
//!
//! A connection waits for a head from the end of the answer before it. Only once a byte of it has come is it a slow
//! head; before that the client is at rest, and how long it may be so is another's business (`lifetime`). A byte may
//! have come with the request before: then what came last does not end where a head does. Behind a body nobody here can
//! tell, and the client is taken to be at rest.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::cut::Cut;
use super::linger::Lingers;
use super::own_wakes::OwnWakes;

/// In how many looks the timeout is divided.
const LOOKS: u32 = 4;

/// How a connection ended.
pub(super) type Ended = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// What has happened on a connection of HTTP/1.1. Marks in one byte: as fields of their own the compiler takes them apart
/// and puts them together, in two hundred instructions a poll.
#[derive(Debug, Clone, Copy)]
struct Heard {
    /// How many heads have come; the number wraps.
    heads: u32,
    marks: u8,
}

/// It is a connection of HTTP/1.1.
const IS_HTTP1: u8 = 1;
/// It is one of HTTP/2.
const IS_HTTP2: u8 = 1 << 6;
/// An answer is being made, or its body is not handed on to its end.
const ANSWERS: u8 = 1 << 1;
/// Bytes wait for the socket to take them.
const IS_SENDING: u8 = 1 << 2;
/// Bytes of a head have come since the last answer.
const BYTES_CAME: u8 = 1 << 3;
/// What was read last may be the end of a head.
const ENDS_A_HEAD: u8 = 1 << 4;
/// The request that came last has a body.
const HAS_BODY: u8 = 1 << 5;

impl Heard {
    const NOTHING: Self = Self { heads: 0, marks: ENDS_A_HEAD };

    fn mark(&mut self, mark: u8, set: bool) {
        self.marks = self.marks & !mark | if set { mark } else { 0 };
    }

    /// Whether it waits for a head.
    fn waits(self) -> bool {
        self.marks & (IS_HTTP1 | ANSWERS | IS_SENDING) == IS_HTTP1
    }
}

thread_local! {
    /// Of the connection that is being polled.
    static HEARD: Cell<Heard> = const { Cell::new(Heard::NOTHING) };
}

fn heard(change: impl FnOnce(&mut Heard)) {
    let mut heard = HEARD.get();
    change(&mut heard);
    HEARD.set(heard);
}

/// Says that the connection that is being polled speaks HTTP/1.1.
pub(super) fn is_http1() {
    heard(|heard| heard.mark(IS_HTTP1, true));
}

/// Says that the connection that is being polled speaks HTTP/2.
pub(super) fn is_http2() {
    heard(|heard| heard.mark(IS_HTTP2, true));
}

/// Says that it has read bytes, and whether the last of them may be the end of a head.
pub(super) fn bytes_came(ends_a_head: bool) {
    heard(|heard| {
        heard.mark(BYTES_CAME, true);
        heard.mark(ENDS_A_HEAD, ends_a_head);
    });
}

/// Says whether it has written all that it wanted to.
pub(super) fn sends(all: bool) {
    heard(|heard| heard.mark(IS_SENDING, !all));
}

/// The answer to a request of HTTP/1.1, from its head to the end of the answer's body. Made and dropped where the
/// connection is polled.
#[derive(Debug)]
pub(super) struct Answering(());

impl Answering {
    /// A head has come, and a body may come behind it.
    pub(super) fn new(has_body: bool) -> Self {
        heard(|heard| {
            heard.heads = heard.heads.wrapping_add(1);
            heard.mark(ANSWERS, true);
            heard.mark(HAS_BODY, has_body);
        });
        Self(())
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        heard(|heard| {
            heard.mark(ANSWERS, false);
            // The next head may have come, in part, with the request.
            heard.mark(BYTES_CAME, heard.marks & (ENDS_A_HEAD | HAS_BODY) == 0);
        });
    }
}

pin_project! {
    /// A connection whose heads have to come in time.
    pub(super) struct Glancing<C> {
        #[pin]
        connection: C,
        every: Duration,
        heard: Heard,
        // Of a connection that answers where it is polled, and so wakes itself: over HTTP/2.
        own_wakes: Option<OwnWakes>,
        // Request bodies that are read behind their answer, by whomever: what comes then is theirs.
        lingers: Lingers,
        // Made when the connection first waits for a head.
        tick: Option<Alarm>,
        // Of the head it waits for.
        looks: u32,
    }
}

impl<C> Glancing<C> {
    /// A connection whose heads may take `timeout`.
    pub(super) fn new(connection: C, timeout: Duration, lingers: Lingers) -> Self {
        let every = (timeout / LOOKS).max(Duration::from_millis(1));
        Self { connection, every, heard: Heard::NOTHING, own_wakes: None, lingers, tick: None, looks: 0 }
    }

    /// The connection itself.
    pub(super) fn connection(self: Pin<&mut Self>) -> Pin<&mut C> {
        self.project().connection
    }

    /// How many heads of HTTP/1.1 have come; the number wraps.
    pub(super) fn heads(&self) -> u32 {
        self.heard.heads
    }

    /// Whether it waits for one, as it does between requests.
    pub(super) fn waits(&self) -> bool {
        self.heard.waits() && !self.lingers.are_open()
    }
}

impl<C: Future<Output = Ended>> Future for Glancing<C> {
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let this = self.project();
        HEARD.set(*this.heard);
        let polled = match this.own_wakes {
            None => this.connection.poll(cx),
            Some(own_wakes) => own_wakes.poll(this.connection, cx),
        };
        let heard = HEARD.get();
        if heard.marks & IS_HTTP2 != 0 && this.own_wakes.is_none() {
            *this.own_wakes = Some(OwnWakes::new());
        }
        if heard.heads != this.heard.heads {
            *this.looks = 0;
        }
        *this.heard = heard;
        if polled.is_ready() || !heard.waits() {
            return polled;
        }
        if this.lingers.are_open() {
            this.heard.mark(BYTES_CAME, false);
            *this.looks = 0;
            return Poll::Pending;
        }
        let every = *this.every;
        let tick = this.tick.get_or_insert_with(|| Alarm::at(Instant::now() + every));
        while tick.rings(cx) {
            tick.reset(Instant::now() + every);
            // The first head is due from the start: its beginning told us the version of HTTP.
            if heard.marks & BYTES_CAME != 0 || heard.heads == 0 {
                *this.looks += 1;
            }
            // The first look may have come at once.
            if *this.looks > LOOKS {
                return Poll::Ready(Err(Cut::SlowHead.into()));
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(40);

    /// A connection on which this happens once, and then nothing more.
    fn connection(happens: impl FnOnce() + Send + 'static) -> Glancing<impl Future<Output = Ended>> {
        let mut happens = Some(happens);
        let connection = std::future::poll_fn(move |_| {
            is_http1();
            if let Some(happens) = happens.take() {
                happens();
            }
            Poll::Pending
        });
        Glancing::new(connection, TIMEOUT, Lingers::new())
    }

    /// How long it is waited for, if not for ever.
    async fn waited(connection: impl Future<Output = Ended>) -> Option<u128> {
        let began = Instant::now();
        let ended = tokio::time::timeout(Duration::from_secs(1), connection).await;
        ended.ok().map(|ended| {
            ended.expect_err("its head is too slow");
            began.elapsed().as_millis()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_come_is_given_up_within_a_look_of_its_time() {
        let waited = waited(connection(|| {})).await.expect("the first is due");
        assert!((40..=50).contains(&waited), "{waited} ms");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_at_rest_is_not_slow() {
        assert_eq!(waited(connection(|| drop(Answering::new(false)))).await, None);
        // Until its head begins.
        let began = connection(|| {
            drop(Answering::new(false));
            bytes_came(false);
        });
        assert!(waited(began).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_may_begin_with_the_request_before_it_and_a_body_is_none() {
        let read = |ends_a_head, has_body| {
            connection(move || {
                bytes_came(ends_a_head);
                drop(Answering::new(has_body));
            })
        };
        assert!(waited(read(false, false)).await.is_some(), "half a head");
        assert_eq!(waited(read(true, false)).await, None);
        assert_eq!(waited(read(false, true)).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_head_before_the_answer_is_out() {
        let answering = connection(|| {
            std::mem::forget(Answering::new(false));
            bytes_came(false);
        });
        assert_eq!(waited(answering).await, None);
        let sending = connection(|| {
            drop(Answering::new(false));
            bytes_came(false);
            sends(false);
        });
        assert_eq!(waited(sending).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_rest_of_a_body_is_no_head() {
        let mut connection = Box::pin(connection(|| {
            drop(Answering::new(false));
            bytes_came(false);
        }));
        let rest = connection.lingers.open();
        assert_eq!(waited(&mut connection).await, None);
        drop(rest);
        assert_eq!(waited(&mut connection).await, None, "nothing of a head has come");
    }

    #[tokio::test]
    async fn nobody_who_waits_for_no_head_has_a_tick() {
        let mut idle =
            std::pin::pin!(Glancing::new(std::future::pending(), Duration::from_secs(1), Lingers::new()));
        std::future::poll_fn(|cx| {
            assert!(idle.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        assert!(idle.tick.is_none());
    }
}
