//! The rate limit: whose calls are counted together, and how a refusal says when to come again, on every wire.

use std::time::Duration;

use ambidex::interceptor::RateLimit;
use ambidex::tonic_types::StatusExt;
use ambidex::tonic_types::pb::RetryInfo;
use ambidex::{Code, Request};
use http::{Method, StatusCode};
use prost::Message;
use serde_json::json;

use crate::support::every_kind::every_kind;
use crate::support::grpc_web;
use crate::support::parity_v1::{CountRequest, EchoRequest};
use crate::support::running::{edge_builder, parity_builder, start};
use crate::support::wires::{ALL, Case, Wire};

const SERVICE: &str = "parity.v1.Parity";

#[tokio::test]
async fn every_wire_and_kind_is_limited_alike() {
    let limit = RateLimit::per_minute(1).per_metadata("x-friend");
    let server = start(parity_builder().interceptor_for(SERVICE, limit)).await;
    for (case, wires) in every_kind(&json!({})) {
        for &wire in wires {
            // Each has a key of its own, so that the first call passes everywhere.
            let friend: &'static str = format!("{} {wire:?}", case.method).leak();
            let case = case.clone().metadata("x-friend", friend);
            assert_eq!(server.call(wire, &case).await.end, Ok(()), "{friend}");
            let refused = server.call(wire, &case).await.end.expect_err(friend);
            assert_eq!(refused.code, Code::ResourceExhausted, "{friend}");
            assert_eq!(refused.message, "too many calls; try again later", "{friend}");
            let [(detail, bytes)] = &refused.details[..] else { panic!("{friend}: {refused:?}") };
            assert_eq!(detail, "google.rpc.RetryInfo", "{friend}");
            let wait = RetryInfo::decode(&bytes[..]).unwrap().retry_delay.expect("a delay").seconds;
            // Whatever the machine was doing between the two calls.
            assert!((1..=60).contains(&wait), "{friend}: {wait}");
        }
    }
}

