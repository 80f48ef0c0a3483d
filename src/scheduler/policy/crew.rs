//! Owns who is there: how many threads exist, which are parked, what each runs, how many are on their way.
//!
//! A thread is in exactly one of four states. `on their way`: woken or being started, has not yet reached the
//! queue. `active`: runs a job, or is between two. `waiting`: inside `block_on`. `idle`: parked, on the stack.
//! The stack is last in, first out, so the hottest thread is woken and the coldest times out.
//!
//! The crew keeps books and picks. Parking, waking and starting are for whoever holds the threads.

use super::look::Counters;
use super::moment::Moment;
use super::queue::Taken;
use crate::scheduler::config::Limits;

/// A thread's number, from when it takes its seat until it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scheduler) struct SeatId(u32);

/// One thread.
struct Seat<T> {
    /// How to reach it.
    thread: T,
    running: Option<Running>,
    /// How many jobs it has taken up; tells one from the next.
    jobs: u64,
}

/// The job a thread holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    pub(super) lane: u32,
    pub(super) since: Moment,
    pub(super) charge: u64,
    /// Whether it can be expected to run for long, and whether it cannot be excluded.
    long: bool,
    unsure: bool,
    /// Whether it waits in `block_on`.
    pub(super) waits: bool,
    /// When the thread was last looked at while it ran this job.
    pub(super) looked: Moment,
    /// When its counters were read last during this job, and what they said.
    pub(super) counted: Option<(Moment, Counters)>,
}

/// How one more thread comes to the queue.
#[derive(Debug)]
pub(in crate::scheduler) enum Summons<T> {
    /// No thread is to be had, or none is needed.
    Nobody,
    /// This parked one is to be woken.
    Wake(T),
    /// One is to be started.
    Start,
}

impl<T> Summons<T> {
    pub(in crate::scheduler) fn is_somebody(&self) -> bool {
        !matches!(self, Summons::Nobody)
    }
}

/// Every thread of one scheduler.
pub(super) struct Crew<T> {
    seats: Vec<Option<Seat<T>>>,
    free: Vec<u32>,
    idle: Vec<SeatId>,
    threads: usize,
    on_their_way: usize,
    running: usize,
    waiting: usize,
    /// Threads that run a long job and do not wait in it.
    long: usize,
    /// Threads that run a job which may turn out to be long.
    unsure: usize,
    /// Threads allowed beyond the ceiling because nothing moved.
    pub(super) against_stall: usize,
}

impl<T: Clone> Crew<T> {
    pub(super) fn new() -> Self {
        Self {
            seats: Vec::new(),
            free: Vec::new(),
            idle: Vec::new(),
            threads: 0,
            on_their_way: 0,
            running: 0,
            waiting: 0,
            long: 0,
            unsure: 0,
            against_stall: 0,
        }
    }

    /// Threads that exist or are being started.
    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    pub(super) fn idle(&self) -> usize {
        self.idle.len()
    }

    /// Threads that hold a job.
    pub(super) fn running(&self) -> usize {
        self.running
    }

