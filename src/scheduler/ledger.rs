//! Owns the scheduler's books: queue, crew, counts, and whether new work is let in; all behind the pool's one
//! lock. Its methods decide and record; they touch no thread, run no job and drop no foreign value.
//!
//! The wake rule lives here. Waking a thread costs more than most jobs, so a job that is queued behind running
//! ones waits for them, and another thread comes only on evidence that they do not get to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::config::Limits;
use super::crew::{Crew, Summons};
use super::error::RunError;
use super::job::Admission;
use super::lane::Lane;
use super::queue::Queue;
use super::snapshot::{Refusal, Tally, Totals};
use super::task::Dispatch;

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

/// Where the watcher is, so that whoever needs it knows how to get it.
pub(super) enum Watch {
    /// No such thread.
    Absent,
    /// It is looking, or will look soon.
    Awake,
    /// It sleeps until someone wakes it.
    Parked(std::thread::Thread),
}

/// What is to be done once the lock is released.
pub(super) struct Demand {
    pub(super) summons: Summons,
    /// Someone has to keep an eye on the queue.
    pub(super) watch: bool,
}

pub(super) struct Ledger {
    pub(super) queue: Queue<Arc<dyn Dispatch>>,
    pub(super) crew: Crew,
    pub(super) doors: Doors,
    pub(super) watch: Watch,
    /// No handle is left: threads end when the queue is empty.
    pub(super) forsaken: bool,
    /// The system refused a thread; not to be asked again before this.
    pub(super) retry_at: Option<Instant>,
    /// A runtime task stands in for a watcher that could not be started.
    pub(super) rescue: bool,
    pub(super) running: usize,
    pub(super) open: usize,
    pub(super) totals: Totals,
    tallies: Vec<Tally>,
    /// When a thread last took a job.
    last_taken: Instant,
    /// When a job last completed, or the first one came to an empty queue.
    pub(super) last_progress: Instant,
}

