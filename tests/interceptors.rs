//! Interceptors: one chain, seen by every protocol and every kind of method, before a message is decoded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ambidex::call::{self, Call, Reply};
use ambidex::interceptor::{self, Next};
use ambidex::{Code, Scheduler, Status};
use serde_json::json;

use crate::support::parity_service::User;
use crate::support::parity_v1::{DescribeRequest, SumRequest};
use crate::support::running::{Running, parity_builder, start};
use crate::support::wires::{ALL, Case};

async fn only_friends(mut call: Call, next: Next) -> Result<Reply, Status> {
    if call.metadata.get("x-friend").is_none() {
        return Err(Status::unauthenticated("friends only"));
    }
    call.extensions.insert(User("a friend".to_owned()));
    let mut reply = next.run(call).await?;
    reply.metadata.insert("x-seen", "true".parse().unwrap());
    Ok(reply)
}

#[tokio::test]
async fn every_wire_and_kind_passes_the_same_chain() {
    let server = start(parity_builder().interceptor(interceptor::from_fn(only_friends))).await;
    for wire in ALL {
        for (method, rest) in
            [("Echo", "/v1/echo"), ("Count", "GET /v1/count"), ("CountBlocking", "GET /v1/blocking/count")]
        {
            let stranger = server.call(wire, &Case::new(method, rest, json!({}))).await;
            assert_eq!(stranger.end.unwrap_err().code, Code::Unauthenticated, "{wire:?} {method}");
            let friend =
                server.call(wire, &Case::new(method, rest, json!({})).metadata("x-friend", "yes")).await;
            assert_eq!(friend.end, Ok(()), "{wire:?} {method}");
            assert_eq!(friend.metadata, [("x-seen".to_owned(), "true".to_owned())]);
        }
    }
}

#[tokio::test]
async fn a_refused_call_is_never_read() {
    let refuse = interceptor::from_fn(|_: Call, _: Next| async { Err(Status::permission_denied("no")) });
    let server = start(parity_builder().interceptor(refuse)).await;
    // Not JSON, and yet the answer is the interceptor's: nobody has looked at the body.
    let answer = server.http.post("/v1/echo", "no json").await;
    assert_eq!(answer.json()["error"]["status"], "PERMISSION_DENIED");
    let status = server.grpc().await.sum(tokio_stream::pending::<SumRequest>()).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn the_first_one_added_is_the_outermost() {
    fn append(letter: &'static str) -> interceptor::FromFn<impl Clone + Fn(Call, Next) -> Boxed> {
        interceptor::from_fn(move |mut call: Call, next: Next| -> Boxed {
            let so_far = call.metadata.get("x-deep").map_or("", |value| value.to_str().unwrap());
            let value = format!("{so_far}{letter}").parse().unwrap();
            call.metadata.insert("x-deep", value);
            Box::pin(next.run(call))
        })
    }
    type Boxed = std::pin::Pin<Box<dyn Future<Output = Result<Reply, Status>> + Send>>;
    let server = start(parity_builder().interceptor(append("a")).interceptor(append("b"))).await;
    assert_eq!(server.http.get("/v1/describe").await.json()["deepMetadata"], "ab");
}

#[tokio::test]
async fn a_value_of_an_interceptor_reaches_the_handler_by_its_type() {
    let server = start(parity_builder().interceptor(interceptor::from_fn(only_friends))).await;
    for path in ["/v1/describe", "/v1/blocking/describe"] {
        let answer = server.http.send(http::Method::GET, path, &[("x-friend", "yes")], "").await;
        assert_eq!(answer.json()["user"], "a friend");
    }
}

fn slow_look_up(call: &mut Call) -> Result<(), Status> {
    assert!(Scheduler::is_scheduler_thread());
    assert!(call::current().is_some(), "deep code knows its call here too");
    std::thread::sleep(Duration::from_millis(5));
    match call.metadata.get("x-friend") {
        Some(_) => {
            call.extensions.insert(User("looked up".to_owned()));
            Ok(())
        }
        None => Err(Status::unauthenticated("friends only")),
    }
}

#[tokio::test]
async fn an_interceptor_may_block() {
    let server = start(parity_builder().interceptor(interceptor::blocking(slow_look_up))).await;
    let answer = server.http.send(http::Method::GET, "/v1/describe", &[("x-friend", "yes")], "").await;
    assert_eq!(answer.json()["user"], "looked up");
    let client = server.grpc().await;
    let status = client.describe(DescribeRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_panicking_interceptor_is_internal_to_its_caller() {
    let panicking = interceptor::from_fn(|call: Call, next: Next| async move {
        assert!(call.metadata.get("x-friend").is_some(), "strangers make me panic");
        next.run(call).await
    });
    let server = start(parity_builder().interceptor(panicking)).await;
    let answer = server.http.get("/v1/describe").await;
    assert_eq!(answer.json()["error"]["status"], "INTERNAL");
    assert_eq!(answer.json()["error"]["message"], "internal error");
    let answer = server.http.send(http::Method::GET, "/v1/describe", &[("x-friend", "yes")], "").await;
    assert!(answer.status.is_success());
}

/// tower's own layers fit.
#[tokio::test]
async fn a_layer_of_the_tower_ecosystem_is_an_interceptor() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let count = tower::util::MapRequestLayer::new(move |call: Call| {
        counted.fetch_add(1, Ordering::Relaxed);
        call
    });
    let server: Running = start(parity_builder().interceptor(count)).await;
    for wire in ALL {
        assert_eq!(server.call(wire, &Case::new("Echo", "/v1/echo", json!({}))).await.end, Ok(()));
    }
    assert_eq!(calls.load(Ordering::Relaxed), ALL.len());
}
