//! Stopping a server: calls in flight end, new ones do not begin, and nobody waits for ever.

use std::time::{Duration, Instant};

use ambidex::{Code, Error};
use serde_json::json;

use crate::support::parity_v1::{CountRequest, EchoRequest, Plan};
use crate::support::running::{parity, parity_with};
use crate::support::wires::{Case, Wire};

#[tokio::test]
async fn calls_in_flight_end_and_the_port_closes() {
    let mut server = parity().await;
    let client = server.grpc().await;
    let slow = || EchoRequest {
        text: "done".to_owned(),
        plan: Some(Plan { sleep_ms: 2_000, ..Plan::default() }),
        ..EchoRequest::default()
    };
    let grpc = tokio::spawn({
        let client = client.clone();
        async move { client.echo(slow()).await }
    });
    let http = tokio::spawn({
        let http = server.http.clone();
        async move { http.post("/v1/blocking/echo", r#"{"plan": {"sleepMs": 2000}}"#).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.tell_to_stop();
    assert_eq!(grpc.await.unwrap().unwrap().into_inner().text, "done");
    assert_eq!(http.await.unwrap().status.as_u16(), 200);
    let address = server.address;
    server.stopped().await.expect("a clean drain");
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_a_server() {
    let server = parity().await;
    let _client = server.grpc().await;
    server.http.get("/v1/describe").await;
    let began = Instant::now();
    server.stopped().await.expect("a clean drain");
    assert!(began.elapsed() < Duration::from_secs(10), "far below the drain timeout");
}

#[tokio::test]
async fn a_call_that_does_not_end_is_cut_off_and_said() {
    let server = parity_with(|config| config.drain_timeout_ms = 100).await;
    let client = server.grpc().await;
    let plan = Some(Plan { sleep_ms: 3_600_000, ..Plan::default() });
    let call = tokio::spawn(async move { client.echo(EchoRequest { plan, ..EchoRequest::default() }).await });
    let http = server.http.clone();
    let over_http =
        tokio::spawn(async move { http.post("/v1/blocking/echo", r#"{"plan": {"sleepMs": 3000}}"#).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let error = server.stopped().await.expect_err("two calls were cut off");
    assert!(matches!(error, Error::DrainTimeout { connections: 2, .. }), "{error}");
    // Told, and not only left with a connection that is closed.
    let told = call.await.unwrap().unwrap_err();
    assert_eq!((told.code(), told.message()), (Code::Unavailable, "the server is shutting down"));
    let told = over_http.await.unwrap();
    assert_eq!((told.status.as_u16(), &told.json()["error"]["status"]), (503, &json!("UNAVAILABLE")));
}

#[tokio::test]
async fn a_stuck_thread_does_not_hold_a_server() {
    let server = parity_with(|config| config.drain_timeout_ms = 200).await;
    let http = server.http.clone();
    tokio::spawn(async move { http.post("/v1/blocking/echo", r#"{"plan": {"sleepMs": 5000}}"#).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    assert!(server.stopped().await.is_err());
    assert!(began.elapsed() < Duration::from_secs(3), "the thread sleeps for longer");
}

#[tokio::test]
async fn two_ports_are_a_configuration() {
    let server =
        crate::support::running::start(crate::support::running::parity_builder().grpc_address("127.0.0.1:0"))
            .await;
    assert_ne!(server.address, server.grpc_address);
    for wire in [Wire::Grpc, Wire::Rest, Wire::RpcJson] {
        let outcome = server.call(wire, &Case::new("Echo", "/v1/echo", json!({"text": "hi"}))).await;
        assert_eq!(outcome.messages, [json!({"text": "hi"})], "{wire:?}");
    }
    // What is not gRPC on gRPC's port is told so.
    let on_grpc = crate::support::http_client::HttpClient::new(server.grpc_address);
    let answer = on_grpc.post("/v1/echo", "{}").await;
    assert_eq!(answer.status.as_u16(), 415);
    server.stopped().await.expect("both ports drain");
}

/// A watcher would wait for ever; it is told to go to another server instead.
#[tokio::test]
async fn a_silent_stream_ends_with_unavailable() {
    let server = parity_with(|config| config.drain_silence_ms = 50).await;
    let client = server.grpc().await;
    let mut watching =
        client.count(CountRequest { to: 2, pause_ms: 3_600_000, plan: None }).await.unwrap().into_inner();
    let http = server.http.clone();
    let lines = tokio::spawn(async move { http.get("/v1/count?to=2&pause_ms=3600000").await });
    tokio::time::sleep(Duration::from_millis(700)).await;
    let stopped = tokio::spawn(server.stopped());
    assert_eq!(watching.message().await.unwrap_err().code(), Code::Unavailable);
    let answer = lines.await.unwrap();
    assert_eq!(answer.status.as_u16(), 200, "the head was sent long before");
    assert_eq!(answer.lines().last().unwrap()["status"]["code"], Code::Unavailable as i32);
    drop((watching, client));
    stopped.await.unwrap().expect("nothing was cut off");
}

#[tokio::test]
async fn a_stream_that_has_something_to_say_is_let_finish() {
    let server = parity_with(|config| config.drain_silence_ms = 400).await;
    let http = server.http.clone();
    let counting = tokio::spawn(async move { http.get("/v1/blocking/count?to=10&pause_ms=60").await });
    tokio::time::sleep(Duration::from_millis(150)).await;
    server.stopped().await.expect("nothing was cut off");
    assert_eq!(counting.await.unwrap().lines().len(), 11);
}
