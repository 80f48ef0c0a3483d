//! How large a message may be: the server's bounds and a method's own, lowered and raised, over every wire.

use ambidex::Code;
use ambidex::server::{Config, MethodConfig};
use bytes::Bytes;
use serde_json::{Value, json};
use tonic_health::pb::FILE_DESCRIPTOR_SET;

use crate::support::envelopes::envelope;
use crate::support::running::{Running, parity_builder, start};
use crate::support::wires::{ALL, Case, Failure, Outcome, STREAMING, Wire};

/// Below the smaller bound here, between the two, and above the larger. Of JSON a WebSocket that is more than twice too
/// large is cut off and not told why, so none is.
const SMALL: usize = 500;
const MIDDLE: usize = 1_500;
const LARGE: usize = 15_000;

const LOW: usize = 1_000;
const HIGH: usize = 10_000;

fn echo(method: &'static str, bytes: usize) -> Case {
    let rest = if method == "Echo" { "/v1/echo" } else { "/v1/blocking/echo" };
    Case::new(method, rest, json!({"text": "x".repeat(bytes)}))
}

fn sum(method: &'static str, bytes: usize) -> Case {
    let rest = if method == "Sum" { "/v1/sum" } else { "/v1/blocking/sum" };
    let padding = json!({"number": "2", "plan": {"failMessage": "x".repeat(bytes)}});
    Case::stream(method, rest, vec![json!({"number": "1"}), padding])
}

#[track_caller]
fn taken(outcome: &Outcome, what: &str) {
    assert_eq!((outcome.messages.len(), &outcome.end), (1, &Ok(())), "{what}");
}

#[track_caller]
fn too_large(outcome: &Outcome, what: &str) -> Failure {
    let failure = outcome.end.clone().expect_err(what);
    assert_eq!(failure.code, Code::ResourceExhausted, "{what}: {failure:?}");
    failure
}

/// In-process there is no wire whose bytes would be counted.
fn wires_of(wires: &[Wire]) -> impl Iterator<Item = Wire> {
    wires.iter().copied().filter(|wire| *wire != Wire::Local)
}

#[tokio::test]
async fn a_methods_requests_may_have_a_lower_bound_than_others() {
    let lowered = MethodConfig::new().request_max_bytes(LOW);
    let builder = parity_builder()
        .method("parity.v1.Parity/Echo", lowered.clone())
        .method("parity.v1.Parity/SumBlocking", lowered);
    let server = start(builder).await;
    for wire in wires_of(&ALL) {
        let what = format!("{wire:?}");
        taken(&server.call(wire, &echo("Echo", SMALL)).await, &what);
        too_large(&server.call(wire, &echo("Echo", MIDDLE)).await, &what);
        taken(&server.call(wire, &echo("EchoBlocking", MIDDLE)).await, &what);
    }
    for wire in wires_of(&STREAMING) {
        let what = format!("{wire:?}");
        taken(&server.call(wire, &sum("SumBlocking", SMALL)).await, &what);
        too_large(&server.call(wire, &sum("SumBlocking", MIDDLE)).await, &what);
        taken(&server.call(wire, &sum("Sum", MIDDLE)).await, &what);
    }
}

#[tokio::test]
async fn a_methods_requests_may_have_a_higher_bound_than_others() {
    let mut config = Config::default();
    config.request_message_max_bytes = LOW;
    config.body_max_bytes = LOW;
    let raised = MethodConfig::new().request_max_bytes(HIGH);
    let builder = parity_builder()
        .config(config)
        .method("parity.v1.Parity/EchoBlocking", raised.clone())
        .method("parity.v1.Parity/Sum", raised);
    let server = start(builder).await;
    for wire in wires_of(&ALL) {
        let what = format!("{wire:?}");
        taken(&server.call(wire, &echo("EchoBlocking", MIDDLE)).await, &what);
        too_large(&server.call(wire, &echo("EchoBlocking", LARGE)).await, &what);
        too_large(&server.call(wire, &echo("Echo", MIDDLE)).await, &what);
    }
    for wire in wires_of(&STREAMING) {
        let what = format!("{wire:?}");
        taken(&server.call(wire, &sum("Sum", MIDDLE)).await, &what);
        too_large(&server.call(wire, &sum("Sum", LARGE)).await, &what);
        too_large(&server.call(wire, &sum("SumBlocking", MIDDLE)).await, &what);
    }
}

/// However it is spelled, it is measured as protobuf.
#[tokio::test]
async fn a_reply_over_the_bound_is_refused_on_every_wire_alike() {
    let mut config = Config::default();
    config.reply_message_max_bytes = LOW;
    let builder = parity_builder()
        .config(config)
        .method("parity.v1.Parity/EchoBlocking", MethodConfig::new().reply_max_bytes(HIGH))
        .method("parity.v1.Parity/EchoOffloaded", MethodConfig::new().reply_max_bytes(SMALL));
    let server = start(builder).await;
    // A tag, a length of two bytes, and the text.
    let exact = echo("Echo", LOW - 3);
    let offloaded =
        |bytes: usize| Case::new("EchoOffloaded", "/v1/offloaded/echo", json!({"text": "x".repeat(bytes)}));
    for wire in ALL {
        let what = format!("{wire:?}");
        taken(&server.call(wire, &exact).await, &what);
        let failure = too_large(&server.call(wire, &echo("Echo", LOW - 2)).await, &what);
        assert_eq!(failure.message, "a reply of 1001 bytes is more than the 1000 allowed", "{what}");
        // Raised and lowered.
        taken(&server.call(wire, &echo("EchoBlocking", MIDDLE)).await, &what);
        too_large(&server.call(wire, &echo("EchoBlocking", LARGE)).await, &what);
        taken(&server.call(wire, &offloaded(SMALL - 10)).await, &what);
        too_large(&server.call(wire, &offloaded(SMALL)).await, &what);
    }
}

