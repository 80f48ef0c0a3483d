//! A reply that cannot be sent after its handler has made it: what is noted of the call is what its caller was told, and
//! what the handler said besides is not lost.

use std::time::Duration;

use ambidex::call::{Body, Call, Protocol, Reply};
use ambidex::interceptor::{self, Next};
use ambidex::server::Config;
use ambidex::telemetry::Metrics;
use ambidex::{Code, Status};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{Method, StatusCode};
use prost::Message;
use serde_json::json;

use crate::support::allocations::in_a_process_of_its_own;
use crate::support::captured::Captured;
use crate::support::envelopes::envelope;
use crate::support::parity_v1::{CountRequest, EchoRequest, EchoResponse};
use crate::support::running::{Running, parity_builder, start};
use crate::support::wires::{Case, Wire};

/// A message that no JSON can spell, whatever its type: it ends in the middle of a field.
const UNSPEAKABLE: &[u8] = b"\x0a\x05a";

const REPLY_MAX_BYTES: usize = 100;

/// Has a handler answer what cannot be sent: in place of its one message, or of the second of a stream.
async fn spoilt(call: Call, next: Next) -> Result<Reply, Status> {
    let spoilt = match call.metadata.get("x-spoil").and_then(|how| how.to_str().ok()) {
        Some("json") => Bytes::from_static(UNSPEAKABLE),
        Some("size") => {
            EchoResponse { text: "x".repeat(200), ..EchoResponse::default() }.encode_to_vec().into()
        }
        _ => return next.run(call).await,
    };
    let streamed = call.metadata.get("x-spoil-stream").is_some();
    let context = call.context().clone();
    let mut reply = next.run(call).await?;
    context.edit_trailers(|trailers| {
        trailers.insert("x-said", "besides".parse().expect("ASCII"));
    });
    reply.body = match reply.body {
        // As an interceptor may have it that looks at each message, of however many there are.
        Body::Message(_) if streamed => Body::stream(tokio_stream::once(Ok(spoilt))),
        Body::Message(_) => Body::Message(spoilt),
        Body::Stream(messages) => {
            Body::stream(messages.enumerate().map(
                move |(number, message)| {
                    if number == 1 { Ok(spoilt.clone()) } else { message }
                },
            ))
        }
    };
    Ok(reply)
}

async fn server(change: impl FnOnce(&mut Config)) -> (Running, Metrics) {
    let mut config = Config::default();
    config.reply_message_max_bytes = REPLY_MAX_BYTES;
    change(&mut config);
    let metrics = Metrics::new();
    let builder = parity_builder().interceptor(interceptor::from_fn(spoilt)).metrics(metrics.clone());
    (start(builder.config(config)).await, metrics)
}

/// How many calls of a method ended with each code over a protocol, once none is in flight.
async fn ends(metrics: &Metrics, method: &str, protocol: Protocol) -> Vec<(Code, u64)> {
    let settled = async {
        while metrics.snapshot().calls.iter().any(|calls| calls.in_flight > 0) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), settled).await.expect("all calls end");
    let calls = metrics.snapshot().calls;
    let calls = calls.iter().find(|calls| calls.method.method() == method && calls.protocol == protocol);
    let finished = &calls.expect("it was called").finished;
    finished.iter().map(|(code, durations)| (*code, durations.count())).collect()
}

#[tokio::test]
async fn a_reply_that_json_cannot_spell_has_failed() {
    for (wire, protocol) in [
        (Wire::Rest, Protocol::Rest),
        (Wire::RpcJson, Protocol::Rpc),
        (Wire::ConnectJson, Protocol::Rpc),
        (Wire::WebSocket, Protocol::Rpc),
    ] {
        for (method, rest, request) in [
            ("Echo", "/v1/echo", json!({"text": "hello"})),
            ("EchoBlocking", "/v1/blocking/echo", json!({"text": "hello"})),
            ("Count", "GET /v1/count", json!({"to": 3})),
        ] {
            let (server, metrics) = server(|_| {}).await;
            let mut case = Case::new(method, rest, request).metadata("x-spoil", "json");
            if method == "Count" && wire == Wire::Rest {
                case = case.metadata("accept", "application/x-ndjson");
            }
            let outcome = server.call(wire, &case).await;
            let failure = outcome.end.clone().expect_err("it cannot be said");
            assert_eq!(failure.code, Code::Internal, "{wire:?}: {failure:?}");
            assert_eq!(
                ends(&metrics, method, protocol).await,
                [(Code::Internal, 1)],
                "{method} over {wire:?}"
            );
            let said = ("x-said".to_owned(), "besides".to_owned());
            let told = outcome.trailers.contains(&said) || outcome.metadata.contains(&said);
            assert!(told, "{method} over {wire:?}: {outcome:?}");
        }
    }
}

