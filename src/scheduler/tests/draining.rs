//! The end comes by a deadline, with an answer for everyone and without waiting for the stuck.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio_stream::StreamExt;

use super::*;
use crate::call::Deadline;

#[tokio::test]
async fn a_drain_lets_the_running_and_the_queued_finish() {
    let scheduler = scheduler(threads(1));
    let (gate, held) = Gate::hold(&scheduler, Job::new("gate")).await;
    let queued = scheduler.run(Job::new("queued"), || "served");
    let drain = begun(scheduler.drain(Deadline::after(Duration::from_secs(20)))).await;
    assert!(matches!(scheduler.run(Job::new("new"), || ()).await, Err(RunError::Draining)));
    gate.open();
    held.await.unwrap();
    assert_eq!(queued.await.unwrap(), "served");
    let outcome = drain.await;
    assert_eq!((outcome.finished, outcome.shed, outcome.left_running), (2, 0, 0));
}

#[tokio::test]
async fn a_drain_answers_the_queue_at_its_deadline_and_leaves_the_stuck_behind() {
    let scheduler = scheduler(threads(1));
    let (gate, held) = Gate::hold(&scheduler, Job::new("stuck")).await;
    let queued = scheduler.run(Job::new("queued"), || ());
    let continued = scheduler.resume(Job::new("continued"), || ());
    let outcome = scheduler.drain(Deadline::after(Duration::from_millis(20))).await;
    assert_eq!((outcome.finished, outcome.shed, outcome.left_running), (0, 2, 1));
    assert!(matches!(queued.await, Err(RunError::Draining)));
    assert!(matches!(continued.await, Err(RunError::Draining)));
    assert!(matches!(scheduler.resume(Job::new("late"), || ()).await, Err(RunError::Draining)));
    gate.open();
    held.await.expect("what was left running still finds its caller");
    eventually(&scheduler, "the threads end", |now| now.threads == 0);
}

#[tokio::test]
async fn a_drain_waits_for_a_stream_that_is_still_being_read() {
    let scheduler = scheduler(SchedulerConfig { stream_buffer_max: 2, ..threads(1) });
    let mut stream = scheduler.run_stream(Job::new("stream"), tokio_stream::iter(0..50));
    assert_eq!(stream.next().await.unwrap().unwrap(), 0);
    let drain = begun(scheduler.drain(Deadline::after(Duration::from_secs(20)))).await;
    assert!(matches!(scheduler.run(Job::new("new"), || ()).await, Err(RunError::Draining)));
    let rest: Vec<_> = stream.map(Result::unwrap).collect().await;
    assert_eq!(rest, (1..50).collect::<Vec<_>>());
    assert_eq!(drain.await.left_running, 0);
}

#[tokio::test]
async fn a_future_that_waits_off_its_thread_is_left_open() {
    let scheduler = scheduler(threads(1));
    let waiting = scheduler.run_future(Job::new("waits"), std::future::pending::<()>());
    let waiting = begun(waiting).await;
    eventually(&scheduler, "it has begun, and let go of its thread", |now| now.open == 1 && now.running == 0);
    let outcome = scheduler.drain(Deadline::after(Duration::from_millis(20))).await;
    assert_eq!((outcome.shed, outcome.left_running, outcome.left_open), (0, 0, 1));
    drop(waiting);
    let again = scheduler.drain(Deadline::after(Duration::from_secs(20))).await;
    assert_eq!(again.left_open, 0);
}

#[tokio::test]
async fn draining_twice_is_draining_once() {
    let scheduler = scheduler(threads(1));
    scheduler.run(Job::new("job"), || ()).await.unwrap();
    let soon = Deadline::after(Duration::from_secs(20));
    let (first, second) = tokio::join!(scheduler.drain(soon), scheduler.drain(soon));
    assert_eq!((first.shed, second.shed), (0, 0));
}

/// The future, polled once.
async fn begun<F: Future>(future: F) -> Pin<Box<F>> {
    let mut future = Box::pin(future);
    poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    future
}
