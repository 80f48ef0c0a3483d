//! A job that need not run does not run; one that runs on no longer keeps its caller waiting.

use super::*;
use crate::call::Deadline;
use crate::call::{CancelReason, Cancellation};

const SOON: Duration = Duration::from_millis(20);

#[tokio::test]
async fn a_deadline_that_has_passed_lets_nothing_run() {
    let scheduler = scheduler(threads(1));
    let (tell, told) = mpsc::channel();
    let job = Job::new("late").deadline(Deadline::after(Duration::ZERO));
    let outcome = scheduler.run(job, move || tell.send(()).unwrap()).await;
    assert!(matches!(outcome, Err(RunError::DeadlineExceeded)));
    assert!(told.recv().is_err(), "the work was dropped without having run");
    assert_eq!(scheduler.snapshot().lane("default").unwrap().refused.deadline, 1);
}

#[tokio::test]
async fn a_deadline_that_passes_in_the_queue_is_answered_while_the_thread_is_still_held() {
    let scheduler = scheduler(threads(1));
    let (gate, held) = Gate::hold(&scheduler, Job::new("gate")).await;
    let told = Told::pair();
    let run = scheduler.run(Job::new("queued").deadline(Deadline::after(SOON)), move || drop(told.0));
    assert!(matches!(run.await, Err(RunError::DeadlineExceeded)));
    assert_eq!(told.1.try_recv(), Ok("dropped"), "its payload went with it");
    assert_eq!(scheduler.snapshot().queued, 0);
    gate.open();
    held.await.unwrap();
}