#[tokio::test]
async fn a_refusal_says_when_to_come_again_in_each_protocols_words() {
    let server = start(parity_builder().interceptor(RateLimit::per_minute(1))).await;
    let client = server.grpc().await;
    client.echo(EchoRequest::default()).await.expect("the first call");
    let status = client.echo(EchoRequest::default()).await.unwrap_err();
    let wait = status.get_details_retry_info().expect("details").retry_delay.expect("a delay");
    assert!(wait > Duration::from_secs(30) && wait <= Duration::from_secs(60), "{wait:?}");
    let pushback = status.metadata().get("grpc-retry-pushback-ms").expect("push-back").to_str().unwrap();
    assert_eq!(pushback, wait.as_millis().to_string());
    // A stream of replies is refused in its head, or over gRPC in its trailers.
    let status = client.count(CountRequest { to: 1, ..CountRequest::default() }).await.unwrap_err();
    assert!(pushback_of(status.metadata().as_ref()) > 30_000);
    for text in [false, true] {
        for path in ["/parity.v1.Parity/Echo", "/parity.v1.Parity/Count"] {
            let web = grpc_web::call(&server.http, path, &[], None, &[Vec::new()], text).await;
            assert_eq!(web.status.code(), Code::ResourceExhausted, "{path}");
            let told = if web.trailers.is_empty() { &web.head.headers } else { &web.trailers };
            assert!(pushback_of(told) > 30_000, "{path} {text}");
        }
    }
    // Over HTTP it is 429 with `retry-after`, whichever form the reply would have had.
    let forms: [(Method, &str, Headers<'_>); 7] = [
        (Method::POST, "/v1/echo", &[]),
        (Method::GET, "/v1/describe", &[]),
        (Method::GET, "/v1/count?to=1", &[("accept", "application/x-ndjson")]),
        (Method::GET, "/v1/count?to=1", &[("accept", "text/event-stream")]),
        (Method::GET, "/v1/count?to=1", &[("accept", "application/json")]),
        (Method::POST, "/parity.v1.Parity/Echo", &[("content-type", "application/json")]),
        (Method::POST, "/parity.v1.Parity/Echo", &[("content-type", "application/proto")]),
    ];
    for (method, path, headers) in forms {
        let answer = server.http.send(method, path, headers, "").await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{path} {headers:?}");
        let seconds: u64 = answer.header("retry-after").parse().unwrap();
        assert!((30..=60).contains(&seconds), "{path} {headers:?} {seconds}");
    }
    let seeing = start(edge_builder().interceptor(RateLimit::per_minute(1))).await;
    let see = "/edge.v1.Edge/See?connect=v1&encoding=json&message=%7B%7D";
    assert_eq!(seeing.http.get(see).await.status, StatusCode::OK);
    let answer = seeing.http.get(see).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!((1..=60).contains(&answer.header("retry-after").parse().unwrap()));
    assert_eq!(answer.json()["details"][0]["type"], "google.rpc.RetryInfo");
    let answer = server.http.post("/v1/echo", "no json, and not read").await.json();
    assert_eq!(answer["error"]["details"][0]["@type"], "type.googleapis.com/google.rpc.RetryInfo");
}

type Headers<'a> = &'a [(&'a str, &'a str)];

/// When gRPC's clients are told to come again.
fn pushback_of(headers: &http::HeaderMap) -> u64 {
    headers["grpc-retry-pushback-ms"].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn who_waits_as_long_as_it_says_passes() {
    let server = start(parity_builder().interceptor(RateLimit::new(1, Duration::from_secs(2)))).await;
    let client = server.in_process();
    client.echo(EchoRequest::default()).await.expect("the first call");
    let status = client.echo(EchoRequest::default()).await.unwrap_err();
    let wait = status.get_details_retry_info().expect("details").retry_delay.expect("a delay");
    tokio::time::sleep(wait).await;
    client.echo(EchoRequest::default()).await.expect("a token has come");
}

#[tokio::test]
async fn one_limit_counts_all_that_it_is_for_together() {
    let echo = Case::new("Echo", "/v1/echo", json!({}));
    let blocking = Case::new("EchoBlocking", "/v1/blocking/echo", json!({}));
    let count = Case::new("Count", "GET /v1/count", json!({"to": 1}));
    // Of the server: all methods and wires together.
    let server = start(parity_builder().interceptor(RateLimit::per_minute(2))).await;
    assert_eq!(server.call(Wire::Rest, &echo).await.end, Ok(()));
    assert_eq!(server.call(Wire::Grpc, &blocking).await.end, Ok(()));
    for wire in ALL {
        assert!(server.call(wire, &count).await.end.is_err(), "{wire:?}");
    }
    // Of a method: its own calls alone. A clone counts with the original, and one that was changed by itself.
    let limit = RateLimit::per_minute(1);
    let server = start(
        parity_builder()
            .interceptor_for("parity.v1.Parity/Echo", limit.clone())
            .interceptor_for("parity.v1.Parity/EchoBlocking", limit.clone())
            .interceptor_for("parity.v1.Parity/Count", limit.burst(3)),
    )
    .await;
    assert_eq!(server.call(Wire::Rest, &echo).await.end, Ok(()));
    assert!(server.call(Wire::Rest, &blocking).await.end.is_err());
    for _ in 0..3 {
        assert_eq!(server.call(Wire::Rest, &count).await.end, Ok(()));
    }
    assert!(server.call(Wire::Rest, &count).await.end.is_err());
    assert_eq!(server.http.get("/v1/describe").await.status, StatusCode::OK, "nobody counts these");
}

#[tokio::test]
async fn keys_are_told_apart_and_calls_without_one_share_a_bucket() {
    let limit = RateLimit::per_minute(1).per_metadata("x-account");
    let server = start(parity_builder().interceptor(limit)).await;
    let mut passed = Vec::new();
    for account in ["a", "b", "a", "", "", "b"] {
        let headers: &[_] = if account.is_empty() { &[] } else { &[("x-account", account)] };
        let answer = server.http.send(Method::GET, "/v1/describe", headers, "").await;
        passed.push(answer.status == StatusCode::OK);
    }
    assert_eq!(passed, [true, true, false, true, false, false]);
}

#[tokio::test]
async fn each_address_has_a_bucket_of_its_own() {
    let server = start(parity_builder().interceptor(RateLimit::per_minute(1).per_peer())).await;
    // Two connections from one address are one peer; a call without an address is another.
    assert_eq!(server.http.get("/v1/describe").await.status, StatusCode::OK);
    let status = server.grpc().await.echo(EchoRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let local = server.in_process();
    local.echo(Request::new(EchoRequest::default())).await.expect("the first call in-process");
    assert!(local.echo(Request::new(EchoRequest::default())).await.is_err());
    #[cfg(target_os = "linux")]
    assert!(described_from("127.0.0.2", server.address).await.starts_with("HTTP/1.1 200"));
    #[cfg(target_os = "linux")]
    assert!(described_from("127.0.0.2", server.address).await.starts_with("HTTP/1.1 429"));
}

/// Calls from another address of this machine.
#[cfg(target_os = "linux")]
async fn described_from(address: &str, server: std::net::SocketAddr) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
    let mut stream = socket.connect(server).await.unwrap();
    stream.write_all(b"GET /v1/describe HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
