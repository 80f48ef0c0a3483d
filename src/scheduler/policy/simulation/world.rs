//! Owns the made-up world: callers, jobs, threads, the watcher, and a clock that jumps from event to event.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::super::{
    Admitted, Arrival, Counters, Demand, Done, Doors, Errand, Moment, Next, Place, Policy, SeatId, Shed,
    Sighting, Summons, Then, Usage, WHOLE, Watch, Why,
};
use super::chance::Chance;
use super::machine::Machine;
use crate::scheduler::config::{Limits, SchedulerConfig};
use crate::scheduler::job::Admission;
use crate::scheduler::lane::LaneConfig;

/// How a length of time is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) enum Law {
    Always,
    Exponential,
    Lognormal,
}

impl Law {
    fn draw(self, mean: u64, chance: &mut Chance) -> u64 {
        match self {
            Law::Always => mean,
            Law::Exponential => chance.exponential(mean as f64) as u64,
            Law::Lognormal => chance.lognormal(mean as f64) as u64,
        }
    }
}

/// Callers of one lane, who come whatever becomes of those before them.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) lane: u32,
    /// Nanoseconds between two calls, on average; they come at random.
    pub(super) every: u64,
    /// So many come at once.
    pub(super) burst: u32,
    /// Nanoseconds that a call sleeps, and computes.
    pub(super) sleeps: u64,
    pub(super) computes: u64,
    pub(super) law: Law,
    /// Nanoseconds the caller waits, if it says so.
    pub(super) deadline: Option<u64>,
    /// One in so many callers leaves, at any moment of its deadline or of a second.
    pub(super) leaves: f64,
    /// One in so many calls hangs for two seconds.
    pub(super) hangs: f64,
    /// One in so many continues earlier work.
    pub(super) continues: f64,
    pub(super) tenants: u64,
    /// From and until when they come.
    pub(super) from: u64,
    pub(super) until: u64,
}

impl Source {
    pub(super) fn new(lane: u32, every: u64, sleeps: u64, computes: u64) -> Self {
        Self {
            lane,
            every,
            burst: 1,
            sleeps,
            computes,
            law: Law::Exponential,
            deadline: None,
            leaves: 0.0,
            hangs: 0.0,
            continues: 0.0,
            tenants: 0,
            from: 0,
            until: u64::MAX,
        }
    }
}

/// What has become of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Waits,
    Runs,
    /// Runs, but its caller has left or was answered.
    Orphaned,
    Completed {
        in_time: bool,
    },
    Refused(Why),
}

pub(super) struct Job {
    pub(super) lane: u32,
    pub(super) came: u64,
    pub(super) started: u64,
    pub(super) ended: u64,
    pub(super) fate: Fate,
    deadline: u64,
    continues: bool,
    sleeps: u64,
    computes: u64,
    place: Place,
}

impl Job {
    pub(super) fn computes(&self) -> u64 {
        self.computes
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Calls { source: usize },
    DeadlineOf { job: u32 },
    Leaves { job: u32 },
    Starts { thread: usize },
    Comes { thread: usize },
    HasSlept { thread: usize },
    IsTiredOfResting { thread: usize, rest: u64 },
    Looks { look: u64 },
    Drains,
    DrainEnds,
}

#[derive(Clone, Copy, Default)]
struct Thread {
    seat: Option<SeatId>,
    job: Option<(u32, u64)>,
    /// How often it has gone to rest; tells a present rest from one long over.
    rests: u64,
    resting: bool,
}

pub(super) struct World {
    pub(super) policy: Policy<u32, usize>,
    pub(super) jobs: Vec<Job>,
    pub(super) limits: Limits,
    pub(super) now: u64,
    pub(super) chance: Chance,
    /// What the machine has done for jobs of each lane, in nanoseconds of a thread's time.
    pub(super) attained: Vec<u64>,
    machine: Machine,
    sources: Vec<Source>,
    threads: Vec<Thread>,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    order: u64,
    look: u64,
    spawn_failures: f64,
    running: usize,
}

/// The watcher's number among the threads.
const WATCHER: usize = usize::MAX;

/// By how many nanoseconds the timers of callers are late at most: a few of tokio's ticks.
const TIMERS_LATE: u64 = 5_000_000;

/// Nanoseconds from a summons until the thread is there.
const WAKING_TAKES: u64 = 8_000;
const STARTING_TAKES: u64 = 40_000;

impl World {
    pub(super) fn new(seed: u64, config: SchedulerConfig, sources: Vec<Source>) -> Self {
        let limits = Limits::from(config);
        let lanes = sources.iter().map(|source| source.lane as usize + 1).max().unwrap_or(0);
        let mut world = Self {
            policy: Policy::new(limits.clone(), WHOLE),
            jobs: Vec::new(),
            machine: Machine::new(limits.cores),
            limits,
            now: 0,
            chance: Chance::new(seed),
            attained: vec![0; lanes],
            threads: Vec::new(),
            events: BinaryHeap::new(),
            order: 0,
            look: 0,
            spawn_failures: 0.0,
            running: 0,
            sources,
        };
        for source in 0..world.sources.len() {
            world.at(world.sources[source].from, Event::Calls { source });
        }
        world
    }

