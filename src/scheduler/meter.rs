//! Owns what the system knows of a thread's use of a processor. Linux counts all of it; elsewhere nothing is
//! measured, and whoever asks has to live with an assumption.
//!
//! A job wants a processor for as long as it computes, waits to compute, or is interrupted; the rest of its time
//! it waits for something else. Time on the processor alone would make a job on a busy machine look like one
//! that sleeps, more would be let run beside it, and the machine would be busier still. So what was spent
//! waiting for a processor is taken out, and a job that never let go of its processor has computed all the time.

use std::time::Duration;

use super::policy::{Counters, Measure, Sighting, Usage};

#[cfg(target_os = "linux")]
pub(super) use linux::{Meter, ThreadName};
#[cfg(not(target_os = "linux"))]
pub(super) use nowhere::{Meter, ThreadName};

impl ThreadName {
    /// What the thread does at this moment.
    pub(super) fn sighting(&self) -> Option<Sighting> {
        if self.computes()? { self.counters().map(Sighting::Counted) } else { Some(Sighting::Sleeps) }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;

    use nix::sys::resource::{UsageWho, getrusage};
    use nix::time::{ClockId, clock_gettime};

    use super::*;

    /// What a thread has computed in its life, and how often it has let go of its processor by itself.
    ///
    /// `getrusage` has both, but counts what is computed only as often as the system's clock ticks, which is once in
    /// several milliseconds.
    struct Reading {
        computed: Duration,
        let_go: i64,
    }

    impl Reading {
        fn of_this_thread() -> Option<Self> {
            let computed = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok()?.into();
            let let_go = getrusage(UsageWho::RUSAGE_THREAD).ok()?.voluntary_context_switches();
            Some(Self { computed, let_go })
        }
    }

    /// A reading at the start of a job.
    pub(in crate::scheduler) struct Meter {
        start: Reading,
        delay: Option<Duration>,
    }

    impl Meter {
        pub(in crate::scheduler) fn start(measure: Measure) -> Option<Self> {
            let start = match measure {
                Measure::Nothing => return None,
                Measure::Use | Measure::UseAndDelay => Reading::of_this_thread()?,
            };
            let delay = if measure == Measure::UseAndDelay { delay_of_this_thread() } else { None };
            Some(Self { start, delay })
        }

        /// What this thread has used since the start, which was `ran` ago.
        pub(in crate::scheduler) fn stop(self, ran: Duration) -> Option<Usage> {
            let end = Reading::of_this_thread()?;
            let computed = end.computed.saturating_sub(self.start.computed);
            let waited = match (self.delay, delay_of_this_thread_if(self.delay.is_some())) {
                (Some(before), Some(after)) => after.saturating_sub(before),
                _ => Duration::ZERO,
            };
            if end.let_go == self.start.let_go {
                let computed = nanos(computed).max(1);
                return Some(Usage { computed, wanted: computed });
            }
            let wanted = ran.saturating_sub(waited).max(computed);
            Some(Usage { computed: nanos(computed), wanted: nanos(wanted) })
        }
    }

    fn nanos(time: Duration) -> u64 {
        time.as_nanos() as u64
    }

    fn delay_of_this_thread_if(wanted: bool) -> Option<Duration> {
        if wanted { delay_of_this_thread() } else { None }
    }

    fn delay_of_this_thread() -> Option<Duration> {
        counters_in("/proc/thread-self/schedstat").map(|counters| counters.delayed)
    }

    /// The first two numbers of a thread's `schedstat`.
    fn counters_in(schedstat: &str) -> Option<Counters> {
        let text = fs::read_to_string(schedstat).ok()?;
        let mut numbers =
            text.split_ascii_whitespace().map(|number| number.parse().map(Duration::from_nanos));
        Some(Counters { computed: numbers.next()?.ok()?, delayed: numbers.next()?.ok()? })
    }

    /// How the system calls a thread of this process.
    #[derive(Debug)]
    pub(in crate::scheduler) struct ThreadName {
        stat: String,
        schedstat: String,
    }

    impl ThreadName {
        pub(in crate::scheduler) fn of_this_thread() -> Option<Self> {
            let link = fs::read_link("/proc/thread-self").ok()?;
            let thread = link.to_str()?;
            Some(Self {
                stat: format!("/proc/{thread}/stat"),
                schedstat: format!("/proc/{thread}/schedstat"),
            })
        }

        /// Whether the thread is runnable: the letter behind its name, which is in parentheses and may hold any.
        pub(in crate::scheduler) fn computes(&self) -> Option<bool> {
            let text = fs::read_to_string(&self.stat).ok()?;
            let (_, rest) = text.rsplit_once(')')?;
            Some(rest.trim_start().starts_with('R'))
        }

        /// What the thread has used in its life.
        pub(in crate::scheduler) fn counters(&self) -> Option<Counters> {
            counters_in(&self.schedstat)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod nowhere {
    use super::*;

    pub(in crate::scheduler) struct Meter;

    impl Meter {
        pub(in crate::scheduler) fn start(_: Measure) -> Option<Self> {
            None
        }

        pub(in crate::scheduler) fn stop(self, _: Duration) -> Option<Usage> {
            None
        }
    }

    #[derive(Debug)]
    pub(in crate::scheduler) struct ThreadName;

    impl ThreadName {
        pub(in crate::scheduler) fn of_this_thread() -> Option<Self> {
            None
        }

        pub(in crate::scheduler) fn computes(&self) -> Option<bool> {
            None
        }

        pub(in crate::scheduler) fn counters(&self) -> Option<Counters> {
            None
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::thread;
    use std::time::Instant;

    use super::*;

    fn share(measure: Measure, work: impl FnOnce()) -> f64 {
        let meter = Meter::start(measure).expect("Linux counts");
        let began = Instant::now();
        work();
        let usage = meter.stop(began.elapsed()).expect("Linux counts");
        usage.computed as f64 / usage.wanted as f64
    }

    #[test]
    fn a_sleeper_computes_next_to_nothing() {
        for measure in [Measure::Use, Measure::UseAndDelay] {
            let share = share(measure, || thread::sleep(Duration::from_millis(50)));
            assert!(share < 0.2, "{share}");
        }
        assert!(Meter::start(Measure::Nothing).is_none());
    }

    #[test]
    fn who_never_lets_go_computes_all_the_time_however_busy_the_machine() {
        let share = share(Measure::UseAndDelay, || {
            let until = Instant::now() + Duration::from_millis(20);
            while Instant::now() < until {
                std::hint::spin_loop();
            }
        });
        assert!(share > 0.99, "{share}");
    }

    #[test]
    fn a_thread_can_be_asked_from_outside_what_it_is_doing() {
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let sleeper = thread::spawn(move || {
            tell.send(ThreadName::of_this_thread()).expect("the test listens");
            let _disconnected = ended.recv();
        });
        let name = told.recv().expect("the thread tells").expect("Linux names it");
        let give_up = Instant::now() + Duration::from_secs(10);
        while name.computes() != Some(false) {
            assert!(Instant::now() < give_up, "the sleeper never slept");
        }
        drop(end);
        sleeper.join().expect("it does not panic");
        // The system may list a thread for a moment after it has been joined.
        while name.computes().is_some() {
            assert!(Instant::now() < give_up, "the thread is still there");
        }
        let me = ThreadName::of_this_thread().expect("Linux names it");
        assert_eq!(me.computes(), Some(true));
    }
}
