//! Owns everything that needs a clock rather than an event: handing off the head of the queue when those who
//! run do not get to it, refusing who has waited too long, breaking stalls, asking again for refused threads.
//!
//! One thread, started when a queue first needs watching. It ticks while jobs wait, stays awake a few ticks
//! longer because load rarely comes alone, and then sleeps until it is called. Should the system refuse even
//! this thread, a task on the runtime asks again until it is granted.
//!
//! Invariant: while a job waits, either a thread is on its way to the queue, or the watcher is awake, or the
//! rescue task is.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::crew::Summons;
use super::error::RunError;
use super::ledger::{Ledger, Watch};
use super::pool::Pool;
use super::snapshot::Refusal;
use super::task::Dispatch;

/// How long after a refused thread the system is asked again.
pub(super) const SPAWN_RETRY: Duration = Duration::from_millis(10);

/// Sees to it that the queue is watched.
pub(super) fn call(pool: &Arc<Pool>) {
    let mut ledger = pool.ledger();
    if !ledger.watch_needs_calling() {
        return;
    }
    match std::mem::replace(&mut ledger.watch, Watch::Awake) {
        Watch::Awake => {}
        Watch::Parked(watcher) => {
            drop(ledger);
            watcher.unpark();
        }
        Watch::Absent => {
            drop(ledger);
            start(pool);
        }
    }
}

/// Starts the watcher, which the ledger already says is awake.
fn start(pool: &Arc<Pool>) {
    let watched = pool.clone();
    let Err(error) = pool.start("ambidex-watcher", move || run(watched)) else { return };
    let mut ledger = pool.ledger();
    ledger.watch = Watch::Absent;
    ledger.totals.spawn_failures += 1;
    let rescue_is_under_way = std::mem::replace(&mut ledger.rescue, true);
    drop(ledger);
    tracing::warn!(%error, "the system refused the scheduler its watcher");
    if !rescue_is_under_way {
        pool.runtime.spawn(rescue(pool.clone()));
    }
}

/// Stands in for the watcher where no thread is to be had: asks for one until it comes or nobody waits.
async fn rescue(pool: Arc<Pool>) {
    loop {
        tokio::time::sleep(SPAWN_RETRY).await;
        let summons = {
            let mut ledger = pool.ledger();
            if ledger.queue.len() == 0 || !matches!(ledger.watch, Watch::Absent) {
                ledger.rescue = false;
                return;
            }
            ledger.watch = Watch::Awake;
            let nobody_comes = ledger.crew.active() + ledger.crew.on_their_way() == 0;
            if nobody_comes { ledger.summon(Instant::now(), &pool.limits) } else { Summons::Nobody }
        };
        pool.answer(summons);
        start(&pool);
    }
}

fn run(pool: Arc<Pool>) {
    let mut watcher = Watcher::new(Instant::now());
    loop {
        let round = watcher.look(&pool);
        round.summoned.into_iter().for_each(|summons| pool.answer(summons));
        for task in round.overdue {
            let waited = task.header().queued_at.elapsed();
            task.refuse(RunError::overloaded(waited), Refusal::Overloaded);
        }
        match round.then {
            Then::LookAgain(after) => thread::park_timeout(after),
            Then::Park => thread::park(),
            Then::End => return,
        }
    }
}

/// What the watcher remembers from one look to the next.
struct Watcher {
    /// How many threads the next look summons, if it finds reason to.
    step: usize,
    quiet_looks: u32,
    last_stall_step: Instant,
    next_sweep: Instant,
}

struct Round {
    summoned: Vec<Summons>,
    overdue: Vec<Arc<dyn Dispatch>>,
    then: Then,
}

enum Then {
    LookAgain(Duration),
    Park,
    End,
}

impl Watcher {
    fn new(now: Instant) -> Self {
        Self { step: 1, quiet_looks: 0, last_stall_step: now, next_sweep: now }
    }

