//! Owns who runs next: every lane with its lines and what it has learned, and the order among lanes.
//!
//! The next job comes from the lane with the least attained time, so that lanes share the machine and not the
//! turns. What a job attains is its *dominant* part of the machine: of the processors by what it computed, or of
//! the threads by how long it held one, whichever is more. It is charged with what it will probably attain when
//! it begins, and corrected when it ends. A lane that was empty begins where the others are: it has no credit
//! for having been away.
//!
//! The gate: each lane's jobs compute a share of their time. A job may start while the shares of everything that
//! runs, with its own, stay below one processor more than there are; beyond that, only the first of its lane. So a
//! job that computes all the time needs a processor that is not taken, and one that sleeps hardly any. Where the
//! lane whose turn it is does not fit, one whose jobs hardly compute may go before it, as long as all such together
//! leave it half of the machine.
//!
//! Invariant: a lane is in exactly one of the two orders if it can be served, and in none otherwise.

use std::time::Duration;

use super::estimate::{Estimate, Measure, Share, Usage, WHOLE};
use super::line::Lines;
use super::moment::{Moment, nanos};
use super::order::Order;
use super::overload::Overload;
use super::slab::{Place, Slab, Standing};
use super::tally::Tally;
use super::{Arrival, Shed, Why};
use crate::scheduler::config::Limits;
use crate::scheduler::job::Admission;
use crate::scheduler::lane::{Criticality, LaneSettings};
use crate::scheduler::tuning::fairness::GRAIN;
use crate::scheduler::tuning::gate::LIGHT;

pub(super) struct Queue<I> {
    slab: Slab<I>,
    lanes: Vec<Lane>,
    /// Lanes that can be served and have nothing running, and those that have something running.
    resting: Order,
    busy: Order,
    /// What runs and does not wait computes this much, in 1,024ths of a processor.
    load: u64,
    /// What the lane had attained that was served last.
    clock: u64,
    fresh: usize,
    continuing: usize,
    initial_share: Share,
}

struct Lane {
    lines: Lines,
    settings: LaneSettings,
    running: usize,
    /// Of those, how many wait in `block_on`.
    waiting: usize,
    attained: u64,
    estimate: Estimate,
    overload: Overload,
    tally: Tally,
}

/// What one more job finds. A lane that has nothing running needs none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Whether a thread is left.
    pub(super) thread: bool,
    /// What may be computed at the same time, in 1,024ths of a processor.
    pub(super) processors: u64,
}

/// A job that was taken to run.
pub(super) struct Taken<I> {
    pub(super) item: I,
    pub(super) lane: u32,
    pub(super) charge: u64,
    /// Nanoseconds it will probably run, and the most that one of its lane did lately.
    pub(super) expected: u64,
    pub(super) longest: u64,
    pub(super) measure: Measure,
}

/// What became of a job that was taken.
#[derive(Clone, Copy, Debug)]
pub(in crate::scheduler) struct Done {
    /// Whether it ran, or was found to have ended.
    pub(in crate::scheduler) ran: bool,
    /// Whether anyone still wanted it when it ended.
    pub(in crate::scheduler) wanted: bool,
    pub(in crate::scheduler) usage: Option<Usage>,
}

impl<I> Queue<I> {
    /// `initial_share` is what a lane's jobs are taken to compute until that is known.
    pub(super) fn new(initial_share: Share) -> Self {
        Self {
            slab: Slab::new(),
            lanes: Vec::new(),
            resting: Order::default(),
            busy: Order::default(),
            load: 0,
            clock: 0,
            fresh: 0,
            continuing: 0,
            initial_share,
        }
    }

    /// Items waiting, of every kind.
    pub(super) fn len(&self) -> usize {
        self.fresh + self.continuing
    }

    /// Fresh items waiting, overall: what the bound on the whole queue counts.
    pub(super) fn fresh(&self) -> usize {
        self.fresh
    }

    /// Fresh items waiting in `lane`.
    pub(super) fn fresh_in(&self, lane: u32) -> usize {
        self.lanes.get(lane as usize).map_or(0, |lane| lane.lines.fresh_len())
    }

