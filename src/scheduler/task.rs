//! Owns the one allocation of a queued job: its cell, and the header that queue and workers read.
//!
//! Three parties look at a job from three sides, each through a trait of its own, so that none needs to know
//! the others' types: workers and the queue through [`Dispatch`], the caller's future through [`Answering`], the
//! call's cancellation as a listener.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tracing::Span;

use super::cell::{Ended, JobCell, Left};
use super::error::RunError;
use super::isolation::{drop_quietly, isolate, wake_quietly};
use super::job::JobName;
use super::lane::Lane;
use super::policy::{Place, Why};
use super::pool::Pool;
use crate::call::{CancelListener, CancelReason};

/// What everyone may read of a job.
pub(super) struct Header {
    pub(super) name: JobName,
    pub(super) lane: Lane,
    pub(super) span: Span,
    pub(super) pool: Arc<Pool>,
    /// A [`Place`], written once, while the job is queued, under the policy's lock.
    place: AtomicU64,
}

impl Header {
    pub(super) fn new(name: JobName, lane: Lane, span: Span, pool: Arc<Pool>) -> Self {
        let place = AtomicU64::new(Place::NONE.to_bits());
        Self { name, lane, span, pool, place }
    }

    pub(super) fn stands_at(&self, place: Place) {
        self.place.store(place.to_bits(), Ordering::Relaxed);
    }

    fn place(&self) -> Place {
        Place::from_bits(self.place.load(Ordering::Relaxed))
    }
}

/// A job as the queue and the workers see it.
pub(super) trait Dispatch: Send + Sync {
    fn header(&self) -> &Header;

    /// Runs the work, unless the job has ended. The caller learns of the outcome only by `settle`.
    fn perform(&self) -> Performed;

    /// Lets the caller have the outcome. Apart from `perform`, so that the worker gives up its slot in between:
    /// whoever awaited a job and then looks at the counts no longer finds it there.
    fn settle(&self);

    /// Ends a job that has not begun, which the queue has already let go of.
    fn refuse(&self, answer: RunError, why: Why);
}

/// What became of a job that a thread has taken up.
pub(super) struct Performed {
    /// Whether it ran, or was found to have ended.
    pub(super) ran: bool,
    /// Whether anyone still wanted it when it ended.
    pub(super) wanted: bool,
}

/// A job as its caller sees it.
pub(super) trait Answering<T>: Send + Sync {
    fn poll_answer(&self, cx: &mut Context<'_>) -> Poll<Result<T, RunError>>;

    /// Ends the job, in whatever state, unless it has an outcome already. Returns whether it did.
    fn abandon(&self, answer: RunError, why: Why) -> bool;

    /// The caller has no further interest.
    fn leave(&self);

    fn header(&self) -> &Header;
}

pub(super) struct Task<F, T> {
    header: Header,
    cell: JobCell<F, T>,
}

impl<F, T> Task<F, T> {
    pub(super) fn new(header: Header, work: F) -> Self {
        Self { header, cell: JobCell::new(work) }
    }

    /// Drops the work of a job that was never let in.
    pub(super) fn discard(&self) {
        if let Left::Work(work) = self.cell.leave(|| {}) {
            drop_quietly(&self.header.name, work);
        }
    }

    fn orphan(&self) {
        self.header.lane.orphaned().fetch_add(1, Ordering::Relaxed);
    }

    fn unlink(&self, why: Why) {
        self.header.pool.withdraw(&self.header.lane, self.header.place(), why);
    }
}

impl<F, T> Dispatch for Task<F, T>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    fn header(&self) -> &Header {
        &self.header
    }

    fn perform(&self) -> Performed {
        let name = &self.header.name;
        let Some(work) = self.cell.start() else { return Performed { ran: false, wanted: false } };
        let outcome = isolate(name, || self.header.span.in_scope(|| isolate(name, work)));
        let outcome = outcome.unwrap_or_else(Err);
        if matches!(outcome, Err(RunError::Panicked { .. })) {
            self.header.pool.count_panic();
        }
        let completed = self.cell.complete(outcome);
        let wanted = completed.is_ok();
        if let Err(unwanted) = completed {
            drop_quietly(name, unwanted);
            self.header.lane.orphaned().fetch_sub(1, Ordering::Relaxed);
        }
        Performed { ran: true, wanted }
    }

    fn settle(&self) {
        wake_quietly(&self.header.name, self.cell.settle());
    }

    fn refuse(&self, answer: RunError, why: Why) {
        if let Some((work, caller)) = self.cell.refuse(answer) {
            self.header.pool.count_refusal(&self.header.lane, why);
            drop_quietly(&self.header.name, work);
            wake_quietly(&self.header.name, caller);
        }
    }
}

impl<F, T> Answering<T> for Task<F, T>
where
    F: Send,
    T: Send,
{
    fn poll_answer(&self, cx: &mut Context<'_>) -> Poll<Result<T, RunError>> {
        self.cell.poll(cx)
    }

    fn abandon(&self, answer: RunError, why: Why) -> bool {
        match self.cell.abandon(answer, || self.orphan()) {
            Ended::Refused(work, caller) => {
                self.unlink(why);
                drop_quietly(&self.header.name, work);
                wake_quietly(&self.header.name, caller);
                true
            }
            Ended::Orphaned(caller) => {
                wake_quietly(&self.header.name, caller);
                true
            }
            Ended::TooLate => false,
        }
    }

    fn leave(&self) {
        match self.cell.leave(|| self.orphan()) {
            Left::Work(work) => {
                self.unlink(Why::Cancelled);
                drop_quietly(&self.header.name, work);
            }
            Left::Outcome(outcome) => drop_quietly(&self.header.name, outcome),
            Left::Orphan | Left::Nothing => {}
        }
    }

    fn header(&self) -> &Header {
        &self.header
    }
}

impl<F, T> CancelListener for Task<F, T>
where
    F: Send,
    T: Send,
{
    fn cancelled(&self, reason: CancelReason) {
        match reason {
            CancelReason::DeadlineExceeded => self.abandon(RunError::DeadlineExceeded, Why::Expired),
            reason => self.abandon(RunError::Cancelled(reason), Why::Cancelled),
        };
    }
}
