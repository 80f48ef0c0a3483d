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
        while !self.notified.swap(false, Ordering::Acquire) {
            match until {
                None => park(),
                Some(until) => match until.checked_duration_since(Instant::now()) {
                    Some(left) if !left.is_zero() => park_timeout(left),
                    _ => return self.notified.swap(false, Ordering::Acquire),
                },
            }
        }
        true
    }

    /// What the thread does at this moment. `None` where nobody can say.
    pub(super) fn sighting(&self) -> Option<Sighting> {
        let name = self.name.as_ref()?;
        if name.computes()? { name.counters().map(Sighting::Counted) } else { Some(Sighting::Sleeps) }
    }
}