    /// What everything that runs computes, in 1,024ths of a processor.
    pub(super) fn load(&self) -> u64 {
        self.load
    }

    pub(super) fn configure(&mut self, lane: u32, settings: LaneSettings) {
        self.lane(lane).settings = settings;
        self.reorder(lane);
    }

    pub(super) fn tally(&mut self, lane: u32) -> &mut Tally {
        &mut self.lane(lane).tally
    }

    /// Every lane that anything has happened in, by index.
    pub(super) fn looks(&self) -> impl Iterator<Item = LaneLook<'_>> {
        self.lanes.iter().map(|lane| LaneLook {
            depth: lane.lines.len(),
            running: lane.running,
            share: lane.estimate.share_is_known().then(|| lane.estimate.share()),
            overloaded: lane.overload.is_overloaded(),
            tally: &lane.tally,
        })
    }

    /// Whether a job with this deadline could still be done in time, half of the usual run being the least it
    /// may take.
    pub(super) fn is_feasible(&mut self, now: Moment, lane: u32, deadline: Moment) -> bool {
        let run = self.lane(lane).estimate.run_if_fresh(now);
        now.plus_nanos(run / 2) < deadline
    }

    /// Adds an item at the end of its line.
    pub(super) fn push(&mut self, arrival: &Arrival, limits: &Limits, item: I) -> Place {
        let Arrival { lane: index, admission, came, deadline, tenant, criticality } = *arrival;
        let clock = self.clock;
        let lane = self.lane(index);
        if lane.lines.len() == 0 {
            lane.attained = lane.attained.max(clock);
        }
        let line = lane.lines.line_for(admission, tenant);
        let criticality = criticality.unwrap_or(lane.settings.criticality);
        let impatient = patience(came, deadline, criticality, limits);
        let standing = Standing { came, deadline, impatient, lane: index, line };
        let place = self.lanes[index as usize].lines.push(&mut self.slab, standing, item);
        *self.count(admission) += 1;
        self.reorder(index);
        place
    }

    /// Takes the next item to run, and whatever must not run any more out of its way.
    pub(super) fn pop(
        &mut self,
        now: Moment,
        room: Room,
        limits: &Limits,
        shed: &mut Vec<Shed<I>>,
    ) -> Option<Taken<I>> {
        loop {
            let index = self.next_lane(room)?;
            let lane = &mut self.lanes[index as usize];
            let oldest = lane.lines.oldest(&self.slab).expect("a lane that can be served has items waiting");
            lane.overload.observe(now, now.nanos_since(oldest), lane.estimate.run());
            let newest_first = lane.overload.is_overloaded() && !lane.settings.ordered;
            let slot = lane.lines.choose(&self.slab, newest_first).expect("as above");
            let standing = *self.slab.standing(slot).expect("a chosen slot is linked");
            let item = self.unlink(slot);
            if let Some(why) = self.lanes[index as usize].must_not_run(now, &standing) {
                shed.push(Shed { item, why, waited: now.since(standing.came) });
                self.observe_if_empty(now, index);
                self.reorder(index);
                continue;
            }
            let cores = limits.cores;
            let lane = &mut self.lanes[index as usize];
            self.clock = self.clock.max(lane.attained);
            let expected = lane.estimate.run();
            let longest = lane.estimate.longest();
            let charge = lane.cost(expected, cores, limits.threads_max);
            lane.attained = lane.attained.saturating_add(charge);
            lane.running += 1;
            lane.tally.queued.record(now.since(standing.came));
            self.load += u64::from(lane.estimate.share());
            let measure = lane.estimate.measure(now);
            self.observe_if_empty(now, index);
            self.reorder(index);
            return Some(Taken { item, lane: index, charge, expected, longest, measure });
        }
    }

    /// The lane that `pop` would serve, and when its oldest came.
    pub(super) fn head(&self, room: Room) -> Option<(u32, Moment)> {
        let lane = self.next_lane(room)?;
        let oldest = self.lanes[lane as usize].lines.oldest(&self.slab);
        Some((lane, oldest.expect("a lane that can be served has items waiting")))
    }

    /// Whether `pop` would find a lane that has nothing running.
    pub(super) fn has_resting(&self) -> bool {
        !self.resting.is_empty()
    }

    /// An item taken by `pop` no longer runs, after `run`.
    pub(super) fn finished(
        &mut self,
        now: Moment,
        index: u32,
        charge: u64,
        run: Duration,
        done: Done,
        limits: &Limits,
    ) {
        let lane = &mut self.lanes[index as usize];
        lane.running -= 1;
        self.load -= u64::from(lane.estimate.share());
        if done.ran {
            lane.estimate.ran(now, nanos(run));
            lane.tally.ended(run, done);
        }
        if let Some(usage) = done.usage {
            self.measured(index, usage);
        }
        let lane = &mut self.lanes[index as usize];
        let cost = if done.ran { lane.cost(nanos(run), limits.cores, limits.threads_max) } else { 0 };
        lane.attained = (lane.attained - charge).saturating_add(cost);
        self.reorder(index);
    }

    /// A job of `lane`, whole or in part, was measured. What its fellows are taken to compute changes with it.
    pub(super) fn measured(&mut self, index: u32, usage: Usage) {
        let lane = &mut self.lanes[index as usize];
        let before = lane.estimate.share();
        lane.estimate.measured(usage);
        let active = (lane.running - lane.waiting) as u64;
        self.load = self.load - u64::from(before) * active + u64::from(lane.estimate.share()) * active;
    }

    /// A running job of `lane` begins to wait in `block_on`: it computes nothing meanwhile.
    pub(super) fn begin_waiting(&mut self, index: u32) {
        let lane = &mut self.lanes[index as usize];
        lane.waiting += 1;
        self.load -= u64::from(lane.estimate.share());
    }

    pub(super) fn end_waiting(&mut self, index: u32) {
        let lane = &mut self.lanes[index as usize];
        lane.waiting -= 1;
        self.load += u64::from(lane.estimate.share());
    }

    pub(super) fn share_is_known(&self, lane: u32) -> bool {
        self.lanes[lane as usize].estimate.share_is_known()
    }

    /// Nanoseconds a job of `lane` usually runs.
    pub(super) fn run_of(&self, lane: u32) -> u64 {
        self.lanes[lane as usize].estimate.run()
    }

    /// Nanoseconds that the longest job of `lane` ran lately.
    pub(super) fn longest_of(&self, lane: u32) -> u64 {
        self.lanes[lane as usize].estimate.longest()
    }

    pub(super) fn share_of(&self, lane: u32) -> Share {
        self.lanes[lane as usize].estimate.share()
    }

    /// Takes out the item at `place`, if it still stands there.
    pub(super) fn remove(&mut self, now: Moment, place: Place) -> Option<I> {
        if !self.slab.holds(place) {
            return None;
        }
        let lane = self.slab.standing(place.slot()).expect("a slot that holds an item is linked").lane;
        let item = self.unlink(place.slot());
        self.observe_if_empty(now, lane);
        self.reorder(lane);
        Some(item)
    }

    /// Takes out the oldest fresh item of `lane`.
    pub(super) fn oldest_fresh(&mut self, now: Moment, lane: u32) -> Option<Shed<I>> {
        let slot = self.lanes.get(lane as usize)?.lines.oldest_of_longest()?;
        let came = self.slab.standing(slot).expect("a line's head is linked").came;
        let item = self.unlink(slot);
        self.reorder(lane);
        Some(Shed { item, why: Why::Full, waited: now.since(came) })
    }

    /// The lane with the most fresh items.
    pub(super) fn longest_fresh(&self) -> Option<u32> {
        (0..self.lanes.len()).max_by_key(|&lane| self.lanes[lane].lines.fresh_len()).map(|lane| lane as u32)
    }

    /// Takes out everyone who has waited too long: by the patience of an overloaded lane, or, without a deadline,
    /// since before `limit`. Those who continue earlier work go only by `limit`, and only if `nothing_moves`.
    pub(super) fn sweep(&mut self, now: Moment, limit: Moment, nothing_moves: bool, shed: &mut Vec<Shed<I>>) {
        for index in 0..self.lanes.len() {
            let lane = &mut self.lanes[index];
            let Some(oldest) = lane.lines.oldest(&self.slab) else { continue };
            lane.overload.observe(now, now.nanos_since(oldest), lane.estimate.run());
            let overloaded = lane.overload.is_overloaded();
            if !overloaded && oldest >= limit {
                continue;
            }
            let suspects = lane.lines.before(&self.slab, if overloaded { now } else { limit }, nothing_moves);
            for slot in suspects {
                let standing = *self.slab.standing(slot).expect("a listed slot is linked");
                let waited_out = standing.deadline == Moment::NEVER && standing.came < limit;
                let impatient = overloaded && standing.is_fresh() && standing.impatient <= now;
                if waited_out || impatient {
                    let item = self.unlink(slot);
                    shed.push(Shed { item, why: Why::Overloaded, waited: now.since(standing.came) });
                }
            }
            self.observe_if_empty(now, index as u32);
            self.reorder(index as u32);
        }
    }

    /// Takes out everything.
    pub(super) fn drain(&mut self, now: Moment) -> Vec<Shed<I>> {
        let mut taken = Vec::with_capacity(self.len());
        for index in 0..self.lanes.len() {
            for slot in self.lanes[index].lines.before(&self.slab, Moment::NEVER, true) {
                let came = self.slab.standing(slot).expect("a listed slot is linked").came;
                let item = self.unlink(slot);
                taken.push(Shed { item, why: Why::Draining, waited: now.since(came) });
            }
            self.reorder(index as u32);
        }
        taken
    }

    fn unlink(&mut self, slot: u32) -> I {
        let standing = *self.slab.standing(slot).expect("only linked slots are unlinked");
        *self.count(if standing.is_fresh() { Admission::Fresh } else { Admission::Continuing }) -= 1;
        self.lanes[standing.lane as usize].lines.take(&mut self.slab, slot)
    }

    fn observe_if_empty(&mut self, now: Moment, lane: u32) {
        let lane = &mut self.lanes[lane as usize];
        if lane.lines.len() == 0 {
            lane.overload.observe(now, 0, lane.estimate.run());
        }
    }

    /// The lane with the least attained, of those the room is for.
    fn next_lane(&self, room: Room) -> Option<u32> {
        let resting = self.resting.least();
        let busy = if room.thread { self.next_busy(room.processors) } else { None };
        let least = match (resting, busy) {
            (Some(resting), Some(busy)) => Some(resting.min(busy)),
            (resting, busy) => resting.or(busy),
        };
        least.map(|(_, lane)| lane)
    }

    /// The same, of those that have something running.
    fn next_busy(&self, processors: u64) -> Option<(u64, u32)> {
        let first = self.busy.least()?;
        let share = |lane: u32| u64::from(self.share_of(lane));
        if self.load + share(first.1) < processors + u64::from(WHOLE) {
            return Some(first);
        }
        let others = self.load - self.lanes[first.1 as usize].load();
        let goes_before = |&(_, lane): &(u64, u32)| {
            lane != first.1 && share(lane) <= LIGHT && others + share(lane) < processors / 2
        };
        self.busy.iter().filter(goes_before).min()
    }

    /// Puts a lane where it belongs after anything about it has changed.
    fn reorder(&mut self, index: u32) {
        let lane = &self.lanes[index as usize];
        let (home, other) = match lane.running {
            0 => (&mut self.resting, &mut self.busy),
            _ => (&mut self.busy, &mut self.resting),
        };
        other.remove(index);
        if lane.can_be_served() {
            home.put(index, lane.attained);
        } else {
            home.remove(index);
        }
    }

    fn lane(&mut self, lane: u32) -> &mut Lane {
        let (index, initial_share) = (lane as usize, self.initial_share);
        if index >= self.lanes.len() {
            self.lanes.resize_with(index + 1, || Lane::new(initial_share));
        }
        &mut self.lanes[index]
    }

    fn count(&mut self, admission: Admission) -> &mut usize {
        match admission {
            Admission::Fresh => &mut self.fresh,
            Admission::Continuing => &mut self.continuing,
        }
    }
}

