//! Owns what a lane has learned about its jobs: how long they run, and which share of that they compute.
//!
//! The run is an average that forgets, an eighth a job. The share is time on a processor divided by time that
//! was not spent waiting for one, both summed over what about the last sixteen jobs took, so that a long job
//! counts for as much as it weighs on the machine.

use super::moment::Moment;

/// A share of one processor, in 1,024ths.
pub(in crate::scheduler) type Share = u32;

/// All of one processor.
pub(in crate::scheduler) const WHOLE: Share = 1024;

/// What a thread should measure of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scheduler) enum Measure {
    Nothing,
    /// What it computed.
    Use,
    /// That, and how long it waited for a processor.
    UseAndDelay,
}

#[derive(Debug)]
pub(super) struct Estimate {
    /// Nanoseconds a job runs; zero until one has.
    run: u64,
    /// When a job last ended.
    learned: Moment,
    /// Jobs ended, counting no further than matters.
    jobs: u32,
    /// Nanoseconds on a processor, and in all, of what was measured lately.
    computed: u64,
    measured: u64,
    /// Their quotient; the whole until something was measured.
    share: Share,
}

/// What a job used, as its thread has measured it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scheduler) struct Usage {
    /// Nanoseconds it computed.
    pub(in crate::scheduler) computed: u64,
    /// Nanoseconds it ran, without those it waited for a processor.
    pub(in crate::scheduler) wanted: u64,
}

impl Estimate {
    pub(super) fn new(share: Share) -> Self {
        Self { run: 0, learned: Moment::START, jobs: 0, computed: 0, measured: 0, share }
    }

    /// Nanoseconds the next job will probably run; zero if nothing is known.
    pub(super) fn run(&self) -> u64 {
        self.run
    }

    /// The same, while there is fresh reason to believe it: what was learned long ago must not keep out the
    /// very jobs that would correct it.
    pub(super) fn run_if_fresh(&self, now: Moment) -> u64 {
        if now.nanos_since(self.learned) < BELIEVED { self.run } else { 0 }
    }

    pub(super) fn share(&self) -> Share {
        self.share
    }

    /// Whether the share was ever measured, rather than assumed.
    pub(super) fn share_is_known(&self) -> bool {
        self.measured > 0
    }

    /// How the next job should be measured. Measuring costs as much as the shortest jobs do, so those are sampled.
    pub(super) fn measure(&self) -> Measure {
        if self.run >= WORTH_ALL {
            return Measure::UseAndDelay;
        }
        let worth_it = self.run >= WORTH_USE || self.jobs < ALWAYS_FIRST;
        if worth_it || self.jobs.is_multiple_of(SAMPLE_EVERY) { Measure::Use } else { Measure::Nothing }
    }

    /// A job has ended.
    pub(super) fn ran(&mut self, now: Moment, run: u64) {
        self.learned = now;
        self.jobs = if self.jobs == u32::MAX { ALWAYS_FIRST } else { self.jobs + 1 };
        self.run = match self.run {
            0 => run.max(1),
            known if run > known => known + (run - known) / 8,
            known => (known - (known - run) / 8).max(1),
        };
    }

    /// A job, or a part of one that still runs, was measured.
    pub(super) fn measured(&mut self, usage: Usage) {
        self.computed += usage.computed.min(usage.wanted);
        self.measured += usage.wanted.max(1);
        let memory = (self.run.max(MEMORY_MIN)).saturating_mul(16).max(usage.wanted);
        if self.measured > memory {
            self.computed = scale(self.computed, memory, self.measured);
            self.measured = memory;
        }
        self.share = scale(WHOLE.into(), self.computed, self.measured) as Share;
    }
}

fn scale(value: u64, by: u64, of: u64) -> u64 {
    (u128::from(value) * u128::from(by) / u128::from(of.max(1))) as u64
}

/// For how many nanoseconds after the last job the run is believed enough to refuse others for it.
const BELIEVED: u64 = 1_000_000_000;

/// From this many nanoseconds on a job is always measured, and from the next on in full: each costs it about one
/// part in a hundred.
const WORTH_USE: u64 = 50_000;
const WORTH_ALL: u64 = 1_000_000;

/// Of shorter jobs the first few are measured, and then one in so many.
const ALWAYS_FIRST: u32 = 8;
const SAMPLE_EVERY: u32 = 64;

/// Jobs are remembered as if they took at least this many nanoseconds each.
const MEMORY_MIN: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn used(computed: u64, wanted: u64) -> Usage {
        Usage { computed, wanted }
    }

    #[test]
    fn what_was_never_measured_computes_all_the_time() {
        let estimate = Estimate::new(WHOLE);
        assert_eq!((estimate.share(), estimate.share_is_known(), estimate.run()), (WHOLE, false, 0));
    }

    #[test]
    fn the_first_measure_counts_whole_and_later_ones_by_their_length() {
        let mut estimate = Estimate::new(WHOLE);
        estimate.ran(Moment::START, 1_000_000);
        estimate.measured(used(0, 1_000_000));
        assert_eq!(estimate.share(), 0);
        estimate.measured(used(3_000_000, 3_000_000));
        assert_eq!(estimate.share(), WHOLE * 3 / 4);
    }

    #[test]
    fn a_lane_that_changes_its_ways_is_believed_within_some_dozen_jobs() {
        let mut estimate = Estimate::new(WHOLE);
        for _ in 0..1000 {
            estimate.ran(Moment::START, 1_000_000);
            estimate.measured(used(1_000_000, 1_000_000));
        }
        assert_eq!(estimate.share(), WHOLE);
        for _ in 0..48 {
            estimate.ran(Moment::START, 1_000_000);
            estimate.measured(used(0, 1_000_000));
        }
        assert!(estimate.share() < WHOLE / 16, "{}", estimate.share());
    }

    #[test]
    fn the_run_follows_and_is_not_believed_for_ever() {
        let mut estimate = Estimate::new(WHOLE);
        for _ in 0..100 {
            estimate.ran(Moment::START, 80);
        }
        assert_eq!(estimate.run(), 80);
        for _ in 0..100 {
            estimate.ran(Moment::START, 8000);
        }
        assert!((7900..=8000).contains(&estimate.run()), "{}", estimate.run());
        assert_eq!(estimate.run_if_fresh(Moment::START.plus_nanos(BELIEVED)), 0);
    }

    #[test]
    fn short_jobs_are_sampled_and_long_ones_always_measured() {
        let mut estimate = Estimate::new(WHOLE);
        let mut measured = 0;
        for _ in 0..6400 {
            measured += u32::from(estimate.measure() != Measure::Nothing);
            estimate.ran(Moment::START, 1000);
        }
        assert!((100..=110).contains(&measured), "{measured}");
        estimate.ran(Moment::START, 10_000_000);
        assert_eq!(estimate.measure(), Measure::UseAndDelay);
    }
}
