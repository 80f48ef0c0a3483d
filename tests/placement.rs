//! What an operator says of methods and lanes holds over what the code says, over every wire.

use std::time::Duration;

use ambidex::call::Call;
use ambidex::scheduler::{Criticality, LaneConfig};
use ambidex::server::{MethodConfig, ServerBuilder};
use serde_json::json;

use crate::streams::eventually;
use crate::support::parity_v1::{EchoRequest, Plan};
use crate::support::running::{parity_builder, parity_with, start};
use crate::support::wires::{ALL, Case};

#[tokio::test]
async fn a_method_runs_where_it_is_told_to() {
    let server = start(
        parity_builder()
            .method("parity.v1.Parity/Echo", MethodConfig::new().blocking(true))
            .method("parity.v1.Parity/EchoBlocking", MethodConfig::new().blocking(false)),
    )
    .await;
    for (method, rest, on_scheduler) in
        [("Echo", "/v1/echo", true), ("EchoBlocking", "/v1/blocking/echo", false)]
    {
        for wire in ALL {
            // An `async fn` that waits holds no thread for it, wherever it runs.
            let case = Case::new(method, rest, json!({"plan": {"sleepMs": i32::from(on_scheduler)}}));
            let answer = server.call(wire, &case).await;
            assert_eq!(answer.end, Ok(()));
            let said = answer.messages[0].get("onScheduler").is_some_and(|said| said == true);
            assert_eq!(said, on_scheduler, "{method} over {wire:?}");
        }
    }
}

#[tokio::test]
async fn a_service_is_told_and_a_method_of_it_otherwise() {
    let server = start(
        parity_builder()
            .method("parity.v1.Parity", MethodConfig::new().lane("all").criticality(Criticality::Sheddable))
            .method("parity.v1.Parity/DescribeBlocking", MethodConfig::new().lane("own")),
    )
    .await;
    server.http.post("/v1/blocking/echo", "{}").await;
    server.http.get("/v1/blocking/describe").await;
    let snapshot = server.scheduler.snapshot();
    let completed = |lane| snapshot.lane(lane).map_or(0, |lane| lane.completed);
    assert_eq!((completed("all"), completed("own")), (1, 1));
    assert_eq!(completed("parity.v1.Parity/EchoBlocking"), 0);
}

#[tokio::test]
async fn configuration_holds_over_the_code_and_the_builder_over_configuration() {
    let server = parity_with(|config| {
        let late = MethodConfig::new().timeout_ms(50);
        config.methods.insert("parity.v1.Parity/Echo".to_owned(), late.clone());
        config.methods.insert("parity.v1.Parity/EchoBlocking".to_owned(), late);
    })
    .await;
    for path in ["/v1/echo", "/v1/blocking/echo"] {
        let answer = server.http.post(path, r#"{"plan": {"sleepMs": 5000}}"#).await;
        assert_eq!(answer.status.as_u16(), 504, "{path}");
    }

    // Whoever runs the server has the last word, setting by setting; they may spell a name as it is called.
    let in_config = MethodConfig::new().timeout_ms(60_000);
    for name in ["parity.v1.Parity/EchoBlocking", "/parity.v1.Parity/EchoBlocking"] {
        let mut config = ambidex::server::Config::default();
        config.methods.insert(name.to_owned(), in_config.clone());
        let in_code = MethodConfig::new().timeout_ms(1).lane("code");
        let builder = parity_builder().method("parity.v1.Parity/EchoBlocking", in_code);
        let server = start(builder.config(config)).await;
        let answer = server.http.post("/v1/blocking/echo", r#"{"plan": {"sleepMs": 20}}"#).await;
        assert_eq!(answer.status.as_u16(), 200);
        assert_eq!(server.scheduler.snapshot().lane("code").expect("its lane").completed, 1);
    }
}

#[tokio::test]
async fn a_name_that_nobody_has_is_an_error_at_start_up() {
    let builder = parity_builder()
        .method("parity.v1.Parity/Ekko", MethodConfig::new())
        .method("parity.v1.Parrot", MethodConfig::new())
        .method("/parity.v1.Parity/Echo", MethodConfig::new());
    let error = builder.local().map(drop).unwrap_err();
    let expected = "the configuration names what no service has: parity.v1.Parity/Ekko, parity.v1.Parrot";
    assert_eq!(error.to_string(), expected);
}

/// The code bounds the lane to two.
#[tokio::test]
async fn a_bound_on_a_lane_holds_over_those_of_its_methods() {
    let server = start(parity_builder().lane(LaneConfig::new("sums").max_concurrency(3))).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let http = server.http.clone();
        calls.spawn(async move {
            let ndjson = [("content-type", "application/x-ndjson")];
            let lines = r#"{"number": 1, "plan": {"sleepMs": 100}}"#;
            http.send(http::Method::POST, "/v1/blocking/sum", &ndjson, lines).await.status.is_success()
        });
    }
    let running = || server.scheduler.snapshot().lane("sums").map_or(0, |lane| lane.running);
    eventually("three run at a time", || running() == 3).await;
    while let Some(finished) = calls.join_next().await {
        assert!(finished.unwrap());
        assert!(running() <= 3);
    }
}

#[tokio::test]
async fn one_who_floods_a_lane_waits_behind_their_own_calls() {
    let account =
        |call: &Call| call.metadata.get("x-account").map(|account| account.as_encoded_bytes().to_vec());
    another_is_served_amid_a_flood(parity_builder().config(one_thread()).tenant_key(account)).await;
}

#[tokio::test]
async fn tenants_are_told_apart_by_metadata_that_the_configuration_names() {
    let mut config = one_thread();
    config.tenant_metadata = Some("X-Account".into());
    another_is_served_amid_a_flood(parity_builder().config(config)).await;
    let mut config = one_thread();
    config.tenant_metadata = Some("x account".into());
    let error = parity_builder().config(config).local().map(drop).unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"x account\" cannot be a metadata key, which `tenant_metadata` has to be"
    );
}

