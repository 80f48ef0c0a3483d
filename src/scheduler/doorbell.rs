//! Owns the pause between a job and the wake of a thread for it: as long as the runtime takes to run what is ready.
//!
//! Jobs come in bursts: a connection reads a dozen requests at once, and each becomes a task that puts a job in line.
//! Waking a thread at the first of them costs more than most of the jobs, and the thread would often be done, and
//! parked again, before the next is there. So a task of the runtime's rings the bell, behind the tasks that are ready
//! now. Where nothing else is ready, that is at once.
//!
//! What if the runtime does not get to it, because a task holds its thread? Then the watcher finds a job that has
//! waited too long, as ever; so this is done only while the watcher is awake or dozing.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Poll;

use tokio::sync::Notify;

use super::policy::Summons;
use super::pool::Pool;
use super::seat::Seat;

/// One scheduler's bell.
#[derive(Default)]
pub(super) struct Doorbell {
    state: Mutex<State>,
    rung: Notify,
}

#[derive(Default)]
struct State {
    summons: Vec<Summons<Arc<Seat>>>,
    /// Whether there is a task that answers.
    attended: bool,
    closed: bool,
}

impl Doorbell {
    /// Leaves a summons for when the runtime has run what is ready. Gives it back where nobody would see to it.
    pub(super) fn leave(
        &self,
        pool: &Arc<Pool>,
        summons: Summons<Arc<Seat>>,
    ) -> Result<(), Summons<Arc<Seat>>> {
        // Only a task knows that the runtime is at work.
        if tokio::task::try_id().is_none() {
            return Err(summons);
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Err(summons);
        }
        state.summons.push(summons);
        let attended = std::mem::replace(&mut state.attended, true);
        drop(state);
        if !attended {
            pool.runtime.spawn(attend(Arc::downgrade(pool)));
        }
        self.rung.notify_one();
        Ok(())
    }

    /// Nobody will ring any more.
    pub(super) fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.rung.notify_one();
    }
}

async fn attend(pool: Weak<Pool>) {
    loop {
        let Some(strong) = pool.upgrade() else { return };
        strong.doorbell.rung.notified().await;
        behind_what_is_ready().await;
        let mut state = strong.doorbell.state.lock().unwrap_or_else(PoisonError::into_inner);
        let summons = std::mem::take(&mut state.summons);
        let closed = state.closed;
        drop(state);
        summons.into_iter().for_each(|summons| strong.answer(summons));
        if closed {
            return;
        }
    }
}

/// Puts this task at the end of the line. (`yield_now` would also wait for the next look at the sockets.)
async fn behind_what_is_ready() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
