//! Owns what a lane has learned about its jobs: how long they run, and which share of that they compute.
//!
//! The run is an average that forgets, an eighth a job. The share is time on a processor divided by time that
//! was not spent waiting for one, both summed over what about sixteen measured jobs take, so that a long job
//! counts for as much as it weighs on the machine, and one that was long for once is forgotten soon.

use super::moment::Moment;
use crate::scheduler::tuning::estimate::{ALWAYS_FIRST, BELIEVED, MEMORY_MIN, SAMPLE_EVERY, WORTH_ALL};

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
    /// Nanoseconds of the longest lately; it fades by a thirty-second a job.
    longest: u64,
    /// When a job last ended.
    learned: Moment,
    /// Jobs that were to be measured, counting no further than matters, and when the last was.
    samples: u32,
    sampled: Moment,
    /// Nanoseconds in all of a measured job: an average that forgets, a quarter a job.
    usual: u64,
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
        Self {
            run: 0,
            longest: u64::MAX,
            learned: Moment::START,
            samples: 0,
            sampled: Moment::START,
            usual: 0,
            computed: 0,
            measured: 0,
            share,
        }
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

    /// Nanoseconds that the longest job ran lately; no end of them if nothing is known.
    pub(super) fn longest(&self) -> u64 {
        self.longest
    }

    pub(super) fn share(&self) -> Share {
        self.share
    }

    /// Whether the share was ever measured, rather than assumed.
    pub(super) fn share_is_known(&self) -> bool {
        self.measured > 0
    }

    /// How the job that begins now should be measured. Measuring costs more than the shortest jobs do, and more than
    /// the longest compute that sleep, so jobs are sampled: the first few, and then so many a second.
    pub(super) fn measure(&mut self, now: Moment) -> Measure {
        let is_new = self.samples < ALWAYS_FIRST;
        if !is_new && now.nanos_since(self.sampled) < SAMPLE_EVERY {
            return Measure::Nothing;
        }
        self.samples = self.samples.saturating_add(1);
        self.sampled = now;
        if self.run >= WORTH_ALL { Measure::UseAndDelay } else { Measure::Use }
    }

    /// A job has ended.
    pub(super) fn ran(&mut self, now: Moment, run: u64) {
        self.learned = now;
        self.longest = match self.longest {
            u64::MAX => run,
            known => run.max(known - known / 32),
        };
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
        self.usual = match self.usual {
            0 => usage.wanted,
            known => known - known / 4 + usage.wanted / 4,
        };
        let memory = (self.usual.max(MEMORY_MIN)).saturating_mul(16).max(usage.wanted);
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
    fn jobs_that_waited_for_long_when_they_began_do_not_count_for_ever() {
        let mut estimate = Estimate::new(WHOLE);
        for _ in 0..64 {
            estimate.measured(used(0, 50_000_000));
        }
        // On a crowded machine they seem to run for long; what they want is short.
        for _ in 0..64 {
            estimate.ran(Moment::START, 100_000_000);
            estimate.measured(used(1_000_000, 1_000_000));
        }
        assert!(estimate.share() > WHOLE * 15 / 16, "{}", estimate.share());
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
    fn the_first_jobs_are_measured_and_then_so_many_a_second() {
        let mut estimate = Estimate::new(WHOLE);
        let mut measured = 0;
        for micros in 0..100_000 {
            let now = Moment::START.plus_nanos(micros * 1000);
            measured += u32::from(estimate.measure(now) == Measure::Use);
            estimate.ran(now, 1000);
        }
        assert!((26..=28).contains(&measured), "{measured}");
        estimate.ran(Moment::START, 10_000_000);
        assert_eq!(estimate.measure(Moment::NEVER), Measure::UseAndDelay);
    }
}
