//! Queues are bounded, and at the bound someone is told.

use super::*;
use crate::call::Deadline;
use crate::scheduler::LaneConfig;

#[tokio::test]
async fn a_full_lane_refuses_its_oldest() {
    let scheduler = scheduler(SchedulerConfig { lane_queue_max: 2, ..threads(1) });
    let (gate, held) = Gate::hold(&scheduler, Job::new("gate")).await;
    let runs: Vec<_> = (0..3).map(|n| scheduler.run(Job::new("queued"), move || n)).collect();
    let snapshot = scheduler.snapshot();
    assert_eq!((snapshot.queued, snapshot.lane("default").unwrap().refused.full), (2, 1));
    gate.open();
    held.await.unwrap();
    let mut outcomes = Vec::new();
    for run in runs {
        outcomes.push(run.await);
    }
    assert!(is_overloaded(&outcomes[0]));
    assert!(matches!(outcomes[1..], [Ok(1), Ok(2)]));
}

#[tokio::test]
async fn a_full_queue_refuses_the_oldest_of_the_longest_lane() {
    let scheduler = scheduler(SchedulerConfig { queue_max: 3, ..threads(1) });
    let (gate, held) = Gate::hold(&scheduler, Job::new("gate")).await;
    let (flood, drop_in_the_ocean) = (scheduler.lane("flood"), scheduler.lane("drop"));
    let first = scheduler.run(Job::new("first").lane(drop_in_the_ocean.clone()), || "served");
    let flooding = scheduler.run(Job::new("flood").lane(flood.clone()), || ());
    let flooding_more = scheduler.run(Job::new("flood").lane(flood), || ());
    let last = scheduler.run(Job::new("last").lane(drop_in_the_ocean), || "served");
    assert!(is_overloaded(&flooding.await));
    gate.open();
    held.await.unwrap();
    flooding_more.await.unwrap();
    assert_eq!((first.await.unwrap(), last.await.unwrap()), ("served", "served"));
}

#[tokio::test]
async fn work_that_continues_is_neither_counted_nor_refused() {
    let scheduler = scheduler(SchedulerConfig { queue_max: 1, lane_queue_max: 1, ..threads(1) });
    let (gate, held) = Gate::hold(&scheduler, Job::new("gate")).await;
    let continued: Vec<_> = (0..3).map(|n| scheduler.resume(Job::new("turn"), move || n)).collect();
    let fresh = scheduler.run(Job::new("fresh"), || 3);
    assert_eq!(scheduler.snapshot().queued, 4);
    gate.open();
    held.await.unwrap();
    for (n, run) in continued.into_iter().chain([fresh]).enumerate() {
        assert_eq!(run.await.unwrap(), n);
    }
}

#[tokio::test]
async fn a_job_without_a_deadline_does_not_wait_for_ever() {
    let scheduler = scheduler(SchedulerConfig { queue_wait_max_ms: 30, ..threads(1) });
    let (gate, held) = Gate::hold(&scheduler, Job::new("gate")).await;
    let patient = Job::new("patient").deadline(Deadline::after(Duration::from_secs(60)));
    let patient = scheduler.run(patient, || ());
    assert!(is_overloaded(&scheduler.run(Job::new("queued"), || ()).await));
    gate.open();
    held.await.unwrap();
    patient.await.unwrap();
}

#[tokio::test]
async fn a_lane_runs_no_more_at_once_than_it_may() {
    let scheduler = scheduler(threads(8));
    let narrow = scheduler.lane_with(LaneConfig::new("narrow").max_concurrency(2));
    let (one, held_one) = Gate::hold(&scheduler, Job::new("gate").lane(narrow.clone())).await;
    let (two, held_two) = Gate::hold(&scheduler, Job::new("gate").lane(narrow.clone())).await;
    let third = scheduler.run(Job::new("third").lane(narrow), || "ran");
    scheduler.run(Job::new("other"), || ()).await.expect("another lane is not held up");
    let lane = scheduler.snapshot().lane("narrow").cloned().unwrap();
    assert_eq!((lane.running, lane.depth), (2, 1));
    one.open();
    held_one.await.unwrap();
    assert_eq!(third.await.unwrap(), "ran");
    two.open();
    held_two.await.unwrap();
}

#[tokio::test]
async fn widening_a_lane_lets_the_waiting_in() {
    let scheduler = scheduler(threads(8));
    let narrow = scheduler.lane_with(LaneConfig::new("narrow").max_concurrency(1));
    let (gate, held) = Gate::hold(&scheduler, Job::new("gate").lane(narrow.clone())).await;
    let second = scheduler.run(Job::new("second").lane(narrow), || ());
    scheduler.lane_with(LaneConfig::new("narrow"));
    second.await.unwrap();
    gate.open();
    held.await.unwrap();
}

#[tokio::test]
async fn a_cancelled_job_gives_its_place_back_at_once() {
    let scheduler = scheduler(SchedulerConfig { lane_queue_max: 1, ..threads(1) });
    let (gate, held) = Gate::hold(&scheduler, Job::new("gate")).await;
    for _ in 0..100 {
        drop(scheduler.run(Job::new("leaves"), || ()));
    }
    let stays = scheduler.run(Job::new("stays"), || ());
    assert_eq!(scheduler.snapshot().lane("default").unwrap().refused.total(), 100);
    gate.open();
    held.await.unwrap();
    stays.await.unwrap();
}
