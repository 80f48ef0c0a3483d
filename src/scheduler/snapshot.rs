//! Owns what the scheduler shows of itself: plain numbers, taken at one moment, for metrics and tests.

use std::sync::Arc;

/// The scheduler at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Threads that exist, or are being started.
    pub threads: usize,
    /// Threads parked without work.
    pub idle: usize,
    /// Jobs that hold a thread, waiting and orphaned ones included.
    pub running: usize,
    /// Jobs whose thread waits in `block_on`.
    pub waiting: usize,
    /// Jobs that hold a thread although their caller has already been answered or has left.
    pub orphaned: usize,
    /// Jobs in the queue.
    pub queued: usize,
    /// Streams and futures that have begun and not ended, whether a thread is at work on them or not.
    pub open: usize,
    /// Every lane, in the order they were made.
    pub lanes: Vec<LaneSnapshot>,
    /// What has happened since the start.
    pub totals: Totals,
}

impl Snapshot {
    /// The lane of that name.
    pub fn lane(&self, name: &str) -> Option<&LaneSnapshot> {
        self.lanes.iter().find(|lane| &*lane.name == name)
    }
}

/// One lane at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneSnapshot {
    /// The lane's name.
    pub name: Arc<str>,
    /// Jobs that wait.
    pub depth: usize,
    /// Jobs that hold a thread.
    pub running: usize,
    /// Of those, how many nobody waits for any more.
    pub orphaned: usize,
    /// Jobs that ran to their end, panics and orphans included.
    pub completed: u64,
    /// Jobs that never ran.
    pub refused: Refused,
}

/// Jobs that never ran, by the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// A bound was reached, or the wait grew too long.
    pub overloaded: u64,
    /// The deadline passed before the job's turn came.
    pub deadline: u64,
    /// Cancelled, or its caller left.
    pub cancelled: u64,
    /// The scheduler was draining.
    pub draining: u64,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Jobs that ran to their end.
    pub completed: u64,
    /// Threads started.
    pub threads_started: u64,
    /// Attempts to start a thread that the system refused.
    pub spawn_failures: u64,
    /// Threads started to stand in for one that waits in `block_on`.
    pub compensations: u64,
    /// Threads started because nothing completed although jobs were waiting.
    pub stalls: u64,
    /// Jobs that panicked.
    pub panics: u64,
    /// Times a parked thread was woken, or a new one started, for the queue.
    pub wakes: u64,
}

/// Why a job never ran, as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Overloaded,
    Deadline,
    Cancelled,
    Draining,
}

/// The running counts of one lane.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) completed: u64,
    pub(super) refused: Refused,
}

impl Tally {
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        *match refusal {
            Refusal::Overloaded => &mut self.refused.overloaded,
            Refusal::Deadline => &mut self.refused.deadline,
            Refusal::Cancelled => &mut self.refused.cancelled,
            Refusal::Draining => &mut self.refused.draining,
        } += 1;
    }
}