/// What a snapshot shows of a lane.
pub(in crate::scheduler) struct LaneLook<'a> {
    pub(in crate::scheduler) depth: usize,
    pub(in crate::scheduler) running: usize,
    /// Nothing until it was measured.
    pub(in crate::scheduler) share: Option<Share>,
    pub(in crate::scheduler) overloaded: bool,
    pub(in crate::scheduler) tally: &'a Tally,
}

impl Lane {
    fn new(share: Share) -> Self {
        Self {
            lines: Lines::new(),
            settings: LaneSettings::default(),
            running: 0,
            waiting: 0,
            attained: 0,
            estimate: Estimate::new(share),
            overload: Overload::new(),
            tally: Tally::default(),
        }
    }

    /// What its running jobs compute, in 1,024ths of a processor.
    fn load(&self) -> u64 {
        u64::from(self.estimate.share()) * (self.running - self.waiting) as u64
    }

    fn can_be_served(&self) -> bool {
        self.lines.len() > 0 && self.running < self.settings.max_concurrency
    }

    /// Why a job that has come to its turn is not to run after all.
    fn must_not_run(&self, now: Moment, standing: &Standing) -> Option<Why> {
        if standing.deadline <= now {
            return Some(Why::Expired);
        }
        if !standing.is_fresh() {
            return None;
        }
        if now.plus_nanos(self.estimate.run_if_fresh(now) / 2) >= standing.deadline {
            return Some(Why::Infeasible);
        }
        (self.overload.is_overloaded() && standing.impatient <= now).then_some(Why::Overloaded)
    }

