//! After any storm the counts are back where they began.

use super::*;
use crate::call::Deadline;
use crate::call::{CancelReason, Cancellation};

/// Nothing runs, waits or is owed.
fn calm(scheduler: &Scheduler) {
    eventually(scheduler, "calm", |now| {
        (now.running, now.waiting, now.orphaned, now.queued, now.open) == (0, 0, 0, 0, 0)
            && now.lanes.iter().all(|lane| (lane.depth, lane.running, lane.orphaned) == (0, 0, 0))
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_cancellations_in_the_queue_and_on_threads() {
    let scheduler = scheduler(SchedulerConfig { lane_queue_max: 4096, ..threads(4) });
    let calls: Vec<_> = (0..1000)
        .map(|n| {
            let cancellation = Cancellation::new();
            let job = Job::new("storm").cancellation(cancellation.clone());
            let seen = cancellation.clone();
            let run = scheduler.run(job, move || {
                let mut rounds = 0;
                while !seen.is_cancelled() && rounds < 100 {
                    rounds += 1;
                    std::thread::yield_now();
                }
            });
            if n % 3 == 0 {
                cancellation.cancel(CancelReason::ClientGone);
            }
            (cancellation, tokio::spawn(run))
        })
        .collect();
    for (cancellation, task) in calls {
        cancellation.cancel(CancelReason::ClientGone);
        match task.await.unwrap() {
            Ok(()) | Err(RunError::Cancelled(CancelReason::ClientGone)) => {}
            other => panic!("unexpected: {other:?}"),
        }
    }
    calm(&scheduler);
    let lane = scheduler.snapshot().lane("default").cloned().unwrap();
    assert_eq!(lane.completed + lane.refused.cancelled, 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_who_leave() {
    let scheduler = scheduler(SchedulerConfig { lane_queue_max: 4096, ..threads(4) });
    let tasks: Vec<_> =
        (0..1000).map(|_| tokio::spawn(scheduler.run(Job::new("storm"), std::thread::yield_now))).collect();
    tasks.iter().for_each(|task| task.abort());
    for task in tasks {
        let _aborted_or_done = task.await;
    }
    calm(&scheduler);
    let lane = scheduler.snapshot().lane("default").cloned().unwrap();
    assert_eq!(lane.completed + lane.refused.cancelled, 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_deadlines_in_the_queue_and_on_threads() {
    let scheduler = scheduler(SchedulerConfig { lane_queue_max: 4096, ..threads(2) });
    let tasks: Vec<_> = (0..1000)
        .map(|n| {
            let job = Job::new("storm").deadline(Deadline::after(Duration::from_micros(n * 20)));
            tokio::spawn(scheduler.run(job, || std::thread::sleep(Duration::from_micros(100))))
        })
        .collect();
    for task in tasks {
        assert!(matches!(task.await.unwrap(), Ok(()) | Err(RunError::DeadlineExceeded)));
    }
    calm(&scheduler);
    let lane = scheduler.snapshot().lane("default").cloned().unwrap();
    assert_eq!(lane.completed + lane.refused.total(), 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_panics() {
    // Printing a thousand backtraces would be the longest part of the test.
    let scheduler = scheduler(SchedulerConfig { lane_queue_max: 4096, ..threads(2) });
    let runs: Vec<_> = (0..1000)
        .map(|_| scheduler.run(Job::new("storm"), || std::panic::resume_unwind(Box::new("x"))))
        .collect();
    for run in runs {
        let outcome: Result<(), _> = run.await;
        assert!(matches!(outcome, Err(RunError::Panicked { .. })));
    }
    calm(&scheduler);
    assert_eq!(scheduler.snapshot().totals.panics, 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_and_futures_dropped_at_any_moment() {
    let scheduler = scheduler(SchedulerConfig { stream_buffer_max: 2, ..threads(4) });
    let tasks: Vec<_> = (0..300)
        .map(|n| {
            let scheduler = scheduler.clone();
            tokio::spawn(async move {
                if n % 2 == 0 {
                    let mut stream = scheduler.run_stream(Job::new("stream"), tokio_stream::iter(0..10));
                    while tokio_stream::StreamExt::next(&mut stream).await.is_some() {}
                } else {
                    let yields = async {
                        for _ in 0..10 {
                            tokio::task::yield_now().await;
                        }
                    };
                    scheduler.run_future(Job::new("future"), yields).await.expect("nothing refuses it");
                }
            })
        })
        .collect();
    for (n, task) in tasks.iter().enumerate() {
        if n % 3 == 0 {
            task.abort();
        }
        if n % 16 == 0 {
            tokio::task::yield_now().await;
        }
    }
    for task in tasks {
        let _aborted_or_done = task.await;
    }
    calm(&scheduler);
}
