//! Owns where and when work runs: the one scheduler that every blocking handler, interceptor and stream goes
//! through, with bounds that are visible and refusals that are prompt.
//!
//! A job has a name, a lane, a deadline and a cancellation, and that is all the scheduler knows of it. It does
//! not know messages, protocols or servers. The `README.md` beside this file names the states of a job, of a
//! thread and of the scheduler, who may move between them, and the invariants.
//!
//! ```
//! use std::time::Duration;
//! use ambidex::call::Deadline;
//! use ambidex::scheduler::{Job, Scheduler, SchedulerConfig};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), ambidex::scheduler::RunError> {
//! let scheduler = Scheduler::new(SchedulerConfig::default(), tokio::runtime::Handle::current());
//! let lookup = Job::new("bookshop.v1.Bookshop/GetBook")
//!     .lane(scheduler.lane("bookshop.v1.Bookshop/GetBook"))
//!     .deadline(Deadline::after(Duration::from_secs(5)));
//! let pages = scheduler.run(lookup, || 320 /* blocks as long as it likes */).await?;
//! assert_eq!(pages, 320);
//! # Ok(())
//! # }
//! ```

mod block_on;
mod cell;
mod config;
mod doorbell;
mod drain;
mod error;
mod future;
mod isolation;
mod job;
mod lane;
#[cfg(all(test, ambidex_loom))]
mod loom_tests;
mod meter;
mod policy;
mod pool;
mod run;
mod seat;
mod snapshot;
mod stream;
mod sync;
mod task;
#[cfg(test)]
mod tests;
mod tuning;
mod turns;
mod watchdog;
mod watcher;
mod worker;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_core::Stream;
use tokio::runtime::Handle;
use tracing::Span;

pub use config::SchedulerConfig;
pub use error::RunError;
pub use job::{Job, JobName};
pub use lane::{Criticality, Lane, LaneConfig};
pub use run::Run;
pub use snapshot::{BlockedPolls, Histogram, LaneSnapshot, Refused, Snapshot, Totals};
pub use stream::Offloaded;
pub use watchdog::Watched;

use crate::call::{self, Deadline};
use config::Limits;
use job::Admission;
use pool::{Pool, StartThread};
use run::{Timekeeper, still_wanted, submit};
use turns::Driver;

/// Runs blocking work on threads of its own, within bounds. Clones are handles on the same scheduler.
///
/// When the last handle is dropped, what is queued is still served; then the threads end.
#[derive(Clone)]
pub struct Scheduler {
    handles: Arc<Handles>,
}

/// How a drain went; see [`Scheduler::drain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainOutcome {
    /// Jobs that completed while the scheduler drained.
    pub finished: u64,
    /// Jobs that still waited at the deadline and were answered with [`RunError::Draining`].
    pub shed: usize,
    /// Jobs that still held a thread at the deadline. They go on; nobody waits for them.
    pub left_running: usize,
    /// Streams and futures that had begun and not ended at the deadline, whether or not they held a thread. They get none any
    /// more.
    pub left_open: usize,
}

impl Scheduler {
    /// A scheduler whose threads belong to `runtime`: inside of jobs, [`Handle::current`], tokio's timers and
    /// `tokio::spawn` work. The runtime must have its timer enabled. No thread is started before it is needed.
    pub fn new(config: SchedulerConfig, runtime: Handle) -> Self {
        Self::with_threads(config, runtime, Box::new(pool::start_thread))
    }

    fn with_threads(config: SchedulerConfig, runtime: Handle, start_thread: StartThread) -> Self {
        let lanes = config.lanes.clone();
        let pool = Arc::new(Pool::new(Limits::from(config), runtime, start_thread));
        lanes.iter().for_each(|lane| drop(pool.configure_lane(lane)));
        let handles = Arc::new(Handles { pool });
        let unset = handles.pool.handles.set(Arc::downgrade(&handles));
        debug_assert!(unset.is_ok(), "a pool that was just made has no handles yet");
        Self { handles }
    }

