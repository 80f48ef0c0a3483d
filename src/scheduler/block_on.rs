//! Owns the way from blocking code into a future: this thread polls it, and parks in between.
//!
//! A scheduler thread that parks here holds its job but does no work. It is marked as waiting, so that another
//! thread may stand in for it, or a pool whose jobs all wait for jobs of the same pool would stand still.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use super::policy::SeatId;
use super::pool::Pool;
use super::worker;

/// Drives `future` on this thread, which belongs to `pool`.
pub(super) fn on_scheduler_thread<F: Future>(pool: Arc<Pool>, future: F) -> F::Output {
    let mut future = pin!(future);
    let bell = Arc::new(Bell { thread: thread::current(), rung: AtomicBool::new(false) });
    let waker = Waker::from(bell.clone());
    let mut context = Context::from_waker(&waker);
    let mut waiting = None;
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        // From the first time it has to wait until the end: between two waits a future hardly does anything,
        // and two visits to the policy for each would cost more than the imprecision.
        waiting.get_or_insert_with(|| Waiting::begin(&pool));
        bell.wait();
    }
}

/// Keeps this thread marked as waiting. A `block_on` inside of another one's poll finds the mark set.
struct Waiting(Option<(Arc<Pool>, SeatId)>);

impl Waiting {
    fn begin(pool: &Arc<Pool>) -> Self {
        let marked = worker::mark_waiting(true);
        if marked {
            return Self(None);
        }
        let Some(seat) = worker::seat_of_this_thread() else { return Self(None) };
        pool.begin_waiting(seat);
        Self(Some((pool.clone(), seat)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some((pool, seat)) = self.0.take() {
            worker::mark_waiting(false);
            pool.end_waiting(seat);
        }
    }
}

/// Wakes a parked thread, and remembers having rung where the thread is not parked yet.
struct Bell {
    thread: Thread,
    rung: AtomicBool,
}

impl Bell {
    fn wait(&self) {
        while !self.rung.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.thread.unpark();
    }
}
