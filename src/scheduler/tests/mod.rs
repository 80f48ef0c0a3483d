//! The scheduler's promises, each as a story. What they share is here: small pools, gates that hold a thread,
//! and patience for counts that other threads write.

#![cfg(not(ambidex_loom))]

mod blocking;
mod bounds;
mod draining;
mod ending;
mod futures;
mod running;
mod storms;
mod streams;
mod threads;

use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::{Job, Run, RunError, Scheduler, SchedulerConfig};

/// A scheduler on the current runtime.
fn scheduler(config: SchedulerConfig) -> Scheduler {
    Scheduler::new(config, Handle::current())
}

/// At most this many threads, and no more by any rule.
fn threads(count: usize) -> SchedulerConfig {
    SchedulerConfig {
        threads_max: count,
        threads_hard_max: count,
        compensation_max: 0,
        ..SchedulerConfig::default()
    }
}

/// A job that holds its thread until the gate is opened or dropped.
struct Gate {
    open: mpsc::Sender<()>,
}

impl Gate {
    /// Occupies one thread. Returns once the thread is held.
    async fn hold(scheduler: &Scheduler, job: Job) -> (Gate, Run<()>) {
        let (open, opened) = mpsc::channel::<()>();
        let (began, begun) = tokio::sync::oneshot::channel();
        let run = scheduler.run(job, move || {
            began.send(()).expect("the test waits for the gate to be held");
            let _closed = opened.recv();
        });
        begun.await.expect("the gate's job runs");
        (Gate { open }, run)
    }

    fn open(self) {
        drop(self.open);
    }
}

/// Waits for a count that another thread is about to write.
fn eventually(scheduler: &Scheduler, what: &str, holds: impl Fn(&super::Snapshot) -> bool) {
    let give_up = Instant::now() + Duration::from_secs(10);
    loop {
        let snapshot = scheduler.snapshot();
        if holds(&snapshot) {
            return;
        }
        assert!(Instant::now() < give_up, "never came to be: {what}; last seen {snapshot:?}");
        std::thread::yield_now();
    }
}

/// Tells on drop.
struct Told(mpsc::Sender<&'static str>);

impl Told {
    /// The one that tells, and where it is heard.
    fn pair() -> (Told, mpsc::Receiver<&'static str>) {
        let (tell, told) = mpsc::channel();
        (Told(tell), told)
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let _nobody_listens = self.0.send("dropped");
    }
}

fn is_overloaded<T>(outcome: &Result<T, RunError>) -> bool {
    matches!(outcome, Err(RunError::Overloaded { .. }))
}