    /// The system refuses one in so many threads.
    pub(super) fn refuses_threads(mut self, probability: f64) -> Self {
        self.spawn_failures = probability;
        self
    }

    pub(super) fn lane(&mut self, lane: u32, config: LaneConfig) {
        let demand = self.policy.configure(Moment::START, lane, (&config).into());
        self.meet(demand);
    }

    pub(super) fn drains_at(&mut self, begin: u64, end: u64) {
        self.at(begin, Event::Drains);
        self.at(end, Event::DrainEnds);
    }

    /// Lets time pass until `end`, or until nothing happens any more.
    pub(super) fn run_until(&mut self, end: u64) {
        loop {
            let event = self.events.peek().map(|Reverse((at, _, _))| *at);
            let done = self.machine.next_done();
            let next = match (event, done) {
                (None, None) => return,
                (event, done) => event.unwrap_or(u64::MAX).min(done.unwrap_or(u64::MAX)),
            };
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            if done == Some(next) {
                let thread = self.machine.done(next);
                self.job_ends(thread);
            } else {
                let Reverse((_, _, event)) = self.events.pop().expect("it was peeked at");
                self.happens(event);
            }
            self.audit();
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Calls { source } => self.calls(source),
            Event::DeadlineOf { job } => self.gives_up(job, Why::Expired),
            Event::Leaves { job } => self.gives_up(job, Why::Cancelled),
            Event::Starts { thread } => {
                self.threads[thread].seat = Some(self.policy.sit(thread));
                self.comes(thread);
            }
            Event::Comes { thread } => self.comes(thread),
            Event::HasSlept { thread } => {
                let (job, _) = self.threads[thread].job.expect("only a job sleeps");
                self.machine.compute(self.now, thread, self.jobs[job as usize].computes);
            }
            Event::IsTiredOfResting { thread, rest } => {
                let Thread { resting, rests, seat, .. } = self.threads[thread];
                if resting && rests == rest && self.policy.timed_out(seat.expect("it rests in its seat")) {
                    self.threads[thread] = Thread::default();
                }
            }
            Event::Looks { look } if look == self.look => self.looks(),
            Event::Looks { .. } => {}
            Event::Drains => self.policy.drain(),
            Event::DrainEnds => {
                let (shed, idle) = self.policy.close(self.moment());
                shed.into_iter().for_each(|shed| self.refused(shed));
                idle.into_iter().for_each(|thread| self.wake(thread));
            }
        }
    }

    fn calls(&mut self, index: usize) {
        let source = self.sources[index].clone();
        for _ in 0..source.burst {
            self.call(&source);
        }
        let next = self.now + self.chance.exponential(source.every as f64).max(1.0) as u64;
        if next < source.until {
            self.at(next, Event::Calls { source: index });
        }
    }

    fn call(&mut self, source: &Source) {
        let chance = &mut self.chance;
        let mut sleeps = source.law.draw(source.sleeps, chance);
        let computes = source.law.draw(source.computes, chance).max(100);
        if chance.says_yes(source.hangs) {
            sleeps += 2_000_000_000;
        }
        let continues = chance.says_yes(source.continues);
        let leaves = chance.says_yes(source.leaves).then(|| chance.below(source.deadline.unwrap_or(1 << 30)));
        // A timer never fires before its time, and on a busy runtime well after.
        let late = chance.below(TIMERS_LATE);
        let tenant = (source.tenants > 0).then(|| chance.below(source.tenants));
        let deadline = source.deadline.map_or(u64::MAX, |time| self.now + time);
        let job = self.jobs.len() as u32;
        self.jobs.push(Job {
            lane: source.lane,
            came: self.now,
            started: 0,
            ended: 0,
            fate: Fate::Waits,
            deadline,
            continues,
            sleeps,
            computes,
            place: Place::NONE,
        });
        let arrival = Arrival {
            lane: source.lane,
            admission: if continues { Admission::Continuing } else { Admission::Fresh },
            came: self.moment(),
            deadline: if deadline == u64::MAX { Moment::NEVER } else { moment(deadline) },
            tenant,
            criticality: None,
        };
        match self.policy.arrive(self.moment(), &arrival, job) {
            Err((job, why)) => self.ends(job, Fate::Refused(why)),
            Ok(Admitted { place, shed, demand }) => {
                self.jobs[job as usize].place = place;
                if deadline != u64::MAX {
                    self.at(deadline + late, Event::DeadlineOf { job });
                }
                if let Some(leaves) = leaves {
                    self.at(self.now + leaves, Event::Leaves { job });
                }
                shed.into_iter().for_each(|shed| self.refused(shed));
                self.meet(demand);
            }
        }
    }

