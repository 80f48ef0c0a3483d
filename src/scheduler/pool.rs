//! Owns what all handles, jobs and threads of one scheduler share: the ledger behind its lock, the lanes, the
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
use super::crew::{Seat, Summons};
use super::error::RunError;
use super::job::Admission;
use super::lane::{Lane, LaneConfig, Lanes};
use super::ledger::{Demand, Doors, Ledger, Watch};
use super::slab::Place;
use super::snapshot::{LaneSnapshot, Refusal, Snapshot};
use super::task::Dispatch;
use super::{Handles, watcher, worker};

/// Starts a thread. A seam, so that tests can be a system that has no threads left.
pub(super) type StartThread =
    Box<dyn Fn(thread::Builder, Box<dyn FnOnce() + Send>) -> io::Result<()> + Send + Sync>;

pub(super) fn start_thread(builder: thread::Builder, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    builder.spawn(body).map(drop)
}

pub(super) struct Pool {
    pub(super) limits: Limits,
    pub(super) runtime: Handle,
    pub(super) epoch: Instant,
    pub(super) lanes: Lanes,
    pub(super) default_lane: Lane,
    pub(super) run_blocking_lane: Lane,
    /// Told whenever the ledger falls quiet while it drains.
    pub(super) quiet: Notify,
    /// Leads from a scheduler thread back to a handle, if there still is one.
    pub(super) handles: OnceLock<Weak<Handles>>,
    start_thread: StartThread,
    ledger: Mutex<Ledger>,
}

impl Pool {
    pub(super) fn new(limits: Limits, runtime: Handle, start_thread: StartThread) -> Self {
        let now = Instant::now();
        let lanes = Lanes::new();
        Self {
            limits,
            runtime,
            epoch: now,
            default_lane: lanes.named("default"),
            run_blocking_lane: lanes.named("run_blocking"),
            lanes,
            quiet: Notify::new(),
            handles: OnceLock::new(),
            start_thread,
            ledger: Mutex::new(Ledger::new(now)),
        }
    }

    /// Foreign code never runs under this lock, so it cannot be poisoned by any.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job in line, or says why not.
    pub(super) fn submit(
        self: &Arc<Self>,
        task: Arc<dyn Dispatch>,
        admission: Admission,
    ) -> Result<(), RunError> {
        let now = task.header().queued_at;
        let mut ledger = self.ledger();
        if let Err(refused) = ledger.admit(admission) {
            ledger.count_refusal(&task.header().lane, Refusal::Draining);
            return Err(refused);
        }
        let made_way = match admission {
            Admission::Fresh => ledger.make_room(&task.header().lane, &self.limits),
            Admission::Continuing => None,
        };
        let demand = ledger.enqueue(task, admission, now, &self.limits);
        drop(ledger);

        self.meet(demand);
        if let Some(oldest) = made_way {
            let waited = now.saturating_duration_since(oldest.header().queued_at);
            oldest.refuse(RunError::overloaded(waited), Refusal::Overloaded);
        }
        Ok(())
    }

    /// A job that was queued has been ended from outside: it leaves the line at once.
    pub(super) fn withdraw(&self, lane: &Lane, place: Place, refusal: Refusal) {
        let mut ledger = self.ledger();
        let removed = ledger.queue.remove(place);
        ledger.count_refusal(lane, refusal);
        self.tell_if_quiet(&ledger);
        drop(ledger);
        drop(removed);
    }

    pub(super) fn count_refusal(&self, lane: &Lane, refusal: Refusal) {
        self.ledger().count_refusal(lane, refusal);
    }

    pub(super) fn count_panic(&self) {
        self.ledger().totals.panics += 1;
    }

    pub(super) fn bound_lane(self: &Arc<Self>, config: LaneConfig) -> Lane {
        let lane = self.lanes.named(&config.name);
        let mut ledger = self.ledger();
        ledger.queue.bound(lane.index(), config.max_concurrency);
        let demand = ledger.demand(Instant::now(), &self.limits);
        drop(ledger);
        self.meet(demand);
        lane
    }

