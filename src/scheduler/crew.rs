//! Owns who is there: how many threads exist, which are parked, how many wait, how many are on their way.
//!
//! A thread is in exactly one of four states. `on their way`: woken or being started, has not yet reached the
//! queue. `active`: runs a job, or is between two. `waiting`: inside `block_on`. `idle`: parked, on the stack.
//! The stack is last in, first out, so the hottest thread is woken and the coldest times out.
//!
//! The crew only keeps books and picks; parking, waking and starting happen outside of the lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::config::Limits;

/// One thread's place in the crew: how to wake it, and when it took up its present job.
pub(super) struct Seat {
    thread: Thread,
    notified: AtomicBool,
    /// Nanoseconds since `epoch` at which the present job began; zero between jobs.
    busy_since: AtomicU64,
    /// How long the job before took, in nanoseconds.
    last_run: AtomicU64,
    epoch: Instant,
}

impl Seat {
    pub(super) fn of_this_thread(epoch: Instant) -> Self {
        Self {
            thread: thread::current(),
            notified: AtomicBool::new(false),
            busy_since: AtomicU64::new(0),
            last_run: AtomicU64::new(u64::MAX),
            epoch,
        }
    }

    /// Ends this thread's `park`, now or when it gets there.
    pub(super) fn wake(&self) {
        self.notified.store(true, Ordering::Release);
        self.thread.unpark();
    }

    /// Parks this thread until `wake`, or for `at_most`. Returns whether it was woken.
    ///
    /// A job may use the thread's park token for purposes of its own; that costs a turn of this loop, no more.
    pub(super) fn park(&self, at_most: Option<Duration>) -> bool {
        let until = at_most.map(|time| Instant::now() + time);
        while !self.notified.swap(false, Ordering::Acquire) {
            match until {
                None => thread::park(),
                Some(until) => match until.checked_duration_since(Instant::now()) {
                    Some(left) if !left.is_zero() => thread::park_timeout(left),
                    _ => return self.notified.swap(false, Ordering::Acquire),
                },
            }
        }
        true
    }

    pub(super) fn takes_up(&self, now: Instant) {
        self.busy_since.store(self.nanos(now).max(1), Ordering::Relaxed);
    }

    pub(super) fn puts_down(&self, now: Instant) {
        let since = self.busy_since.swap(0, Ordering::Relaxed);
        self.last_run.store(self.nanos(now).saturating_sub(since), Ordering::Relaxed);
    }

    /// Whether this thread runs one short job after another: its last one was, and the present one still is.
    fn is_hot(&self, now: Instant, short: Duration) -> bool {
        let since = self.busy_since.load(Ordering::Relaxed);
        let short = short.as_nanos() as u64;
        since != 0
            && self.last_run.load(Ordering::Relaxed) < short
            && self.nanos(now).saturating_sub(since) < short
    }

    fn nanos(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.epoch).as_nanos() as u64
    }
}

/// How one more thread comes to the queue.
pub(super) enum Summons {
    /// No thread is to be had.
    Nobody,
    /// This parked one is to be woken.
    Wake(Arc<Seat>),
    /// One is to be started.
    Start,
}

/// Every thread of one scheduler.
#[derive(Default)]
pub(super) struct Crew {
    seats: Vec<Arc<Seat>>,
    idle: Vec<Arc<Seat>>,
    threads: usize,
    on_their_way: usize,
    waiting: usize,
}

impl Crew {
    /// Threads that exist or are being started.
    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    pub(super) fn idle(&self) -> usize {
        self.idle.len()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn on_their_way(&self) -> usize {
        self.on_their_way
    }

    /// Threads that run a job and do not wait in it.
    pub(super) fn active(&self) -> usize {
        self.threads - self.idle.len() - self.on_their_way - self.waiting
    }

    /// Threads that ordinary demand may have: those that wait are stood in for, within a bound.
    pub(super) fn ceiling(&self, limits: &Limits) -> usize {
        (limits.threads_max + self.waiting.min(limits.compensation_max)).min(limits.threads_hard_max)
    }

    /// Picks one more thread: the one parked last, else a new one below `ceiling`.
    pub(super) fn summon(&mut self, ceiling: usize) -> Summons {
        if let Some(seat) = self.idle.pop() {
            self.on_their_way += 1;
            return Summons::Wake(seat);
        }
        if self.threads < ceiling {
            self.threads += 1;
            self.on_their_way += 1;
            return Summons::Start;
        }
        Summons::Nobody
    }

    /// Everyone who is parked, to be sent home.
    pub(super) fn summon_idle(&mut self) -> Vec<Arc<Seat>> {
        self.on_their_way += self.idle.len();
        std::mem::take(&mut self.idle)
    }

    pub(super) fn start_failed(&mut self) {
        self.threads -= 1;
        self.on_their_way -= 1;
    }

    /// A started thread has its seat. It is still on its way.
    pub(super) fn seat(&mut self, seat: Arc<Seat>) {
        self.seats.push(seat);
    }

    pub(super) fn arrived(&mut self) {
        self.on_their_way -= 1;
    }

    pub(super) fn rest(&mut self, seat: Arc<Seat>) {
        self.idle.push(seat);
    }

    /// Takes a thread that timed out off the stack; `false` if it has been summoned meanwhile.
    pub(super) fn rise(&mut self, seat: &Arc<Seat>) -> bool {
        match self.idle.iter().position(|idle| Arc::ptr_eq(idle, seat)) {
            Some(index) => {
                self.idle.remove(index);
                true
            }
            None => false,
        }
    }

    /// An active thread ends.
    pub(super) fn leave(&mut self, seat: &Arc<Seat>) {
        self.threads -= 1;
        self.seats.retain(|known| !Arc::ptr_eq(known, seat));
    }

    pub(super) fn begin_waiting(&mut self) {
        self.waiting += 1;
    }

    pub(super) fn end_waiting(&mut self) {
        self.waiting -= 1;
    }

    /// How many threads run one short job after another, counting no further than `enough`.
    pub(super) fn hot(&self, now: Instant, short: Duration, enough: usize) -> usize {
        self.seats.iter().filter(|seat| seat.is_hot(now, short)).take(enough).count()
    }
}
