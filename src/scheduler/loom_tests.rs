//! The hand-over of a job to a thread, in every order that loom can think of: the policy behind its lock, and threads
//! that park and are woken, as they ship. What a job itself goes through is in `cell.rs`.
//!
//! Run with `RUSTFLAGS="--cfg ambidex_loom" cargo test --lib --release loom_`.

use std::sync::Arc;
use std::time::Duration;

use loom::sync::Mutex;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::config::{Limits, SchedulerConfig};
use super::job::Admission;
use super::policy::{Arrival, Done, Errand, Moment, Policy, SeatId, Summons, WHOLE};
use super::seat::Seat;

/// What a pool is, as far as the hand-over goes.
struct Pool {
    policy: Mutex<Policy<usize, Arc<Seat>>>,
    ran: AtomicUsize,
    refused: AtomicUsize,
    /// A thread that has run so many jobs in all goes home instead of to rest.
    enough: usize,
    now: Moment,
}

impl Pool {
    fn new(enough: usize) -> Arc<Self> {
        let config = SchedulerConfig { threads_max: 1, threads_hard_max: 1, ..SchedulerConfig::default() };
        Arc::new(Self {
            policy: Mutex::new(Policy::new(Limits::from(config), WHOLE)),
            ran: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            enough,
            now: Moment::START.plus(Duration::from_secs(1)),
        })
    }

    /// Puts a job in line, and brings about what the policy asks for. A thread that is to be started is.
    fn submit(self: &Arc<Self>, item: usize) -> Option<thread::JoinHandle<()>> {
        let arrival = Arrival {
            lane: 0,
            admission: Admission::Fresh,
            came: self.now,
            deadline: Moment::NEVER,
            tenant: None,
            criticality: None,
        };
        let admitted = self.policy.lock().unwrap().arrive(self.now, &arrival, item);
        match admitted {
            Ok(admitted) => self.answer(admitted.demand.summons),
            Err(_) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    fn answer(self: &Arc<Self>, summons: Summons<Arc<Seat>>) -> Option<thread::JoinHandle<()>> {
        match summons {
            Summons::Nobody => None,
            Summons::Wake(seat) => {
                seat.wake();
                None
            }
            Summons::Start => {
                let pool = self.clone();
                Some(thread::spawn(move || pool.work()))
            }
        }
    }

    /// The life of a thread, as in `worker.rs`.
    fn work(&self) {
        let seat = Arc::new(Seat::of_this_thread());
        let id: SeatId = self.policy.lock().unwrap().sit(seat.clone());
        let (mut arriving, mut done) = (true, None);
        loop {
            let mut policy = self.policy.lock().unwrap();
            if std::mem::take(&mut arriving) {
                policy.arrived();
            }
            let next = policy.next(self.now, id, done.take());
            drop(policy);
            match next.then {
                Errand::Run { .. } => {
                    self.ran.fetch_add(1, Ordering::Relaxed);
                    done = Some(Done { ran: true, wanted: true, usage: None });
                }
                Errand::Rest(_) => {
                    if self.ran.load(Ordering::Relaxed) == self.enough {
                        return;
                    }
                    seat.park(None);
                    arriving = true;
                }
                Errand::End => return,
            }
        }
    }

    /// Shuts the doors, as a drain does at its end.
    fn close(&self) {
        let (shed, idle) = self.policy.lock().unwrap().close(self.now);
        self.refused.fetch_add(shed.len(), Ordering::Relaxed);
        idle.into_iter().for_each(|seat| seat.wake());
    }
}

fn model(check: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(check);
}

/// A job that comes while the only thread goes to rest finds it, or wakes it: else the thread would never come home.
#[test]
fn loom_a_job_that_comes_while_a_thread_parks_is_run() {
    model(|| {
        let pool = Pool::new(2);
        let worker = pool.submit(0).expect("the first job starts a thread");
        assert!(pool.submit(1).is_none(), "there is a thread already");
        worker.join().unwrap();
        let counts = pool.policy.lock().unwrap().counts();
        assert_eq!((pool.ran.load(Ordering::Relaxed), counts.queued, counts.running), (2, 0, 0));
    });
}

/// Whoever shuts the doors races a job: it runs, or is refused, and its thread goes home either way.
#[test]
fn loom_a_job_that_comes_while_the_doors_shut_ends_once() {
    model(|| {
        let pool = Pool::new(usize::MAX);
        let worker = pool.submit(0).expect("the first job starts a thread");
        let closing = {
            let pool = pool.clone();
            thread::spawn(move || pool.close())
        };
        assert!(pool.submit(1).is_none(), "there is a thread already, or nobody is let in");
        closing.join().unwrap();
        worker.join().unwrap();
        let counts = pool.policy.lock().unwrap().counts();
        assert_eq!((counts.queued, counts.running, counts.threads), (0, 0, 0));
        assert_eq!(pool.ran.load(Ordering::Relaxed) + pool.refused.load(Ordering::Relaxed), 2);
    });
}

/// A wake is kept for a thread that is not parked yet. (In the model, a seat is whoever parks in it.)
#[test]
fn loom_a_wake_is_never_lost() {
    model(|| {
        let (seat, called) = (Arc::new(Seat::of_this_thread()), Arc::new(AtomicUsize::new(0)));
        let sleeper = {
            let (seat, called) = (seat.clone(), called.clone());
            thread::spawn(move || {
                assert!(seat.park(None));
                assert_eq!(
                    called.load(Ordering::Relaxed),
                    1,
                    "what was written before the wake is seen after it"
                );
            })
        };
        called.store(1, Ordering::Relaxed);
        seat.wake();
        sleeper.join().unwrap();
    });
}
