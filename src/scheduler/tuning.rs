//! Owns the numbers that are not settings: those a user could only set wrongly, each with its reason.
//!
//! Settings are [`SchedulerConfig`](super::SchedulerConfig)'s, and its defaults' reasons stand beside them there.
//! What is here follows from what machines and clocks do rather than from what a service does; the simulation draws
//! most of it at random, so that no invariant hangs on any. This file refuses to decide anything.

use std::time::Duration;

use super::policy::{Share, WHOLE};

/// The few numbers of the gate: who may compute beside whom.
pub(super) mod gate {
    use super::*;

    /// What a lane's jobs are taken to compute, in 1,024ths, until that was measured: everything, where it will be.
    /// Else a thirty-second, so that a processor is given 32 jobs at once, which is a guess and no more.
    pub(in crate::scheduler) const INITIAL_SHARE: Share =
        if cfg!(target_os = "linux") { WHOLE } else { WHOLE / 32 };

    /// A lane whose jobs compute at most this share hardly computes, and may pass one that does and has to wait.
    pub(in crate::scheduler) const LIGHT: u64 = WHOLE as u64 / 8;
}

/// Fairness between lanes and between a lane's tenants.
pub(super) mod fairness {
    /// Attained nanoseconds are counted in this many parts, so that weights divide them without losing the short
    /// jobs. A `u64` still holds some ten years of a whole machine.
    pub(in crate::scheduler) const GRAIN: u64 = 64;

    /// Lines of a lane whose callers name tenants: two of sixteen make 120 different hands.
    pub(in crate::scheduler) const TENANT_LINES: usize = 16;
}

/// When a lane counts as overloaded, and what the refused are told.
pub(super) mod overload {
    use super::*;

    /// Nanoseconds over which the least wait is taken: longer than a burst that a lane should just absorb.
    pub(in crate::scheduler) const WINDOW: u64 = 100_000_000;

    /// Nanoseconds that anybody may wait without that meaning anything.
    pub(in crate::scheduler) const WAIT_MIN: u64 = 5_000_000;

    /// Sooner than this a retry only adds to the load.
    pub(in crate::scheduler) const RETRY_AFTER_MIN: Duration = Duration::from_millis(100);

    /// Later than this, a client might as well not be told.
    pub(in crate::scheduler) const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);
}

/// How a lane's jobs are measured and how long that is remembered.
pub(super) mod estimate {
    /// For how many nanoseconds after the last job the run is believed enough to refuse others for it.
    pub(in crate::scheduler) const BELIEVED: u64 = 1_000_000_000;

    /// From this many nanoseconds on a job is measured in full, which takes some thirty microseconds. Shorter ones
    /// seldom wait for a processor, and by far not for as long as that.
    pub(in crate::scheduler) const WORTH_ALL: u64 = 1_000_000;

    /// So many jobs of a lane are measured at first, one after another.
    pub(in crate::scheduler) const ALWAYS_FIRST: u32 = 8;

    /// Then one in so many nanoseconds: enough to follow a lane that changes its ways within a tenth of a second,
    /// for less than one part in a hundred of a processor.
    pub(in crate::scheduler) const SAMPLE_EVERY: u64 = 5_000_000;

    /// Jobs are remembered as if they took at least this many nanoseconds each.
    pub(in crate::scheduler) const MEMORY_MIN: u64 = 10_000;
}

/// When a thread is woken.
pub(super) mod waking {
    use super::*;

    /// Jobs that come closer than this many nanoseconds come in bursts: it pays to wait for a few before a thread is
    /// woken. At a slower pace the wait would gather nothing.
    pub(in crate::scheduler) const HOT_GAP: u64 = 100_000;

    /// A pause is taken to be no longer than this many nanoseconds, or one long pause would hide a burst.
    pub(in crate::scheduler) const GAP_MAX: u64 = 1_000_000;

    /// How long after a refused thread the system is asked again.
    pub(in crate::scheduler) const SPAWN_RETRY: Duration = Duration::from_millis(10);
}

/// How often the watcher of the queue looks, and at how much.
pub(super) mod watching {
    use super::*;

    /// How often waiting times are compared with their bound; far finer than any sensible bound.
    pub(in crate::scheduler) const SWEEP_EVERY: Duration = Duration::from_millis(10);

    /// How often to look while every thread or processor there may be is at work.
    pub(in crate::scheduler) const CROWDED_LOOK_EVERY: Duration = Duration::from_millis(1);

    /// How often running jobs are looked at. With [`PROBES_MAX`] looks of some ten microseconds each, that is a
    /// twenty-fifth of a processor at most.
    pub(in crate::scheduler) const PROBE_EVERY: Duration = Duration::from_millis(1);

    /// How many running jobs are looked at together.
    pub(in crate::scheduler) const PROBES_MAX: usize = 4;

    /// For how many nanoseconds a thread's counters may stand still while it computes: two ticks of a slow clock.
    pub(in crate::scheduler) const COUNTERS_MOVE: u64 = 8_000_000;

    /// How often the watcher looks while it dozes: a hundred looks a second cost less than one in a thousand of a
    /// processor, and waking it for every job would cost more.
    pub(in crate::scheduler) const DOZE: Duration = Duration::from_millis(10);

    /// For how long no job must have begun before the watcher sleeps.
    pub(in crate::scheduler) const QUIET: Duration = Duration::from_secs(1);

    /// How many threads one look may summon.
    pub(in crate::scheduler) const STEP_MAX: usize = 64;
}

/// How the watchdog over async code looks.
pub(super) mod watchdog {
    use super::*;

    /// How often it looks: a tenth of the default threshold.
    pub(in crate::scheduler) const TICK: Duration = Duration::from_millis(10);

    /// The most that may count between two looks, or a machine that slept would find everybody guilty.
    pub(in crate::scheduler) const LOOK_MAX: Duration = Duration::from_millis(50);

    /// A method is named in the log at most this often. Blocked polls are always counted.
    pub(in crate::scheduler) const TELL_EVERY: Duration = Duration::from_secs(60);

    /// After so many looks at nothing, the watchdog sleeps: half a second.
    pub(in crate::scheduler) const QUIET_LOOKS: u32 = 50;

    /// How long after a refused thread the system is asked again.
    pub(in crate::scheduler) const START_RETRY: Duration = Duration::from_secs(1);

    /// Threads that can be watched; a later one goes unwatched. No runtime has as many.
    pub(in crate::scheduler) const THREADS_MAX: usize = 1024;
}