    /// A caller has had enough, by its deadline or by its own decision.
    fn gives_up(&mut self, job: u32, why: Why) {
        let Job { fate, lane, place, .. } = self.jobs[job as usize];
        match fate {
            Fate::Waits => {
                let item = self.policy.withdraw(self.moment(), lane, place, why);
                assert_eq!(item, Some(job), "who waits can be found where it stands");
                self.ends(job, Fate::Refused(why));
            }
            Fate::Runs => self.jobs[job as usize].fate = Fate::Orphaned,
            Fate::Orphaned | Fate::Completed { .. } | Fate::Refused(_) => {}
        }
    }

    fn comes(&mut self, thread: usize) {
        self.policy.arrived();
        self.threads[thread].resting = false;
        self.asks(thread, None);
    }

    fn asks(&mut self, thread: usize, done: Option<Done>) {
        let seat = self.threads[thread].seat.expect("who asks has a seat");
        let Next { then, shed, demand } = self.policy.next(self.moment(), seat, done);
        shed.into_iter().for_each(|shed| self.refused(shed));
        match then {
            Errand::Run { item, .. } => self.starts(thread, item),
            Errand::Rest(at_most) => {
                let state = &mut self.threads[thread];
                state.resting = true;
                state.rests += 1;
                let rest = state.rests;
                if let Some(at_most) = at_most {
                    self.at(self.now + at_most.as_nanos() as u64, Event::IsTiredOfResting { thread, rest });
                }
            }
            Errand::End => self.threads[thread] = Thread::default(),
        }
        self.meet(demand);
    }

    fn starts(&mut self, thread: usize, item: u32) {
        let now = self.now;
        let job = &mut self.jobs[item as usize];
        assert_eq!(job.fate, Fate::Waits, "a job runs once, and only while someone waits for it");
        assert!(now < job.deadline, "nothing begins after its deadline");
        job.fate = Fate::Runs;
        job.started = now;
        self.running += 1;
        let (sleeps, computes) = (job.sleeps, job.computes);
        self.threads[thread].job = Some((item, now));
        match sleeps {
            0 => self.machine.compute(now, thread, computes),
            sleeps => self.at(now + sleeps, Event::HasSlept { thread }),
        }
    }

    fn job_ends(&mut self, thread: usize) {
        let (item, since) = self.threads[thread].job.take().expect("only a job computes");
        let job = &self.jobs[item as usize];
        let wanted = job.fate == Fate::Runs;
        self.attained[job.lane as usize] += self.now - since;
        // On a crowded machine a thread waits for its processor; what it was measured to want leaves that out.
        let usage = Usage { computed: job.computes, wanted: job.sleeps + job.computes };
        let in_time = wanted && self.now <= job.deadline;
        self.running -= 1;
        self.ends(item, Fate::Completed { in_time });
        self.asks(thread, Some(Done { ran: true, wanted, usage: Some(usage) }));
    }

    fn refused(&mut self, shed: Shed<u32>) {
        let lane = self.jobs[shed.item as usize].lane;
        self.policy.refuse(lane, shed.why);
        self.ends(shed.item, Fate::Refused(shed.why));
    }

    fn ends(&mut self, job: u32, fate: Fate) {
        let now = self.now;
        let job = &mut self.jobs[job as usize];
        let open = matches!(job.fate, Fate::Waits | Fate::Runs | Fate::Orphaned);
        assert!(open, "a job ends once: it was {:?} and is to be {fate:?}", job.fate);
        if let Fate::Refused(why) = fate {
            assert_eq!(job.fate, Fate::Waits, "nobody who runs is refused");
            let by_force = matches!(why, Why::Full | Why::Infeasible);
            assert!(!(job.continues && by_force), "who continues is refused by no bound");
        }
        job.fate = fate;
        job.ended = now;
    }

