//! Spans, the access log and traces: over every protocol, wherever a handler runs, however its call ends.
//!
//! Whoever listens to `tracing` listens to a whole process, so these tests have processes of their own.

use std::time::Duration;

use ambidex::call::{self, Protocol, TraceContext};
use ambidex::client::{Channel, Local};
use ambidex::server::{Config, ServerBuilder};
use ambidex::{Code, Execution, Request, Response, Server, Status, Stream};
use http::{Method, StatusCode};
use serde_json::json;
use tokio_stream::StreamExt;

use crate::support::allocations::in_a_process_of_its_own;
use crate::support::captured::{Captured, Fields, Seen};
use crate::support::http_client::HttpClient;
use crate::support::parity_v1::{ByHand, ByHandClient, ByHandServer, ShoutRequest, ShoutResponse};
use crate::support::running::{Running, start};

/// Says what it does, and does what it is told: `fail 5`, `panic`, `wait`.
pub struct Chatty<const BLOCKING: bool>;

const fn execution(blocking: bool) -> Execution {
    if blocking { Execution::BLOCKING } else { Execution::ASYNC }
}

fn obey(text: &str) -> Result<(), Status> {
    tracing::info!(target: "chatty", text, "I was called");
    if text == "panic" {
        panic!("the test asked for it");
    }
    match text.strip_prefix("fail ").and_then(|code| code.parse().ok()) {
        Some(code) => Err(Status::new(Code::from_i32(code), "as you like")),
        None => Ok(()),
    }
}

impl<const BLOCKING: bool> ByHand for Chatty<BLOCKING> {
    const SHOUT: Execution = execution(BLOCKING);
    const SPELL: Execution = execution(BLOCKING);

    async fn shout(&self, request: Request<ShoutRequest>) -> Result<Response<ShoutResponse>, Status> {
        let text = request.into_inner().text;
        obey(&text)?;
        if text == "wait" {
            tokio::time::sleep(Duration::from_secs(600)).await;
        }
        // Once more after it has rested, to be polled anew.
        tokio::time::sleep(Duration::from_millis(1)).await;
        tracing::info!(target: "chatty", text, "I am done");
        Ok(Response::new(ShoutResponse { text }))
    }

    async fn spell(
        &self,
        request: Request<ShoutRequest>,
    ) -> Result<Response<impl Stream<Item = Result<ShoutResponse, Status>> + Send>, Status> {
        let text = request.into_inner().text;
        let words: Vec<_> = text.split(',').map(str::to_owned).collect();
        Ok(Response::new(tokio_stream::iter(words).map(|text| {
            obey(&text)?;
            Ok(ShoutResponse { text })
        })))
    }
}

fn chatty(blocking: bool, change: impl FnOnce(&mut Config)) -> ServerBuilder {
    let mut config = Config::default();
    change(&mut config);
    let builder = Server::builder().config(config);
    if blocking {
        builder.service(ByHandServer::new(Chatty::<true>))
    } else {
        builder.service(ByHandServer::new(Chatty::<false>))
    }
}

const PROTOCOLS: [Protocol; 4] = [Protocol::Grpc, Protocol::Rest, Protocol::Rpc, Protocol::Local];

/// Calls `Shout` over a protocol; whether it went well.
async fn shout(server: &Running, protocol: Protocol, text: &str) -> bool {
    let request = ShoutRequest { text: text.to_owned() };
    match protocol {
        Protocol::Grpc => ByHandClient::new(server.channel().await).shout(request).await.is_ok(),
        Protocol::Local => ByHandClient::new(server.local.clone()).shout(request).await.is_ok(),
        Protocol::Rest => {
            server.http.get(&format!("/v1/shout/{}", text.replace(' ', "%20"))).await.status.is_success()
        }
        _ => {
            let body = json!({"text": text}).to_string();
            server.http.post("/parity.v1.ByHand/Shout", body).await.status.is_success()
        }
    }
}