impl Ledger {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            queue: Queue::new(),
            crew: Crew::default(),
            doors: Doors::Open,
            watch: Watch::Absent,
            forsaken: false,
            retry_at: None,
            rescue: false,
            running: 0,
            open: 0,
            totals: Totals::default(),
            tallies: Vec::new(),
            last_taken: now,
            last_progress: now,
        }
    }

    /// Whether a job is let in at all.
    pub(super) fn admit(&self, admission: Admission) -> Result<(), RunError> {
        match (self.doors, admission) {
            (Doors::Open, _) | (Doors::Draining, Admission::Continuing) => Ok(()),
            (Doors::Draining, Admission::Fresh) | (Doors::Closed, _) => Err(RunError::Draining),
        }
    }

    /// The job that must go so that a fresh one fits into `lane`.
    ///
    /// At the lane's bound it is the lane's oldest; at the bound of all, the oldest of the longest lane, so that
    /// a flood is paid for by those who flood.
    pub(super) fn make_room(&mut self, lane: &Lane, limits: &Limits) -> Option<Arc<dyn Dispatch>> {
        if self.queue.fresh_in(lane.index()) >= limits.lane_queue_max {
            return self.queue.oldest_fresh(lane.index());
        }
        if self.queue.fresh() >= limits.queue_max {
            let longest = self.queue.longest_fresh()?;
            return self.queue.oldest_fresh(longest);
        }
        None
    }

    /// Puts an admitted job in line, and says what that calls for.
    pub(super) fn enqueue(
        &mut self,
        task: Arc<dyn Dispatch>,
        admission: Admission,
        now: Instant,
        limits: &Limits,
    ) -> Demand {
        if self.queue.len() == 0 {
            self.last_progress = now;
        }
        let (lane, came) = (task.header().lane.index(), task.header().queued_at);
        let place = self.queue.push(lane, admission, came, task.clone());
        task.header().stands_at(place);
        self.demand(now, limits)
    }

    /// Whether a thread must come for the head of the queue now, or the watcher should look later.
    pub(super) fn demand(&mut self, now: Instant, limits: &Limits) -> Demand {
        let Demand { summons, watch } = self.demand_on_anyone(now, limits);
        Demand { summons, watch: watch && self.watch_needs_calling() }
    }

    /// Whether calling the watcher would change anything. While the rescue task is under way, it is the one who
    /// asks the system for a watcher.
    pub(super) fn watch_needs_calling(&self) -> bool {
        match self.watch {
            Watch::Awake => false,
            Watch::Parked(_) => true,
            Watch::Absent => !self.rescue,
        }
    }

    fn demand_on_anyone(&mut self, now: Instant, limits: &Limits) -> Demand {
        if self.queue.next_came().is_none() {
            // Whatever waits here waits for its lane. Only the bound on waiting is left to watch.
            return Demand { summons: Summons::Nobody, watch: self.queue.len() > 0 };
        }
        if self.crew.on_their_way() > 0 {
            return Demand { summons: Summons::Nobody, watch: true };
        }
        let nobody_is_at_it = self.crew.active() == 0;
        // Everyone who runs has been in the same job for longer than a short job takes.
        let everyone_is_stuck = now.saturating_duration_since(self.last_taken) >= limits.hand_off_threshold;
        if nobody_is_at_it || everyone_is_stuck {
            let summons = self.summon(now, limits);
            let watch = matches!(summons, Summons::Nobody) || self.queue.len() > 1;
            return Demand { summons, watch };
        }
        Demand { summons: Summons::Nobody, watch: true }
    }

    /// One more thread for ordinary demand.
    pub(super) fn summon(&mut self, now: Instant, limits: &Limits) -> Summons {
        let summons = self.summon_below(self.crew.ceiling(limits), now);
        if matches!(summons, Summons::Start) && self.crew.threads() > limits.threads_max {
            self.totals.compensations += 1;
        }
        summons
    }

    /// One more thread because nothing moves.
    pub(super) fn summon_against_stall(&mut self, now: Instant, limits: &Limits) -> Summons {
        let summons = self.summon_below(limits.threads_hard_max, now);
        if !matches!(summons, Summons::Nobody) {
            self.totals.stalls += 1;
        }
        summons
    }

    /// A parked thread, or a new one below `ceiling` unless the system has just refused one.
    fn summon_below(&mut self, ceiling: usize, now: Instant) -> Summons {
        let refused_lately = self.retry_at.is_some_and(|retry_at| now < retry_at);
        let summons = self.crew.summon(if refused_lately { 0 } else { ceiling });
        if !matches!(summons, Summons::Nobody) {
            self.totals.wakes += 1;
        }
        summons
    }

    /// The next job for a thread that is at the queue.
    pub(super) fn take(&mut self, now: Instant) -> Option<Arc<dyn Dispatch>> {
        let task = self.queue.pop()?;
        self.running += 1;
        self.last_taken = now;
        Some(task)
    }

    /// A job that was taken holds its thread no longer.
    pub(super) fn put_down(&mut self, lane: &Lane, ran: bool, now: Instant) {
        self.queue.finished(lane.index());
        self.running -= 1;
        self.last_progress = now;
        if ran {
            self.totals.completed += 1;
            self.tally(lane).completed += 1;
        }
    }

    pub(super) fn count_refusal(&mut self, lane: &Lane, refusal: Refusal) {
        self.tally(lane).refuse(refusal);
    }

    pub(super) fn tally_of(&self, lane: &Lane) -> Tally {
        self.tallies.get(lane.index()).copied().unwrap_or_default()
    }

    /// Whether nothing that was let in is left.
    pub(super) fn is_quiet(&self) -> bool {
        self.queue.len() == 0 && self.running == 0 && self.open == 0
    }

    /// Whether a thread that finds nothing to do should end.
    pub(super) fn dismisses(&self, limits: &Limits) -> bool {
        self.forsaken || self.doors == Doors::Closed || self.crew.threads() > self.crew.ceiling(limits)
    }

    /// How long a thread may park; the floor parks without end.
    pub(super) fn rest_at_most(&self, limits: &Limits) -> Option<Duration> {
        (self.crew.threads() > limits.threads_min).then_some(limits.keep_alive)
    }

    fn tally(&mut self, lane: &Lane) -> &mut Tally {
        let index = lane.index();
        if index >= self.tallies.len() {
            self.tallies.resize_with(index + 1, Tally::default);
        }
        &mut self.tallies[index]
    }
}