    /// The calling thread is about to wait inside of a job: someone may have to stand in for it.
    pub(super) fn begin_waiting(self: &Arc<Self>) {
        let mut ledger = self.ledger();
        ledger.crew.begin_waiting();
        let demand = ledger.demand(Instant::now(), &self.limits);
        drop(ledger);
        self.meet(demand);
    }

    pub(super) fn end_waiting(&self) {
        self.ledger().crew.end_waiting();
    }

    /// Counts a stream or future as begun, until the guard is dropped.
    pub(super) fn open(self: &Arc<Self>) -> Open {
        self.ledger().open += 1;
        Open(self.clone())
    }

    /// Tells whoever drains, if nothing is left to wait for.
    pub(super) fn tell_if_quiet(&self, ledger: &Ledger) {
        if ledger.doors != Doors::Open && ledger.is_quiet() {
            self.quiet.notify_waiters();
        }
    }

    /// Brings about what the ledger has asked for.
    pub(super) fn meet(self: &Arc<Self>, demand: Demand) {
        self.answer(demand.summons);
        if demand.watch {
            watcher::call(self);
        }
    }

    pub(super) fn answer(self: &Arc<Self>, summons: Summons) {
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
        let mut ledger = self.ledger();
        ledger.forsaken = true;
        let idle = self.send_home(&mut ledger);
        drop(ledger);
        idle.into_iter().for_each(|seat| seat.wake());
    }

    /// Summons the idle to find out that they may end, and the watcher likewise.
    pub(super) fn send_home(&self, ledger: &mut Ledger) -> Vec<Arc<Seat>> {
        match std::mem::replace(&mut ledger.watch, Watch::Awake) {
            Watch::Parked(watcher) => watcher.unpark(),
            elsewhere => ledger.watch = elsewhere,
        }
        ledger.crew.summon_idle()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let lanes = self.lanes.all();
        let ledger = self.ledger();
        let lanes: Vec<_> = lanes
            .iter()
            .map(|lane| {
                let tally = ledger.tally_of(lane);
                let (depth, running) = ledger.queue.load(lane.index());
                LaneSnapshot {
                    name: lane.name().into(),
                    depth,
                    running,
                    orphaned: lane.orphaned().load(std::sync::atomic::Ordering::Relaxed),
                    completed: tally.completed,
                    refused: tally.refused,
                }
            })
            .collect();
        Snapshot {
            threads: ledger.crew.threads(),
            idle: ledger.crew.idle(),
            running: ledger.running,
            waiting: ledger.crew.waiting(),
            orphaned: lanes.iter().map(|lane| lane.orphaned).sum(),
            queued: ledger.queue.len(),
            open: ledger.open,
            lanes,
            totals: ledger.totals,
        }
    }

    /// A thread the system refuses costs no job its turn: whoever runs will get to it, and if nobody runs the
    /// watcher tries again.
    fn start_worker(self: &Arc<Self>) {
        let pool = self.clone();
        let started = self.start("ambidex-worker", move || worker::run(pool));
        let mut ledger = self.ledger();
        match started {
            Ok(()) => ledger.totals.threads_started += 1,
            Err(error) => {
                ledger.crew.start_failed();
                ledger.totals.spawn_failures += 1;
                ledger.retry_at = Some(Instant::now() + watcher::SPAWN_RETRY);
                drop(ledger);
                tracing::warn!(%error, "the system refused the scheduler a thread");
                watcher::call(self);
            }
        }
    }
}

/// Keeps a stream or future counted as open.
pub(super) struct Open(Arc<Pool>);

impl Drop for Open {
    fn drop(&mut self) {
        let mut ledger = self.0.ledger();
        ledger.open -= 1;
        self.0.tell_if_quiet(&ledger);
    }
}