/// The same with `Spell`, to the last word.
async fn spell(server: &Running, protocol: Protocol, text: &str) -> usize {
    let request = ShoutRequest { text: text.to_owned() };
    match protocol {
        Protocol::Grpc => all(ByHandClient::new(server.channel().await).spell(request).await).await,
        Protocol::Local => all(ByHandClient::new(server.local.clone()).spell(request).await).await,
        Protocol::Rest => {
            lines(server.http.get(&format!("/v1/spell/{}", text.replace(' ', "%20"))).await.text())
        }
        _ => {
            let headers = [("content-type", "application/json"), ("accept", "application/x-ndjson")];
            let body = json!({"text": text}).to_string();
            lines(server.http.send(Method::POST, "/parity.v1.ByHand/Spell", &headers, body).await.text())
        }
    }
}

async fn all(reply: Result<Response<ambidex::Streaming<ShoutResponse>>, Status>) -> usize {
    let Ok(reply) = reply else { return 0 };
    reply.into_inner().filter(Result::is_ok).fold(0, |words, _| words + 1).await
}

fn lines(text: String) -> usize {
    text.lines().filter(|line| line.contains("result") || line.contains("\"text\"")).count()
}

/// Waits until that many spans are closed, and no other is open.
async fn closed(captured: &Captured, count: usize) -> Vec<Seen> {
    let closed = async {
        loop {
            let spans = captured.spans();
            if spans.len() == count && spans.iter().all(|span| span.closed) {
                return spans;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), closed).await;
    waited.unwrap_or_else(|_| panic!("{count} spans were to close: {:#?}", captured.spans()))
}

fn system(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Grpc => "grpc",
        Protocol::Rest => "rest",
        Protocol::Rpc => "connectrpc",
        _ => "local",
    }
}

fn texts(events: &[Fields]) -> Vec<(&str, &str)> {
    events.iter().map(|event| (&*event["message"], event.get("text").map_or("", String::as_str))).collect()
}

#[test]
fn a_call_is_a_span_over_every_protocol() {
    in_a_process_of_its_own("telemetry::spans_over_every_protocol");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "listens to its whole process"]
async fn spans_over_every_protocol() {
    let captured = Captured::listen("ambidex::call=info,chatty=info");
    let mut seen = 0;
    for blocking in [false, true] {
        let server = start(chatty(blocking, |config| config.call_spans = true)).await;
        for protocol in PROTOCOLS {
            assert!(shout(&server, protocol, "hey").await);
            seen += 1;
            let spans = closed(&captured, seen).await;
            let span = &spans[seen - 1];
            assert_eq!(span.target, "ambidex::call");
            for (name, value) in [
                ("otel.name", "parity.v1.ByHand/Shout"),
                ("otel.kind", "server"),
                ("otel.status_code", ""),
                ("rpc.system.name", system(protocol)),
                ("rpc.service", "parity.v1.ByHand"),
                ("rpc.method", "parity.v1.ByHand/Shout"),
                ("rpc.response.status_code", "OK"),
                ("error.type", ""),
                ("parent_id", ""),
            ] {
                assert_eq!(span.field(name), value, "{name} of {span:#?}");
            }
            assert_eq!((span.field("trace_id").len(), span.field("span_id").len()), (32, 16));
            let address = if protocol == Protocol::Local { "" } else { "127.0.0.1" };
            assert_eq!(span.field("client.address"), address);
            let http = ["http.request.method", "http.route", "http.response.status_code"]
                .map(|name| span.field(name));
            match protocol {
                Protocol::Rest => assert_eq!(http, ["GET", "/v1/shout/{text}", "200"]),
                Protocol::Rpc => assert_eq!(http, ["POST", "/parity.v1.ByHand/Shout", "200"]),
                _ => assert_eq!(http, ["", "", ""]),
            }
            // What the handler says is said in the span, before and after it rested.
            assert_eq!(
                texts(&span.events),
                [("I was called", "hey"), ("I am done", "hey")],
                "{protocol:?} {blocking}"
            );
        }
    }
}

