//! Async and blocking code call each other in any nesting, and nobody waits for himself.

use std::thread;

use super::*;
use crate::call::Deadline;

/// Ends the test where it would otherwise hang.
async fn within_seconds<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it ends")
}

#[tokio::test]
async fn forty_jobs_that_each_offload_again_end_on_four_threads() {
    let scheduler = scheduler(threads(4));
    within_seconds(nested(scheduler, 40, 40)).await;
}

#[tokio::test]
async fn forty_jobs_that_each_offload_again_end_on_forty_threads() {
    let scheduler = scheduler(threads(40));
    within_seconds(nested(scheduler, 40, 40)).await;
}

/// `outer` jobs, each of which calls `inner` more through the same scheduler.
async fn nested(scheduler: Scheduler, outer: usize, inner: usize) {
    let runs: Vec<_> = (0..outer)
        .map(|_| {
            let handle = scheduler.clone();
            scheduler.run(Job::new("outer"), move || {
                (0..inner).map(|n| handle.block_on(handle.run_blocking(move || n)).unwrap()).sum::<usize>()
            })
        })
        .collect();
    for run in runs {
        assert_eq!(run.await.unwrap(), (0..inner).sum::<usize>());
    }
}

#[tokio::test]
async fn on_a_scheduler_thread_blocking_code_runs_where_it_stands() {
    let scheduler = scheduler(threads(1));
    let handle = scheduler.clone();
    let (outer, inner) = scheduler
        .run(Job::new("outer"), move || {
            let inner = handle.block_on(handle.run_blocking(|| thread::current().id())).unwrap();
            (thread::current().id(), inner)
        })
        .await
        .unwrap();
    assert_eq!(outer, inner);
}

#[tokio::test]
async fn a_panic_in_nested_blocking_code_is_the_nested_calls_own() {
    let scheduler = scheduler(threads(1));
    let handle = scheduler.clone();
    let outer = scheduler.run(Job::new("outer"), move || {
        handle.block_on(handle.run_blocking(|| panic!("on purpose"))).is_err()
    });
    assert!(outer.await.unwrap());
}

#[tokio::test]
async fn a_nested_call_whose_deadline_has_passed_does_not_run_in_place_either() {
    let scheduler = scheduler(threads(1));
    let handle = scheduler.clone();
    let late = Job::new("late").deadline(Deadline::after(Duration::ZERO));
    let outer = scheduler
        .run(Job::new("outer"), move || handle.block_on(handle.run_blocking_job(late, || unreachable!())));
    let inner: Result<(), _> = outer.await.unwrap();
    assert!(matches!(inner, Err(RunError::DeadlineExceeded)));
}

#[tokio::test]
async fn another_thread_stands_in_for_one_that_waits() {
    let scheduler = scheduler(SchedulerConfig { compensation_max: 1, threads_hard_max: 2, ..threads(1) });
    let handle = scheduler.clone();
    let outer = scheduler.run(Job::new("outer"), move || {
        // `run`, not `run_blocking`: this one insists on a thread of its own.
        handle.block_on(handle.run(Job::new("inner"), || "answered")).unwrap()
    });
    assert_eq!(within_seconds(outer).await.unwrap(), "answered");
    let snapshot = scheduler.snapshot();
    assert_eq!((snapshot.totals.compensations, snapshot.waiting), (1, 0));
}

#[tokio::test]
async fn where_nobody_may_stand_in_a_stall_is_broken_by_one_more_thread() {
    let config = SchedulerConfig { threads_hard_max: 2, stall_check_ms: 30, stall_step_ms: 10, ..threads(1) };
    let scheduler = scheduler(config);
    let handle = scheduler.clone();
    let outer = scheduler
        .run(Job::new("outer"), move || handle.block_on(handle.run(Job::new("inner"), || ())).unwrap());
    within_seconds(outer).await.unwrap();
    assert_eq!(scheduler.snapshot().totals.stalls, 1);
}

#[tokio::test]
async fn where_no_thread_is_left_to_be_had_an_error_ends_the_wait() {
    let scheduler = scheduler(SchedulerConfig { queue_wait_max_ms: 30, ..threads(1) });
    let handle = scheduler.clone();
    let outer = scheduler.run(Job::new("outer"), move || {
        is_overloaded(&handle.block_on(handle.run(Job::new("inner"), || ())))
            && is_overloaded(&handle.block_on(handle.resume(Job::new("inner"), || ())))
    });
    assert!(within_seconds(outer).await.unwrap());
}

#[tokio::test]
async fn a_waiting_thread_is_counted_as_waiting() {
    let scheduler = scheduler(threads(1));
    let (send, receive) = tokio::sync::oneshot::channel();
    let handle = scheduler.clone();
    let run = scheduler.run(Job::new("waits"), move || handle.block_on(receive).unwrap());
    eventually(&scheduler, "the thread waits", |now| (now.running, now.waiting) == (1, 1));
    send.send("sent").unwrap();
    assert_eq!(run.await.unwrap(), "sent");
    assert_eq!(scheduler.snapshot().waiting, 0);
}

#[tokio::test]
async fn waiting_inside_of_a_wait_counts_once() {
    let scheduler = scheduler(threads(1));
    let (send, receive) = tokio::sync::oneshot::channel::<()>();
    let handle = scheduler.clone();
    let run = scheduler.run(Job::new("waits"), move || {
        let inner = handle.clone();
        handle.block_on(async move {
            tokio::task::yield_now().await;
            inner.block_on(receive).unwrap();
        });
    });
    eventually(&scheduler, "the thread waits", |now| now.waiting == 1);
    send.send(()).unwrap();
    run.await.unwrap();
    assert_eq!(scheduler.snapshot().waiting, 0);
}

#[tokio::test]
async fn timers_run_in_a_future_that_blocking_code_awaits() {
    let scheduler = scheduler(threads(1));
    let handle = scheduler.clone();
    let run = scheduler.run(Job::new("sleeps"), move || {
        handle.block_on(tokio::time::sleep(Duration::from_millis(1)));
    });
    run.await.unwrap();
}

#[test]
fn on_a_plain_thread_block_on_is_the_runtimes_own() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let scheduler = Scheduler::new(threads(1), runtime.handle().clone());
    assert_eq!(scheduler.block_on(scheduler.run(Job::new("job"), || 1)).unwrap(), 1);
    assert!(!Scheduler::is_scheduler_thread());
}

#[tokio::test]
#[should_panic = "Cannot start a runtime from within a runtime"]
async fn on_a_thread_that_drives_tasks_block_on_panics_and_says_why() {
    scheduler(threads(1)).block_on(async {});
}

#[tokio::test]
async fn a_job_finds_its_scheduler() {
    let scheduler = scheduler(threads(1));
    let found = scheduler.run(Job::new("finds"), || {
        assert!(Scheduler::is_scheduler_thread());
        Scheduler::current().expect("the test holds a handle").lane("found").name().to_owned()
    });
    assert_eq!(found.await.unwrap(), "found");
    assert!(scheduler.snapshot().lane("found").is_some());
}
