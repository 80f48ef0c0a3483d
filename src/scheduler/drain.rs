//! Owns the end: no new work, patience with the old until a deadline, then answers for everyone still in line.
//!
//! Threads that do not return are left behind and never waited for. A process can exit with a stuck thread; it
//! cannot exit while it waits for one.

use std::sync::Arc;

use super::DrainOutcome;
use super::pool::{Pool, refuse};
use crate::call::Deadline;

pub(super) async fn drain(pool: &Arc<Pool>, deadline: Deadline) -> DrainOutcome {
    let completed_before = stop_admitting(pool);
    // Past the deadline or not, what follows is the same: shut the doors on whatever is left.
    let _in_time = tokio::time::timeout_at(deadline.instant(), quiet(pool)).await;
    shut(pool, completed_before)
}

fn stop_admitting(pool: &Pool) -> u64 {
    let mut policy = pool.policy();
    policy.drain();
    policy.totals.completed
}

async fn quiet(pool: &Pool) {
    loop {
        // Listening begins before looking, so that the last job cannot end unheard in between.
        let told = pool.quiet.notified();
        let mut told = std::pin::pin!(told);
        told.as_mut().enable();
        if pool.policy().is_quiet() {
            return;
        }
        told.await;
    }
}

fn shut(pool: &Pool, completed_before: u64) -> DrainOutcome {
    let now = pool.now();
    let mut policy = pool.policy();
    let (shed, mut idle) = policy.close(now);
    let counts = policy.counts();
    let outcome = DrainOutcome {
        finished: policy.totals.completed - completed_before,
        shed: shed.len(),
        left_running: counts.running,
        left_open: counts.open,
    };
    idle.extend(Pool::summon_watcher(&mut policy));
    drop(policy);
    idle.into_iter().for_each(|seat| seat.wake());
    shed.into_iter().for_each(refuse);
    outcome
}
