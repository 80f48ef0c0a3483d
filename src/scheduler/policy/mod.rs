//! Owns every decision of the scheduler: who is let in, who runs next, who is refused, how many threads there
//! are. Events go in, each with its time; what is to be done comes out.
//!
//! It touches no thread, lock, clock or job. `I` is a job and `T` a thread as their owner knows them; the policy
//! only hands them back. So the very code that ships is run by a simulation in virtual time, millions of calls
//! at a time (`simulation.rs`).

mod crew;
mod estimate;
mod line;
mod look;
mod moment;
mod order;
mod overload;
mod queue;
#[cfg(test)]
mod simulation;
mod slab;
mod tally;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(super) use crew::{SeatId, Summons};
pub(super) use estimate::{Measure, Share, Usage, WHOLE};
pub(super) use look::{Counters, Sighting, Then, Watch};
pub(super) use moment::Moment;
pub(super) use queue::{Done, LaneLook};
pub(super) use slab::Place;

use super::config::Limits;
use super::job::Admission;
use super::lane::{Criticality, LaneSettings};
use super::snapshot::Totals;
use crate::scheduler::tuning::waking::{GAP_MAX, HOT_GAP};
use crew::Crew;
use queue::{Queue, Room};

/// What is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doors {
    /// Everything.
    Open,
    /// Only what continues earlier work.
    Draining,
    /// Nothing.
    Closed,
}

/// A job that asks to be let in, as far as the policy must know it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) lane: u32,
    pub(super) admission: Admission,
    pub(super) came: Moment,
    /// [`Moment::NEVER`] if it has none.
    pub(super) deadline: Moment,
    pub(super) tenant: Option<u64>,
    /// Its lane's, if it has none of its own.
    pub(super) criticality: Option<Criticality>,
}

/// Why a job never ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// A bound on memory was reached.
    Full,
    /// It waited too long in an overloaded lane, or without a deadline for as long as anybody may.
    Overloaded,
    /// Its deadline has passed.
    Expired,
    /// Its deadline will have passed before it could be done.
    Infeasible,
    /// It was cancelled, or its caller left.
    Cancelled,
    Draining,
}

/// A job that has to go.
#[derive(Debug)]
pub(super) struct Shed<I> {
    pub(super) item: I,
    pub(super) why: Why,
    pub(super) waited: Duration,
}

/// What an arrival brings about.
pub(super) struct Admitted<I, T> {
    pub(super) place: Place,
    /// The one that had to make room.
    pub(super) shed: Option<Shed<I>>,
    pub(super) demand: Demand<T>,
}

/// What is to be done about threads.
pub(super) struct Demand<T> {
    pub(super) summons: Summons<T>,
    /// The summons may wait a moment for other jobs that are about to come: should it be forgotten, the watcher sees.
    pub(super) may_wait: bool,
    /// Someone has to keep an eye on the queue.
    pub(super) watch: bool,
}

impl<T> Demand<T> {
    fn nobody(watch: bool) -> Self {
        Self { summons: Summons::Nobody, may_wait: false, watch }
    }
}

/// What a thread is to do that has come to the queue.
pub(super) struct Next<I, T> {
    pub(super) then: Errand<I>,
    /// Those found on the way who must not run any more.
    pub(super) shed: Vec<Shed<I>>,
    pub(super) demand: Demand<T>,
}

pub(super) enum Errand<I> {
    /// Run this, and measure what it uses if that is asked for.
    Run { item: I, measure: Measure },
    /// Park until summoned, or for so long.
    Rest(Option<Duration>),
    /// End.
    End,
}

pub(super) struct Policy<I, T> {
    limits: Limits,
    queue: Queue<I>,
    crew: Crew<T>,
    doors: Doors,
    pub(super) watch: Watch<T>,
    watcher: look::Watcher,
    /// No handle is left: threads end when the queue is empty.
    forsaken: bool,
    /// The system refused a thread; not to be asked again before this.
    retry_at: Moment,
    /// A runtime task stands in for a watcher that could not be started.
    pub(super) rescue: bool,
    open: usize,
    pub(super) totals: Totals,
    /// When a job was last let in, and how many nanoseconds lie between two: an average that forgets.
    last_arrival: Moment,
    gap: u64,
    /// When a thread last took a job.
    last_taken: Moment,
    /// When a job last completed, or the first one came to an empty queue.
    last_progress: Moment,
}

