//! Deadlines and what a handler can learn of its call, on the runtime and on scheduler threads.

use std::time::Duration;

use ambidex::call::Call;
use ambidex::interceptor::{self, Next};
use ambidex::{Code, Request};
use serde_json::json;

use crate::streams::eventually;
use crate::support::every_kind::every_kind;
use crate::support::parity_v1::{DescribeRequest, EchoRequest, Plan};
use crate::support::running::{parity, parity_builder, parity_with, start};
use crate::support::wires::{ALL, Case};

#[tokio::test]
async fn a_handler_knows_its_call_over_every_wire() {
    let server = parity().await;
    let deep = [("x-deep", "down"), ("connect-timeout-ms", "5000")];
    for (path, method, protocol) in [
        ("/v1/describe", "parity.v1.Parity/Describe", "rest"),
        ("/v1/blocking/describe", "parity.v1.Parity/DescribeBlocking", "rest"),
    ] {
        let answer = server.http.send(http::Method::GET, path, &deep, "").await.json();
        assert_eq!(answer["protocol"], protocol);
        assert_eq!(answer["method"], method);
        assert_eq!(answer["hasDeadline"], true);
        assert_eq!(answer["hasPeer"], true);
        assert_eq!(answer["deepMetadata"], "down");
        assert_eq!(answer.get("onScheduler").is_some(), path.contains("blocking"));
    }
    let answer = server.http.post("/parity.v1.Parity/Describe", "{}").await.json();
    assert_eq!((&answer["protocol"], answer.get("hasDeadline")), (&json!("rpc"), None));
    let mut request = Request::new(DescribeRequest {});
    request.metadata_mut().insert("x-deep", "down".parse().unwrap());
    let over_grpc = server.grpc().await.describe_blocking(request).await.unwrap().into_inner();
    assert_eq!((over_grpc.protocol.as_str(), over_grpc.deep_metadata.as_str()), ("grpc", "down"));
    assert!(over_grpc.has_peer && over_grpc.on_scheduler);
    let local = server.in_process().describe(DescribeRequest {}).await.unwrap().into_inner();
    assert_eq!((local.protocol.as_str(), local.has_peer), ("local", false));
}

/// Over HTTP, whose client keeps no time of its own: a gRPC client gives up by itself at its deadline, and on a
/// crowded machine its leaving may be what the handler hears of first. A deadline that passed before the handler
/// began is asked for again, longer.
#[tokio::test]
async fn a_blocking_handler_learns_that_its_deadline_passed() {
    let server = parity().await;
    for timeout_ms in [50, 500, 5_000] {
        let key = format!("late-{timeout_ms}");
        let timeout = timeout_ms.to_string();
        let headers = [("content-type", "application/json"), ("connect-timeout-ms", timeout.as_str())];
        let body = json!({"plan": {"awaitCancel": key}}).to_string();
        let answer = server.http.send(http::Method::POST, "/v1/blocking/echo", &headers, body).await;
        assert_eq!(answer.status.as_u16(), 504);
        let lane = "parity.v1.Parity/EchoBlocking";
        eventually("its thread is free", || server.scheduler.snapshot().running == 0).await;
        let observed = server.http.get(&format!("/v1/observe?key={key}")).await.json();
        if server.scheduler.snapshot().lane(lane).expect("its lane").completed > 0 {
            assert_eq!(observed["reason"], "DeadlineExceeded");
            return;
        }
    }
    panic!("the handler never began");
}

/// Each kind of method over each wire, whether its caller asks for no bound or for one that is too long.
#[tokio::test]
async fn a_server_may_bound_callers_that_ask_for_nothing_or_for_too_much() {
    let server = parity_with(|config| {
        config.timeout_default_ms = Some(40);
        config.timeout_max_ms = Some(80);
    })
    .await;
    // Only two of this lane run at once, and those that were given up go on for a while.
    let kinds = every_kind(&json!({"sleepMs": 1000}));
    for (case, wires) in kinds.into_iter().filter(|(case, _)| case.method != "SumBlocking") {
        for wire in wires {
            for case in [case.clone(), case.clone().timeout(Duration::from_secs(600))] {
                let failure = server.call(*wire, &case).await.end.expect_err("it is late");
                assert_eq!(failure.code, Code::DeadlineExceeded, "{wire:?} {case:?}");
            }
        }
    }
    let late = r#"{"plan": {"sleepMs": 1000}}"#;
    assert_eq!(server.http.post("/v1/echo", late).await.status.as_u16(), 504);
}

