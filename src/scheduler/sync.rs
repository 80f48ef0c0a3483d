//! Owns the choice of locks, flags and parking for the parts that are model-checked: the standard ones, or loom's.
//!
//! A cfg of our own rather than plain `loom`, because that one would also change how dependencies build.

#[cfg(all(test, ambidex_loom))]
pub(super) use loom::sync::{Mutex, MutexGuard, atomic::AtomicBool};
#[cfg(all(test, ambidex_loom))]
pub(super) use modelled::{Thread, current, park, park_timeout};
#[cfg(not(all(test, ambidex_loom)))]
pub(super) use standard::{Thread, current, park, park_timeout};
#[cfg(not(all(test, ambidex_loom)))]
pub(super) use std::sync::{Mutex, MutexGuard, atomic::AtomicBool};

#[cfg(not(all(test, ambidex_loom)))]
mod standard {
    use std::time::Duration;

    pub(in crate::scheduler) use std::thread::{Thread, current};

    /// Parks this thread, which is `own`.
    pub(in crate::scheduler) fn park(own: &Thread) {
        debug_assert_eq!(own.id(), current().id());
        std::thread::park();
    }

    pub(in crate::scheduler) fn park_timeout(_own: &Thread, time: Duration) {
        std::thread::park_timeout(time);
    }
}

/// Parking as the standard library documents it: a token for one park. loom's own park forgets it under a lock.
#[cfg(all(test, ambidex_loom))]
mod modelled {
    use std::time::Duration;

    use loom::sync::Notify;

    pub(in crate::scheduler) struct Thread {
        token: Notify,
    }

    pub(in crate::scheduler) fn current() -> Thread {
        Thread { token: Notify::new() }
    }

    pub(in crate::scheduler) fn park(own: &Thread) {
        own.token.wait();
    }

    /// loom has no time: whoever would wait for some of it waits for a wake.
    pub(in crate::scheduler) fn park_timeout(own: &Thread, _: Duration) {
        park(own);
    }

    impl Thread {
        pub(in crate::scheduler) fn unpark(&self) {
            self.token.notify();
        }
    }
}