impl<I, T: Clone> Policy<I, T> {
    /// `initial_share` is what a lane's jobs are taken to compute until that was measured.
    pub(super) fn new(limits: Limits, initial_share: Share) -> Self {
        Self {
            limits,
            queue: Queue::new(initial_share),
            crew: Crew::new(),
            doors: Doors::Open,
            watch: Watch::Absent,
            watcher: look::Watcher::default(),
            forsaken: false,
            retry_at: Moment::START,
            rescue: false,
            open: 0,
            totals: Totals::default(),
            last_arrival: Moment::START,
            gap: GAP_MAX,
            last_taken: Moment::START,
            last_progress: Moment::START,
        }
    }

    /// A job asks to be let in.
    pub(super) fn arrive(
        &mut self,
        now: Moment,
        arrival: &Arrival,
        item: I,
    ) -> Result<Admitted<I, T>, (I, Why)> {
        if let Err(why) = self.admits(now, arrival) {
            self.refuse(arrival.lane, why);
            return Err((item, why));
        }
        let shed = match arrival.admission {
            Admission::Fresh => self.make_room(now, arrival.lane),
            Admission::Continuing => None,
        };
        if self.queue.len() == 0 {
            self.last_progress = now;
        }
        let gap = now.nanos_since(self.last_arrival).min(GAP_MAX);
        self.gap = self.gap - self.gap / 8 + gap / 8;
        self.last_arrival = now;
        let place = self.queue.push(arrival, &self.limits, item);
        Ok(Admitted { place, shed, demand: self.demand(now) })
    }

    fn admits(&mut self, now: Moment, arrival: &Arrival) -> Result<(), Why> {
        match (self.doors, arrival.admission) {
            (Doors::Open, _) | (Doors::Draining, Admission::Continuing) => {}
            (Doors::Draining, Admission::Fresh) | (Doors::Closed, _) => return Err(Why::Draining),
        }
        if arrival.deadline <= now {
            return Err(Why::Expired);
        }
        let continues = arrival.admission == Admission::Continuing;
        if continues || self.queue.is_feasible(now, arrival.lane, arrival.deadline) {
            Ok(())
        } else {
            Err(Why::Infeasible)
        }
    }

    /// The job that must go so that a fresh one fits into `lane`.
    ///
    /// At the lane's bound it is the lane's oldest; at the bound of all, the oldest of the longest lane, so that
    /// a flood is paid for by those who flood.
    fn make_room(&mut self, now: Moment, lane: u32) -> Option<Shed<I>> {
        if self.queue.fresh_in(lane) >= self.limits.lane_queue_max {
            return self.queue.oldest_fresh(now, lane);
        }
        if self.queue.fresh() >= self.limits.queue_max {
            let longest = self.queue.longest_fresh()?;
            return self.queue.oldest_fresh(now, longest);
        }
        None
    }

    /// A job was ended from outside before it ran. It leaves the line at once, if it still stood there.
    pub(super) fn withdraw(&mut self, now: Moment, lane: u32, place: Place, why: Why) -> Option<I> {
        self.refuse(lane, why);
        self.queue.remove(now, place)
    }

    /// Counts a job that never ran. Whoever was handed a [`Shed`] says so once it is known that nobody else had
    /// ended that job meanwhile.
    pub(super) fn refuse(&mut self, lane: u32, why: Why) {
        self.queue.tally(lane).refuse(why);
    }

    pub(super) fn configure(&mut self, now: Moment, lane: u32, settings: LaneSettings) -> Demand<T> {
        self.queue.configure(lane, settings);
        self.demand(now)
    }

    /// A started thread is there. It is still on its way to the queue.
    pub(super) fn sit(&mut self, thread: T) -> SeatId {
        self.crew.sit(thread)
    }

    /// The system refused a thread; it is asked again after `pause`.
    pub(super) fn start_failed(&mut self, now: Moment, pause: Duration) {
        self.crew.start_failed();
        self.totals.spawn_failures += 1;
        self.retry_at = now.plus(pause);
    }