    /// Of those, the ones that wait in `block_on`.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn on_their_way(&self) -> usize {
        self.on_their_way
    }

    /// Threads that run a job and do not wait in it, or are between two.
    pub(super) fn active(&self) -> usize {
        self.threads - self.idle.len() - self.on_their_way - self.waiting
    }

    /// Threads that ordinary demand may have: those that wait are stood in for, within a bound.
    pub(super) fn ceiling(&self, limits: &Limits) -> usize {
        let standing_in = self.waiting.min(limits.compensation_max);
        (limits.threads_max + standing_in + self.against_stall).min(limits.threads_hard_max)
    }

    /// Threads that run a job which can be expected to take long, and do not wait in it.
    pub(super) fn long(&self) -> usize {
        self.long
    }

    /// Threads that run a job of which it cannot be excluded that it takes long.
    pub(super) fn unsure(&self) -> usize {
        self.unsure
    }

    /// Picks one more thread: the one parked last, else a new one below `ceiling`.
    pub(super) fn summon(&mut self, ceiling: usize) -> Summons<T> {
        if let Some(seat) = self.idle.pop() {
            self.on_their_way += 1;
            return Summons::Wake(self.seat(seat).thread.clone());
        }
        if self.threads < ceiling {
            self.threads += 1;
            self.on_their_way += 1;
            return Summons::Start;
        }
        Summons::Nobody
    }

    /// Everyone who is parked, to be sent home.
    pub(super) fn summon_idle(&mut self) -> Vec<T> {
        self.on_their_way += self.idle.len();
        let idle = std::mem::take(&mut self.idle);
        idle.into_iter().map(|seat| self.seat(seat).thread.clone()).collect()
    }

    pub(super) fn start_failed(&mut self) {
        self.threads -= 1;
        self.on_their_way -= 1;
    }

    /// A started thread takes its seat. It is still on its way.
    pub(super) fn sit(&mut self, thread: T) -> SeatId {
        let seat = Some(Seat { thread, running: None, jobs: 0 });
        match self.free.pop() {
            Some(free) => {
                self.seats[free as usize] = seat;
                SeatId(free)
            }
            None => {
                self.seats.push(seat);
                SeatId(self.seats.len() as u32 - 1)
            }
        }
    }

    pub(super) fn arrived(&mut self) {
        self.on_their_way -= 1;
    }

    pub(super) fn rest(&mut self, seat: SeatId) {
        self.idle.push(seat);
    }

    /// Takes a thread that timed out off the stack; `false` if it has been summoned meanwhile.
    pub(super) fn rise(&mut self, seat: SeatId) -> bool {
        match self.idle.iter().position(|&idle| idle == seat) {
            Some(index) => {
                self.idle.remove(index);
                true
            }
            None => false,
        }
    }

    /// An active thread ends.
    pub(super) fn leave(&mut self, seat: SeatId) {
        self.threads -= 1;
        self.seats[seat.0 as usize] = None;
        self.free.push(seat.0);
    }

    pub(super) fn takes_up<I>(
        &mut self,
        seat: SeatId,
        now: Moment,
        taken: &Taken<I>,
        long: bool,
        unsure: bool,
    ) {
        self.running += 1;
        self.long += usize::from(long);
        self.unsure += usize::from(unsure);
        let seat = self.seat_mut(seat);
        seat.jobs += 1;
        let Taken { lane, charge, .. } = *taken;
        seat.running = Some(Running {
            lane,
            since: now,
            charge,
            long,
            unsure,
            waits: false,
            looked: now,
            counted: None,
        });
    }

    pub(super) fn puts_down(&mut self, seat: SeatId) -> Running {
        let running = self.seat_mut(seat).running.take().expect("a thread puts down what it has taken up");
        self.running -= 1;
        self.long -= usize::from(running.long);
        self.unsure -= usize::from(running.unsure);
        running
    }

    /// The job of this thread begins to wait. Returns its lane.
    pub(super) fn begins_waiting(&mut self, seat: SeatId) -> Option<u32> {
        let running = self.seat_mut(seat).running.as_mut()?;
        running.waits = true;
        let (lane, long) = (running.lane, running.long);
        self.waiting += 1;
        self.long -= usize::from(long);
        Some(lane)
    }

    pub(super) fn ends_waiting(&mut self, seat: SeatId) -> Option<u32> {
        let running = self.seat_mut(seat).running.as_mut()?;
        running.waits = false;
        let (lane, long) = (running.lane, running.long);
        self.waiting -= 1;
        self.long += usize::from(long);
        Some(lane)
    }

    /// Threads that hold a job and do not wait in it.
    pub(super) fn at_work(&mut self) -> impl Iterator<Item = (SeatId, u64, &T, &mut Running)> {
        self.seats.iter_mut().enumerate().filter_map(|(index, seat)| {
            let seat = seat.as_mut()?;
            let running = seat.running.as_mut().filter(|running| !running.waits)?;
            Some((SeatId(index as u32), seat.jobs, &seat.thread, running))
        })
    }

    /// What a thread runs, if it is still the job that was its `job`th.
    pub(super) fn still_runs(&mut self, seat: SeatId, job: u64) -> Option<&mut Running> {
        let seat = self.seats.get_mut(seat.0 as usize)?.as_mut()?;
        if seat.jobs != job {
            return None;
        }
        seat.running.as_mut()
    }

    fn seat(&self, seat: SeatId) -> &Seat<T> {
        self.seats[seat.0 as usize].as_ref().expect("a seat is asked for only until its thread leaves")
    }

    fn seat_mut(&mut self, seat: SeatId) -> &mut Seat<T> {
        self.seats[seat.0 as usize].as_mut().expect("a seat is asked for only until its thread leaves")
    }
}
