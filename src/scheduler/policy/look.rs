//! Owns the decisions that need a clock rather than an event: handing off the head of the queue when those who
//! run do not get to it, refusing who has waited too long, breaking stalls, asking what running jobs compute.

use std::time::Duration;

use super::crew::Summons;
use super::estimate::{Usage, WHOLE};
use super::moment::{Moment, nanos};
use super::{Policy, SeatId, Shed};
use crate::scheduler::tuning::watching::{
    COUNTERS_MOVE, CROWDED_LOOK_EVERY, DOZE, PROBE_EVERY, PROBES_MAX, QUIET, STEP_MAX, SWEEP_EVERY,
};

/// Where the watcher is, so that whoever needs it knows how to get it.
pub(in crate::scheduler) enum Watch<T> {
    /// There is none.
    Absent,
    /// It is looking, or will look within the hand-off threshold.
    Awake,
    /// It looks now and then: soon enough for what seldom happens, and unless someone wakes it, not sooner.
    Dozing(T),
    /// It sleeps until someone wakes it.
    Parked(T),
}

/// What a look brings about.
pub(in crate::scheduler) struct Look<I, T> {
    pub(in crate::scheduler) summoned: Vec<Summons<T>>,
    pub(in crate::scheduler) shed: Vec<Shed<I>>,
    /// Threads of which the next look would like to know whether they compute.
    pub(in crate::scheduler) probes: Vec<Probe<T>>,
    pub(in crate::scheduler) then: Then,
}

/// A thread to be looked at.
#[derive(Debug)]
pub(in crate::scheduler) struct Probe<T> {
    pub(in crate::scheduler) thread: T,
    pub(in crate::scheduler) seat: SeatId,
    pub(in crate::scheduler) job: u64,
}

/// What a thread was seen to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scheduler) enum Sighting {
    /// It waits for something other than a processor.
    Sleeps,
    /// It has a processor or waits for one, and has used so much in its life.
    Counted(Counters),
}

/// What a thread has used in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scheduler) struct Counters {
    /// How long it has computed.
    pub(in crate::scheduler) computed: Duration,
    /// How long it has waited for a processor.
    pub(in crate::scheduler) delayed: Duration,
}

