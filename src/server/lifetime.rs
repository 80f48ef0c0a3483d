//! How long a connection lives: until it is old, or has had no call for long, or the server stops.
//!
//! Each of them ends it politely: over HTTP/2 by GOAWAY, over HTTP/1.1 by `connection: close` or, between requests, by
//! closing. Calls under way go on for a while; then the connection is cut.
//!
//! Nothing here is done for each request. Whether a connection is at rest is looked at now and then, and compared with
//! what was seen before. The one timer of a connection is asked only when it has rung: the task is woken for other reasons
//! all the time.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::config::{CROWDED_LOOK, LOOKS_PER_IDLE_TIMEOUT};
use super::cut::Cut;
use super::glance::{Ended, Glancing};
use super::streams::Streams;

/// The bounds of a connection's life.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// How old it may become, give or take a tenth.
    pub(super) age_max: Option<Duration>,
    /// How long its calls may go on after that.
    pub(super) grace: Duration,
    /// How long it may be without a call.
    pub(super) idle_timeout: Option<Duration>,
}

/// Why a connection has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Old,
    Idle,
    /// It is without a call while others wait for a place.
    Crowded,
}

/// The life of one connection.
pub(super) struct Lifetime {
    old_at: Option<Instant>,
    /// Between two looks, if there are any.
    every: Option<Duration>,
    look_at: Instant,
    idle_timeout: Duration,
    rest: Rest,
    alarm: Option<Alarm>,
}

/// What the last looks have seen.
#[derive(Debug, Default)]
struct Rest {
    /// How many calls had begun.
    begun: u32,
    busy: bool,
    /// For how many looks nothing has happened.
    looks: u32,
}

impl Rest {
    /// Looks once more: for how many looks the connection has been at rest.
    fn look(&mut self, begun: u32, busy: bool) -> u32 {
        // A call that was under way may have ended just now.
        let rested = !busy && !self.busy && begun == self.begun;
        self.looks = if rested { self.looks + 1 } else { 0 };
        self.begun = begun;
        self.busy = busy;
        self.looks
    }
}

impl Lifetime {
    pub(super) fn new(span: &Span) -> Self {
        let now = Instant::now();
        let every = span
            .idle_timeout
            .map(|idle| (idle / LOOKS_PER_IDLE_TIMEOUT).clamp(Duration::from_millis(1), CROWDED_LOOK));
        let mut lifetime = Self {
            old_at: span.age_max.map(|age| now + about(age)),
            every,
            look_at: now + every.unwrap_or_default(),
            idle_timeout: span.idle_timeout.unwrap_or_default(),
            rest: Rest::default(),
            alarm: None,
        };
        lifetime.set_alarm();
        lifetime
    }

    fn set_alarm(&mut self) {
        let look_at = self.every.map(|_| self.look_at);
        let next = [self.old_at, look_at].into_iter().flatten().min();
        match (&mut self.alarm, next) {
            (Some(alarm), Some(next)) => alarm.reset(next),
            (alarm, next) => *alarm = next.map(Alarm::at),
        }
    }

    /// Whether the connection has to end, by what it does now.
    fn over(&mut self, cx: &mut Context<'_>, now: impl Fn() -> Now) -> Option<Over> {
        while self.alarm.as_mut()?.rings(cx) {
            let time = Instant::now();
            if self.old_at.is_some_and(|old| old <= time) {
                return Some(Over::Old);
            }
            if let Some(every) = self.every
                && self.look_at <= time
            {
                self.look_at = time + every;
                let Now { begun, busy, crowded } = now();
                let looks = self.rest.look(begun, busy);
                if every * looks >= self.idle_timeout {
                    return Some(Over::Idle);
                }
                if crowded && looks > 0 {
                    return Some(Over::Crowded);
                }
            }
            self.set_alarm();
        }
        None
    }
}

/// What is seen at a look.
struct Now {
    begun: u32,
    busy: bool,
    crowded: bool,
}

/// A tenth more or less: connections that began together should not all begin anew together.
fn about(age: Duration) -> Duration {
    // Each has keys of its own, which makes its hash of nothing a random number.
    let random = RandomState::new().build_hasher().finish();
    let part = random as f64 / u64::MAX as f64;
    age.mul_f64(0.9 + 0.2 * part)
}

/// How far a connection is on its way to its end.
enum Ending {
    Not,
    /// With the server, which says how long it waits.
    WithTheServer,
    Before(Alarm),
}

pin_project! {
    /// A connection that is served for as long as it may live.
    pub(super) struct Living<C, T> {
        #[pin]
        connection: Glancing<C>,
        end: fn(Pin<&mut C>),
        told: T,
        lifetime: Lifetime,
        grace: Duration,
        streams: Streams,
        crowded: Box<dyn Fn() -> bool + Send>,
        ending: Ending,
    }
}