/// A number below 128 is two bytes, and any other here three.
#[tokio::test]
async fn a_stream_ends_at_the_first_reply_over_the_bound() {
    let mut config = Config::default();
    config.reply_message_max_bytes = 2;
    let builder = parity_builder()
        .config(config)
        .method("parity.v1.Parity/Running", MethodConfig::new().reply_max_bytes(4))
        .method("parity.v1.Parity/RunningBlocking", MethodConfig::new().reply_max_bytes(4));
    let server = start(builder).await;
    for (method, rest) in [("Count", "GET /v1/count"), ("CountBlocking", "GET /v1/blocking/count")] {
        for wire in ALL {
            let what = format!("{method} over {wire:?}");
            let outcome = server.call(wire, &Case::new(method, rest, json!({"to": 127}))).await;
            assert_eq!((outcome.messages.len(), &outcome.end), (127, &Ok(())), "{what}");
            let outcome = server.call(wire, &Case::new(method, rest, json!({"to": 200}))).await;
            assert_eq!(outcome.messages.len(), 127, "what came before it arrives: {what}");
            let failure = too_large(&outcome, &what);
            assert_eq!(failure.message, "a reply of 3 bytes is more than the 2 allowed", "{what}");
        }
    }
    // Each way a stream.
    for (method, rest) in [("Running", "/v1/running"), ("RunningBlocking", "/v1/blocking/running")] {
        let numbers: Vec<Value> = [1, 200, 3].iter().map(|number| json!({"number": number})).collect();
        for wire in STREAMING {
            let what = format!("{method} over {wire:?}");
            let outcome = server.call(wire, &Case::stream(method, rest, numbers.clone())).await;
            assert_eq!(outcome.messages, [json!({"sum": "1", "count": 1})], "{what}");
            too_large(&outcome, &what);
        }
    }
}

/// A service that was written for tonic: with and without its descriptors, by gRPC and by Connect.
#[tokio::test]
async fn the_bounds_hold_for_a_service_that_was_written_for_tonic() {
    let mut config = Config::default();
    config.request_message_max_bytes = LOW;
    config.body_max_bytes = LOW;
    let check = "grpc.health.v1.Health/Check";
    let service = || tonic_health::server::health_reporter().1;
    let builder = || parity_builder().config(config.clone());
    let raised = start(
        builder()
            .tonic_service_with(service(), FILE_DESCRIPTOR_SET)
            .method(check, MethodConfig::new().request_max_bytes(HIGH)),
    )
    .await;
    let as_a_whole = start(
        builder()
            .tonic_service(service())
            .method("grpc.health.v1.Health", MethodConfig::new().request_max_bytes(HIGH)),
    )
    .await;
    let plain = start(builder().tonic_service(service())).await;
    assert_eq!(asked(&raised, MIDDLE).await, Code::NotFound, "it is read, and of no service that is known");
    assert_eq!(asked(&raised, LARGE).await, Code::ResourceExhausted);
    assert_eq!(asked(&as_a_whole, MIDDLE).await, Code::NotFound);
    assert_eq!(asked(&plain, MIDDLE).await, Code::ResourceExhausted);
    assert_eq!(asked(&plain, SMALL).await, Code::NotFound);
    let body = json!({"service": "x".repeat(MIDDLE)}).to_string();
    let answer = raised.http.post(&format!("/{check}"), body).await;
    assert_eq!(answer.json()["code"], "not_found");
    let body = json!({"service": "x".repeat(LARGE)}).to_string();
    let answer = raised.http.post(&format!("/{check}"), body).await;
    assert_eq!(answer.json()["code"], "resource_exhausted");
    // Its replies are two bytes.
    for (reply_max_bytes, expected) in [(2, Code::Ok), (1, Code::ResourceExhausted)] {
        let bound = MethodConfig::new().reply_max_bytes(reply_max_bytes);
        let server =
            start(builder().tonic_service_with(service(), FILE_DESCRIPTOR_SET).method(check, bound)).await;
        assert_eq!(asked(&server, 0).await, expected);
        let answer = server.http.post(&format!("/{check}"), "{}").await;
        assert_eq!(answer.status.is_success(), expected == Code::Ok, "{answer:?}");
    }
}

/// Asks for the health of a service with a name of so many bytes.
async fn asked(server: &Running, bytes: usize) -> Code {
    let request = tonic_health::pb::HealthCheckRequest { service: "x".repeat(bytes) };
    let body: Bytes = envelope(0, &prost::Message::encode_to_vec(&request)).into();
    let (head, body) = {
        let http = server.http.http2();
        let headers = [("content-type", "application/grpc"), ("te", "trailers")];
        http.begin(http::Method::POST, "/grpc.health.v1.Health/Check", &headers, body).await.into_parts()
    };
    let trailers = http_body_util::BodyExt::collect(body).await.expect("a body").trailers().cloned();
    let end = trailers.unwrap_or(head.headers);
    Code::from_bytes(end["grpc-status"].as_bytes())
}