    /// A thread that was summoned has come to the queue.
    pub(super) fn arrived(&mut self) {
        self.crew.arrived();
    }

    /// A thread has done with its job, if it had one, and asks what is next.
    pub(super) fn next(&mut self, now: Moment, seat: SeatId, done: Option<Done>) -> Next<I, T> {
        if let Some(done) = done {
            self.put_down(now, seat, done);
        }
        let mut shed = Vec::new();
        let taken = self.queue.pop(now, self.room(), &self.limits, &mut shed);
        let then = match taken {
            Some(taken) => {
                let (long, unsure) = (self.is_long(taken.expected), self.is_unsure(taken.longest));
                self.crew.takes_up(seat, now, &taken, long, unsure);
                self.last_taken = now;
                Errand::Run { item: taken.item, measure: taken.measure }
            }
            None if self.dismisses() => {
                self.crew.leave(seat);
                Errand::End
            }
            None => {
                self.crew.rest(seat);
                Errand::Rest(self.rest_at_most())
            }
        };
        // Whoever is woken wakes the next, if there is a next and reason to.
        let demand = match then {
            Errand::Run { .. } if self.queue.len() > 0 => self.demand(now),
            _ => Demand::nobody(self.queue.len() > 0 && self.watch_needs_calling(false)),
        };
        Next { then, shed, demand }
    }

    fn put_down(&mut self, now: Moment, seat: SeatId, done: Done) {
        let running = self.crew.puts_down(seat);
        let run = now.since(running.since);
        self.queue.finished(now, running.lane, running.charge, run, done, &self.limits);
        self.last_progress = now;
        self.crew.against_stall = 0;
        if done.ran {
            self.totals.completed += 1;
        }
    }

    /// A thread's time to rest is over. Returns whether it ends; else it is needed, or summoned already.
    pub(super) fn timed_out(&mut self, seat: SeatId) -> bool {
        let ends = self.rest_at_most().is_some() && self.crew.rise(seat);
        if ends {
            self.crew.leave(seat);
        }
        ends
    }

    /// A thread is about to wait inside of its job: someone may have to stand in for it.
    pub(super) fn begin_waiting(&mut self, now: Moment, seat: SeatId) -> Demand<T> {
        if let Some(lane) = self.crew.begins_waiting(seat) {
            self.queue.begin_waiting(lane);
        }
        self.demand(now)
    }

    pub(super) fn end_waiting(&mut self, seat: SeatId) {
        if let Some(lane) = self.crew.ends_waiting(seat) {
            self.queue.end_waiting(lane);
        }
    }

    /// A stream or future has begun, or has ended.
    pub(super) fn opened(&mut self) {
        self.open += 1;
    }

    pub(super) fn closed(&mut self) {
        self.open -= 1;
    }

    /// Lets in nothing but what continues earlier work.
    pub(super) fn drain(&mut self) {
        if self.doors == Doors::Open {
            self.doors = Doors::Draining;
        }
    }

    /// Lets in nothing. Returns who still waited, and the parked threads, to be woken and sent home.
    pub(super) fn close(&mut self, now: Moment) -> (Vec<Shed<I>>, Vec<T>) {
        self.doors = Doors::Closed;
        (self.queue.drain(now), self.crew.summon_idle())
    }

    /// No handle is left. Returns the parked threads, to be woken and sent home.
    pub(super) fn forsake(&mut self) -> Vec<T> {
        self.forsaken = true;
        self.crew.summon_idle()
    }

    /// Whether nothing that was let in is left.
    pub(super) fn is_quiet(&self) -> bool {
        self.queue.len() == 0 && self.crew.running() == 0 && self.open == 0
    }

    pub(super) fn doors(&self) -> Doors {
        self.doors
    }