fn one_thread() -> ambidex::server::Config {
    let mut config = ambidex::server::Config::default();
    config.scheduler.threads_max = 1;
    config.scheduler.threads_hard_max = 1;
    config
}

/// One thread, and a caller who floods: another caller's call does not wait behind the flood.
async fn another_is_served_amid_a_flood(builder: ServerBuilder) {
    const FLOOD: usize = 30;
    let server = start(builder).await;
    let call = |account: &'static str, sleep_ms: i64| {
        let http = server.http.clone();
        async move {
            let headers = [("content-type", "application/json"), ("x-account", account)];
            let body = json!({"plan": {"sleepMs": sleep_ms}}).to_string();
            assert!(
                http.send(http::Method::POST, "/v1/blocking/echo", &headers, body).await.status.is_success()
            );
            account
        }
    };
    let queued = |wanted: usize| {
        let scheduler = server.scheduler.clone();
        async move { eventually("they wait in line", || scheduler.snapshot().queued >= wanted).await }
    };
    let mut calls = tokio::task::JoinSet::new();
    calls.spawn(call("flood", 500));
    eventually("the thread is held", || server.scheduler.snapshot().running == 1).await;
    (0..FLOOD).for_each(|_| drop(calls.spawn(call("flood", 5))));
    queued(FLOOD).await;
    calls.spawn(call("other", 5));
    queued(FLOOD + 1).await;
    let mut order = Vec::new();
    while let Some(done) = calls.join_next().await {
        order.push(done.unwrap());
    }
    let place = order.iter().position(|&account| account == "other").expect("it was served");
    assert!(place < 5, "served as number {place}");
}

/// The handler of the deadlock that Starlette's users report: dependencies and handlers share one pool, and every call
/// offloads again while it holds a place in it. Forty at once, and forty threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_calls_that_each_offload_again_end_on_forty_threads() {
    const THREADS: usize = 40;
    let mut config = ambidex::server::Config::default();
    config.scheduler.threads_max = THREADS;
    config.scheduler.threads_hard_max = THREADS;
    config.scheduler.compensation_max = 0;
    let dependency = |call: &mut Call| {
        let scheduler = call.context().state::<ambidex::Scheduler>().expect("a server has one").clone();
        // Blocking code that awaits, and what it awaits is blocking code once more.
        let looked_up = scheduler.block_on(scheduler.run_blocking(|| {
            std::thread::sleep(Duration::from_millis(5));
            "a session"
        }));
        call.extensions.insert(looked_up?);
        Ok(())
    };
    let builder = parity_builder().config(config).interceptor(ambidex::interceptor::blocking(dependency));
    let server = start(builder).await;
    let client = server.grpc().await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..THREADS {
        let client = client.clone();
        calls.spawn(async move {
            let plan = Some(Plan { sleep_ms: 5, ..Plan::default() });
            client.echo_blocking(EchoRequest { plan, ..EchoRequest::default() }).await.map(drop)
        });
    }
    let mut most = 0;
    let all = async {
        while !calls.is_empty() {
            most = most.max(server.scheduler.snapshot().threads);
            if let Ok(Some(done)) = tokio::time::timeout(Duration::from_millis(1), calls.join_next()).await {
                done.unwrap().expect("it is answered");
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.expect("nobody waits for himself");
    assert!(most <= THREADS, "{most} threads");
}
