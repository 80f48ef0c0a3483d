//! Owns what futures and streams share when they are driven turn by turn: the alarm that says "poll me again",
//! and the limits that hold while no turn is under way.
//!
//! The thing that is driven is *moved* into the job of each turn and moved back in the job's value. So it is in
//! one place at any time: with its holder, in line, or on a thread. It cannot be dropped while it is polled,
//! and no lock guards it.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tracing::Span;

use super::error::RunError;
use super::job::{Admission, Job};
use super::pool::Pool;
use super::run::{Run, Timekeeper, Timer, submit, submit_detached};
use super::worker;
use crate::call::{CancelReason, Cancellation, Cancelled};

/// What every turn of one future or stream has in common.
pub(super) struct Driver {
    pub(super) pool: Arc<Pool>,
    pub(super) job: Job,
    pub(super) span: Span,
}

impl Driver {
    /// A driver for work that begins in the present span.
    pub(super) fn new(pool: Arc<Pool>, job: Job) -> Arc<Self> {
        Arc::new(Self { pool, job, span: Span::current() })
    }

    /// Puts a turn in line. Its holder keeps the time; one timer does for all turns.
    pub(super) fn turn<F, T>(&self, admission: Admission, work: F) -> Run<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        submit(&self.pool, &self.job, self.span.clone(), admission, Timekeeper::Holder, work)
    }
}

/// What is driven, while no thread is at it: with its holder, in line, or as a turn's unread answer.
///
/// Once it has begun, it is dropped on a scheduler thread wherever its holder drops it: what a blocking iterator
/// has acquired may well block in its destructor, too. Before that there is nothing to undo, and it is dropped
/// in place.
pub(super) struct Resting<V: Send + 'static> {
    value: Option<V>,
    begun: bool,
    driver: Arc<Driver>,
}

impl<V: Send + 'static> Resting<V> {
    /// What has not had its first turn.
    pub(super) fn fresh(value: V, driver: Arc<Driver>) -> Self {
        Self { value: Some(value), begun: false, driver }
    }

    /// What rests after a turn.
    pub(super) fn between_turns(value: V, driver: Arc<Driver>) -> Self {
        Self { value: Some(value), begun: true, driver }
    }

    /// Takes it up for a turn.
    pub(super) fn rise(mut self) -> (V, Arc<Driver>) {
        let value = self.value.take().expect("only this method and the destructor take the value");
        (value, self.driver.clone())
    }
}

impl<V: Send + 'static> Drop for Resting<V> {
    fn drop(&mut self) {
        let Some(value) = self.value.take() else { return };
        let Driver { pool, job, span } = &*self.driver;
        if !self.begun || worker::is_thread_of(pool) {
            return drop(value);
        }
        submit_detached(pool, job, span.clone(), move || drop(value));
    }
}

/// Remembers that something asked to be polled again, and tells the holder.
#[derive(Default)]
pub(super) struct Alarm {
    raised: AtomicBool,
    holder: Mutex<Option<Waker>>,
}

impl Alarm {
    pub(super) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }

    /// Ready, once, when the alarm was raised since it was last ready.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.take() {
            return Poll::Ready(());
        }
        let replaced = self.holder().replace(cx.waker().clone());
        drop(replaced);
        // Looked at again after the waker is in place: an alarm in between found nobody to tell.
        if self.take() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn take(&self) -> bool {
        self.raised.swap(false, Ordering::AcqRel)
    }

    fn holder(&self) -> MutexGuard<'_, Option<Waker>> {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.raised.store(true, Ordering::Release);
        let holder = self.holder().take();
        if let Some(holder) = holder {
            holder.wake();
        }
    }
}

/// A job's deadline and cancellation, to be awaited by whoever holds it between turns.
pub(super) struct Patience {
    timer: Option<Timer>,
    cancellation: Option<Cancellation>,
    cancelled: Option<Cancelled>,
}

impl Patience {
    pub(super) fn of(job: &Job) -> Self {
        Self {
            timer: job.deadline.map(Timer::new),
            cancelled: job.cancellation.as_ref().map(Cancellation::cancelled),
            cancellation: job.cancellation.clone(),
        }
    }

    /// Ready with the reason once there is one to stop.
    pub(super) fn poll_over(&mut self, pool: &Pool, cx: &mut Context<'_>) -> Poll<RunError> {
        if let Some(cancelled) = &mut self.cancelled
            && let Poll::Ready(reason) = Pin::new(cancelled).poll(cx)
        {
            self.cancelled = None;
            return Poll::Ready(match reason {
                CancelReason::DeadlineExceeded => RunError::DeadlineExceeded,
                reason => RunError::Cancelled(reason),
            });
        }
        if let Some(timer) = &mut self.timer
            && timer.poll(pool, cx).is_ready()
        {
            self.timer = None;
            if let Some(cancellation) = &self.cancellation {
                cancellation.cancel(CancelReason::DeadlineExceeded);
            }
            return Poll::Ready(RunError::DeadlineExceeded);
        }
        Poll::Pending
    }
}