    fn meet(&mut self, demand: Demand<usize>) {
        self.answer(demand.summons);
        if !demand.watch {
            return;
        }
        if !matches!(self.policy.watch, Watch::Awake) {
            self.policy.watch = Watch::Awake;
            self.look += 1;
            self.at(
                self.now + WAKING_TAKES + self.limits.hand_off_threshold.as_nanos() as u64,
                Event::Looks { look: self.look },
            );
        }
    }

    fn answer(&mut self, summons: Summons<usize>) {
        match summons {
            Summons::Nobody => {}
            Summons::Wake(thread) => self.wake(thread),
            Summons::Start => {
                if self.chance.says_yes(self.spawn_failures) {
                    self.policy.start_failed(self.moment(), Duration::from_millis(10));
                    return self.meet(Demand { summons: Summons::Nobody, may_wait: false, watch: true });
                }
                let free = self.threads.iter().position(|thread| thread.seat.is_none() && thread.rests == 0);
                let thread = free.unwrap_or_else(|| {
                    self.threads.push(Thread::default());
                    self.threads.len() - 1
                });
                // Taken from now on, though it takes its seat only when it starts.
                self.threads[thread].rests = 1;
                self.at(self.now + STARTING_TAKES, Event::Starts { thread });
            }
        }
    }

    fn wake(&mut self, thread: usize) {
        self.threads[thread].resting = false;
        self.at(self.now + WAKING_TAKES, Event::Comes { thread });
    }

    fn looks(&mut self) {
        let look = self.policy.look(self.moment(), WATCHER);
        look.summoned.into_iter().for_each(|summons| self.answer(summons));
        look.shed.into_iter().for_each(|shed| self.refused(shed));
        for probe in look.probes {
            let computes = self.machine.computes(probe.thread);
            // Whoever computes does so all the time; on a crowded machine what it waits is left out.
            let counters = Counters { computed: Duration::from_nanos(self.now), delayed: Duration::ZERO };
            let seen = if computes { Sighting::Counted(counters) } else { Sighting::Sleeps };
            self.policy.observed(self.moment(), probe.seat, probe.job, seen);
        }
        self.look += 1;
        if let Then::LookAgain(after) | Then::Doze(after) = look.then {
            self.at(self.now + after.as_nanos() as u64, Event::Looks { look: self.look });
        }
    }

    /// What must hold after every event.
    fn audit(&self) {
        let policy = &self.policy;
        let counts = policy.counts();
        assert_eq!(counts.running, self.running, "who holds a thread is counted");
        assert!(counts.threads <= self.limits.threads_hard_max);
        assert_eq!(counts.threads, counts.idle + counts.running + policy.crew.on_their_way());
        assert!(policy.queue.fresh() <= self.limits.queue_max);
        policy.queue.audit(&self.limits);
        if counts.queued > 0 && policy.doors() != Doors::Closed {
            let someone_will_look = matches!(policy.watch, Watch::Awake | Watch::Dozing(_));
            assert!(
                someone_will_look || policy.crew.on_their_way() > 0,
                "nobody will ever look at the queue"
            );
        }
    }

    /// What must hold when nothing happens any more.
    pub(super) fn everyone_has_ended(&self) {
        let counts = self.policy.counts();
        assert_eq!((counts.running, counts.queued, counts.waiting), (0, 0, 0));
        let completed = self.jobs.iter().filter(|job| matches!(job.fate, Fate::Completed { .. })).count();
        let refused = self.jobs.iter().filter(|job| matches!(job.fate, Fate::Refused(_))).count();
        assert_eq!(completed + refused, self.jobs.len(), "every job has an end");
        assert_eq!(self.policy.totals.completed, completed as u64);
        let told: u64 = self.policy.lanes().map(|lane| lane.tally.refused.total()).sum();
        assert_eq!(told, refused as u64, "every refusal is counted once");
    }

    fn at(&mut self, time: u64, event: Event) {
        self.order += 1;
        self.events.push(Reverse((time, self.order, event)));
    }

    fn moment(&self) -> Moment {
        moment(self.now)
    }
}

fn moment(nanos: u64) -> Moment {
    Moment::after_start(Duration::from_nanos(nanos))
}
