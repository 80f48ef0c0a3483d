//! What tokio counts of the runtime that a server runs on.

use std::time::Duration;

use tokio::runtime::RuntimeMetrics;

/// The tokio runtime at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Runtime {
    /// Its threads.
    pub workers: usize,
    /// Its tasks that have not ended.
    pub tasks_alive: usize,
    /// Tasks that wait in the queue that its threads share.
    pub queue_depth: usize,
    /// Each of its threads; none where the machine has no atomics of 64 bits.
    pub per_worker: Vec<RuntimeWorker>,
}

/// One thread of the tokio runtime since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuntimeWorker {
    /// How long it was at work.
    pub busy: Duration,
    /// How often it had nothing to do.
    pub parks: u64,
}

impl Runtime {
    pub(super) fn read(runtime: &RuntimeMetrics) -> Self {
        Self {
            workers: runtime.num_workers(),
            tasks_alive: runtime.num_alive_tasks(),
            queue_depth: runtime.global_queue_depth(),
            per_worker: workers(runtime),
        }
    }
}

/// What tokio counts where the machine has atomics of 64 bits.
#[cfg(target_has_atomic = "64")]
fn workers(runtime: &RuntimeMetrics) -> Vec<RuntimeWorker> {
    let worker = |number| RuntimeWorker {
        busy: runtime.worker_total_busy_duration(number),
        parks: runtime.worker_park_count(number),
    };
    (0..runtime.num_workers()).map(worker).collect()
}

#[cfg(not(target_has_atomic = "64"))]
fn workers(_: &RuntimeMetrics) -> Vec<RuntimeWorker> {
    Vec::new()
}
