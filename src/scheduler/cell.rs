//! Owns the state of one job: the work, the outcome, the caller's waker, and who may touch them when.
//!
//! ```text
//!            start               complete              settle            poll
//!  Queued ----------> Running ------------> Finished ----------> Answered ----> Taken
//!    |                   |                                           ^
//!    |                   | abandon, leave                            |
//!    |                   +----------------> Orphaned                 |
//!    | abandon (refused: deadline, cancellation, bounds, drain)      |
//!    +---------------------------------------------------------------+
//! ```
//!
//! Every move is made under one small lock, and whoever finds `Queued` decides: worker, deadline, cancellation,
//! bound, drain and a caller who leaves race for it, and exactly one wins. State and payload are one enum, so a
//! state without its payload cannot be observed; with a bare atomic beside the payload there would be such a
//! moment after each exchange. The lock is held for a few instructions, never while foreign code runs (but for
//! cloning a waker), and is hardly ever contended: worker and caller meet here once or twice in a job's life.
//!
//! Payloads and wakers are *returned* to the mover, who drops or wakes them outside of the lock.

use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use super::error::RunError;
use super::sync::{Mutex, MutexGuard};

/// The state of one job with work `W` and value `T`.
pub(super) struct JobCell<W, T>(Mutex<State<W, T>>);

enum State<W, T> {
    /// Waits for a thread.
    Queued { work: W, caller: Option<Waker> },
    /// A thread has the work.
    Running { caller: Option<Waker> },
    /// The work has returned; its thread has yet to give up the slot before the caller may know.
    Finished { outcome: Result<T, RunError>, caller: Option<Waker> },
    /// The caller's answer lies ready.
    Answered(Result<T, RunError>),
    /// A thread has the work, but nobody waits for the outcome. An answer other than the outcome may still
    /// lie ready for the caller.
    Orphaned { answer: Option<RunError> },
    /// The caller has its answer, or has left.
    Taken,
}

/// What became of an attempt to end a job from outside.
pub(super) enum Ended<W> {
    /// It was queued and will never run; here is its work, to be dropped.
    Refused(W, Option<Waker>),
    /// It runs; its caller no longer waits for it.
    Orphaned(Option<Waker>),
    /// It had ended by itself.
    TooLate,
}

/// What a caller left behind.
pub(super) enum Left<W, T> {
    /// The work of a job that will now never run.
    Work(W),
    /// A value nobody took.
    Outcome(Result<T, RunError>),
    /// The job runs on without a caller.
    Orphan,
    /// Nothing.
    Nothing,
}

impl<W, T> JobCell<W, T> {
    pub(super) fn new(work: W) -> Self {
        Self(Mutex::new(State::Queued { work, caller: None }))
    }

    /// `Queued → Running`. Hands out the work, or nothing if another party was first.
    pub(super) fn start(&self) -> Option<W> {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Queued { work, caller } => {
                *state = State::Running { caller };
                Some(work)
            }
            other => {
                *state = other;
                None
            }
        }
    }

    /// `Running → Finished`. Gives the outcome back if nobody waits for it any more.
    pub(super) fn complete(&self, outcome: Result<T, RunError>) -> Result<(), Result<T, RunError>> {
        let mut state = self.state();
        match &mut *state {
            State::Running { caller } => {
                let caller = caller.take();
                *state = State::Finished { outcome, caller };
                Ok(())
            }
            _ => Err(outcome),
        }
    }

    /// `Finished → Answered`. The caller's waker is returned, to be woken.
    pub(super) fn settle(&self) -> Option<Waker> {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Finished { outcome, caller } => {
                *state = State::Answered(outcome);
                caller
            }
            other => {
                *state = other;
                None
            }
        }
    }

    /// Ends the job with `answer` unless it has ended: `Queued → Answered` or `Running → Orphaned`.
    ///
    /// `orphan` runs under the lock when the job becomes an orphan, so that the count is never seen to lag
    /// behind the state: the thread that brings the orphan home subtracts only after this has added.
    pub(super) fn abandon(&self, answer: RunError, orphan: impl FnOnce()) -> Ended<W> {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Queued { work, caller } => {
                *state = State::Answered(Err(answer));
                Ended::Refused(work, caller)
            }
            State::Running { caller } => {
                *state = State::Orphaned { answer: Some(answer) };
                orphan();
                Ended::Orphaned(caller)
            }
            other => {
                *state = other;
                Ended::TooLate
            }
        }
    }

    /// `Queued → Answered` only: a job that has begun is left alone.
    pub(super) fn refuse(&self, answer: RunError) -> Option<(W, Option<Waker>)> {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Queued { work, caller } => {
                *state = State::Answered(Err(answer));
                Some((work, caller))
            }
            other => {
                *state = other;
                None
            }
        }
    }

    /// The caller leaves without an answer. `orphan` is as in [`abandon`](Self::abandon).
    pub(super) fn leave(&self, orphan: impl FnOnce()) -> Left<W, T> {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Queued { work, .. } => Left::Work(work),
            State::Running { .. } => {
                *state = State::Orphaned { answer: None };
                orphan();
                Left::Orphan
            }
            State::Finished { outcome, .. } | State::Answered(outcome) => Left::Outcome(outcome),
            State::Orphaned { .. } => {
                *state = State::Orphaned { answer: None };
                Left::Nothing
            }
            State::Taken => Left::Nothing,
        }
    }

    /// Takes the answer if there is one, or leaves the caller's waker.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<T, RunError>> {
        let mut state = self.state();
        match &mut *state {
            State::Queued { caller, .. } | State::Running { caller } | State::Finished { caller, .. } => {
                let replaced = match caller {
                    Some(known) if known.will_wake(cx.waker()) => None,
                    _ => caller.replace(cx.waker().clone()),
                };
                drop(state);
                drop(replaced);
                Poll::Pending
            }
            State::Orphaned { answer } => match answer.take() {
                Some(answer) => Poll::Ready(Err(answer)),
                None => Poll::Pending,
            },
            State::Answered(_) => match std::mem::replace(&mut *state, State::Taken) {
                State::Answered(outcome) => Poll::Ready(outcome),
                _ => unreachable!("the state was matched under this same lock"),
            },
            State::Taken => panic!("a job's future was polled after it had answered"),
        }
    }

    /// A waker that panics while it is cloned leaves the state as it was, so a poisoned lock guards good data.
    fn state(&self) -> MutexGuard<'_, State<W, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every interleaving of the parties that race for one job. Run with