#[tokio::test]
async fn a_blocking_call_whose_turn_comes_too_late_never_runs() {
    let server = parity_with(|config| {
        config.scheduler.threads_max = 1;
        config.scheduler.threads_hard_max = 1;
    })
    .await;
    let client = server.grpc().await;
    let plan = |sleep_ms, key: &str| {
        let plan = Plan { sleep_ms, await_cancel: key.to_owned(), ..Plan::default() };
        EchoRequest { plan: Some(plan), ..EchoRequest::default() }
    };
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.echo_blocking(plan(300, "")).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut second = Request::new(plan(0, "never"));
    second.set_timeout(Duration::from_millis(50));
    assert_eq!(client.echo_blocking(second).await.unwrap_err().code(), Code::DeadlineExceeded);
    first.await.unwrap().unwrap();
    let lane = server.scheduler.snapshot();
    let lane = lane.lane("parity.v1.Parity/EchoBlocking").expect("its lane");
    assert_eq!((lane.completed, lane.running, lane.depth), (1, 0, 0), "the first has run, and nobody else");
}

#[tokio::test]
async fn a_handler_learns_that_its_client_left_a_unary_call() {
    let server = parity().await;
    let paths = ["/v1/echo", "/v1/blocking/echo", "/parity.v1.Parity/Echo", "/parity.v1.Parity/EchoBlocking"];
    for (number, path) in paths.into_iter().enumerate() {
        for (version, http) in [(1, server.http.clone()), (2, server.http.http2())] {
            let key = format!("left-{number}-{version}");
            let call = http.post(path, format!(r#"{{"plan": {{"awaitCancel": "{key}"}}}}"#));
            // The handler waits for its cancellation, and so the client for the handler, until it gives up.
            tokio::time::timeout(Duration::from_millis(150), call).await.expect_err("the call goes on");
            let mut reason = String::new();
            for _ in 0..500 {
                let answer = server.http.get(&format!("/v1/observe?key={key}")).await.json();
                reason = answer["reason"].as_str().unwrap_or_default().to_owned();
                if !reason.is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(reason, "ClientGone", "{path} over HTTP/{version}");
        }
    }
}

/// Who reads nothing polls nothing; the deadline comes all the same, and takes the handler's stream with it.
#[tokio::test]
async fn a_deadline_reaches_a_stream_that_nobody_reads() {
    let server = parity().await;
    for path in ["/v1/count", "/v1/blocking/count"] {
        for (version, http) in [(1, server.http.clone()), (2, server.http.http2())] {
            let key = format!("stalled{}{version}", path.len());
            let target = format!("{path}?to=2000000000&plan.note_drop={key}");
            let headers = [("connect-timeout-ms", "400")];
            let held = http.begin(http::Method::GET, &target, &headers, axum::body::Body::empty()).await;
            let mut reason = String::new();
            for _ in 0..500 {
                let answer = server.http.get(&format!("/v1/observe?key={key}")).await.json();
                reason = answer["reason"].as_str().unwrap_or_default().to_owned();
                if !reason.is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(reason, "Dropped", "{path} over HTTP/{version}");
            drop(held);
        }
    }
}

/// A task that a handler leaves behind is cancelled by a client that leaves, and not by an answer.
#[tokio::test]
async fn a_call_that_has_its_answer_is_not_cancelled() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let remember = interceptor::from_fn(move |call: Call, next: Next| {
        tell.send(call.context().clone()).unwrap();
        next.run(call)
    });
    let server = start(parity_builder().interceptor(remember)).await;
    for code in [0, 5] {
        for (method, rest) in [("Echo", "/v1/echo"), ("EchoBlocking", "/v1/blocking/echo")] {
            for wire in ALL {
                server.call(wire, &Case::new(method, rest, json!({"plan": {"failCode": code}}))).await;
                let context = told.recv().await.unwrap();
                assert_eq!(context.cancellation().reason(), None, "{method} over {wire:?} with {code}");
            }
        }
    }
}

/// Trailing metadata of a call that fails travel with its status.
#[tokio::test]
async fn trailers_of_a_failed_call_arrive() {
    let server = parity().await;
    let client = server.grpc().await;
    for blocking in [false, true] {
        let plan = Some(Plan { fail_code: 5, echo_metadata: true, ..Plan::default() });
        let mut request = Request::new(EchoRequest { plan, ..EchoRequest::default() });
        request.metadata_mut().append("x-trail-a", "1".parse().unwrap());
        request.metadata_mut().append("x-trail-a", "2".parse().unwrap());
        let result = if blocking { client.echo_blocking(request).await } else { client.echo(request).await };
        let status = result.unwrap_err();
        let trailers: Vec<_> = status.metadata().get_all("x-trail-a").iter().collect();
        assert_eq!(trailers, ["1", "2"], "blocking: {blocking}");
    }
}