impl Counters {
    /// What was used since `before`, which is as long ago as `passed`.
    fn since(self, before: Counters, passed: Duration) -> Usage {
        let computed = nanos(self.computed.saturating_sub(before.computed));
        let delayed = nanos(self.delayed.saturating_sub(before.delayed));
        Usage { computed, wanted: nanos(passed).saturating_sub(delayed).max(computed) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scheduler) enum Then {
    LookAgain(Duration),
    Doze(Duration),
    Park,
    End,
}

/// What the watcher remembers from one look to the next.
pub(super) struct Watcher {
    /// How many threads the next look summons, if it finds reason to.
    step: usize,
    last_stall_step: Moment,
    next_sweep: Moment,
    next_probe: Moment,
}

impl Default for Watcher {
    fn default() -> Self {
        let start = Moment::START;
        Self { step: 1, last_stall_step: start, next_sweep: start, next_probe: start }
    }
}

impl<I, T: Clone> Policy<I, T> {
    /// Whether the watcher must be called so that it looks, within the hand-off threshold if that is `soon`, else
    /// within some milliseconds. While the rescue task is under way, it is the one who asks the system for a watcher.
    pub(in crate::scheduler) fn watch_needs_calling(&self, soon: bool) -> bool {
        match self.watch {
            Watch::Awake => false,
            Watch::Dozing(_) => soon,
            Watch::Parked(_) => true,
            Watch::Absent => !self.rescue,
        }
    }

    /// The watcher looks. `itself` is how to reach it, should it be told to park.
    pub(in crate::scheduler) fn look(&mut self, now: Moment, itself: T) -> Look<I, T> {
        self.watch = Watch::Awake;
        let mut shed = Vec::new();
        self.sweep(now, &mut shed);
        let (summoned, then) = match self.queue.head(self.room()) {
            Some((lane, came)) => (self.hand_off(now, lane, came), Then::LookAgain(self.patience())),
            None if self.queue.len() > 0 => {
                let summoned = self.break_stall(now);
                (summoned.into_iter().collect(), Then::LookAgain(CROWDED_LOOK_EVERY))
            }
            None => (Vec::new(), self.nothing_waits(now, itself)),
        };
        Look { summoned, shed, probes: self.probes(now), then }
    }

    /// What the watcher has seen of a thread while it ran the job that was its `job`th.
    ///
    /// A thread that sleeps has let go of its processor. One that does not may be computing, or waiting to: that only
    /// its counters tell, from one look to a later one.
    pub(in crate::scheduler) fn observed(&mut self, now: Moment, seat: SeatId, job: u64, seen: Sighting) {
        let Some(running) = self.crew.still_runs(seat, job).filter(|running| !running.waits) else { return };
        let since_look = now.nanos_since(running.looked);
        running.looked = now;
        let usage = match seen {
            Sighting::Sleeps => Usage { computed: 0, wanted: since_look },
            Sighting::Counted(counters) => match running.counted {
                Some((then, before)) if now.nanos_since(then) >= COUNTERS_MOVE => {
                    running.counted = Some((now, counters));
                    counters.since(before, now.since(then))
                }
                Some(_) => return,
                None => {
                    running.counted = Some((now, counters));
                    return;
                }
            },
        };
        let lane = running.lane;
        self.queue.measured(lane, usage);
    }

    /// While nobody watches: one more thread if nobody comes at all.
    pub(in crate::scheduler) fn rescue_summons(&mut self, now: Moment) -> Summons<T> {
        let nobody_comes = self.crew.active() + self.crew.on_their_way() == 0;
        if nobody_comes { self.summon(now) } else { Summons::Nobody }
    }

    /// Takes out those who have waited too long. When nothing moves and no thread is left to be had, those who
    /// continue earlier work go too: at the very end stands an error, never a hang.
    fn sweep(&mut self, now: Moment, shed: &mut Vec<Shed<I>>) {
        if now < self.watcher.next_sweep {
            return;
        }
        self.watcher.next_sweep = now.plus(SWEEP_EVERY);
        let limit = now.minus(self.limits.queue_wait_max);
        let nothing_moves = self.last_progress < limit;
        self.queue.sweep(now, limit, nothing_moves, shed);
    }

    /// One thread more where jobs wait and nothing has completed for long.
    fn break_stall(&mut self, now: Moment) -> Option<Summons<T>> {
        let nothing_completes = now.since(self.last_progress) >= self.limits.stall_check;
        if !nothing_completes || now.since(self.watcher.last_stall_step) < self.limits.stall_step {
            return None;
        }
        self.watcher.last_stall_step = now;
        // Threads that are there already must be let past the gate as well as one that is started.
        self.crew.against_stall += 1;
        let summons = self.summon_below(self.crew.ceiling(&self.limits), now);
        if summons.is_somebody() {
            self.totals.stalls += 1;
        } else {
            self.crew.against_stall -= 1;
        }
        Some(summons)
    }

    /// Decides whether the head of the queue has waited long enough for other threads to come.
    fn hand_off(&mut self, now: Moment, lane: u32, came: Moment) -> Vec<Summons<T>> {
        if let Some(summons) = self.break_stall(now) {
            return vec![summons];
        }
        if now.since(came) < self.limits.hand_off_threshold {
            self.watcher.step = 1;
            return Vec::new();
        }
        // No more than the gate would let through.
        let free = (self.processors() + u64::from(WHOLE)).saturating_sub(self.queue.load())
            / u64::from(self.queue.share_of(lane).max(1));
        let wanted = self.watcher.step.min(self.queue.len()).min((free as usize).max(1));
        let wanted = wanted.saturating_sub(self.crew.on_their_way());
        self.watcher.step = (self.watcher.step * 2).min(STEP_MAX);
        (0..wanted).map(|_| self.summon(now)).take_while(Summons::is_somebody).collect()
    }

    /// How soon to look again while jobs wait. Where no thread is to be had, those who are freed come by
    /// themselves, and only bounds and stalls are left to watch.
    fn patience(&self) -> Duration {
        let exhausted = self.crew.idle() == 0 && self.crew.threads() >= self.crew.ceiling(&self.limits);
        if exhausted { CROWDED_LOOK_EVERY } else { self.limits.hand_off_threshold }
    }

    /// Which threads are worth looking at: where jobs wait for a processor, those whose job has run for longer
    /// than what is known of it, for it may only look as if it computed.
    fn probes(&mut self, now: Moment) -> Vec<Probe<T>> {
        let is_crowded = self.queue.load() >= self.processors() || !self.room().thread;
        if self.queue.len() == 0 || !is_crowded || now < self.watcher.next_probe {
            return Vec::new();
        }
        self.watcher.next_probe = now.plus(PROBE_EVERY);
        let threshold = nanos(self.limits.hand_off_threshold);
        let queue = &self.queue;
        let worth_it = self.crew.at_work().filter(|(_, _, _, running)| {
            let usual = if queue.share_is_known(running.lane) { queue.run_of(running.lane) } else { 0 };
            now.nanos_since(running.looked) > threshold.max(usual.saturating_mul(2))
        });
        worth_it
            .take(PROBES_MAX)
            .map(|(seat, job, thread, _)| Probe { thread: thread.clone(), seat, job })
            .collect()
    }

    fn nothing_waits(&mut self, now: Moment, itself: T) -> Then {
        self.watcher.step = 1;
        if self.forsaken {
            self.watch = Watch::Absent;
            return Then::End;
        }
        if now.since(self.last_taken) < QUIET {
            self.watch = Watch::Dozing(itself);
            return Then::Doze(DOZE);
        }
        self.watch = Watch::Parked(itself);
        Then::Park
    }
}