    /// How many there are of everything.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            threads: self.crew.threads(),
            idle: self.crew.idle(),
            running: self.crew.running(),
            waiting: self.crew.waiting(),
            queued: self.queue.len(),
            open: self.open,
        }
    }

    pub(super) fn lanes(&self) -> impl Iterator<Item = LaneLook<'_>> {
        self.queue.looks()
    }

    /// Whether a thread must come for the head of the queue now, or the watcher should look later.
    ///
    /// Waking a thread costs more than most jobs, so a job that is queued behind running ones waits for them,
    /// and another thread comes only on evidence that they do not get to it: nobody is at work; or those who are
    /// took up their jobs longer ago than a short job takes, or can be expected to.
    fn demand(&mut self, now: Moment) -> Demand<T> {
        let Some((lane, _)) = self.queue.head(self.room()) else {
            // Whatever waits here waits for its lane or for a processor.
            let watch = self.queue.len() > 0 && self.watch_needs_calling(false);
            return Demand::nobody(watch);
        };
        if self.crew.on_their_way() > 0 {
            // Whoever comes will ask again.
            return Demand::nobody(self.watch_needs_calling(false));
        }
        let threshold = self.limits.hand_off_threshold;
        let nobody_is_at_it = self.crew.active() == 0;
        let nobody_gets_to_it = now.since(self.last_taken) >= threshold;
        let nobody_will = self.crew.long() >= self.crew.active();
        // Where nothing that runs has lately blocked anybody, the rare surprise is found soon enough.
        let watch = self.watch_needs_calling(self.crew.unsure() > 0);
        if nobody_is_at_it || nobody_gets_to_it || nobody_will {
            let summons = self.summon(now);
            let watch = watch && (!summons.is_somebody() || self.queue.len() > 1);
            let is_watched = matches!(self.watch, Watch::Awake | Watch::Dozing(_));
            let is_short = !self.is_unsure(self.queue.longest_of(lane));
            let may_wait = is_watched && is_short && self.gap < HOT_GAP;
            return Demand { summons, may_wait, watch };
        }
        Demand::nobody(watch)
    }

    /// One more thread for ordinary demand.
    fn summon(&mut self, now: Moment) -> Summons<T> {
        let ceiling = self.crew.ceiling(&self.limits);
        // A lane that has nothing running may have one thread more than there are for all.
        let beyond = usize::from(self.crew.running() >= ceiling && self.queue.has_resting());
        let summons = self.summon_below((ceiling + beyond).min(self.limits.threads_hard_max), now);
        if matches!(summons, Summons::Start) && self.crew.threads() > self.limits.threads_max {
            self.totals.compensations += 1;
        }
        summons
    }

    /// A parked thread, or a new one below `ceiling` unless the system has just refused one.
    fn summon_below(&mut self, ceiling: usize, now: Moment) -> Summons<T> {
        let summons = self.crew.summon(if now < self.retry_at { 0 } else { ceiling });
        if summons.is_somebody() {
            self.totals.wakes += 1;
        }
        summons
    }

    /// Whether a job of so many nanoseconds is worth another thread for whoever stands behind it.
    fn is_long(&self, run: u64) -> bool {
        run >= moment::nanos(self.limits.hand_off_threshold / 4)
    }

    /// Whether a job of a lane whose longest was so many nanoseconds lately may hold up whoever stands behind it.
    fn is_unsure(&self, longest: u64) -> bool {
        longest >= moment::nanos(self.limits.hand_off_threshold / 2)
    }

    /// What one more job finds.
    fn room(&self) -> Room {
        let thread = self.crew.running() < self.crew.ceiling(&self.limits);
        Room { thread, processors: self.processors() }
    }

    /// What may be computed at the same time, in 1,024ths of a processor.
    fn processors(&self) -> u64 {
        (self.limits.cores + self.crew.against_stall) as u64 * u64::from(WHOLE)
    }

    /// Whether a thread that finds nothing to do should end.
    fn dismisses(&self) -> bool {
        self.forsaken || self.doors == Doors::Closed || self.crew.threads() > self.crew.ceiling(&self.limits)
    }

    /// How long a thread may park; the floor parks without end.
    fn rest_at_most(&self) -> Option<Duration> {
        (self.crew.threads() > self.limits.threads_min).then_some(self.limits.keep_alive)
    }
}

/// How many there are of everything, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) threads: usize,
    pub(super) idle: usize,
    pub(super) running: usize,
    pub(super) waiting: usize,
    pub(super) queued: usize,
    pub(super) open: usize,
}
