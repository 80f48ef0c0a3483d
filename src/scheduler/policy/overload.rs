//! Owns the question whether a lane is overloaded, as CoDel asks it: a queue that empties now and then is a
//! burst, and one whose oldest has waited too long *all the time* is a load that cannot be carried. It is over when
//! for as long nobody has waited too long at all: between the two, refusing those who had waited makes the queue
//! look shorter than the load is.
//!
//! The wait that counts is that of the oldest in line, not of the one that is taken: an overloaded lane takes its
//! newest first, whose wait says nothing.

use super::moment::Moment;
use crate::scheduler::tuning::overload::{WAIT_MIN, WINDOW};

#[derive(Debug)]
pub(super) struct Overload {
    overloaded: bool,
    /// The least and the most that the oldest has waited, since the present window began.
    least: u64,
    most: u64,
    /// Never, until there is a first one.
    window_ends: Moment,
}

impl Overload {
    pub(super) fn new() -> Self {
        Self { overloaded: false, least: u64::MAX, most: 0, window_ends: Moment::NEVER }
    }

    pub(super) fn is_overloaded(&self) -> bool {
        self.overloaded
    }

    /// The oldest in line has waited for `wait` nanoseconds; zero if nobody is in line.
    pub(super) fn observe(&mut self, now: Moment, wait: u64, run: u64) {
        if self.window_ends == Moment::NEVER {
            self.window_ends = now.plus_nanos(WINDOW);
        }
        if now >= self.window_ends {
            // A window that ended long ago, in a lane nobody has asked since, tells nothing of the time between.
            let stale = now.nanos_since(self.window_ends) > WINDOW;
            let bearable = WAIT_MIN.max(run.saturating_mul(2));
            self.overloaded =
                !stale && if self.overloaded { self.most > bearable } else { self.least > bearable };
            self.most = 0;
            self.least = u64::MAX;
            self.window_ends = now.plus_nanos(WINDOW);
        }
        self.least = self.least.min(wait);
        self.most = self.most.max(wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Observes every millisecond from `from` to `to`.
    fn observe(overload: &mut Overload, from: u64, to: u64, wait: impl Fn(u64) -> u64, run: u64) {
        for ms in from..to {
            overload.observe(Moment::START.plus_nanos(ms * MS), wait(ms), run);
        }
    }

    #[test]
    fn a_standing_queue_is_overload_and_a_burst_is_none() {
        let mut overload = Overload::new();
        observe(&mut overload, 0, 250, |_| 20 * MS, MS);
        assert!(overload.is_overloaded());
        let mut overload = Overload::new();
        observe(&mut overload, 0, 1000, |ms| if ms % 90 == 0 { 0 } else { 80 * MS }, MS);
        assert!(!overload.is_overloaded());
    }

    #[test]
    fn a_wait_of_two_runs_is_normal() {
        let mut overload = Overload::new();
        observe(&mut overload, 0, 1000, |_| 20 * MS, 10 * MS);
        assert!(!overload.is_overloaded());
    }

    #[test]
    fn nothing_is_overloaded_before_a_whole_window_has_passed() {
        let mut overload = Overload::new();
        observe(&mut overload, 10, 109, |_| 20 * MS, MS);
        assert!(!overload.is_overloaded());
    }

    #[test]
    fn it_is_over_once_nobody_has_waited_long_for_a_whole_window() {
        let mut overload = Overload::new();
        observe(&mut overload, 0, 250, |_| 20 * MS, MS);
        observe(&mut overload, 250, 1000, |ms| if ms % 50 == 0 { 20 * MS } else { 0 }, MS);
        assert!(overload.is_overloaded());
        observe(&mut overload, 1000, 1205, |_| 4 * MS, MS);
        assert!(!overload.is_overloaded());
    }

    #[test]
    fn one_old_job_after_a_silence_is_no_overload() {
        let mut overload = Overload::new();
        observe(&mut overload, 0, 50, |_| 20 * MS, MS);
        overload.observe(Moment::START.plus_nanos(10_000 * MS), 20 * MS, MS);
        assert!(!overload.is_overloaded());
    }
}