    /// Queues `work` and returns its outcome as a future. The job is in line when this returns, whether or not
    /// the future is ever polled.
    ///
    /// Dropping the future while the job is queued cancels it: it never runs. Once the job runs, dropping the
    /// future, the deadline and the cancellation end only the waiting; the work goes on, counted as `orphaned`.
    ///
    /// # Errors
    /// [`RunError`] names every way a job can end without its value.
    pub fn run<F, T>(&self, job: Job, work: F) -> Run<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        submit(self.pool(), &job, Span::current(), Admission::Fresh, Timekeeper::Run, work)
    }

    /// Like [`run`](Self::run), for work that continues what was let in before: the next turn of a stream, the
    /// rest of a call. Bounds and overload do not refuse it, and a drain lets it in until its deadline.
    pub fn resume<F, T>(&self, job: Job, work: F) -> Run<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        submit(self.pool(), &job, Span::current(), Admission::Continuing, Timekeeper::Run, work)
    }

    /// Drives `future` with every poll on a scheduler thread. Between polls it holds no thread; a wake puts the
    /// next poll in line. The first poll goes in line when the returned future is first polled.
    ///
    /// # Errors
    /// As [`run`](Self::run); deadline and cancellation also end the wait between polls.
    pub fn run_future<F>(
        &self,
        job: Job,
        future: F,
    ) -> impl Future<Output = Result<F::Output, RunError>> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // In its place before anything awaits it: a future that held it would be as large.
        future::drive(self.clone(), Driver::new(self.pool().clone(), job), future::shell(future))
    }

    /// Drives `stream` with every poll on a scheduler thread, pulled by whoever reads the result.
    ///
    /// A thread takes items until [`stream_buffer_max`](SchedulerConfig::stream_buffer_max) of them lie ready,
    /// and is let go until the reader has taken half. Items are readable as soon as they are produced. An error
    /// is the last item: a panic comes after what was produced before it, while deadline and cancellation come
    /// at once.
    pub fn run_stream<S>(&self, job: Job, stream: S) -> Offloaded<S::Item>
    where
        S: Stream + Send + 'static,
        S::Item: Send + 'static,
    {
        Offloaded::new(self.clone(), job, Box::pin(stream))
    }

    /// Calls blocking code from async code: [`run`](Self::run) in a lane named `run_blocking`, or right here if
    /// this is already a thread of this scheduler.
    ///
    /// Within a call, the work is under the call's deadline and cancellation, and finds the call with
    /// [`call::current`].
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_blocking<F, T>(&self, work: F) -> Result<T, RunError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let job = Job::new("run_blocking").lane(self.pool().run_blocking_lane.clone());
        let Some(call) = call::current() else { return self.run_blocking_job(job, work).await };
        let job = job.deadline(call.deadline()).cancellation(call.cancellation().clone());
        self.run_blocking_job(job, move || call.scope(work)).await
    }

    /// [`run_blocking`](Self::run_blocking) with a description of one's own.
    ///
    /// On a thread of this scheduler the work runs where it stands: a thread that waited for another could be
    /// waiting for itself. Deadline and cancellation are then checked only before it begins.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_blocking_job<F, T>(&self, job: Job, work: F) -> Result<T, RunError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        if worker::is_thread_of(self.pool()) {
            still_wanted(&job)?;
            return isolation::isolate(&job.name, work);
        }
        self.run(job, work).await
    }

    /// Awaits a future from blocking code.
    ///
    /// On a scheduler thread the thread parks, is counted as waiting, and another one stands in for it, within
    /// [`compensation_max`](SchedulerConfig::compensation_max). On any other thread this is
    /// [`Handle::block_on`].
    ///
    /// # Panics
    /// On a thread that is driving async tasks, as [`Handle::block_on`] does: blocking there would stop other
    /// tasks, so `.await` the future instead. Panics of the future pass through.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        match worker::pool_of_this_thread() {
            Some(pool) => block_on::on_scheduler_thread(pool, future),
            None => self.pool().runtime.block_on(future),
        }
    }

    /// Whether this thread belongs to a scheduler, whichever it is.
    pub fn is_scheduler_thread() -> bool {
        worker::pool_of_this_thread().is_some()
    }

    /// The scheduler this thread belongs to. `None` elsewhere, and once nobody holds a handle any more.
    pub fn current() -> Option<Scheduler> {
        let pool = worker::pool_of_this_thread()?;
        let handles = pool.handles.get()?.upgrade()?;
        Some(Scheduler { handles })
    }

    /// The lane of that name, made on first use. Lanes are never removed: name them after methods, not after
    /// requests.
    pub fn lane(&self, name: &str) -> Lane {
        self.pool().lanes.named(name)
    }

    /// The lane of that name with the settings given, which replace those it had.
    pub fn lane_with(&self, config: LaneConfig) -> Lane {
        self.pool().configure_lane(&config)
    }

    /// A name under which async code is polled on the runtime. A poll under it that keeps its thread for longer than
    /// [`blocked_poll_ms`](SchedulerConfig::blocked_poll_ms) is counted, and named in the log at most once a minute.
    ///
    /// A server watches its async handlers by itself. Names are never removed: make one for each kind of work, and
    /// not for each piece of it.
    ///
    /// ```
    /// # use ambidex::scheduler::{Scheduler, SchedulerConfig};
    /// # #[tokio::main]
    /// # async fn main() {
    /// let scheduler = Scheduler::new(SchedulerConfig::default(), tokio::runtime::Handle::current());
    /// let watched = scheduler.watch("nightly report");
    /// let mut report = std::pin::pin!(async { 42 });
    /// let answer = std::future::poll_fn(|cx| watched.during(|| report.as_mut().poll(cx))).await;
    /// assert_eq!(answer, 42);
    /// # }
    /// ```
    pub fn watch(&self, name: impl Into<JobName>) -> Watched {
        self.watch_with_advice(name, "make it `fn`, or wrap the call in run_blocking")
    }

    /// [`watch`](Self::watch), with words of its own for what to do about a poll that blocks.
    pub(crate) fn watch_with_advice(&self, name: impl Into<JobName>, advice: &'static str) -> Watched {
        self.pool().watchdog.watch(name.into(), advice)
    }

    /// The numbers at this moment.
    pub fn snapshot(&self) -> Snapshot {
        self.pool().snapshot()
    }

    /// Stops letting new work in, waits for the old until `deadline`, then answers whatever still waits with
    /// [`RunError::Draining`]. Threads that do not return are left behind. The scheduler does not open again.
    pub async fn drain(&self, deadline: Deadline) -> DrainOutcome {
        drain::drain(self.pool(), deadline).await
    }

    fn pool(&self) -> &Arc<Pool> {
        &self.handles.pool
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler").field("snapshot", &self.snapshot()).finish()
    }
}

/// What the handles share. Threads hold the pool but not this, so that it dies with the last handle.
struct Handles {
    pool: Arc<Pool>,
}

impl Drop for Handles {
    fn drop(&mut self) {
        self.pool.forsake();
    }
}
