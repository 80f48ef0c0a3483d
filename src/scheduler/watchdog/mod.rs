//! Owns the watch over the runtime's threads: code that is polled there and does not give its thread back keeps
//! every other call waiting, and is named, with what to do about it.
//!
//! Whoever polls foreign code says so through a [`Watched`], which costs two stores. A thread of the watchdog's own
//! looks every few milliseconds at what every runtime thread is at, and a poll that has not moved for long is
//! reported. It sleeps while nothing is polled; the first poll after that wakes it.
//!
//! `slot.rs` is one thread's place to write to, `suspects.rs` the judgement, which knows no clock and no thread.

mod slot;
mod suspects;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering, compiler_fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};

use super::config::Limits;
use super::job::JobName;
use super::policy::Moment;
use super::snapshot::BlockedPolls;
use crate::scheduler::tuning::watchdog::{QUIET_LOOKS, START_RETRY, TELL_EVERY, TICK};
pub(super) use slot::exempt_this_thread;
use slot::{Activity, Slots};
use suspects::{Held, Suspects};

/// Code that is polled on the runtime under one name, such as an async handler; see
/// [`Scheduler::watch`](super::Scheduler::watch).
#[derive(Clone)]
pub struct Watched(Arc<Method>);

struct Method {
    name: JobName,
    advice: &'static str,
    index: u32,
    watchdog: Arc<Watchdog>,
    /// Later polls are made where they cannot harm anybody.
    quarantined: AtomicBool,
    seen: Mutex<Seen>,
}

/// What has been seen of one method.
#[derive(Debug, Default)]
struct Seen {
    blocked: u64,
    longest: Duration,
    told: Option<Moment>,
}

/// One scheduler's watch.
pub(super) struct Watchdog {
    threshold: Duration,
    quarantine_after: Option<u64>,
    runtime: Handle,
    slots: Slots,
    methods: Mutex<Vec<Arc<Method>>>,
    /// Nobody looks: whoever polls next has to wake the thread.
    asleep: AtomicBool,
    ended: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Watched {
    /// Makes one poll, which the watchdog sees begin and end.
    #[inline]
    pub fn during<T>(&self, poll: impl FnOnce() -> T) -> T {
        let Method { index, watchdog, quarantined, .. } = &*self.0;
        if quarantined.load(Ordering::Relaxed) {
            return apart(poll);
        }
        if watchdog.threshold.is_zero() {
            return poll();
        }
        let Some(slot) = watchdog.slots.here() else { return poll() };
        let _activity = Activity::begin(slot, *index);
        // Written before the flag is read, as far as the compiler is concerned. Where the processor turns it around,
        // a watchdog that is just going to sleep sees the poll in its last look, a tick later.
        compiler_fence(Ordering::SeqCst);
        if watchdog.asleep.load(Ordering::Relaxed) {
            watchdog.rouse();
        }
        poll()
    }
}

/// Polls where nobody else is kept waiting. A caller in the same process may poll on a runtime of another kind than
/// the scheduler's, which knows no such place.
#[cold]
fn apart<T>(poll: impl FnOnce() -> T) -> T {
    let here = Handle::try_current().map(|here| here.runtime_flavor());
    if here.is_ok_and(|flavor| flavor == RuntimeFlavor::MultiThread) {
        return tokio::task::block_in_place(poll);
    }
    poll()
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watched").field(&self.0.name).finish()
    }
}

impl Watchdog {
    pub(super) fn new(limits: &Limits, runtime: Handle) -> Self {
        // Only this runtime can hand a thread's other tasks to another thread.
        let can_quarantine = runtime.runtime_flavor() == RuntimeFlavor::MultiThread;
        Self {
            threshold: limits.blocked_poll,
            quarantine_after: limits.quarantine_after.filter(|_| can_quarantine),
            runtime,
            slots: Slots::new(),
            methods: Mutex::default(),
            asleep: AtomicBool::new(true),
            ended: AtomicBool::new(false),
            thread: OnceLock::new(),
        }
    }

    /// `advice` is what to do about a poll that blocks, in words that follow a semicolon.
    pub(super) fn watch(self: &Arc<Self>, name: JobName, advice: &'static str) -> Watched {
        let mut methods = self.methods();
        let method = Arc::new(Method {
            name,
            advice,
            index: methods.len() as u32,
            watchdog: self.clone(),
            quarantined: AtomicBool::new(false),
            seen: Mutex::default(),
        });
        methods.push(method.clone());
        Watched(method)
    }

