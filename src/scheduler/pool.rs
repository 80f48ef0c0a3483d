//! Owns what all handles, jobs and threads of one scheduler share: the policy behind its lock, the lanes, the
//! runtime's handle. Every operation has the same shape: decide under the lock, act after it.
//!
//! Acting means waking and starting threads, dropping payloads and waking callers. None of that may happen
//! under the lock: it is slow, or foreign code, or both.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::config::Limits;
use super::doorbell::Doorbell;
use super::error::RunError;
use super::job::{Admission, Job};
use super::lane::{Lane, LaneConfig, LaneSettings, Lanes};
use super::policy::{Arrival, Demand, Doors, LaneLook, Moment, Place, Policy, SeatId, Shed, Summons, Watch};
use super::policy::{WHOLE, Why};
use super::seat::Seat;
use super::snapshot::{LaneSnapshot, Snapshot};
use super::task::Dispatch;
use super::tuning::{gate::INITIAL_SHARE, waking::SPAWN_RETRY};
use super::watchdog::Watchdog;
use super::{Handles, watcher, worker};

/// Starts a thread. A seam, so that tests can be a system that has no threads left.
pub(super) type StartThread =
    Box<dyn Fn(thread::Builder, Box<dyn FnOnce() + Send>) -> io::Result<()> + Send + Sync>;

pub(super) fn start_thread(builder: thread::Builder, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    builder.spawn(body).map(drop)
}

/// The policy with jobs and threads as they are.
pub(super) type Orders = Policy<Arc<dyn Dispatch>, Arc<Seat>>;

pub(super) struct Pool {
    pub(super) limits: Limits,
    pub(super) runtime: Handle,
    pub(super) lanes: Lanes,
    pub(super) default_lane: Lane,
    pub(super) run_blocking_lane: Lane,
    /// Told whenever the scheduler falls quiet while it drains.
    pub(super) quiet: Notify,
    pub(super) watchdog: Arc<Watchdog>,
    pub(super) doorbell: Doorbell,
    /// Leads from a scheduler thread back to a handle, if there still is one.
    pub(super) handles: OnceLock<Weak<Handles>>,
    /// Every [`Moment`] counts from here.
    epoch: Instant,
    start_thread: StartThread,
    policy: Mutex<Orders>,
}

impl Pool {
    pub(super) fn new(limits: Limits, runtime: Handle, start_thread: StartThread) -> Self {
        let lanes = Lanes::new();
        Self {
            watchdog: Arc::new(Watchdog::new(&limits, runtime.clone())),
            doorbell: Doorbell::default(),
            runtime,
            epoch: Instant::now(),
            default_lane: lanes.named("default"),
            run_blocking_lane: lanes.named("run_blocking"),
            lanes,
            quiet: Notify::new(),
            handles: OnceLock::new(),
            start_thread,
            policy: Mutex::new(Policy::new(limits.clone(), INITIAL_SHARE)),
            limits,
        }
    }

    /// Foreign code never runs under this lock, so it cannot be poisoned by any.
    pub(super) fn policy(&self) -> MutexGuard<'_, Orders> {
        self.policy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Moment {
        self.moment(Instant::now())
    }

    pub(super) fn moment(&self, instant: Instant) -> Moment {
        Moment::after_start(instant.saturating_duration_since(self.epoch))
    }

    /// Puts a job in line, or says why not.
    pub(super) fn submit(
        self: &Arc<Self>,
        task: Arc<dyn Dispatch>,
        job: &Job,
        admission: Admission,
    ) -> Result<(), RunError> {
        let now = self.now();
        let arrival = Arrival {
            lane: task.header().lane.index(),
            admission,
            came: now,
            deadline: job.deadline.map_or(Moment::NEVER, |deadline| self.moment(deadline.instant().into())),
            tenant: job.tenant,
            criticality: job.criticality,
        };
        let mut policy = self.policy();
        let admitted = match policy.arrive(now, &arrival, task.clone()) {
            Ok(admitted) => admitted,
            Err((refused, why)) => {
                drop(policy);
                drop(refused);
                return Err(RunError::refused(why, std::time::Duration::ZERO));
            }
        };
        // Under the same lock, before any thread can find the job: its caller may leave at any time after it.
        task.header().stands_at(admitted.place);
        drop(policy);
        self.meet(admitted.demand);
        admitted.shed.into_iter().for_each(refuse);
        Ok(())
    }

    /// A job that was queued has been ended from outside: it leaves the line at once.
    pub(super) fn withdraw(&self, lane: &Lane, place: Place, why: Why) {
        let now = self.now();
        let mut policy = self.policy();
        let removed = policy.withdraw(now, lane.index(), place, why);
        self.tell_if_quiet(&policy);
        drop(policy);
        drop(removed);
    }

    pub(super) fn count_refusal(&self, lane: &Lane, why: Why) {
        self.policy().refuse(lane.index(), why);
    }

    pub(super) fn count_panic(&self) {
        self.policy().totals.panics += 1;
    }

    pub(super) fn configure_lane(self: &Arc<Self>, config: &LaneConfig) -> Lane {
        let lane = self.lanes.named(&config.name);
        let now = self.now();
        let demand = self.policy().configure(now, lane.index(), LaneSettings::from(config));
        self.meet(demand);
        lane
    }

