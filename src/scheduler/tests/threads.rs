//! Threads come when they are needed, go when they are not, and are done without when there are none.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::scheduler::pool::start_thread;

#[tokio::test]
async fn jobs_that_block_get_a_thread_each() {
    let scheduler = scheduler(threads(8));
    let mut gates = Vec::new();
    for _ in 0..8 {
        gates.push(Gate::hold(&scheduler, Job::new("gate")).await);
    }
    assert_eq!(scheduler.snapshot().running, 8);
    for (gate, held) in gates {
        gate.open();
        held.await.unwrap();
    }
}

#[tokio::test]
async fn many_that_block_at_once_are_all_got_to() {
    let scheduler = scheduler(threads(64));
    let (open, opened) = tokio::sync::watch::channel(false);
    let runs: Vec<_> = (0..64)
        .map(|_| {
            let opened = opened.clone();
            scheduler.run(Job::new("blocks"), move || {
                // Not `block_on`: nobody may stand in for these.
                while !*opened.borrow() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            })
        })
        .collect();
    eventually(&scheduler, "all run", |now| now.running == 64);
    open.send(true).unwrap();
    for run in runs {
        run.await.unwrap();
    }
}

#[tokio::test]
async fn a_crew_that_was_needed_once_goes_back_to_its_floor() {
    let scheduler =
        scheduler(SchedulerConfig { threads_min: 1, keep_alive_ms: 20, ..SchedulerConfig::default() });
    let mut gates = Vec::new();
    for _ in 0..5 {
        gates.push(Gate::hold(&scheduler, Job::new("gate")).await);
    }
    assert!(scheduler.snapshot().threads >= 5);
    for (gate, held) in gates {
        gate.open();
        held.await.unwrap();
    }
    eventually(&scheduler, "the floor is reached", |now| (now.threads, now.idle) == (1, 1));
    scheduler.run(Job::new("after"), || ()).await.expect("the floor still serves");
}

#[tokio::test]
async fn threads_end_with_the_last_handle_and_serve_the_queue_first() {
    let scheduler = scheduler(threads(1));
    let alive = Arc::downgrade(scheduler.pool());
    let (gate, held) = Gate::hold(&scheduler, Job::new("gate")).await;
    let queued = scheduler.run(Job::new("queued"), || Scheduler::current().is_none());
    drop(scheduler);
    gate.open();
    held.await.unwrap();
    assert!(queued.await.unwrap(), "nobody holds a handle any more");
    let give_up = Instant::now() + Duration::from_secs(10);
    while alive.upgrade().is_some() {
        assert!(Instant::now() < give_up, "everything that held the pool lets go of it");
        std::thread::yield_now();
    }
}

/// A scheduler on a system that refuses the first `refusals` threads.
fn refused(refusals: usize, config: SchedulerConfig) -> Scheduler {
    let asked = AtomicUsize::new(0);
    let start = move |builder: std::thread::Builder, body: Box<dyn FnOnce() + Send>| {
        if asked.fetch_add(1, Ordering::Relaxed) < refusals {
            return Err(io::Error::from(io::ErrorKind::WouldBlock));
        }
        start_thread(builder, body)
    };
    Scheduler::with_threads(config, Handle::current(), Box::new(start))
}

#[tokio::test]
async fn a_system_without_threads_delays_jobs_and_loses_none() {
    for refusals in 1..6 {
        let scheduler = refused(refusals, threads(4));
        let runs: Vec<_> = (0..20).map(|n| scheduler.run(Job::new("job"), move || n)).collect();
        for (n, run) in runs.into_iter().enumerate() {
            assert_eq!(run.await.unwrap(), n);
        }
        let totals = scheduler.snapshot().totals;
        assert_eq!((totals.completed, totals.spawn_failures), (20, refusals as u64));
    }
}

#[tokio::test]
async fn a_system_that_gives_one_thread_serves_everyone_by_it() {
    let asked = AtomicUsize::new(0);
    let start = move |builder: std::thread::Builder, body: Box<dyn FnOnce() + Send>| {
        if asked.fetch_add(1, Ordering::Relaxed) > 0 {
            return Err(io::Error::from(io::ErrorKind::WouldBlock));
        }
        start_thread(builder, body)
    };
    let scheduler = Scheduler::with_threads(threads(8), Handle::current(), Box::new(start));
    let runs: Vec<_> = (0..50)
        .map(|_| scheduler.run(Job::new("job"), || std::thread::sleep(Duration::from_micros(300))))
        .collect();
    for run in runs {
        run.await.unwrap();
    }
    assert_eq!(scheduler.snapshot().threads, 1);
}
