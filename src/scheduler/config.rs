//! Owns every number the scheduler obeys, each a plain field with its unit in its name.
//!
//! The defaults are chosen so that a service nobody tuned behaves well; the reason for each stands beside it. The
//! numbers nobody can set are in `tuning`.
//! This file refuses to know where the numbers come from: files and environment are the server's business.

use std::time::Duration;

use super::lane::LaneConfig;

/// The limits and timings of a [`Scheduler`](super::Scheduler).
///
/// ```
/// use ambidex::scheduler::SchedulerConfig;
///
/// let config = SchedulerConfig { threads_max: 64, ..SchedulerConfig::default() };
/// assert_eq!(config.queue_max, 8192);
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "config",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct SchedulerConfig {
    /// Processors that jobs may keep busy between them; `None` for as many as the system grants this process.
    /// A job counts for the share of its time that it computes, as its lane was measured, so that jobs which
    /// sleep are limited by `threads_max` alone.
    pub processors: Option<usize>,
    /// Threads that stay when there is nothing to do. They are started on first need, not in advance.
    pub threads_min: usize,
    /// Threads that ordinary demand may start. Handlers that sleep in a database want many, and a parked
    /// thread costs little more than the stack pages it has touched.
    pub threads_max: usize,
    /// Threads that may exist altogether, counting those that compensate and those that break a stall.
    pub threads_hard_max: usize,
    /// Threads beyond `threads_max` that may stand in for threads waiting in `block_on`.
    pub compensation_max: usize,
    /// Stack of each thread; pages are committed only when they are touched.
    pub thread_stack_bytes: usize,
    /// How long a thread above the floor waits for work before it ends.
    pub keep_alive_ms: u64,
    /// Jobs that may wait in all lanes together. A guard on memory, not a remedy for load.
    pub queue_max: usize,
    /// Jobs that may wait in one lane. At the bound the oldest is refused: its client is the likeliest gone.
    pub lane_queue_max: usize,
    /// How long a job without a deadline may wait before it is refused. Nothing waits for ever.
    pub queue_wait_max_ms: u64,
    /// How long the job at the head of the queue waits before another thread is woken for it, while others
    /// run. Waking costs far more than a short job; a job that really blocks delays its successor this long.
    pub hand_off_threshold_us: u64,
    /// How long nothing may complete, with jobs waiting, before the scheduler suspects a stall.
    pub stall_check_ms: u64,
    /// During a stall, one more thread is started each time this much passes.
    pub stall_step_ms: u64,
    /// Items a blocking stream may produce ahead of its reader.
    pub stream_buffer_max: usize,
    /// How long one poll of async code may hold a thread of the runtime before it is counted and named in the log;
    /// zero turns that off. Time that the thread waited for a processor does not count.
    pub blocked_poll_ms: u64,
    /// After so many blocked polls of one method, its later ones are made under tokio's `block_in_place`, which
    /// first hands the thread's other tasks to another thread; `None` for never. Dearer for that method, kinder to
    /// all others. Multi-threaded runtimes only.
    pub quarantine_after: Option<u64>,
    /// Settings of lanes by their name. A lane that is not here has [`LaneConfig::new`]'s.
    pub lanes: Vec<LaneConfig>,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        Self {
            // Affinity masks and container quotas are already in what the system grants.
            processors: None,
            // One to run and one to follow when it blocks; what a service that never blocks need not have.
            threads_min: 2,
            // Starlette's 40 and Quarkus's 8 a processor starve handlers that wait for a database; tokio's own 512
            // never did, and the gate keeps those that compute from crowding the processors.
            threads_max: 512,
            // Enough that every ordinary thread may be stuck and as many again serve.
            threads_hard_max: 1024,
            // Half of what there is: handlers that wait for handlers are few, or the service is built wrongly.
            compensation_max: 256,
            // What the standard library and tokio give a thread, so that code moved here finds as much.
            thread_stack_bytes: 2 * 1024 * 1024,
            // tokio's: longer than a pause between bursts, shorter than anybody wonders about idle threads.
            keep_alive_ms: 10_000,
            // Some ten megabytes of waiting requests of 1 KB.
            queue_max: 8192,
            // An eighth, so that one method that hangs leaves the others room.
            lane_queue_max: 1024,
            // Proxies and browsers have given up by then.
            queue_wait_max_ms: 30_000,
            // A few wake-ups long: a job shorter than that is better followed on the same thread.
            hand_off_threshold_us: 200,
            // No sound set of jobs, each shorter than half a second, is silent for as long.
            stall_check_ms: 500,
            // Ten threads a second end a stall before a client's deadline, and a mistake costs few threads.
            stall_step_ms: 100,
            // A window's worth of small messages; more would only be memory.
            stream_buffer_max: 32,
            // Ten times what a good citizen takes at most, and a tenth of what a person notices.
            blocked_poll_ms: 100,
            // It makes a guilty method dearer, which is the user's choice.
            quarantine_after: None,
            lanes: Vec::new(),
        }
    }
}

/// The configuration in the types the code compares with, and with contradictions settled.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) threads_min: usize,
    pub(super) threads_max: usize,
    pub(super) threads_hard_max: usize,
    pub(super) compensation_max: usize,
    pub(super) thread_stack_bytes: usize,
    pub(super) keep_alive: Duration,
    pub(super) queue_max: usize,
    pub(super) lane_queue_max: usize,
    pub(super) queue_wait_max: Duration,
    pub(super) hand_off_threshold: Duration,
    pub(super) stall_check: Duration,
    pub(super) stall_step: Duration,
    pub(super) stream_buffer_max: usize,
    pub(super) cores: usize,
    pub(super) blocked_poll: Duration,
    pub(super) quarantine_after: Option<u64>,
}

impl From<SchedulerConfig> for Limits {
    /// Zero threads or a queue of zero could serve nobody, so each bound is at least one; and a ceiling below
    /// its floor is lifted to it.
    fn from(config: SchedulerConfig) -> Self {
        let threads_max = config.threads_max.max(1);
        Self {
            threads_min: config.threads_min.min(threads_max),
            threads_max,
            threads_hard_max: config.threads_hard_max.max(threads_max),
            compensation_max: config.compensation_max,
            thread_stack_bytes: config.thread_stack_bytes,
            keep_alive: Duration::from_millis(config.keep_alive_ms),
            queue_max: config.queue_max.max(1),
            lane_queue_max: config.lane_queue_max.max(1),
            queue_wait_max: Duration::from_millis(config.queue_wait_max_ms),
            hand_off_threshold: Duration::from_micros(config.hand_off_threshold_us.max(1)),
            stall_check: Duration::from_millis(config.stall_check_ms),
            stall_step: Duration::from_millis(config.stall_step_ms.max(1)),
            stream_buffer_max: config.stream_buffer_max.max(1),
            blocked_poll: Duration::from_millis(config.blocked_poll_ms),
            quarantine_after: config.quarantine_after,
            cores: config.processors.unwrap_or_else(granted_processors).max(1),
        }
    }
}

/// What the system grants: its processors, less where affinity or a container's quota says so.
fn granted_processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
