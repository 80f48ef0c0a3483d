//! A blocking stream is pulled by its reader: bounded, prompt, and without a thread while nobody reads.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio_stream::{StreamExt, iter};

use super::*;
use crate::call::Deadline;
use crate::call::{CancelReason, Cancellation};

fn buffering(items: usize) -> SchedulerConfig {
    SchedulerConfig { stream_buffer_max: items, ..threads(1) }
}

#[tokio::test]
async fn items_come_in_order_and_then_the_end() {
    let scheduler = scheduler(buffering(4));
    let read: Vec<_> =
        scheduler.run_stream(Job::new("count"), iter(0..1000)).map(Result::unwrap).collect().await;
    assert_eq!(read, (0..1000).collect::<Vec<_>>());
    eventually(&scheduler, "the stream is closed", |now| (now.open, now.running) == (0, 0));
}

#[tokio::test]
async fn every_item_is_produced_on_a_scheduler_thread() {
    let scheduler = scheduler(buffering(2));
    let items = iter(0..10).map(|_| Scheduler::is_scheduler_thread());
    assert!(scheduler.run_stream(Job::new("where"), items).all(|on_thread| on_thread.unwrap()).await);
}

#[tokio::test]
async fn a_reader_who_does_not_read_holds_no_thread_and_a_bounded_buffer() {
    let scheduler = scheduler(buffering(4));
    let produced = Arc::new(AtomicUsize::new(0));
    let counts = produced.clone();
    let items = iter(0..100).map(move |_| counts.fetch_add(1, Ordering::SeqCst));
    let mut stream = scheduler.run_stream(Job::new("slow reader"), items);
    eventually(&scheduler, "the thread is let go", |now| (now.running, now.queued) == (0, 0));
    assert_eq!(produced.load(Ordering::SeqCst), 4);
    scheduler.run(Job::new("other"), || ()).await.expect("the one thread is free");

    assert_eq!(stream.next().await.unwrap().unwrap(), 0);
    eventually(&scheduler, "nothing moves above half", |now| now.running == 0);
    assert_eq!(produced.load(Ordering::SeqCst), 4);
    assert_eq!(stream.next().await.unwrap().unwrap(), 1);
    eventually(&scheduler, "half is filled up again", |_| produced.load(Ordering::SeqCst) == 6);
}

#[tokio::test]
async fn an_item_is_read_before_its_turn_is_over() {
    let scheduler = scheduler(buffering(8));
    let (give, given) = mpsc::channel::<u8>();
    let items = iter(std::iter::from_fn(move || given.recv().ok()));
    let mut stream = scheduler.run_stream(Job::new("trickle"), items);
    for n in 0..5 {
        give.send(n).unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), n);
        assert_eq!(scheduler.snapshot().running, 1, "still in the first turn");
    }
    drop(give);
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_stream_that_panics_gives_what_it_had_then_one_error_and_ends() {
    let scheduler = scheduler(buffering(8));
    let items = iter(0..5).map(|n| if n == 3 { panic!("on purpose") } else { n });
    let mut stream = scheduler.run_stream(Job::new("panics"), items);
    for n in 0..3 {
        assert_eq!(stream.next().await.unwrap().unwrap(), n);
    }
    assert!(matches!(stream.next().await, Some(Err(RunError::Panicked { .. }))));
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_pending_stream_gives_its_thread_back_and_is_resumed_by_its_waker() {
    let scheduler = scheduler(buffering(8));
    let (send, receive) = tokio::sync::mpsc::channel(1);
    let mut stream =
        scheduler.run_stream(Job::new("pends"), tokio_stream::wrappers::ReceiverStream::new(receive));
    for n in 0..20 {
        eventually(&scheduler, "the thread is given back", |now| (now.running, now.queued) == (0, 0));
        send.send(n).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), n);
    }
    drop(send);
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_dropped_reader_ends_a_resting_stream_on_a_scheduler_thread() {
    let scheduler = scheduler(buffering(2));
    let (tell, told) = mpsc::channel();
    let mut stream = scheduler.run_stream(Job::new("dropped"), Endless { tell });
    assert!(stream.next().await.is_some());
    eventually(&scheduler, "it rests", |now| (now.running, now.queued) == (0, 0));
    drop(stream);
    assert_eq!(told.recv(), Ok(true));
    eventually(&scheduler, "all is quiet", |now| (now.open, now.running) == (0, 0));
}

#[tokio::test]
async fn a_dropped_reader_ends_a_stream_in_the_queue_there_and_then() {
    let scheduler = scheduler(threads(1));
    let (gate, held) = Gate::hold(&scheduler, Job::new("gate")).await;
    let (tell, told) = mpsc::channel();
    drop(scheduler.run_stream(Job::new("queued"), Endless { tell }));
    assert_eq!(told.try_recv(), Ok(false));
    gate.open();
    held.await.unwrap();
}

#[tokio::test]
async fn a_dropped_reader_never_pulls_a_stream_from_under_its_own_feet() {
    let scheduler = scheduler(threads(1));
    let (step, steps) = mpsc::channel::<()>();
    let (began, begun) = mpsc::channel();
    let told = Told::pair();
    let items = iter(std::iter::from_fn(move || {
        let _alive = &told.0;
        began.send(()).unwrap();
        steps.recv().ok()
    }));
    let stream = scheduler.run_stream(Job::new("blocks"), items);
    begun.recv().unwrap();
    drop(stream);
    assert_eq!(scheduler.snapshot().orphaned, 1);
    assert!(told.1.try_recv().is_err(), "it is being polled, and alive");
    step.send(()).unwrap();
    assert_eq!(told.1.recv(), Ok("dropped"), "it stops before the next item");
    eventually(&scheduler, "the orphan came home", |now| (now.orphaned, now.running) == (0, 0));
}

#[tokio::test]
async fn a_cancellation_ends_the_stream_and_drops_what_rests() {
    let scheduler = scheduler(buffering(2));
    let cancellation = Cancellation::new();
    let (tell, told) = mpsc::channel();
    let job = Job::new("cancelled").cancellation(cancellation.clone());
    let mut stream = scheduler.run_stream(job, Endless { tell });
    assert!(stream.next().await.is_some());
    cancellation.cancel(CancelReason::ClientGone);
    assert!(matches!(stream.next().await, Some(Err(RunError::Cancelled(CancelReason::ClientGone)))));
    assert!(stream.next().await.is_none());
    told.recv().unwrap();
}

#[tokio::test]
async fn a_deadline_holds_for_a_stream_that_is_pending() {
    let scheduler = scheduler(threads(1));
    let job = Job::new("silent").deadline(Deadline::after(Duration::from_millis(20)));
    let mut stream = scheduler.run_stream(job, tokio_stream::pending::<()>());
    assert!(matches!(stream.next().await, Some(Err(RunError::DeadlineExceeded))));
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_stream_that_is_refused_says_so_once() {
    let scheduler = scheduler(threads(1));
    scheduler.drain(Deadline::after(Duration::ZERO)).await;
    let mut stream = scheduler.run_stream(Job::new("late"), iter(0..3));
    assert!(matches!(stream.next().await, Some(Err(RunError::Draining))));
    assert!(stream.next().await.is_none());
}

/// Items without end; tells on drop whether that was on a scheduler thread.
struct Endless {
    tell: mpsc::Sender<bool>,
}

impl Stream for Endless {
    type Item = ();

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<()>> {
        Poll::Ready(Some(()))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        let _test_is_over = self.tell.send(Scheduler::is_scheduler_thread());
    }
}