#[tokio::test]
async fn a_deadline_that_nobody_watches_is_looked_at_before_the_start() {
    let scheduler = scheduler(threads(1));
    let (gate, held) = Gate::hold(&scheduler, Job::new("gate")).await;
    let deadline = Deadline::after(SOON);
    let (tell, told) = mpsc::channel();
    let unpolled = scheduler.run(Job::new("late").deadline(deadline), move || tell.send(()).unwrap());
    tokio::time::sleep_until(deadline.instant()).await;
    gate.open();
    held.await.unwrap();
    assert!(matches!(unpolled.await, Err(RunError::DeadlineExceeded)));
    assert!(told.recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn deadlines_follow_the_clock_of_the_runtime() {
    let scheduler = scheduler(threads(1));
    let (gate, held) = Gate::hold(&scheduler, Job::new("gate")).await;
    let an_hour = Deadline::after(Duration::from_secs(3600));
    let run = scheduler.run(Job::new("queued").deadline(an_hour), || ());
    assert!(matches!(run.await, Err(RunError::DeadlineExceeded)));
    gate.open();
    held.await.unwrap();
}

#[tokio::test]
async fn a_job_cancelled_in_the_queue_drops_its_payload_at_once_and_never_runs() {
    let scheduler = scheduler(threads(1));
    let (gate, held) = Gate::hold(&scheduler, Job::new("gate")).await;
    let cancellation = Cancellation::new();
    let told = Told::pair();
    let job = Job::new("queued").cancellation(cancellation.clone());
    let run = scheduler.run(job, move || {
        drop(told.0);
        unreachable!("a cancelled job does not run")
    });
    cancellation.cancel(CancelReason::ClientGone);
    assert_eq!(told.1.try_recv(), Ok("dropped"));
    let snapshot = scheduler.snapshot();
    assert_eq!((snapshot.queued, snapshot.lane("default").unwrap().refused.cancelled), (0, 1));
    let outcome: Result<(), _> = run.await;
    assert!(matches!(outcome, Err(RunError::Cancelled(CancelReason::ClientGone))));
    gate.open();
    held.await.unwrap();
    assert_eq!(scheduler.snapshot().totals.completed, 1);
}

#[tokio::test]
async fn a_cancellation_that_came_first_lets_nothing_in() {
    let scheduler = scheduler(threads(1));
    let cancellation = Cancellation::new();
    cancellation.cancel(CancelReason::Shutdown);
    let outcome = scheduler.run(Job::new("late").cancellation(cancellation), || ()).await;
    assert!(matches!(outcome, Err(RunError::Cancelled(CancelReason::Shutdown))));
    assert_eq!(scheduler.snapshot().threads, 0, "nothing was started for it");
}

#[tokio::test]
async fn dropping_the_future_of_a_queued_job_drops_the_payload_at_once() {
    let scheduler = scheduler(threads(1));
    let (gate, held) = Gate::hold(&scheduler, Job::new("gate")).await;
    let told = Told::pair();
    drop(scheduler.run(Job::new("queued"), move || drop(told.0)));
    assert_eq!(told.1.try_recv(), Ok("dropped"));
    gate.open();
    held.await.unwrap();
    assert_eq!(scheduler.snapshot().totals.completed, 1);
}

#[tokio::test]
async fn dropping_the_future_of_a_running_job_orphans_it() {
    let scheduler = scheduler(threads(1));
    let (gate, held) = Gate::hold(&scheduler, Job::new("gate")).await;
    drop(held);
    let snapshot = scheduler.snapshot();
    assert_eq!((snapshot.running, snapshot.orphaned), (1, 1));
    gate.open();
    eventually(&scheduler, "the orphan came home", |now| (now.running, now.orphaned) == (0, 0));
}

#[tokio::test]
async fn a_deadline_answers_the_caller_of_a_running_job_which_sees_it_cancelled() {
    let scheduler = scheduler(threads(1));
    let cancellation = Cancellation::new();
    let (gate, held) = {
        let job = Job::new("gate").cancellation(cancellation.clone()).deadline(Deadline::after(SOON));
        Gate::hold(&scheduler, job).await
    };
    assert!(matches!(held.await, Err(RunError::DeadlineExceeded)));
    assert_eq!(cancellation.reason(), Some(CancelReason::DeadlineExceeded));
    assert_eq!(scheduler.snapshot().orphaned, 1);
    gate.open();
    eventually(&scheduler, "the orphan came home", |now| (now.running, now.orphaned) == (0, 0));
}

#[tokio::test]
async fn cancelling_a_running_job_answers_its_caller_at_once() {
    let scheduler = scheduler(threads(1));
    let cancellation = Cancellation::new();
    let (gate, held) = Gate::hold(&scheduler, Job::new("gate").cancellation(cancellation.clone())).await;
    cancellation.cancel(CancelReason::ClientGone);
    assert!(matches!(held.await, Err(RunError::Cancelled(CancelReason::ClientGone))));
    gate.open();
    eventually(&scheduler, "the orphan came home", |now| (now.running, now.orphaned) == (0, 0));
}

#[tokio::test]
async fn the_value_of_an_orphan_is_dropped_on_its_thread() {
    let scheduler = scheduler(threads(1));
    let (open, opened) = mpsc::channel::<()>();
    let (began, begun) = mpsc::channel();
    let told = Told::pair();
    let run = scheduler.run(Job::new("orphan"), move || {
        began.send(()).unwrap();
        let _closed = opened.recv();
        told.0
    });
    begun.recv().unwrap();
    drop(run);
    drop(open);
    assert_eq!(told.1.recv(), Ok("dropped"));
}

#[tokio::test]
async fn a_finished_job_leaves_no_trace_in_its_cancellation() {
    let scheduler = scheduler(threads(1));
    let cancellation = Cancellation::new();
    let told = Told::pair();
    let job = Job::new("job").cancellation(cancellation.clone());
    scheduler.run(job, move || drop(told.0)).await.unwrap();
    told.1.recv().unwrap();
    assert!(cancellation.cancel(CancelReason::ClientGone));
    assert_eq!(scheduler.snapshot().lane("default").unwrap().refused.cancelled, 0);
}
