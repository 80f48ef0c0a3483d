//! Owns the thread that looks: it asks the policy, at its pace, for everything that needs a clock rather than an
//! event.
//!
//! One thread, started when a queue first needs watching. It looks while jobs wait, dozes for a second longer
//! because load rarely comes alone, and then sleeps until it is called. Should the system refuse even this thread, a
//! task on the runtime asks again until it is granted.
//!
//! Invariant: while a job waits, either a thread is on its way to the queue, or the watcher is awake or dozing, or
//! the rescue task is.

use std::sync::Arc;

use super::policy::{Summons, Then, Watch};
use super::pool::{Pool, refuse};
use super::seat::Seat;
use super::tuning::waking::SPAWN_RETRY;

/// Sees to it that the queue is watched.
pub(super) fn call(pool: &Arc<Pool>) {
    let mut policy = pool.policy();
    match std::mem::replace(&mut policy.watch, Watch::Awake) {
        Watch::Awake => {}
        Watch::Dozing(watcher) | Watch::Parked(watcher) => {
            drop(policy);
            watcher.wake();
        }
        Watch::Absent if policy.rescue => policy.watch = Watch::Absent,
        Watch::Absent => {
            drop(policy);
            start(pool);
        }
    }
}

/// Starts the watcher, which the policy already says is awake.
fn start(pool: &Arc<Pool>) {
    let watched = pool.clone();
    let Err(error) = pool.start("ambidex-watcher", move || run(&watched)) else { return };
    let mut policy = pool.policy();
    policy.watch = Watch::Absent;
    policy.totals.spawn_failures += 1;
    let rescue_is_under_way = std::mem::replace(&mut policy.rescue, true);
    drop(policy);
    tracing::warn!(%error, "the system refused the scheduler its watcher");
    if !rescue_is_under_way {
        pool.runtime.spawn(rescue(pool.clone()));
    }
}

/// Stands in for the watcher where no thread is to be had: asks for one until it comes or nobody waits.
async fn rescue(pool: Arc<Pool>) {
    loop {
        tokio::time::sleep(SPAWN_RETRY).await;
        let Some(summons) = rescue_once(&pool) else { return };
        pool.answer(summons);
        start(&pool);
    }
}

fn rescue_once(pool: &Pool) -> Option<Summons<Arc<Seat>>> {
    let now = pool.now();
    let mut policy = pool.policy();
    if policy.counts().queued == 0 || !matches!(policy.watch, Watch::Absent) {
        policy.rescue = false;
        return None;
    }
    policy.watch = Watch::Awake;
    Some(policy.rescue_summons(now))
}

fn run(pool: &Arc<Pool>) {
    let seat = Arc::new(Seat::of_this_thread());
    loop {
        let look = pool.policy().look(pool.now(), seat.clone());
        look.summoned.into_iter().for_each(|summons| pool.answer(summons));
        look.shed.into_iter().for_each(refuse);
        for probe in look.probes {
            if let Some(seen) = probe.thread.sighting() {
                let now = pool.now();
                pool.policy().observed(now, probe.seat, probe.job, seen);
            }
        }
        let called = match look.then {
            Then::LookAgain(after) => {
                seat.park(Some(after));
                false
            }
            Then::Doze(after) => seat.park(Some(after)),
            Then::Park => seat.park(None),
            Then::End => return,
        };
        if called {
            // For what has just come; it is not late yet.
            seat.park(Some(pool.limits.hand_off_threshold));
        }
    }
}