    /// The calling thread is about to wait inside of a job: someone may have to stand in for it.
    pub(super) fn begin_waiting(self: &Arc<Self>, seat: SeatId) {
        let now = self.now();
        let demand = self.policy().begin_waiting(now, seat);
        self.meet(demand);
    }

    pub(super) fn end_waiting(&self, seat: SeatId) {
        self.policy().end_waiting(seat);
    }

    /// Counts a stream or future as begun, until the guard is dropped.
    pub(super) fn open(self: &Arc<Self>) -> Open {
        self.policy().opened();
        Open(self.clone())
    }

    /// Tells whoever drains, if nothing is left to wait for.
    pub(super) fn tell_if_quiet(&self, policy: &Orders) {
        if policy.doors() != Doors::Open && policy.is_quiet() {
            self.quiet.notify_waiters();
        }
    }

    /// Brings about what the policy has asked for.
    pub(super) fn meet(self: &Arc<Self>, demand: Demand<Arc<Seat>>) {
        let summons = match demand.summons {
            summons if demand.may_wait && summons.is_somebody() => self.doorbell.leave(self, summons),
            summons => Err(summons),
        };
        if let Err(at_once) = summons {
            self.answer(at_once);
        }
        if demand.watch {
            watcher::call(self);
        }
    }

    pub(super) fn answer(self: &Arc<Self>, summons: Summons<Arc<Seat>>) {
        match summons {
            Summons::Nobody => {}
            Summons::Wake(seat) => seat.wake(),
            Summons::Start => self.start_worker(),
        }
    }

    /// Starts a thread of the scheduler's own, named for its purpose.
    pub(super) fn start(&self, name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let builder = thread::Builder::new().name(name.into()).stack_size(self.limits.thread_stack_bytes);
        (self.start_thread)(builder, Box::new(body))
    }

    /// The last handle is gone: what is queued is still served, then the threads end.
    pub(super) fn forsake(&self) {
        let mut policy = self.policy();
        let mut idle = policy.forsake();
        idle.extend(Self::summon_watcher(&mut policy));
        drop(policy);
        idle.into_iter().for_each(|seat| seat.wake());
        self.watchdog.end();
        self.doorbell.close();
    }

    /// The watcher, if it sleeps, to be woken.
    pub(super) fn summon_watcher(policy: &mut Orders) -> Option<Arc<Seat>> {
        match std::mem::replace(&mut policy.watch, Watch::Awake) {
            Watch::Dozing(watcher) | Watch::Parked(watcher) => Some(watcher),
            elsewhere => {
                policy.watch = elsewhere;
                None
            }
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let lanes = self.lanes.all();
        let policy = self.policy();
        let mut looks = policy.lanes();
        let lanes: Vec<_> = lanes.iter().map(|lane| snapshot_of(lane, looks.next())).collect();
        drop(looks);
        let (counts, totals) = (policy.counts(), policy.totals);
        Snapshot {
            threads: counts.threads,
            idle: counts.idle,
            running: counts.running,
            waiting: counts.waiting,
            orphaned: lanes.iter().map(|lane| lane.orphaned).sum(),
            queued: counts.queued,
            open: counts.open,
            lanes,
            blocked_polls: self.watchdog.blocked(),
            totals,
        }
    }

    /// A thread the system refuses costs no job its turn: whoever runs will get to it, and if nobody runs the
    /// watcher tries again.
    fn start_worker(self: &Arc<Self>) {
        let pool = self.clone();
        let started = self.start("ambidex-worker", move || worker::run(pool));
        let now = self.now();
        let mut policy = self.policy();
        match started {
            Ok(()) => policy.totals.threads_started += 1,
            Err(error) => {
                policy.start_failed(now, SPAWN_RETRY);
                drop(policy);
                tracing::warn!(%error, "the system refused the scheduler a thread");
                watcher::call(self);
            }
        }
    }
}

/// Answers the caller of a job that the policy wants gone.
pub(super) fn refuse(shed: Shed<Arc<dyn Dispatch>>) {
    shed.item.refuse(RunError::refused(shed.why, shed.waited), shed.why);
}

/// What is known of a lane; nothing but its name if nothing has ever happened in it.
fn snapshot_of(lane: &Lane, look: Option<LaneLook<'_>>) -> LaneSnapshot {
    let orphaned = lane.orphaned().load(std::sync::atomic::Ordering::Relaxed);
    let empty = LaneSnapshot { name: lane.name().into(), orphaned, ..LaneSnapshot::default() };
    let Some(LaneLook { depth, running, share, overloaded, tally }) = look else { return empty };
    LaneSnapshot {
        depth,
        running,
        completed: tally.completed,
        refused: tally.refused,
        cpu_share: share.map(|share| f64::from(share) / f64::from(WHOLE)),
        overloaded,
        queue_time: tally.queued.clone(),
        run_time: tally.ran.clone(),
        cpu_time: tally.computed.clone(),
        wasted: tally.wasted,
        ..empty
    }
}

/// Keeps a stream or future counted as open.
pub(super) struct Open(Arc<Pool>);

impl Drop for Open {
    fn drop(&mut self) {
        let mut policy = self.0.policy();
        policy.closed();
        self.0.tell_if_quiet(&policy);
    }
}
