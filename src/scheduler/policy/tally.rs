//! Owns what a lane counts of its past.

use std::time::Duration;

use super::Why;
use super::queue::Done;
use crate::scheduler::snapshot::{Histogram, Refused};

#[derive(Clone, Debug, Default)]
pub(in crate::scheduler) struct Tally {
    pub(in crate::scheduler) completed: u64,
    pub(in crate::scheduler) refused: Refused,
    /// How long jobs waited that ran, how long they ran, and how long those computed that were measured.
    pub(in crate::scheduler) queued: Histogram,
    pub(in crate::scheduler) ran: Histogram,
    pub(in crate::scheduler) computed: Histogram,
    /// What jobs ran that nobody wanted any more when they ended.
    pub(in crate::scheduler) wasted: Duration,
}

impl Tally {
    pub(in crate::scheduler) fn refuse(&mut self, why: Why) {
        *match why {
            Why::Full => &mut self.refused.full,
            Why::Overloaded => &mut self.refused.overloaded,
            Why::Expired => &mut self.refused.deadline,
            Why::Infeasible => &mut self.refused.infeasible,
            Why::Cancelled => &mut self.refused.cancelled,
            Why::Draining => &mut self.refused.draining,
        } += 1;
    }

    pub(super) fn ended(&mut self, run: Duration, done: Done) {
        self.completed += 1;
        self.ran.record(run);
        if let Some(usage) = done.usage {
            self.computed.record(Duration::from_nanos(usage.computed));
        }
        if !done.wanted {
            self.wasted += run;
        }
    }
}