    /// What a job of `run` nanoseconds attains.
    fn cost(&self, run: u64, cores: usize, threads: usize) -> u64 {
        let computed = u128::from(run) * u128::from(self.estimate.share()) / u128::from(WHOLE);
        let of_processors = (computed / cores.max(1) as u128) as u64;
        let of_threads = run / threads.max(1) as u64;
        (of_processors.max(of_threads).saturating_mul(GRAIN) / u64::from(self.settings.weight.max(1))).max(1)
    }
}

/// When a job that waits in an overloaded lane has waited long enough: at half of its time, and rather earlier or
/// later as it matters less or more.
fn patience(came: Moment, deadline: Moment, criticality: Criticality, limits: &Limits) -> Moment {
    let budget = if deadline == Moment::NEVER { limits.queue_wait_max } else { deadline.since(came) };
    came.plus(match criticality {
        Criticality::Sheddable => budget / 4,
        Criticality::Default => budget / 2,
        Criticality::Critical => budget / 4 * 3,
    })
}

#[cfg(test)]
impl<I> Queue<I> {
    /// What must hold at any time.
    pub(super) fn audit(&self, limits: &Limits) {
        let mut load = 0;
        let (mut fresh, mut waiting) = (0, 0);
        for (index, lane) in self.lanes.iter().enumerate() {
            load += lane.load();
            fresh += lane.lines.fresh_len();
            waiting += lane.lines.len();
            assert!(lane.running <= lane.settings.max_concurrency, "a lane's bound is kept");
            assert!(lane.lines.fresh_len() <= limits.lane_queue_max, "a lane's queue is bounded");
            let (rests, works) = (self.resting.has(index as u32), self.busy.has(index as u32));
            assert_eq!(rests, lane.can_be_served() && lane.running == 0);
            assert_eq!(works, lane.can_be_served() && lane.running > 0);
        }
        assert_eq!(self.load, load, "what runs is what is counted");
        assert_eq!((self.fresh, self.len()), (fresh, waiting));
    }
}