/// The one message of a stream is read to its end before it is spelled.
#[tokio::test]
async fn one_message_of_a_stream_that_cannot_be_spelled_has_failed_too() {
    for (wire, protocol) in [(Wire::Rest, Protocol::Rest), (Wire::RpcJson, Protocol::Rpc)] {
        let (server, metrics) = server(|_| {}).await;
        let case = Case::new("Echo", "/v1/echo", json!({"text": "hello"})).metadata("x-spoil-stream", "1");
        assert!(server.call(wire, &case).await.end.is_ok());
        let outcome = server.call(wire, &case.metadata("x-spoil", "json")).await;
        assert_eq!(outcome.end.expect_err("it cannot be said").code, Code::Internal);
        assert_eq!(ends(&metrics, "Echo", protocol).await, [(Code::Ok, 1), (Code::Internal, 1)], "{wire:?}");
    }
}

#[tokio::test]
async fn a_reply_that_is_too_large_has_failed() {
    let (server, metrics) = server(|_| {}).await;
    let client = server.grpc().await;
    let mut request = ambidex::Request::new(EchoRequest::default());
    request.metadata_mut().insert("x-spoil", "size".parse().unwrap());
    let status = client.echo(request).await.expect_err("too large");
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert_eq!(status.metadata().get("x-said").expect("what the handler said"), "besides");
    assert_eq!(ends(&metrics, "Echo", Protocol::Grpc).await, [(Code::ResourceExhausted, 1)]);
    // The second of a stream.
    let mut request = ambidex::Request::new(CountRequest { to: 3, ..CountRequest::default() });
    request.metadata_mut().insert("x-spoil", "size".parse().unwrap());
    let mut numbers = client.count(request).await.expect("a stream").into_inner();
    assert!(numbers.next().await.expect("a message").is_ok());
    let status = numbers.next().await.expect("an end").expect_err("too large");
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert_eq!(status.metadata().get("x-said").expect("what the handler said"), "besides");
    assert_eq!(ends(&metrics, "Count", Protocol::Grpc).await, [(Code::ResourceExhausted, 1)]);
    // What is small enough is as it was, and counted once.
    assert!(client.echo(EchoRequest::default()).await.is_ok());
    let after = ends(&metrics, "Echo", Protocol::Grpc).await;
    assert_eq!(after, [(Code::Ok, 1), (Code::ResourceExhausted, 1)]);
    let replies = metrics.snapshot().calls.into_iter().find(|calls| calls.method.method() == "Echo");
    assert_eq!(replies.expect("counted").replies.count(), 1, "one that was refused did not go out");
}

#[tokio::test]
async fn a_reply_in_json_over_grpc_that_cannot_be_spelled_has_failed() {
    let (server, metrics) = server(|_| {}).await;
    for (method, request) in [("Echo", r#"{"text": "hello"}"#), ("Count", r#"{"to": 3}"#)] {
        let headers = [("content-type", "application/grpc+json"), ("te", "trailers"), ("x-spoil", "json")];
        let path = format!("/parity.v1.Parity/{method}");
        let body = envelope(0, request.as_bytes());
        let answer = server.http.http2().begin(Method::POST, &path, &headers, body).await;
        let (head, body) = answer.into_parts();
        let trailers = http_body_util::BodyExt::collect(body).await.expect("a body").trailers().cloned();
        let end = trailers.unwrap_or(head.headers);
        assert_eq!(end["grpc-status"], (Code::Internal as i32).to_string(), "{end:?}");
        assert_eq!(end["x-said"], "besides", "{end:?}");
        assert_eq!(ends(&metrics, method, Protocol::Grpc).await, [(Code::Internal, 1)], "{method}");
    }
}

#[test]
fn spans_and_the_access_log_say_so_too() {
    in_a_process_of_its_own("outcomes::spans_and_lines_of_what_cannot_be_sent");
}

#[tokio::test]
#[ignore = "listens to its whole process"]
async fn spans_and_lines_of_what_cannot_be_sent() {
    let captured = Captured::listen("ambidex::call=info,ambidex::access=info");
    let (server, metrics) = server(|config| {
        config.call_spans = true;
        config.access_log = true;
    })
    .await;
    let headers = [("content-type", "application/json"), ("x-spoil", "json")];
    let answer = server.http.send(Method::POST, "/v1/echo", &headers, r#"{"text": "hello"}"#).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(ends(&metrics, "Echo", Protocol::Rest).await, [(Code::Internal, 1)]);
    let spans = captured.spans();
    let [span] = &spans[..] else { panic!("one span: {spans:#?}") };
    assert_eq!(span.field("rpc.response.status_code"), "INTERNAL");
    assert_eq!(span.field("http.response.status_code"), "500");
    assert_eq!(span.field("otel.status_code"), "ERROR");
    let [line] = &span.events[..] else { panic!("one line: {span:#?}") };
    assert_eq!((&*line["code"], &*line["reply_messages"]), ("INTERNAL", "0"));
}
