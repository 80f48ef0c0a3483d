//! An async function that also blocks: polled on scheduler threads, and on none in between.

use super::*;
use crate::call::Deadline;
use crate::call::{CancelReason, Cancellation};

#[tokio::test]
async fn a_future_is_polled_on_scheduler_threads_across_its_waits() {
    let scheduler = scheduler(threads(1));
    let future = async {
        let before = Scheduler::is_scheduler_thread();
        tokio::time::sleep(Duration::from_millis(1)).await;
        (before, Scheduler::is_scheduler_thread())
    };
    assert_eq!(scheduler.run_future(Job::new("future"), future).await.unwrap(), (true, true));
    assert_eq!(scheduler.snapshot().totals.completed, 2, "two polls, two turns");
}

#[tokio::test]
async fn a_future_that_waits_holds_no_thread() {
    let scheduler = scheduler(threads(1));
    let (send, receive) = tokio::sync::oneshot::channel();
    let future = tokio::spawn(scheduler.run_future(Job::new("waits"), receive));
    while scheduler.snapshot().totals.completed == 0 {
        tokio::task::yield_now().await;
    }
    scheduler.run(Job::new("other"), || ()).await.expect("the one thread is free");
    send.send("sent").unwrap();
    assert_eq!(future.await.unwrap().unwrap().unwrap(), "sent");
}

#[tokio::test]
async fn a_wake_during_the_poll_is_not_lost() {
    let scheduler = scheduler(threads(1));
    let future = async {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    };
    scheduler.run_future(Job::new("yields"), future).await.unwrap();
}

#[tokio::test]
async fn a_panic_in_a_future_is_an_error_to_its_caller() {
    let scheduler = scheduler(threads(1));
    let outcome = scheduler.run_future(Job::new("panics"), async { panic!("on purpose") }).await;
    assert!(matches!(outcome, Err::<(), _>(RunError::Panicked { .. })));
}

#[tokio::test]
async fn deadline_and_cancellation_hold_between_polls() {
    let scheduler = scheduler(threads(1));
    let late = Job::new("late").deadline(Deadline::after(Duration::from_millis(20)));
    let outcome = scheduler.run_future(late, std::future::pending::<()>()).await;
    assert!(matches!(outcome, Err(RunError::DeadlineExceeded)));

    let cancellation = Cancellation::new();
    let job = Job::new("cancelled").cancellation(cancellation.clone());
    let waiting = tokio::spawn(scheduler.run_future(job, std::future::pending::<()>()));
    tokio::task::yield_now().await;
    cancellation.cancel(CancelReason::ClientGone);
    let outcome = waiting.await.unwrap();
    assert!(matches!(outcome, Err(RunError::Cancelled(CancelReason::ClientGone))));
    eventually(&scheduler, "nothing stays open", |now| now.open == 0);
}

#[tokio::test]
async fn a_dropped_wait_drops_the_future_on_a_scheduler_thread() {
    struct Tells(mpsc::Sender<bool>);
    impl Drop for Tells {
        fn drop(&mut self) {
            let _test_is_over = self.0.send(Scheduler::is_scheduler_thread());
        }
    }
    let scheduler = scheduler(threads(1));
    let (tell, told) = mpsc::channel();
    let tells = Tells(tell);
    let waiting = tokio::spawn(scheduler.run_future(Job::new("dropped"), async move {
        let _tells = tells;
        std::future::pending::<()>().await;
    }));
    while scheduler.snapshot().totals.completed == 0 {
        tokio::task::yield_now().await;
    }
    waiting.abort();
    let _aborted = waiting.await;
    assert_eq!(told.recv(), Ok(true));
}
