//! Blocking and async handlers side by side: neither waits for the other.

use std::time::{Duration, Instant};

use ambidex::call::{self, Call};
use ambidex::interceptor::{self, Next};
use ambidex::scheduler::RunError;
use ambidex::{Code, Scheduler};
use serde_json::json;

use crate::support::parity_v1::{EchoRequest, Plan};
use crate::support::running::{parity, parity_builder, start};
use crate::support::wires::{Case, Wire};

/// 64 blocking calls of 100 ms are under way; async calls answer meanwhile, over both protocols.
#[tokio::test]
async fn async_calls_answer_while_blocking_ones_sleep() {
    let server = parity().await;
    let client = server.grpc().await;
    let mut sleepers = tokio::task::JoinSet::new();
    for number in 0..64 {
        let (client, http) = (client.clone(), server.http.clone());
        sleepers.spawn(async move {
            if number % 2 == 0 {
                let plan = Some(Plan { sleep_ms: 100, ..Plan::default() });
                client.echo_blocking(EchoRequest { plan, ..EchoRequest::default() }).await.map(drop).is_ok()
            } else {
                http.post("/v1/blocking/echo", r#"{"plan": {"sleepMs": 100}}"#).await.status.is_success()
            }
        });
    }
    let mut answered = 0;
    while server.scheduler.snapshot().totals.completed < 64 {
        for wire in [Wire::Grpc, Wire::Rest] {
            let case = Case::new("Echo", "/v1/echo", json!({"text": "quick"}));
            let began = Instant::now();
            assert_eq!(server.call(wire, &case).await.end, Ok(()));
            // Far above what such a call takes, and far below what waiting for 64 sleepers would.
            assert!(began.elapsed() < Duration::from_secs(2), "{wire:?}");
            answered += 1;
        }
    }
    assert!(answered >= 2, "async calls were answered while others slept");
    while let Some(finished) = sleepers.join_next().await {
        assert!(finished.unwrap());
    }
    assert_eq!(server.scheduler.snapshot().running, 0);
}

#[tokio::test]
async fn a_method_may_share_a_lane_and_has_its_own_otherwise() {
    let server = parity().await;
    server.http.post("/v1/blocking/echo", "{}").await;
    let lanes = server.scheduler.snapshot().lanes;
    let lane = lanes.iter().find(|lane| &*lane.name == "parity.v1.Parity/EchoBlocking").expect("its lane");
    assert_eq!(lane.completed, 1);
}

/// Async code that calls blocking code hands its call on: deadline, cancellation, and what deep code asks.
#[tokio::test]
async fn run_blocking_is_part_of_its_call() {
    let offloading = interceptor::from_fn(|call: Call, next: Next| async move {
        let scheduler = call.context().state::<Scheduler>().unwrap().clone();
        let known = scheduler.run_blocking(|| call::current().map(|call| call.method().method())).await;
        assert_eq!(known.unwrap(), Some("Echo"));
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
