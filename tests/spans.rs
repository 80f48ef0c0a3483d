//! Spans, lines of the access log and traces: over every wire, of every kind of method, and in HTTP's own words.

use std::time::Duration;

use ambidex::Server;
use ambidex::google::api::http_rule::Pattern;
use ambidex::google::api::{CustomHttpPattern, HttpRule};
use ambidex::server::Config;
use http::Method;
use serde_json::json;

use crate::support::allocations::in_a_process_of_its_own;
use crate::support::captured::{Captured, Seen};
use crate::support::every_kind::every_kind;
use crate::support::parity_v1::ByHandServer;
use crate::support::running::{parity_builder, start};
use crate::support::wires::Wire;
use crate::telemetry::{Chatty, PARENT};

fn told() -> Config {
    let mut config = Config::default();
    (config.call_spans, config.access_log) = (true, true);
    config
}

/// Waits until that many spans are closed, and returns the last one to begin.
async fn last_of(captured: &Captured, count: usize) -> Seen {
    let closed = async {
        loop {
            let mut spans = captured.spans();
            if spans.len() == count && spans.iter().all(|span| span.closed) {
                return spans.pop().expect("there are some");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), closed).await;
    waited.unwrap_or_else(|_| panic!("{count} spans were to close: {:#?}", captured.spans().last()))
}

#[test]
fn every_kind_of_call_is_told_of_over_every_wire() {
    in_a_process_of_its_own("spans::every_wire");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "listens to its whole process"]
async fn every_wire() {
    let captured = Captured::listen("ambidex::call=info,ambidex::access=info");
    let server = start(parity_builder().config(told())).await;
    let port = server.address.port().to_string();
    let mut count = 0;
    for (case, wires) in every_kind(&json!({})) {
        for wire in wires {
            let case = case.clone().metadata("traceparent", PARENT).metadata("user-agent", "a test");
            let messages = server.call(*wire, &case).await.messages.len();
            count += 1;
            let span = last_of(&captured, count).await;
            let what = format!("{} over {wire:?}: {span:#?}", case.method);
            let method = format!("parity.v1.Parity/{}", case.method);
            let path = match wire {
                Wire::Rest => case.rest.trim_start_matches("GET ").to_owned(),
                _ => format!("/{method}"),
            };
            let (system, protocol, http, version) = match wire {
                Wire::Grpc => ("grpc", "grpc", None, "2"),
                Wire::GrpcWeb | Wire::GrpcWebText => ("grpc_web", "grpc_web", None, "1.1"),
                Wire::Local => ("local", "local", None, ""),
                Wire::Rest if case.rest.starts_with("GET ") => ("rest", "rest", Some("GET"), "1.1"),
                Wire::Rest => ("rest", "rest", Some("POST"), "1.1"),
                Wire::WebSocket => ("connectrpc", "rpc", Some("GET"), "1.1"),
                _ => ("connectrpc", "rpc", Some("POST"), "1.1"),
            };
            let server = if *wire == Wire::Local { ["", ""] } else { ["127.0.0.1", &port] };
            for (name, value) in [
                ("otel.name", &*method),
                ("rpc.method", &method),
                ("rpc.system.name", system),
                ("rpc.response.status_code", "OK"),
                ("trace_id", "0af7651916cd43dd8448eb211c80319c"),
                ("parent_id", "b7ad6b7169203331"),
                ("http.request.method", http.unwrap_or_default()),
                ("url.path", http.map_or("", |_| &*path)),
                ("url.scheme", http.map_or("", |_| "http")),
                ("server.address", server[0]),
                ("server.port", server[1]),
                ("network.protocol.version", version),
            ] {
                assert_eq!(span.field(name), value, "{name} of {what}");
            }
            if http.is_some() || system == "grpc_web" {
                assert_eq!(span.field("user_agent.original"), "a test", "{what}");
            }
            let [line] = &span.events[..] else { panic!("one line: {what}") };
            for (name, value) in [
                ("message", "call ended"),
                ("method", &*method),
                ("protocol", protocol),
                ("code", "OK"),
                ("request_messages", "1"),
                ("reply_messages", &messages.to_string()),
            ] {
                assert_eq!(line[name], value, "{name} of {what}");
            }
        }
    }
    assert!(count > 80, "{count}");
}

#[test]
fn a_span_says_what_was_asked_in_the_words_of_http() {
    in_a_process_of_its_own("spans::words_of_http");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "listens to its whole process"]
async fn words_of_http() {
    let captured = Captured::listen("ambidex::call=info");
    let any = CustomHttpPattern { kind: "*".into(), path: "/v1/any/{text}".into() };
    let builder = Server::builder().config(told()).http_rule(HttpRule {
        selector: "parity.v1.ByHand.Shout".into(),
        pattern: Some(Pattern::Custom(any)),
        ..HttpRule::default()
    });
    let server = start(builder.service(ByHandServer::new(Chatty::<false>))).await;
    let mut count = 0;
    for (method, known, own) in [("PUT", "PUT", ""), ("GET", "GET", ""), ("BREW", "_OTHER", "BREW")] {
        let sent = Method::from_bytes(method.as_bytes()).unwrap();
        server.http.send(sent, "/v1/any/hey?secret=1", &[], "").await;
        count += 1;
        let span = last_of(&captured, count).await;
        let names = ["http.request.method", "http.request.method_original", "http.route", "url.path"];
        let said = names.map(|name| span.field(name));
        assert_eq!(said, [known, own, "/v1/any/{text}", "/v1/any/hey"]);
        assert!(!span.fields.values().any(|value| value.contains("secret")), "{span:#?}");
    }
    server.http.http2().send(Method::GET, "/v1/any/hey", &[], "").await;
    let span = last_of(&captured, count + 1).await;
    let said = ["network.protocol.version", "url.scheme", "server.address"].map(|name| span.field(name));
    assert_eq!(said, ["2", "http", "127.0.0.1"]);
}