/// `RUSTFLAGS="--cfg ambidex_loom" cargo test --lib --release loom_`.
#[cfg(test)]
#[cfg(ambidex_loom)]
mod loom_tests {
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::thread;

    use super::*;

    /// A payload or a value, counted when it is dropped.
    struct Counted(Arc<AtomicUsize>);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    type Cell = JobCell<Counted, Counted>;

    struct Parties {
        cell: Arc<Cell>,
        orphans: Arc<AtomicUsize>,
        works_dropped: Arc<AtomicUsize>,
        values_dropped: Arc<AtomicUsize>,
    }

    impl Parties {
        fn new() -> Self {
            let works_dropped = Arc::new(AtomicUsize::new(0));
            Self {
                cell: Arc::new(JobCell::new(Counted(works_dropped.clone()))),
                orphans: Arc::new(AtomicUsize::new(0)),
                works_dropped,
                values_dropped: Arc::new(AtomicUsize::new(0)),
            }
        }

        /// A worker's part, whole. Says whether the work ran.
        fn worker(&self) -> thread::JoinHandle<bool> {
            let (cell, orphans) = (self.cell.clone(), self.orphans.clone());
            let values_dropped = self.values_dropped.clone();
            thread::spawn(move || {
                let Some(work) = cell.start() else { return false };
                drop(work);
                if cell.complete(Ok(Counted(values_dropped))).is_err() {
                    assert!(orphans.fetch_sub(1, Ordering::Relaxed) > 0, "counted before it is counted off");
                }
                if let Some(caller) = cell.settle() {
                    caller.wake();
                }
                true
            })
        }

        /// A deadline's, cancellation's or drain's part. Says whether it ended the job.
        fn ender(&self) -> thread::JoinHandle<bool> {
            let (cell, orphans) = (self.cell.clone(), self.orphans.clone());
            thread::spawn(move || {
                let orphan = || _ = orphans.fetch_add(1, Ordering::Relaxed);
                match cell.abandon(RunError::DeadlineExceeded, orphan) {
                    Ended::Refused(_, caller) | Ended::Orphaned(caller) => {
                        if let Some(caller) = caller {
                            caller.wake();
                        }
                        true
                    }
                    Ended::TooLate => false,
                }
            })
        }

        /// Exactly one work and at most one value ever existed, and all of it is gone.
        fn nothing_is_left(self, ran: bool) {
            drop(self.cell);
            assert_eq!(self.works_dropped.load(Ordering::Relaxed), 1);
            assert_eq!(self.values_dropped.load(Ordering::Relaxed), usize::from(ran));
            assert_eq!(self.orphans.load(Ordering::Relaxed), 0);
        }
    }

    #[test]
    fn loom_a_waiting_caller_is_woken_with_the_value() {
        loom::model(|| {
            let parties = Parties::new();
            let worker = parties.worker();
            let answer = loom::future::block_on(std::future::poll_fn(|cx| parties.cell.poll(cx)));
            assert!(answer.is_ok());
            drop(answer);
            assert!(worker.join().unwrap());
            parties.nothing_is_left(true);
        });
    }

    #[test]
    fn loom_worker_and_deadline_race_and_the_caller_gets_the_winners_answer() {
        loom::model(|| {
            let parties = Parties::new();
            let (worker, ender) = (parties.worker(), parties.ender());
            let answer = loom::future::block_on(std::future::poll_fn(|cx| parties.cell.poll(cx)));
            let (ran, ended) = (worker.join().unwrap(), ender.join().unwrap());
            assert_eq!(answer.is_err(), ended);
            assert!(ran || ended);
            drop(answer);
            parties.nothing_is_left(ran);
        });
    }

    #[test]
    fn loom_a_caller_who_leaves_races_the_worker() {
        loom::model(|| {
            let parties = Parties::new();
            let worker = parties.worker();
            let left = parties.cell.leave(|| _ = parties.orphans.fetch_add(1, Ordering::Relaxed));
            drop(left);
            let ran = worker.join().unwrap();
            parties.nothing_is_left(ran);
        });
    }

    #[test]
    fn loom_two_who_would_end_a_job_and_one_who_would_run_it() {
        loom::model(|| {
            let parties = Parties::new();
            let (worker, first) = (parties.worker(), parties.ender());
            let refused = parties.cell.refuse(RunError::Draining);
            let was_refused = refused.is_some();
            drop(refused);
            let (ran, ended) = (worker.join().unwrap(), first.join().unwrap());
            assert!(!(was_refused && (ran || ended)), "a refused job neither ran nor was ended again");
            assert!(was_refused || ran || ended);
            parties.nothing_is_left(ran);
        });
    }
}