#[test]
fn a_stream_is_a_span_to_its_end() {
    in_a_process_of_its_own("telemetry::spans_of_streams");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "listens to its whole process"]
async fn spans_of_streams() {
    let captured = Captured::listen("ambidex::call=info,chatty=info");
    let mut seen = 0;
    for blocking in [false, true] {
        let server = start(chatty(blocking, |config| config.call_spans = true)).await;
        for protocol in PROTOCOLS {
            assert_eq!(spell(&server, protocol, "a,b,c").await, 3);
            spell(&server, protocol, "a,fail 15").await;
            seen += 2;
            let spans = closed(&captured, seen).await;
            let (well, broken) = (&spans[seen - 2], &spans[seen - 1]);
            assert_eq!(well.field("rpc.response.status_code"), "OK");
            let said = [("I was called", "a"), ("I was called", "b"), ("I was called", "c")];
            assert_eq!(texts(&well.events), said, "{protocol:?} {blocking}");
            assert_eq!(broken.field("rpc.response.status_code"), "DATA_LOSS");
            assert_eq!(
                (broken.field("otel.status_code"), broken.field("error.type")),
                ("ERROR", "DATA_LOSS")
            );
            assert_eq!(texts(&broken.events), [("I was called", "a"), ("I was called", "fail 15")]);
        }
    }
}

#[test]
fn a_span_says_how_its_call_ended() {
    in_a_process_of_its_own("telemetry::spans_of_failures");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "listens to its whole process"]