    /// What has been seen of every method that ever blocked.
    pub(super) fn blocked(&self) -> Vec<BlockedPolls> {
        let methods = self.methods();
        methods.iter().filter_map(|method| method.blocked()).collect()
    }

    /// Nobody will poll any more: the thread ends. What is watched keeps its watchdog alive, so the list goes.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.methods().clear();
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Wakes the thread, or starts it.
    #[cold]
    fn rouse(self: &Arc<Self>) {
        if !self.asleep.swap(false, Ordering::AcqRel) {
            return;
        }
        if let Some(thread) = self.thread.get() {
            return thread.unpark();
        }
        if self.ended.load(Ordering::Acquire) {
            return;
        }
        let watchdog = self.clone();
        let started = thread::Builder::new().name("ambidex-watchdog".into()).spawn(move || watchdog.run());
        match started {
            Ok(thread) => {
                let unset = self.thread.set(thread.thread().clone());
                debug_assert!(
                    unset.is_ok(),
                    "only who finds it asleep starts it, and it sleeps only once started"
                );
            }
            Err(error) => {
                tracing::warn!(%error, "the system refused the watchdog a thread: blocked polls go unseen for a while");
                let watchdog = self.clone();
                self.runtime.spawn(async move {
                    tokio::time::sleep(START_RETRY).await;
                    watchdog.asleep.store(true, Ordering::Release);
                });
            }
        }
    }

    fn run(&self) {
        let began = Instant::now();
        let mut suspects = Suspects::new(self.threshold);
        let mut quiet_looks = 0;
        while !self.ended.load(Ordering::Acquire) {
            thread::park_timeout(TICK);
            let now = Moment::after_start(began.elapsed());
            let mut activities = self.slots.activities();
            quiet_looks = if activities.any_since_last_look() { 0 } else { quiet_looks + 1 };
            for held in suspects.look(now, &mut activities) {
                self.judge(now, held);
            }
            if quiet_looks >= QUIET_LOOKS {
                quiet_looks = 0;
                self.sleep();
            }
        }
    }

    fn sleep(&self) {
        self.asleep.store(true, Ordering::SeqCst);
        // A poll that began at this very moment may not have seen the flag, and its own mark may still be on its
        // way to us; a tick later it has long arrived.
        thread::park_timeout(TICK);
        if self.slots.activities().any_since_last_look() {
            self.asleep.store(false, Ordering::Release);
        }
        while self.asleep.load(Ordering::Acquire) && !self.ended.load(Ordering::Acquire) {
            thread::park();
        }
    }

    fn judge(&self, now: Moment, held: Held) {
        let Some(method) = self.methods().get(held.method as usize).cloned() else { return };
        if method.sees(now, held, self.quarantine_after) {
            tracing::warn!(method = %method.name, "{}", warning(method.name.as_str(), held.time, method.advice));
        }
    }

    fn methods(&self) -> MutexGuard<'_, Vec<Arc<Method>>> {
        self.methods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Method {
    /// Books what was seen. Returns whether it should be told.
    fn sees(&self, now: Moment, held: Held, quarantine_after: Option<u64>) -> bool {
        let mut seen = self.seen();
        seen.longest = seen.longest.max(held.time);
        if held.ended {
            return false;
        }
        seen.blocked += 1;
        if quarantine_after.is_some_and(|enough| seen.blocked >= enough) {
            self.quarantined.store(true, Ordering::Relaxed);
        }
        let told_lately = seen.told.is_some_and(|told| now.since(told) < TELL_EVERY);
        if !told_lately {
            seen.told = Some(now);
        }
        !told_lately
    }

    fn blocked(&self) -> Option<BlockedPolls> {
        let seen = self.seen();
        (seen.blocked > 0).then(|| BlockedPolls {
            name: self.name.as_str().into(),
            count: seen.blocked,
            longest: seen.longest,
            quarantined: self.quarantined.load(Ordering::Relaxed),
        })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the log says of a poll that blocks.
fn warning(name: &str, held: Duration, advice: &str) -> String {
    format!("{name} has held a runtime thread for {} ms; {advice}", held.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_says_who_how_long_and_what_to_do() {
        assert_eq!(
            warning("bookshop.v1.Bookshop/Search", Duration::from_micros(110_900), "make it `fn`, or so"),
            "bookshop.v1.Bookshop/Search has held a runtime thread for 110 ms; make it `fn`, or so"
        );
    }
}
