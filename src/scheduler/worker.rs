//! Owns the life of a scheduler thread: take a job, run it, take the next; park when there is none; end when
//! nobody needs it.
//!
//! A thread visits the policy once between two jobs. In that one visit it gives up the slot of the job it has
//! finished and takes the next or a place on the stack of the idle; only then does the finished job's caller
//! learn of the outcome. So counts never lag behind what a caller knows, and a caller who answers an answer
//! with the next job finds this thread about to park rather than parked.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::meter::Meter;
use super::policy::{Done, Errand, Measure, Next, SeatId};
use super::pool::{Pool, refuse};
use super::seat::Seat;
use super::task::Dispatch;
use super::watchdog;

/// The body of a scheduler thread.
pub(super) fn run(pool: Arc<Pool>) {
    let _runtime = pool.runtime.enter();
    let seat = Arc::new(Seat::of_this_thread());
    let id = pool.policy().sit(seat.clone());
    let _here = Here::enter(pool.clone(), id);
    let mut arriving = true;
    let mut finished: Option<Finished> = None;
    loop {
        let done = finished.as_ref().map(|finished| finished.done);
        let next = ask(&pool, id, arriving, done);
        arriving = false;
        if let Some(finished) = finished.take() {
            finished.task.settle();
        }
        pool.meet(next.demand);
        next.shed.into_iter().for_each(refuse);
        match next.then {
            Errand::Run { item, measure } => finished = Some(perform(item, measure)),
            Errand::Rest(at_most) => {
                if !rest(&pool, &seat, id, at_most) {
                    return;
                }
                arriving = true;
            }
            Errand::End => return,
        }
    }
}

fn perform(task: Arc<dyn Dispatch>, measure: Measure) -> Finished {
    let meter = Meter::start(measure).map(|meter| (meter, Instant::now()));
    let performed = task.perform();
    let usage = meter.and_then(|(meter, began)| meter.stop(began.elapsed()));
    Finished { done: Done { ran: performed.ran, wanted: performed.wanted, usage }, task }
}

/// The pool whose thread this is, if it is a scheduler thread.
pub(super) fn pool_of_this_thread() -> Option<Arc<Pool>> {
    HERE.try_with(|here| here.borrow().as_ref().map(|(pool, _)| pool.clone())).ok().flatten()
}

/// This thread's number in its pool.
pub(super) fn seat_of_this_thread() -> Option<SeatId> {
    HERE.try_with(|here| here.borrow().as_ref().map(|(_, seat)| *seat)).ok().flatten()
}

/// Whether this is a thread of `pool`.
pub(super) fn is_thread_of(pool: &Arc<Pool>) -> bool {
    HERE.try_with(|here| here.borrow().as_ref().is_some_and(|(here, _)| Arc::ptr_eq(here, pool)))
        .unwrap_or(false)
}

/// Marks this thread as waiting in `block_on`, or not. Returns whether it was marked before.
pub(super) fn mark_waiting(waiting: bool) -> bool {
    WAITING.replace(waiting)
}

/// A job that has returned, and whose slot is yet to be given up.
struct Finished {
    task: Arc<dyn Dispatch>,
    done: Done,
}

/// The one visit to the policy between two jobs.
fn ask(
    pool: &Arc<Pool>,
    seat: SeatId,
    arriving: bool,
    done: Option<Done>,
) -> Next<Arc<dyn Dispatch>, Arc<Seat>> {
    let now = pool.now();
    let mut policy = pool.policy();
    if arriving {
        policy.arrived();
    }
    let next = policy.next(now, seat, done);
    pool.tell_if_quiet(&policy);
    next
}

/// Parks until summoned. Returns `false` if the thread's time has run out instead, and it has left the crew.
fn rest(pool: &Pool, seat: &Seat, id: SeatId, at_most: Option<Duration>) -> bool {
    if seat.park(at_most) {
        return true;
    }
    if pool.policy().timed_out(id) {
        return false;
    }
    // Either the crew has shrunk to its floor, or a summons is on its way. Both end with a wake.
    seat.park(None)
}

thread_local! {
    static HERE: RefCell<Option<(Arc<Pool>, SeatId)>> = const { RefCell::new(None) };
    static WAITING: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as one of the pool's, for as long as it lives.
struct Here;

impl Here {
    fn enter(pool: Arc<Pool>, seat: SeatId) -> Self {
        watchdog::exempt_this_thread();
        HERE.with(|here| here.replace(Some((pool, seat))));
        Here
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        let pool = HERE.try_with(|here| here.take());
        drop(pool);
    }
}
