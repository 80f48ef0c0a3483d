//! Owns time as the policy knows it: nanoseconds since the scheduler began. Nobody in this room reads a clock;
//! whoever brings an event brings the time it happened, so a simulation can bring any time it likes.

use std::time::Duration;

/// A point in time, counted in nanoseconds from the scheduler's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::scheduler) struct Moment(u64);

impl Moment {
    pub(in crate::scheduler) const START: Moment = Moment(0);

    /// Later than anything that happens: 584 years.
    pub(in crate::scheduler) const NEVER: Moment = Moment(u64::MAX);

    pub(in crate::scheduler) fn after_start(elapsed: Duration) -> Self {
        Moment(nanos(elapsed))
    }

    /// How long ago `earlier` was; zero if it is yet to come.
    pub(in crate::scheduler) fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }

    pub(super) fn nanos_since(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    pub(in crate::scheduler) fn plus(self, time: Duration) -> Self {
        self.plus_nanos(nanos(time))
    }

    pub(super) fn plus_nanos(self, nanos: u64) -> Self {
        Moment(self.0.saturating_add(nanos))
    }

    /// The moment that long before this one, or the start.
    pub(super) fn minus(self, time: Duration) -> Self {
        Moment(self.0.saturating_sub(nanos(time)))
    }
}

/// A duration in nanoseconds; longer ones than a `u64` holds are never told apart from it.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
