//! Owns what the scheduler shows of itself: plain numbers, taken at one moment, for metrics and tests.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The scheduler at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// Async code that has held a thread of the runtime for too long; see [`Scheduler::watch`].
    ///
    /// [`Scheduler::watch`]: super::Scheduler::watch
    pub blocked_polls: Vec<BlockedPolls>,
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
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// Which share of their time its jobs compute, from 0 to 1; `None` until it was measured, and always where
    /// the system does not count it.
    pub cpu_share: Option<f64>,
    /// Whether it cannot carry its load at present: it then takes its newest first and refuses who has waited
    /// too long.
    pub overloaded: bool,
    /// How long jobs waited that ran.
    pub queue_time: Histogram,
    /// How long they ran.
    pub run_time: Histogram,
    /// How long those computed that were measured: the first few, and then a sample.
    pub cpu_time: Histogram,
    /// What jobs have run, altogether, whose caller was gone or answered by the time they ended.
    pub wasted: Duration,
}

/// Polls under one name that held a thread of the runtime for longer than [`blocked_poll_ms`].
///
/// [`blocked_poll_ms`]: super::SchedulerConfig::blocked_poll_ms
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct BlockedPolls {
    /// The method, or whatever else was watched.
    pub name: Arc<str>,
    /// How many there were.
    pub count: u64,
    /// The longest, as far as it has been seen.
    pub longest: Duration,
    /// Whether later polls are made apart from the runtime's other tasks.
    pub quarantined: bool,
}

/// Jobs that never ran, by the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// A bound on the queue was reached, and this job was the oldest.
    pub full: u64,
    /// The wait grew too long, in an overloaded lane or without a deadline.
    pub overloaded: u64,
    /// The deadline passed before the job's turn came.
    pub deadline: u64,
    /// The deadline would have passed before the job could be done.
    pub infeasible: u64,
    /// Cancelled, or its caller left.
    pub cancelled: u64,
    /// The scheduler was draining.
    pub draining: u64,
}

impl Refused {
    /// All of them.
    pub fn total(&self) -> u64 {
        let Self { full, overloaded, deadline, infeasible, cancelled, draining } = *self;
        full + overloaded + deadline + infeasible + cancelled + draining
    }

    /// Each reason by its name.
    pub fn by_reason(&self) -> [(&'static str, u64); 6] {
        let Self { full, overloaded, deadline, infeasible, cancelled, draining } = *self;
        [
            ("full", full),
            ("overloaded", overloaded),
            ("deadline", deadline),
            ("infeasible", infeasible),
            ("cancelled", cancelled),
            ("draining", draining),
        ]
    }
}

/// Durations, counted in buckets each twice as wide as the one before: up to 1 µs, 2 µs, 4 µs, and so on to 67 s,
/// and everything above.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BUCKETS + 1],
    sum: Duration,
}

const BUCKETS: usize = 27;

impl Histogram {
    pub(super) fn record(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
        let bucket = (u64::BITS - (micros - 1).leading_zeros()) as usize;
        self.counts[bucket.min(BUCKETS)] += 1;
        self.sum += time;
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// Each bucket's upper bound, and how many were at most that and above the one before. The last has no bound.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bound = |bucket: usize| (bucket < BUCKETS).then(|| Duration::from_micros(1 << bucket));
        self.counts.iter().enumerate().map(move |(bucket, &count)| (bound(bucket), count))
    }

    /// The upper bound of the bucket that the `quantile` falls into, from 0 to 1; the last bucket answers with
    /// the last bound. `None` if nothing was counted.
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let count = self.count();
        let wanted = (quantile.clamp(0.0, 1.0) * count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let bucket = self.counts.iter().position(|&count| {
            seen += count;
            seen >= wanted
        });
        (count > 0).then(|| Duration::from_micros(1 << bucket.unwrap_or(BUCKETS).min(BUCKETS - 1)))
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS + 1], sum: Duration::ZERO }
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count())
            .field("sum", &self.sum)
            .field("p50", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .finish()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_up_to_the_bound_above_it() {
        let mut histogram = Histogram::default();
        let micros = Duration::from_micros;
        assert_eq!(histogram.quantile(0.5), None);
        for time in [Duration::ZERO, micros(1), Duration::from_nanos(1001), micros(2), micros(3), micros(4)] {
            histogram.record(time);
        }
        histogram.record(Duration::from_secs(1000));
        let counted: Vec<_> = histogram.buckets().filter(|(_, count)| *count > 0).collect();
        let bounds = [(Some(micros(1)), 2), (Some(micros(2)), 2), (Some(micros(4)), 2), (None, 1)];
        assert_eq!(counted, bounds);
        assert_eq!(histogram.count(), 7);
        assert_eq!(histogram.quantile(0.5), Some(micros(2)));
        assert_eq!(histogram.quantile(1.0), Some(micros(1 << (BUCKETS - 1))));
    }
}
