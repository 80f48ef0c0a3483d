//! Owns the life of a scheduler thread: take a job, run it, take the next; park when there is none; end when
//! nobody needs it.
//!
//! A thread visits the ledger once between two jobs. In that one visit it gives up the slot of the job it has
//! finished and takes the next or a place on the stack of the idle; only then does the finished job's caller
//! learn of the outcome. So counts never lag behind what a caller knows, and a caller who answers an answer
//! with the next job finds this thread about to park rather than parked.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::crew::Seat;
use super::pool::Pool;
use super::task::Dispatch;

/// The body of a scheduler thread.
pub(super) fn run(pool: Arc<Pool>) {
    let _runtime = pool.runtime.enter();
    let _here = Here::enter(pool.clone());
    let seat = Arc::new(Seat::of_this_thread(pool.epoch));
    pool.ledger().crew.seat(seat.clone());
    let mut arriving = true;
    let mut done: Option<Done> = None;
    loop {
        let next = next(&pool, &seat, arriving, done.as_ref());
        arriving = false;
        if let Some(done) = done.take() {
            done.task.settle();
        }
        match next {
            Next::Run(task) => {
                let ran = task.perform();
                done = Some(Done { task, ran });
            }
            Next::Rest(at_most) => {
                if !rest(&pool, &seat, at_most) {
                    return;
                }
                arriving = true;
            }
            Next::End => return,
        }
    }
}

/// The pool whose thread this is, if it is a scheduler thread.
pub(super) fn pool_of_this_thread() -> Option<Arc<Pool>> {
    HERE.try_with(|here| here.borrow().clone()).ok().flatten()
}

/// Whether this is a thread of `pool`.
pub(super) fn is_thread_of(pool: &Arc<Pool>) -> bool {
    HERE.try_with(|here| here.borrow().as_ref().is_some_and(|here| Arc::ptr_eq(here, pool))).unwrap_or(false)
}

/// Marks this thread as waiting in `block_on`, or not. Returns whether it was marked before.
pub(super) fn mark_waiting(waiting: bool) -> bool {
    WAITING.replace(waiting)
}

/// A job that has returned, and whose slot is yet to be given up.
struct Done {
    task: Arc<dyn Dispatch>,
    ran: bool,
}

enum Next {
    Run(Arc<dyn Dispatch>),
    Rest(Option<Duration>),
    End,
}

/// The one visit to the ledger between two jobs.
fn next(pool: &Arc<Pool>, seat: &Arc<Seat>, arriving: bool, done: Option<&Done>) -> Next {
    let mut ledger = pool.ledger();
    let now = Instant::now();
    if arriving {
        ledger.crew.arrived();
    }
    if let Some(done) = done {
        seat.puts_down(now);
        ledger.put_down(&done.task.header().lane, done.ran, now);
        pool.tell_if_quiet(&ledger);
    }
    if let Some(task) = ledger.take(now) {
        seat.takes_up(now);
        return Next::Run(task);
    }
    if ledger.dismisses(&pool.limits) {
        ledger.crew.leave(seat);
        return Next::End;
    }
    ledger.crew.rest(seat.clone());
    Next::Rest(ledger.rest_at_most(&pool.limits))
}

/// Parks until summoned. Returns `false` if the thread's time has run out instead, and it has left the crew.
fn rest(pool: &Pool, seat: &Arc<Seat>, at_most: Option<Duration>) -> bool {
    if seat.park(at_most) {
        return true;
    }
    let mut ledger = pool.ledger();
    let still_needed = ledger.rest_at_most(&pool.limits).is_none();
    if !still_needed && ledger.crew.rise(seat) {
        ledger.crew.leave(seat);
        return false;
    }
    // Either the crew has shrunk to its floor, or a summons is on its way. Both end with a wake.
    drop(ledger);
    seat.park(None)
}

thread_local! {
    static HERE: RefCell<Option<Arc<Pool>>> = const { RefCell::new(None) };
    static WAITING: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as one of the pool's, for as long as it lives.
struct Here;

impl Here {
    fn enter(pool: Arc<Pool>) -> Self {
        HERE.with(|here| here.replace(Some(pool)));
        Here
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        let pool = HERE.try_with(|here| here.take());
        drop(pool);
    }
}