impl<C, T> Living<C, T> {
    /// Serves `connection` until it ends, and has it end by `end` when its time is over or `told` resolves. Its streams
    /// run on `streams`; `crowded` says whether others wait for a place.
    pub(super) fn new(
        connection: Glancing<C>,
        end: fn(Pin<&mut C>),
        told: T,
        span: &Span,
        streams: Streams,
        crowded: impl Fn() -> bool + Send + 'static,
    ) -> Self {
        let lifetime = Lifetime::new(span);
        let crowded = Box::new(crowded);
        let ending = Ending::Not;
        Self { connection, end, told, lifetime, grace: span.grace, streams, crowded, ending }
    }
}

impl<C, T> Future for Living<C, T>
where
    C: Future<Output = Ended>,
    T: Future<Output = ()> + Unpin,
{
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let mut this = self.project();
        loop {
            if let Poll::Ready(ended) = this.connection.as_mut().poll(cx) {
                return Poll::Ready(ended);
            }
            match this.ending {
                Ending::Not => {}
                Ending::WithTheServer => return Poll::Pending,
                Ending::Before(alarm) => {
                    if !alarm.rings(cx) {
                        return Poll::Pending;
                    }
                    return Poll::Ready(Err(Cut::OutOfTime.into()));
                }
            }
            if Pin::new(&mut *this.told).poll(cx).is_ready() {
                *this.ending = Ending::WithTheServer;
            } else {
                let connection = this.connection.as_ref();
                let (streams, crowded) = (&*this.streams, &*this.crowded);
                let now = || Now {
                    begun: connection.heads().wrapping_add(streams.begun()),
                    // A connection of HTTP/2 never waits for a head.
                    busy: streams.are_open() || connection.heads() > 0 && !connection.waits(),
                    crowded: crowded(),
                };
                let Some(why) = this.lifetime.over(cx, now) else { return Poll::Pending };
                tracing::debug!(?why, "a connection is ended");
                *this.ending = Ending::Before(Alarm::at(Instant::now() + *this.grace));
            }
            (this.end)(this.connection.as_mut().connection());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::linger::Lingers;

    fn span() -> Span {
        Span { age_max: None, grace: Duration::from_secs(5), idle_timeout: None }
    }

    /// A connection that hears nothing.
    struct Deaf;

    impl Future for Deaf {
        type Output = Ended;

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Ended> {
            Poll::Pending
        }
    }

    /// How long a connection that hears nothing lives, in seconds.
    async fn lives(span: Span, streams: Streams, crowded: bool) -> f64 {
        let began = Instant::now();
        let connection = Glancing::new(Deaf, Duration::from_secs(10), Lingers::new());
        let told = std::future::pending::<()>();
        let living = Living::new(connection, |_| {}, told, &span, streams, move || crowded);
        let ended = tokio::time::timeout(Duration::from_secs(100_000), living).await;
        assert!(ended.is_ok_and(|ended| ended.is_err()), "it is cut off at last");
        began.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_connection_is_ended_and_then_cut_off() {
        let old = Span { age_max: Some(Duration::from_secs(1000)), ..span() };
        let mut ages = Vec::new();
        for _ in 0..20 {
            ages.push(lives(old, Streams::default(), false).await);
        }
        assert!(
            ages.iter().all(|age| (905.0..=1106.0).contains(age)),
            "a tenth more or less, and grace: {ages:?}"
        );
        let spread = ages.iter().fold(0.0, |most: f64, age| most.max((age - ages[0]).abs()));
        assert!(spread > 1.0, "not all at once: {ages:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_calls_is_ended_but_not_one_with() {
        let idle = Span { idle_timeout: Some(Duration::from_secs(60)), ..span() };
        let lived = lives(idle, Streams::default(), false).await;
        assert!((65.0..=85.0).contains(&lived), "{lived} s");
        // A call of ten minutes: it rests when that is over.
        let streams = Streams::default();
        hyper::rt::Executor::execute(&streams, tokio::time::sleep(Duration::from_secs(600)));
        let lived = lives(idle, streams, false).await;
        assert!((665.0..=690.0).contains(&lived), "{lived} s");
    }

    #[tokio::test(start_paused = true)]
    async fn where_others_wait_nobody_rests() {
        let idle = Span { idle_timeout: Some(Duration::from_secs(600)), ..span() };
        let lived = lives(idle, Streams::default(), true).await;
        assert!(lived < 20.0, "{lived} s");
    }

    #[tokio::test(start_paused = true)]
    async fn without_bounds_there_is_no_alarm() {
        assert!(Lifetime::new(&span()).alarm.is_none());
    }

    #[test]
    fn a_call_between_two_looks_is_seen() {
        let mut rest = Rest::default();
        assert_eq!(rest.look(0, false), 1);
        assert_eq!(rest.look(1, false), 0, "one came and went");
        assert_eq!(rest.look(1, false), 1);
        assert_eq!(rest.look(1, true), 0);
        assert_eq!(rest.look(1, false), 0, "it may have ended just now");
        assert_eq!(rest.look(1, false), 1);
    }
}
