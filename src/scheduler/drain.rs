//! Owns the end: no new work, patience with the old until a deadline, then answers for everyone still in line.
//!
//! Threads that do not return are left behind and never waited for. A process can exit with a stuck thread; it
//! cannot exit while it waits for one.

use std::sync::Arc;

use super::ledger::Doors;
use super::pool::Pool;
use super::snapshot::Refusal;
use super::{DrainOutcome, RunError};
use crate::call::Deadline;

pub(super) async fn drain(pool: &Arc<Pool>, deadline: Deadline) -> DrainOutcome {
    let completed_before = stop_admitting(pool);
    // Past the deadline or not, what follows is the same: shut the doors on whatever is left.
    let _in_time = tokio::time::timeout_at(deadline.instant(), quiet(pool)).await;
    shut(pool, completed_before)
}

fn stop_admitting(pool: &Pool) -> u64 {
    let mut ledger = pool.ledger();
    if ledger.doors == Doors::Open {
        ledger.doors = Doors::Draining;
    }
    ledger.totals.completed
}

async fn quiet(pool: &Pool) {
    loop {
        // Listening begins before looking, so that the last job cannot end unheard in between.
        let told = pool.quiet.notified();
        let mut told = std::pin::pin!(told);
        told.as_mut().enable();
        if pool.ledger().is_quiet() {
            return;
        }
        told.await;
    }
}

fn shut(pool: &Pool, completed_before: u64) -> DrainOutcome {
    let mut ledger = pool.ledger();
    ledger.doors = Doors::Closed;
    let shed = ledger.queue.drain();
    let outcome = DrainOutcome {
        finished: ledger.totals.completed - completed_before,
        shed: shed.len(),
        left_running: ledger.running,
    };
    let idle = pool.send_home(&mut ledger);
    drop(ledger);
    idle.into_iter().for_each(|seat| seat.wake());
    shed.into_iter().for_each(|task| task.refuse(RunError::Draining, Refusal::Draining));
    outcome
}
