//! Owns one thread's place in the scheduler as its owner sees it: how to park it, how to wake it, and how to ask
//! the system what it is doing.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::meter::ThreadName;
use super::policy::Sighting;
use super::sync::{AtomicBool, Thread, current, park, park_timeout};

pub(super) struct Seat {
    thread: Thread,
    notified: AtomicBool,
    name: Option<ThreadName>,
}

impl Seat {
    pub(super) fn of_this_thread() -> Self {
        Self { thread: current(), notified: AtomicBool::new(false), name: ThreadName::of_this_thread() }
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
        while !self.take_notice() {
            match until {
                None => park(&self.thread),
                Some(until) => match until.checked_duration_since(Instant::now()) {
                    Some(left) if !left.is_zero() => park_timeout(&self.thread, left),
                    _ => return self.take_notice(),
                },
            }
        }
        true
    }

    /// Whether there was a wake since the last one was taken. Nothing is written where there was none: a write could
    /// only be in the way of one that comes.
    fn take_notice(&self) -> bool {
        self.notified.compare_exchange(true, false, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// What the thread does at this moment. `None` where nobody can say.
    pub(super) fn sighting(&self) -> Option<Sighting> {
        self.name.as_ref()?.sighting()
    }
}
