//! Blocking and async handlers side by side: neither waits for the other.

use std::time::{Duration, Instant};

use ambidex::call::{self, Call};
use ambidex::interceptor::{self, Next};
use ambidex::scheduler::RunError;
use ambidex::{Code, Scheduler};
use serde_json::json;

use crate::streams::eventually;
use crate::support::parity_v1::{EchoRequest, Plan};
use crate::support::running::{parity, parity_builder, start};
use crate::support::wires::{Case, Wire};

/// 64 blocking calls sleep; async calls answer meanwhile, over both protocols, as if they were alone.
#[tokio::test]
async fn async_calls_answer_while_blocking_ones_sleep() {
    const SLEEPERS: usize = 64;
    let server = parity().await;
    let client = server.grpc().await;
    let mut sleepers = tokio::task::JoinSet::new();
    for number in 0..SLEEPERS {
        let (client, http) = (client.clone(), server.http.clone());
        sleepers.spawn(async move {
            if number % 2 == 0 {
                let plan = Some(Plan { sleep_ms: 3000, ..Plan::default() });
                client.echo_blocking(EchoRequest { plan, ..EchoRequest::default() }).await.map(drop).is_ok()
            } else {
                http.post("/v1/blocking/echo", r#"{"plan": {"sleepMs": 3000}}"#).await.status.is_success()
            }
        });
    }
    eventually("all of them sleep", || server.scheduler.snapshot().running == SLEEPERS).await;
    for number in 0..20 {
        let wire = if number % 2 == 0 { Wire::Grpc } else { Wire::Rest };
        let case = Case::new("Echo", "/v1/echo", json!({"text": "quick"}));
        assert_eq!(server.call(wire, &case).await.end, Ok(()));
    }
    assert_eq!(server.scheduler.snapshot().running, SLEEPERS, "all of them still sleep");
    while let Some(finished) = sleepers.join_next().await {
        assert!(finished.unwrap());
    }
    assert_eq!(server.scheduler.snapshot().running, 0);
}

#[tokio::test]
async fn a_method_has_a_lane_by_itself() {
    let server = parity().await;
    server.http.post("/v1/blocking/echo", "{}").await;
    let snapshot = server.scheduler.snapshot();
    assert_eq!(snapshot.lane("parity.v1.Parity/EchoBlocking").expect("its lane").completed, 1);
}

/// `SumBlocking` bounds the lane to two; `RunningBlocking`, which comes after it, shares it and states no bound.
#[tokio::test]
async fn methods_share_a_lane_and_its_bound() {
    let server = parity().await;
    let ndjson = [("content-type", "application/x-ndjson")];
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..8 {
        let http = server.http.clone();
        let path = if number % 2 == 0 { "/v1/blocking/sum" } else { "/v1/blocking/running" };
        calls.spawn(async move {
            let lines = r#"{"number": 1, "plan": {"sleepMs": 40}}"#;
            http.send(http::Method::POST, path, &ndjson, lines).await.status.is_success()
        });
    }
    let mut most = 0;
    while !calls.is_empty() {
        most = most.max(server.scheduler.snapshot().lane("sums").map_or(0, |lane| lane.running));
        if let Ok(Some(finished)) = tokio::time::timeout(Duration::from_millis(2), calls.join_next()).await {
            assert!(finished.unwrap());
        }
    }
    assert_eq!(most, 2, "two at a time, whichever method they are");
    assert!(server.scheduler.snapshot().lane("sums").expect("the lane").completed >= 8);
}

/// Async code that calls blocking code hands its call on: deadline, cancellation, and what deep code asks.
#[tokio::test]
async fn run_blocking_is_part_of_its_call() {
    let offloading = interceptor::from_fn(|call: Call, next: Next| async move {
        let scheduler = call.context().state::<Scheduler>().unwrap().clone();
        let known = scheduler.run_blocking(|| call::current().map(|call| call.method().method())).await;
        // On a crowded machine the deadline may come first.
        assert!(matches!(known, Ok(Some("Echo")) | Err(RunError::DeadlineExceeded)), "{known:?}");
        let waited = scheduler.run_blocking(|| std::thread::sleep(Duration::from_secs(2))).await;
        assert!(matches!(waited, Err(RunError::DeadlineExceeded)), "{waited:?}");
        next.run(call).await
    });
    let server = start(parity_builder().interceptor(offloading)).await;
    let case = Case::new("Echo", "/v1/echo", json!({})).timeout(Duration::from_millis(100));
    let began = Instant::now();
    // The handler may be quick enough to answer at the very deadline.
    if let Err(failure) = server.call(Wire::RpcJson, &case).await.end {
        assert_eq!(failure.code, Code::DeadlineExceeded);
    }
    assert!(began.elapsed() < Duration::from_secs(2), "nobody waits for the sleeper");
}
