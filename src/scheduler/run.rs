//! Owns the caller's side of one job: a future that resolves to the job's value or to the reason there is none.
//!
//! The job does not need the future to be polled; it is in line already. What the future adds is the caller's
//! patience: it carries the timer of the deadline, made only once the caller really has to wait, and the
//! registration with the call's cancellation.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::task::coop;
use tokio::time::Sleep;
use tracing::Span;

use super::error::RunError;
use super::isolation::drop_quietly;
use super::job::{Admission, Job};
use super::policy::Why;
use super::pool::Pool;
use super::task::{Answering, Header, Task};
use crate::call::Deadline;
use crate::call::{CancelReason, Cancellation, OnCancel};

/// A job that has been queued, as a future of its value; see [`Scheduler::run`](super::Scheduler::run).
///
/// Dropping it while the job is queued cancels the job: it never runs, and what it captured is dropped there and
/// then. Dropping it while the job runs leaves the job to finish unobserved.
#[must_use = "dropping the future cancels a job that has not begun"]
pub struct Run<T> {
    state: State<T>,
}

enum State<T> {
    Refused(RunError),
    Waiting(Waiting<T>),
    Answered,
}

struct Waiting<T> {
    task: Arc<dyn Answering<T>>,
    timer: Option<Timer>,
    cancellation: Option<Cancellation>,
    on_cancel: Option<OnCancel>,
}

/// Who keeps the time while a job is under way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Timekeeper {
    /// The job's own future.
    Run,
    /// Whoever holds that future: a stream has one timer, not one for each turn.
    Holder,
}

/// Puts `work` in line and returns its caller's side.
pub(super) fn submit<F, T>(
    pool: &Arc<Pool>,
    job: &Job,
    span: Span,
    admission: Admission,
    timekeeper: Timekeeper,
    work: F,
) -> Run<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let lane = match &job.lane {
        Some(lane) => pool.lanes.adopt(lane),
        None => pool.default_lane.clone(),
    };
    if let Some((error, why)) = already_ended(job) {
        pool.count_refusal(&lane, why);
        drop_quietly(&job.name, work);
        return Run { state: State::Refused(error) };
    }
    let header = Header::new(job.name.clone(), lane, span, pool.clone());
    let task = Arc::new(Task::new(header, work));
    if let Err(error) = pool.submit(task.clone(), job, admission) {
        task.discard();
        return Run { state: State::Refused(error) };
    }
    // Registered only now: a job that is cancelled before it stands in line could not be taken out of it. A
    // cancellation that came in between is told at once.
    let on_cancel = job.cancellation.as_ref().map(|cancellation| cancellation.notify(task.clone()));
    let timer = match timekeeper {
        Timekeeper::Run => job.deadline.map(Timer::new),
        Timekeeper::Holder => None,
    };
    let cancellation = job.cancellation.clone();
    Run { state: State::Waiting(Waiting { task, timer, cancellation, on_cancel }) }
}

/// Puts `work` in line with nobody waiting for it. Where it is refused, it is dropped here.
pub(super) fn submit_detached<F>(pool: &Arc<Pool>, job: &Job, span: Span, work: F)
where
    F: FnOnce() + Send + 'static,
{
    let lane = job.lane.as_ref().map_or_else(|| pool.default_lane.clone(), |lane| pool.lanes.adopt(lane));
    let header = Header::new(job.name.clone(), lane, span, pool.clone());
    let task = Arc::new(Task::new(header, work));
    // What is left to be dropped has no deadline any more.
    if pool.submit(task.clone(), &Job::new(job.name.clone()), Admission::Continuing).is_err() {
        task.discard();
    }
}

fn already_ended(job: &Job) -> Option<(RunError, Why)> {
    match job.cancellation.as_ref().and_then(Cancellation::reason) {
        Some(CancelReason::DeadlineExceeded) => Some((RunError::DeadlineExceeded, Why::Expired)),
        Some(reason) => Some((RunError::Cancelled(reason), Why::Cancelled)),
        None if job.deadline.is_some_and(|deadline| deadline.has_passed()) => {
            Some((RunError::DeadlineExceeded, Why::Expired))
        }
        None => None,
    }
}

/// Checks what can be known of a job without queueing it.
pub(super) fn still_wanted(job: &Job) -> Result<(), RunError> {
    already_ended(job).map_or(Ok(()), |(error, _)| Err(error))
}

impl<T> Future for Run<T> {
    type Output = Result<T, RunError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match &mut self.state {
            State::Waiting(waiting) => {
                // Short jobs are often done before anyone looks. A caller that goes from one ready answer to
                // the next must still give way to the other tasks of its runtime thread.
                let budget = ready!(coop::poll_proceed(cx));
                let answer = ready!(waiting.poll(cx));
                budget.made_progress();
                answer
            }
            State::Refused(error) => Err(error.clone()),
            State::Answered => panic!("a job's future was polled after it had answered"),
        };
        self.state = State::Answered;
        Poll::Ready(answer)
    }
}

/// The future holds no value in place, so it may be moved at any time.
impl<T> Unpin for Run<T> {}

impl<T> fmt::Debug for Run<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Refused(_) => "refused",
            State::Waiting(_) => "waiting",
            State::Answered => "answered",
        };
        f.debug_tuple("Run").field(&state).finish()
    }
}

impl<T> Waiting<T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, RunError>> {
        if let Poll::Ready(answer) = self.task.poll_answer(cx) {
            return Poll::Ready(answer);
        }
        if let Some(timer) = &mut self.timer {
            ready!(timer.poll(&self.task.header().pool, cx));
            self.timer = None;
            if self.task.abandon(RunError::DeadlineExceeded, Why::Expired)
                && let Some(cancellation) = &self.cancellation
            {
                cancellation.cancel(CancelReason::DeadlineExceeded);
            }
            // If the job was done at that very moment, its value comes as soon as its thread lets go of it.
            return self.task.poll_answer(cx);
        }
        Poll::Pending
    }
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        drop(self.on_cancel.take());
        self.task.leave();
    }
}

/// A deadline to be awaited; the timer behind it is made when it is first polled.
pub(super) struct Timer {
    deadline: Deadline,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    pub(super) fn new(deadline: Deadline) -> Self {
        Self { deadline, sleep: None }
    }

    /// Ready once the deadline has passed. The timer belongs to the scheduler's runtime, so whoever polls need
    /// not be on one.
    pub(super) fn poll(&mut self, pool: &Pool, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| {
            let _runtime = pool.runtime.enter();
            Box::pin(tokio::time::sleep_until(self.deadline.instant()))
        });
        sleep.as_mut().poll(cx)
    }
}