async fn spans_of_failures() {
    // Panics are logged where they are caught, and in the span of their call.
    let captured = Captured::listen("ambidex=error,ambidex::call=info");
    let mut seen = 0;
    for blocking in [false, true] {
        let server = start(chatty(blocking, |config| config.call_spans = true)).await;
        for (text, code, http, is_error) in [
            ("fail 5", "NOT_FOUND", "404", false),
            ("fail 1", "CANCELLED", "499", false),
            ("fail 14", "UNAVAILABLE", "503", true),
            ("panic", "INTERNAL", "500", true),
        ] {
            assert!(!shout(&server, Protocol::Rest, text).await);
            seen += 1;
            let spans = closed(&captured, seen).await;
            let span = &spans[seen - 1];
            assert_eq!(span.field("rpc.response.status_code"), code, "{span:#?}");
            assert_eq!(span.field("http.response.status_code"), http);
            let error = if is_error { ("ERROR", code) } else { ("", "") };
            assert_eq!((span.field("otel.status_code"), span.field("error.type")), error);
            assert_eq!(span.events.len(), usize::from(text == "panic"), "{span:#?}");
        }
    }
    let server = start(chatty(false, |config| config.call_spans = true)).await;
    let headers = [("connect-timeout-ms", "50")];
    server.http.send(Method::GET, "/v1/shout/wait", &headers, "").await;
    let client = ByHandClient::new(server.local.clone());
    let leaver = client.shout(ShoutRequest { text: "wait".to_owned() });
    assert!(tokio::time::timeout(Duration::from_millis(50), leaver).await.is_err());
    let spans = closed(&captured, seen + 2).await;
    let codes = [seen, seen + 1].map(|at| spans[at].field("rpc.response.status_code").to_owned());
    assert_eq!(codes, ["DEADLINE_EXCEEDED", "CANCELLED"]);
    // Who has left was sent no status, and so none is told of.
    for (path, count) in [("/v1/shout/wait", 3), ("/parity.v1.ByHand/Shout", 4)] {
        let headers = [("content-type", "application/json")];
        let (method, body) = match path.starts_with("/v1") {
            true => (Method::GET, ""),
            false => (Method::POST, r#"{"text": "wait"}"#),
        };
        let leaver = server.http.send(method, path, &headers, body);
        assert!(tokio::time::timeout(Duration::from_millis(200), leaver).await.is_err());
        let spans = closed(&captured, seen + count).await;
        let names = ["rpc.response.status_code", "http.response.status_code"];
        assert_eq!(names.map(|name| spans[seen + count - 1].field(name)), ["CANCELLED", ""], "{path}");
    }
}

#[test]
fn nothing_is_told_that_nobody_asked_for() {
    in_a_process_of_its_own("telemetry::silence");
}

#[tokio::test]
#[ignore = "listens to its whole process"]
async fn silence() {
    let captured = Captured::listen("trace");
    let server = start(chatty(false, |_| {})).await;
    assert!(shout(&server, Protocol::Rest, "hey").await);
    assert!(captured.spans().iter().all(|span| span.target != "ambidex::call"), "{:#?}", captured.spans());
    assert_eq!(captured.events("ambidex::access"), Vec::<Fields>::new());
    assert_eq!(captured.events("chatty").len(), 2, "though somebody listens");
}

#[test]
fn the_access_log_has_a_line_a_call() {
    in_a_process_of_its_own("telemetry::access_log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "listens to its whole process"]
async fn access_log() {
    let captured = Captured::listen("ambidex::access=info,ambidex::call=info");
    let server = start(chatty(false, |config| config.access_log = true)).await;
    for protocol in PROTOCOLS {
        assert!(shout(&server, protocol, "hey").await);
        spell(&server, protocol, "a,bc,fail 15").await;
    }
    let traced = [
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("connect-timeout-ms", "50"),
    ];
    server.http.send(Method::GET, "/v1/shout/wait", &traced, "").await;
    let client = ByHandClient::new(server.local.clone());
    let leaver = client.shout(ShoutRequest { text: "wait".to_owned() });
    assert!(tokio::time::timeout(Duration::from_millis(50), leaver).await.is_err());
    let lines = captured.events("ambidex::access");
    assert_eq!(lines.len(), 10, "{lines:#?}");
    for (line, protocol) in lines.iter().step_by(2).zip(PROTOCOLS) {
        assert_eq!(said(line, ["message", "method", "code"]), ["call ended", "parity.v1.ByHand/Shout", "OK"]);
        assert_eq!(line["protocol"], protocol.as_str());
        assert_eq!(said(line, ["request_messages", "request_bytes"]), ["1", "5"]);
        assert_eq!(said(line, ["reply_messages", "reply_bytes"]), ["1", "5"]);
        assert_eq!(said(line, ["cut_by", "trace_id"]), ["", ""]);
        assert_eq!(line.contains_key("peer"), protocol != Protocol::Local, "{line:#?}");
        assert!(line["duration_us"].parse::<u64>().is_ok_and(|micros| micros >= 1000), "it slept: {line:#?}");
    }
    assert_eq!(lines[2]["route"], "/v1/shout/{text}");
    for line in lines[..8].iter().skip(1).step_by(2) {
        assert_eq!(said(line, ["method", "code"]), ["parity.v1.ByHand/Spell", "DATA_LOSS"]);
        assert_eq!(said(line, ["reply_messages", "reply_bytes"]), ["2", "7"], "{line:#?}");
    }
    assert_eq!(
        said(&lines[8], ["code", "cut_by", "had_deadline"]),
        ["DEADLINE_EXCEEDED", "deadline", "true"]
    );
    assert_eq!(lines[8]["trace_id"], "0af7651916cd43dd8448eb211c80319c", "it has no span to say so");
    assert_eq!(said(&lines[9], ["code", "cut_by", "had_deadline"]), ["CANCELLED", "client", "false"]);
    assert!(captured.spans().is_empty(), "nobody asked for those");
}

fn said<const N: usize>(line: &Fields, names: [&str; N]) -> [String; N] {
    names.map(|name| line.get(name).cloned().unwrap_or_default())
}

#[test]
fn logs_of_a_chain_of_calls_share_their_trace() {
    in_a_process_of_its_own("telemetry::chain_with_spans");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "listens to its whole process"]
async fn chain_with_spans() {
    let captured = Captured::listen("ambidex::access=info,ambidex::call=info");
    let both = |config: &mut Config| (config.call_spans, config.access_log) = (true, true);
    let last = start(chatty(true, both)).await;
    let first = start(relay(last.channel().await, both)).await;
    assert_eq!(first.http.get("/v1/shout/hey").await.status, StatusCode::OK);
    let spans = closed(&captured, 2).await;
    // A trace begins where none was sent, and goes on from there.
    assert_eq!(spans[0].field("parent_id"), "");
    assert_eq!(spans[1].field("trace_id"), spans[0].field("trace_id"));
    assert_eq!(spans[1].field("parent_id"), spans[0].field("span_id"));
    for span in &spans {
        let [line] = &span.events[..] else { panic!("one line each: {span:#?}") };
        assert_eq!(said(line, ["target", "code", "trace_id"]), ["ambidex::access", "OK", ""]);
    }
}

/// Calls the next server with what it was told, and says which trace it is in.
pub struct Relay<T>(ByHandClient<T>);

fn relay<T: ambidex::client::Transport + 'static>(
    next: T,
    change: impl FnOnce(&mut Config),
) -> ServerBuilder {
    let mut config = Config::default();
    change(&mut config);
    Server::builder().config(config).service(ByHandServer::new(Relay(ByHandClient::new(next))))
}

pub fn own_place() -> String {
    let trace = call::current().and_then(|call| call.trace().cloned());
    let parent = |trace: &TraceContext| trace.parent_id().unwrap_or_default();
    trace.map_or("none".to_owned(), |trace| {
        format!(
            "{} {} {} {} {}",
            trace.trace_id(),
            trace.span_id(),
            parent(&trace),
            trace.is_sampled(),
            trace.state()
        )
    })
}

impl<T: ambidex::client::Transport + 'static> ByHand for Relay<T> {
    async fn shout(&self, request: Request<ShoutRequest>) -> Result<Response<ShoutResponse>, Status> {
        let next = self.0.shout(request.into_inner()).await?.into_inner().text;
        Ok(Response::new(ShoutResponse { text: format!("{}|{next}", own_place()) }))
    }

    async fn spell(
        &self,
        _: Request<ShoutRequest>,
    ) -> Result<Response<impl Stream<Item = Result<ShoutResponse, Status>> + Send>, Status> {
        Ok(Response::new(tokio_stream::iter([Ok(ShoutResponse { text: own_place() })])))
    }
}

/// The end of a chain: says which trace it is in, and what it was sent.
pub struct Last<const BLOCKING: bool>;

impl<const BLOCKING: bool> ByHand for Last<BLOCKING> {
    const SHOUT: Execution = execution(BLOCKING);

    async fn shout(&self, _: Request<ShoutRequest>) -> Result<Response<ShoutResponse>, Status> {
        Ok(Response::new(ShoutResponse { text: own_place() }))
    }

    async fn spell(
        &self,
        _: Request<ShoutRequest>,
    ) -> Result<Response<impl Stream<Item = Result<ShoutResponse, Status>> + Send>, Status> {
        Ok(Response::new(tokio_stream::iter([Ok(ShoutResponse { text: own_place() })])))
    }
}

pub const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Without any spans: who is in a trace passes it on.
#[tokio::test]
async fn a_trace_goes_through_a_handler_to_the_next_server() {
    let last = start(Server::builder().service(ByHandServer::new(Last::<true>))).await;
    let over_grpc: Channel = last.channel().await;
    let in_process: Local = last.local.clone();
    let firsts = [start(relay(over_grpc, |_| {})).await, start(relay(in_process, |_| {})).await];
    for first in firsts {
        let headers = [("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")];
        let answer = first.http.send(Method::GET, "/v1/shout/hey", &headers, "").await.json();
        let places = answer["text"].as_str().expect("text").split('|');
        let places: Vec<Vec<_>> = places.map(|place| place.split(' ').collect()).collect();
        let [relay, last] = &places[..] else { panic!("{answer}") };
        assert_eq!(
            (relay[0], last[0]),
            ("0af7651916cd43dd8448eb211c80319c", "0af7651916cd43dd8448eb211c80319c")
        );
        assert_eq!(relay[2], "b7ad6b7169203331", "the caller is its parent");
        assert_eq!(last[2], relay[1], "which is itself the next one's");
        assert_ne!(relay[1], "b7ad6b7169203331", "with an id of its own");
        assert_eq!((last[3], last[4]), ("true", "a=1,b=2"));
        // Who is in no trace begins none.
        assert_eq!(first.http.get("/v1/shout/hey").await.json()["text"], "none|none");
    }
}

#[tokio::test]
async fn every_protocol_carries_a_trace() {
    let server = start(Server::builder().service(ByHandServer::new(Last::<false>))).await;
    let begins = "0af7651916cd43dd8448eb211c80319c";
    let get = server.http.send(Method::GET, "/v1/shout/x", &[("traceparent", PARENT)], "").await.json();
    assert!(get["text"].as_str().expect("text").starts_with(begins));
    let headers = [("traceparent", PARENT), ("content-type", "application/json")];
    let post = server.http.send(Method::POST, "/parity.v1.ByHand/Shout", &headers, "{}").await.json();
    assert!(post["text"].as_str().expect("text").starts_with(begins));
    let traced = || {
        let mut request = Request::new(ShoutRequest::default());
        request.metadata_mut().insert("traceparent", PARENT.parse().unwrap());
        request
    };
    let grpc = ByHandClient::new(server.channel().await).shout(traced()).await.unwrap().into_inner();
    let local = ByHandClient::new(server.local.clone()).shout(traced()).await.unwrap().into_inner();
    assert!(grpc.text.starts_with(begins) && local.text.starts_with(begins));
    let spelled = ByHandClient::new(server.channel().await).spell(traced()).await.unwrap().into_inner();
    let spelled: Vec<_> = spelled.collect().await;
    assert!(spelled[0].as_ref().unwrap().text.starts_with(begins), "a stream's handler finds it, too");
}

#[tokio::test]
async fn a_malformed_trace_is_no_trace() {
    let server = start(Server::builder().service(ByHandServer::new(Last::<false>))).await;
    let http: &HttpClient = &server.http;
    let trace = |headers: Vec<(&'static str, String)>| async move {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
        http.send(Method::GET, "/v1/shout/x", &headers, "").await.json()["text"].as_str().unwrap().to_owned()
    };
    let parent = |parent: &str| ("traceparent", parent.to_owned());
    for malformed in
        ["", "00-0-0-01", &PARENT.to_uppercase(), &PARENT.replacen("00", "ff", 1), &format!("{PARENT}-01")]
    {
        assert_eq!(
            trace(vec![parent(malformed), ("tracestate", "a=1".to_owned())]).await,
            "none",
            "{malformed}"
        );
    }
    assert_eq!(trace(vec![parent(PARENT), parent(PARENT)]).await, "none", "two are none");
    assert_eq!(trace(vec![("tracestate", "a=1".to_owned())]).await, "none");
    let without_state = trace(vec![parent(PARENT), ("tracestate", "A=1".to_owned())]).await;
    assert!(
        without_state.ends_with(" b7ad6b7169203331 true "),
        "a malformed state alone is left out: {without_state}"
    );
    // Space around a header is not part of it.
    assert!(
        trace(vec![parent(&format!("  {PARENT}\t "))]).await.starts_with("0af7651916cd43dd8448eb211c80319c")
    );
}

#[tokio::test]
async fn a_trace_that_a_client_names_itself_is_left_alone() {
    let last = start(Server::builder().service(ByHandServer::new(Last::<false>))).await;
    let client = ByHandClient::new(last.local.clone());
    let mut request = Request::new(ShoutRequest::default());
    let own = TraceContext::root();
    own.write_to(request.metadata_mut());
    let place = client.shout(request).await.unwrap().into_inner().text;
    assert!(place.starts_with(&own.trace_id()) && place.contains(&own.span_id()), "{place}");
}