    fn look(&mut self, pool: &Pool) -> Round {
        let mut ledger = pool.ledger();
        let now = Instant::now();
        ledger.watch = Watch::Awake;
        let overdue = self.sweep(&mut ledger, pool, now);
        let (summoned, then) = match ledger.queue.next_came() {
            Some(came) => {
                self.quiet_looks = 0;
                let summoned = self.hand_off(&mut ledger, pool, now, came);
                (summoned, Then::LookAgain(self.patience(&ledger, pool)))
            }
            None if ledger.queue.len() > 0 => (Vec::new(), Then::LookAgain(SWEEP_EVERY)),
            None => (Vec::new(), self.nothing_waits(&mut ledger, pool)),
        };
        Round { summoned, overdue, then }
    }

    /// Takes out those without a deadline who have waited too long. When nothing moves and no thread is left to
    /// be had, those who continue earlier work go too: at the very end stands an error, never a hang.
    fn sweep(&mut self, ledger: &mut Ledger, pool: &Pool, now: Instant) -> Vec<Arc<dyn Dispatch>> {
        if now < self.next_sweep {
            return Vec::new();
        }
        self.next_sweep = now + SWEEP_EVERY;
        let Some(limit) = now.checked_sub(pool.limits.queue_wait_max) else { return Vec::new() };
        let nothing_moves = ledger.last_progress < limit;
        ledger.queue.older_than(limit, nothing_moves, |task| task.header().deadline.is_none())
    }

    /// Decides whether the head of the queue has waited long enough for another thread to come.
    fn hand_off(&mut self, ledger: &mut Ledger, pool: &Pool, now: Instant, came: Instant) -> Vec<Summons> {
        let limits = &pool.limits;
        let nothing_completes = now.saturating_duration_since(ledger.last_progress) >= limits.stall_check;
        if nothing_completes && now.saturating_duration_since(self.last_stall_step) >= limits.stall_step {
            self.last_stall_step = now;
            return vec![ledger.summon_against_stall(now, limits)];
        }
        if now.saturating_duration_since(came) < limits.hand_off_threshold {
            self.step = 1;
            return Vec::new();
        }
        // Where every core is busy with short jobs back to back, one more thread would only take turns with
        // them; it is the jobs that are many, not the threads that are few.
        if ledger.crew.hot(now, limits.hand_off_threshold / 4, limits.cores) >= limits.cores {
            self.step = 1;
            return Vec::new();
        }
        let wanted = self.step.min(ledger.queue.len()).saturating_sub(ledger.crew.on_their_way());
        self.step = (self.step * 2).min(STEP_MAX);
        (0..wanted)
            .map(|_| ledger.summon(now, limits))
            .take_while(|summons| !matches!(summons, Summons::Nobody))
            .collect()
    }

    /// How soon to look again while jobs wait. Where no thread is to be had, those who are freed come by
    /// themselves, and only bounds and stalls are left to watch.
    fn patience(&self, ledger: &Ledger, pool: &Pool) -> Duration {
        let exhausted = ledger.crew.idle() == 0 && ledger.crew.threads() >= ledger.crew.ceiling(&pool.limits);
        if exhausted { EXHAUSTED_LOOK_EVERY } else { pool.limits.hand_off_threshold }
    }

    fn nothing_waits(&mut self, ledger: &mut Ledger, pool: &Pool) -> Then {
        self.step = 1;
        if ledger.forsaken {
            ledger.watch = Watch::Absent;
            return Then::End;
        }
        self.quiet_looks += 1;
        if self.quiet_looks < QUIET_LOOKS {
            return Then::LookAgain(pool.limits.hand_off_threshold);
        }
        self.quiet_looks = 0;
        ledger.watch = Watch::Parked(thread::current());
        Then::Park
    }
}

/// How often waiting times are compared with their bound; far finer than any sensible bound.
const SWEEP_EVERY: Duration = Duration::from_millis(10);

/// How often to look while every thread there may be is at work.
const EXHAUSTED_LOOK_EVERY: Duration = Duration::from_millis(1);

/// How many looks find nothing before the watcher sleeps. Waking it costs as much as several looks.
const QUIET_LOOKS: u32 = 5;

/// How many threads one look may summon.
const STEP_MAX: usize = 64;
