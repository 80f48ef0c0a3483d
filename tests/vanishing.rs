//! A thousand clients who vanish, in line and on threads: nothing begins for them any more, and nothing is left,
//! not even memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ambidex::call::{self, Call};
use ambidex::interceptor;
use ambidex::scheduler::{LaneSnapshot, Scheduler};
use tokio::task::JoinSet;

use crate::streams::eventually;
use crate::support::allocations;
use crate::support::parity_v1::{EchoRequest, Plan};
use crate::support::running::{parity_builder, start};

const CONNECTIONS: usize = 10;
const CALLS_EACH: usize = 100;
const THREADS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_vanish_in_line_and_on_threads() {
    vanish(3, |_| ()).await;
}

/// What a thousand vanished clients leave is what ten thousand do.
#[test]
fn memory_is_flat_while_clients_vanish() {
    allocations::in_a_process_of_its_own("vanishing::rounds_of_vanishing_clients");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "counts the memory of the whole process: memory_is_flat_while_clients_vanish runs it in one of its own"]
async fn rounds_of_vanishing_clients() {
    /// A 25th byte that each call left behind would be seen.
    const SLACK: usize = 256 * 1024;
    let mut after_two = 0;
    vanish(12, |round| match round {
        0 => {}
        1 => after_two = allocations::settled(),
        _ => {
            let now = allocations::settled();
            assert!(now < after_two + SLACK, "{after_two} bytes after two rounds, {now} after round {round}");
        }
    })
    .await;
}

async fn vanish(rounds: usize, mut after: impl FnMut(usize)) {
    let began = Arc::new(AtomicUsize::new(0));
    let counting = {
        let began = began.clone();
        // On a scheduler thread, in a lane as bounded as the handlers'; then it waits until its call is given up.
        interceptor::blocking(move |call: &mut Call| {
            if call.metadata.contains_key("x-stays") {
                return Ok(());
            }
            began.fetch_add(1, Ordering::Relaxed);
            while call::check().is_ok() {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        })
    };
    let mut config = ambidex::server::Config::default();
    config.scheduler.threads_max = THREADS;
    config.scheduler.threads_hard_max = THREADS;
    let server = start(parity_builder().config(config).interceptor(counting)).await;
    for round in 0..rounds {
        began.store(0, Ordering::Relaxed);
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            let client = server.grpc().await;
            let mut calls = JoinSet::new();
            for _ in 0..CALLS_EACH {
                let client = client.clone();
                calls.spawn(async move {
                    let request = EchoRequest { plan: Some(Plan::default()), ..EchoRequest::default() };
                    client.echo_blocking(request).await.map(drop)
                });
            }
            clients.push((client, calls));
        }
        let all = CONNECTIONS * CALLS_EACH;
        let scheduler = &server.scheduler;
        eventually("everyone is in line or on a thread", || {
            let now = scheduler.snapshot();
            now.queued + now.running == all && now.running == THREADS
        })
        .await;
        // Half of them let go of their calls, the others of their connections.
        for (number, (client, mut calls)) in clients.into_iter().enumerate() {
            if number % 2 == 0 {
                calls.abort_all();
                while calls.join_next().await.is_some() {}
                drop(client);
            } else {
                drop((client, calls));
            }
        }
        eventually("nothing is left", || {
            let now = scheduler.snapshot();
            (now.queued, now.running, now.orphaned, now.open) == (0, 0, 0, 0)
        })
        .await;
        // While they vanished one by one, a thread that was freed took up who was still there.
        let began = began.load(Ordering::Relaxed);
        // A job that is given up just when its turn comes is out of the line a moment before it is counted.
        let so_far = (all * (round + 1)) as u64;
        let ended = |lane: &LaneSnapshot| lane.completed + lane.refused.total();
        eventually("each has ended", || ended(&interceptors(scheduler)) >= so_far).await;
        let lane = interceptors(scheduler);
        assert_eq!(ended(&lane), so_far, "each ended once");
        assert!(began < all / 4, "{began} of {all} began");
        assert_eq!(lane.refused.cancelled, lane.refused.total(), "and nobody for another reason");
        let handlers = scheduler.snapshot();
        let ran = handlers.lane("parity.v1.Parity/EchoBlocking").map_or(0, |lane| lane.completed);
        assert_eq!(ran, 0, "no handler runs for who has left");
        after(round);
    }
    let answer = server.http.send(http::Method::GET, "/v1/describe", &[("x-stays", "1")], "").await;
    assert_eq!(answer.status, http::StatusCode::OK, "who stays is answered as ever");
}

fn interceptors(scheduler: &Scheduler) -> LaneSnapshot {
    scheduler.snapshot().lane("interceptors").expect("the interceptors' lane").clone()
}
