//! A job runs, on a thread of its own kind, in its caller's context, and a panic is its own affair.

use std::sync::{Arc, Mutex};
use std::thread;

use tokio::runtime::Handle;
use tracing::span;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::*;
use crate::scheduler::Lane;

#[tokio::test]
async fn a_job_runs_and_its_value_comes_back() {
    let scheduler = scheduler(threads(1));
    assert_eq!(scheduler.run(Job::new("six"), || 6 * 7).await.unwrap(), 42);
    let snapshot = scheduler.snapshot();
    assert_eq!((snapshot.running, snapshot.queued, snapshot.totals.completed), (0, 0, 1));
}

#[tokio::test]
async fn a_job_runs_whether_or_not_anybody_polls() {
    let scheduler = scheduler(threads(1));
    let (tell, told) = mpsc::channel();
    let run = scheduler.run(Job::new("unpolled"), move || tell.send(()).unwrap());
    told.recv().unwrap();
    run.await.unwrap();
}

#[tokio::test]
async fn a_job_may_use_the_runtime_it_was_made_for() {
    let scheduler = scheduler(threads(1));
    let job = scheduler.run(Job::new("spawns"), || Handle::current().spawn(async { "spawned" }));
    assert_eq!(job.await.unwrap().await.unwrap(), "spawned");
}

#[tokio::test]
async fn jobs_of_one_caller_run_on_one_hot_thread() {
    let scheduler = scheduler(SchedulerConfig::default());
    let first = scheduler.run(Job::new("id"), || thread::current().id()).await.unwrap();
    for _ in 0..100 {
        assert_eq!(scheduler.run(Job::new("id"), || thread::current().id()).await.unwrap(), first);
    }
}

#[tokio::test]
async fn a_caller_whose_answers_are_always_ready_still_gives_way() {
    let scheduler = scheduler(threads(1));
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    tokio::spawn(async move { stop.send(()) });
    while stopped.try_recv().is_err() {
        let run = scheduler.run(Job::new("short"), || ());
        eventually(&scheduler, "it is done before anyone looks", |now| now.running + now.queued == 0);
        run.await.unwrap();
    }
}

#[tokio::test]
async fn a_panic_ends_one_job_and_its_thread_lives_on() {
    let scheduler = scheduler(threads(1));
    let before = scheduler.run(Job::new("id"), || thread::current().id()).await.unwrap();
    match scheduler.run(Job::new("panics"), || -> u8 { panic!("on {}", "purpose") }).await {
        Err(RunError::Panicked { message }) => assert_eq!(&*message, "on purpose"),
        other => panic!("expected a panic, got {other:?}"),
    }
    let after = scheduler.run(Job::new("id"), || thread::current().id()).await.unwrap();
    assert_eq!(before, after);
    assert_eq!(scheduler.snapshot().totals.panics, 1);
}

#[tokio::test]
async fn a_panic_says_nothing_of_the_inside_when_displayed() {
    let scheduler = scheduler(threads(1));
    let error = scheduler.run(Job::new("panics"), || panic!("secret")).await.unwrap_err();
    assert!(!error.to_string().contains("secret"));
}

#[tokio::test]
async fn a_destructor_that_panics_takes_no_thread_along() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    let scheduler = scheduler(threads(1));
    let (gate, held) = Gate::hold(&scheduler, Job::new("gate")).await;
    let bomb = Bomb;
    drop(scheduler.run(Job::new("queued"), move || drop(bomb)));
    gate.open();
    held.await.unwrap();
    scheduler.run(Job::new("after"), || ()).await.unwrap();
}

#[tokio::test]
async fn lanes_take_turns_however_long_one_of_them_is() {
    let scheduler = scheduler(threads(1));
    let (gate, held) = Gate::hold(&scheduler, Job::new("gate")).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let queue = |lane: Lane, name: &'static str| {
        let order = order.clone();
        scheduler.run(Job::new(name).lane(lane), move || order.lock().unwrap().push(name))
    };
    let (heavy, light) = (scheduler.lane("heavy"), scheduler.lane("light"));
    let mut runs: Vec<_> = (0..3).map(|_| queue(heavy.clone(), "heavy")).collect();
    runs.push(queue(light, "light"));
    gate.open();
    held.await.unwrap();
    for run in runs {
        run.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), ["heavy", "light", "heavy", "heavy"]);
}

#[tokio::test]
async fn a_lane_of_another_scheduler_stands_for_ours_of_that_name() {
    let (ours, theirs) = (scheduler(threads(1)), scheduler(threads(1)));
    theirs.lane("padding");
    let lane = theirs.lane("shared name");
    ours.run(Job::new("job").lane(lane), || ()).await.unwrap();
    assert_eq!(ours.snapshot().lane("shared name").unwrap().completed, 1);
}

#[tokio::test]
async fn the_span_of_the_caller_is_entered_on_the_thread() {
    // A subscriber of our own: spans carry theirs along, so the hop is seen without a global one.
    let (tell, told) = mpsc::channel();
    let subscriber = tracing_subscriber::registry().with(Entered(Mutex::new(tell)));
    let run = tracing::subscriber::with_default(subscriber, || {
        let scheduler = scheduler(threads(1));
        tracing::info_span!("call").in_scope(|| scheduler.run(Job::new("job"), || thread::current().id()))
    });
    let thread_of_job = run.await.unwrap();
    assert!(told.try_iter().any(|thread| thread == thread_of_job));
}

struct Entered(Mutex<mpsc::Sender<thread::ThreadId>>);

impl<S: tracing::Subscriber> Layer<S> for Entered {
    fn on_enter(&self, _: &span::Id, _: Context<'_, S>) {
        let _test_is_over = self.0.lock().unwrap().send(thread::current().id());
    }
}
