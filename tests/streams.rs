//! Streams of replies: their forms over HTTP, their ends, and who holds what while nobody reads.

use std::time::Duration;

use ambidex::Code;
use axum::body::Body;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::support::envelopes::envelope;
use crate::support::parity_v1::{CountRequest, ObserveRequest, Plan};
use crate::support::running::{Running, parity, parity_with};
use crate::support::socket::open;

#[tokio::test]
async fn ndjson_is_a_line_a_message_and_one_for_the_end() {
    let server = parity().await;
    for path in ["/v1/count?to=2", "/v1/blocking/count?to=2"] {
        let answer = server.http.get(path).await;
        assert_eq!(answer.header("content-type"), "application/x-ndjson");
        let expected = "{\"result\":{\"number\":1}}\n{\"result\":{\"number\":2}}\n\
                        {\"status\":{\"code\":0,\"message\":\"\"}}\n";
        assert_eq!(answer.text(), expected, "{path}");
    }
}

#[tokio::test]
async fn sse_is_an_event_a_message_and_one_of_another_type_for_the_end() {
    let server = parity().await;
    let accept = [("accept", "text/event-stream")];
    let plan = "plan.fail_code=10&plan.fail_message=enough";
    for path in ["/v1/count", "/v1/blocking/count"] {
        let answer = server.http.send(Method::GET, &format!("{path}?to=1&{plan}"), &accept, "").await;
        assert_eq!(answer.header("content-type"), "text/event-stream");
        let expected = "id: 1\ndata: {\"number\":1}\n\n\
                        event: status\ndata: {\"code\":10,\"message\":\"enough\"}\n\n";
        assert_eq!(answer.text(), expected, "{path}");
    }
}

#[tokio::test]
async fn events_have_ids_by_which_a_client_goes_on() {
    let server = parity().await;
    let headers = [("accept", "text/event-stream"), ("last-event-id", "41")];
    let answer = server.http.send(Method::GET, "/v1/count?to=2", &headers, "").await;
    assert!(answer.text().starts_with("id: 42\ndata: {\"number\":1}\n\nid: 43\ndata:"), "{}", answer.text());
    // A field of the message may be the id; the handler finds what the client sends as metadata.
    let server = parity_with(|config| config.sse_id_field = Some("number".into())).await;
    let answer = server.http.send(Method::GET, "/v1/count?to=2", &headers, "").await;
    assert!(answer.text().starts_with("id: 1\ndata: {\"number\":1}\n\nid: 2\ndata:"), "{}", answer.text());
    // `EventSource` takes any form of the query, but sets no header.
    let answer = server.http.get("/v1/count?to=1&$alt=sse").await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
}

#[tokio::test]
async fn a_silent_stream_of_events_says_that_it_is_there() {
    let server = parity_with(|config| config.stream_keep_alive_ms = 20).await;
    let accept = [("accept", "text/event-stream")];
    let answer = server.http.send(Method::GET, "/v1/count?to=2&pause_ms=400", &accept, "").await;
    let text = answer.text();
    let between = text.split("id: 2\n").next().expect("the first event").split("{\"number\":1}\n\n").nth(1);
    assert!(between.is_some_and(|between| between.starts_with(": still here\n\n: still here\n\n")), "{text}");
    let events = text.split("\n\n").filter(|event| event.starts_with("id: "));
    assert_eq!(events.count(), 2, "{text}");
}

#[tokio::test]
async fn a_stream_is_an_array_for_who_reads_only_json() {
    let server = parity().await;
    let accept = [("accept", "application/json")];
    for path in ["/v1/count", "/v1/blocking/count"] {
        let answer = server.http.send(Method::GET, &format!("{path}?to=2"), &accept, "").await;
        assert_eq!(answer.header("content-type"), "application/json");
        let expected = json!([{"result": {"number": 1}}, {"result": {"number": 2}}, {"status": {"code": 0, "message": ""}}]);
        assert_eq!(answer.json(), expected);
        let late = format!("{path}?to=1&plan.fail_code=10&plan.fail_message=enough");
        let answer = server.http.send(Method::GET, &late, &accept, "").await;
        assert_eq!(answer.json()[1]["status"], json!({"code": 10, "message": "enough"}));
        let empty = server.http.send(Method::GET, &format!("{path}?to=0"), &accept, "").await;
        assert_eq!(empty.json(), json!([{"status": {"code": 0, "message": ""}}]));
    }
}

#[tokio::test]
async fn requests_may_come_as_an_array() {
    let server = parity().await;
    let sums = [("content-type", "application/json"), ("accept", "application/x-ndjson")];
    for path in ["/v1/running", "/v1/blocking/running", "/parity.v1.Parity/Running"] {
        let body = r#" [{"number": 1}, {"number": "2"} ,{}] "#;
        let answer = server.http.send(Method::POST, path, &sums, body).await;
        let sums: Vec<_> = answer.lines().iter().map(|line| line["result"]["sum"].clone()).collect();
        assert_eq!(sums, [json!("1"), json!("3"), json!("3"), json!(null)], "{path}");
    }
    for (body, says) in
        [("[{}, {\"nope\": 1}]", "element 2 of the body"), ("{}", "expected an array"), ("[{}", "no end")]
    {
        let answer = server.http.post("/v1/sum", body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.text().contains(says), "{}", answer.text());
    }
}

#[tokio::test]
async fn streams_are_packed_message_by_message() {
    let server = parity_with(|config| config.compress_min_bytes = 1).await;
    for coding in ["gzip", "br", "zstd"] {
        let headers = [("accept-encoding", coding)];
        let path = "/v1/count?to=2&pause_ms=1000";
        let (head, body) = server.http.begin(Method::GET, path, &headers, "").await.into_parts();
        assert_eq!(head.headers["content-encoding"], coding);
        let mut body = Body::new(body);
        let began = std::time::Instant::now();
        let first = body.frame().await.expect("a frame").expect("a frame").into_data().expect("bytes");
        assert!(!first.is_empty() && began.elapsed().as_millis() < 900, "the first was not held back");
        let rest = body.collect().await.expect("the rest").to_bytes();
        // Sent back as the body of a stream that is packed the same way, it is read again.
        let packed = [first, rest].concat();
        let echo = [("content-type", "application/x-ndjson"), ("content-encoding", coding)];
        let answer = server.http.send(Method::POST, "/v1/sum", &echo, packed).await;
        assert!(
            answer.text().contains("line 1 of the body"),
            "it is not a sum, but a line: {}",
            answer.text()
        );
        assert!(answer.text().contains("result"), "{}", answer.text());
    }
}

#[tokio::test]
async fn an_early_error_has_its_own_http_status() {
    let server = parity().await;
    for path in ["/v1/count", "/v1/blocking/count"] {
        let answer = server.http.get(&format!("{path}?plan.fail_code=5&plan.fail_message=none")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.json()["error"]["status"], "NOT_FOUND");
    }
}

#[tokio::test]
async fn messages_arrive_as_they_are_made() {
    let server = parity().await;
    for path in ["/v1/count?to=3&pause_ms=60", "/v1/blocking/count?to=3&pause_ms=60"] {
        let mut body = server.http.begin(Method::GET, path, &[], Body::empty()).await.into_body();
        let mut numbers_in = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.unwrap().into_data().unwrap();
            numbers_in.push(String::from_utf8_lossy(&frame).matches("number").count());
        }
        numbers_in.retain(|numbers| *numbers > 0);
        assert_eq!(numbers_in, [1, 1, 1], "{path}: one message a frame");
    }
}

#[tokio::test]
async fn a_deadline_holds_over_the_whole_stream() {
    let server = parity().await;
    let headers = [("connect-timeout-ms", "200")];
    for path in ["/v1/count", "/v1/blocking/count"] {
        let path = format!("{path}?to=1000&pause_ms=20");
        let lines = server.http.send(Method::GET, &path, &headers, "").await.lines();
        assert!(lines.len() > 1, "some messages come before the end");
        let end = &lines.last().unwrap()["status"];
        assert_eq!(end["code"], json!(Code::DeadlineExceeded as i32), "{path}");
    }
}

/// A stream that is being read, and its first part.
async fn begun(server: &Running, form: &str, method: &str, request: Value) -> Box<dyn std::any::Any> {
    let path = format!("/parity.v1.Parity/{method}");
    if form == RAW {
        // They have a REST route alone, and one handler.
        let (pieces, key) = (&request["to"], request["plan"]["noteDrop"].as_str().unwrap_or_default());
        let path = format!("/v1/raw:stream?pieces={pieces}&repeat=1000&plan.note_drop={key}");
        let mut body = server.http.begin(Method::GET, &path, &[], Body::empty()).await.into_body();
        body.frame().await.unwrap().unwrap();
        return Box::new(body);
    }
    if form == "websocket" {
        let mut socket = open(server, &path, &[]).await.expect("open");
        socket.send(request).await;
        socket.record().await;
        return Box::new(socket);
    }
    let connect = form == "application/connect+json";
    let headers = [("content-type", if connect { form } else { "application/json" }), ("accept", form)];
    let body = request.to_string().into_bytes();
    let body = if connect { envelope(0, &body) } else { body };
    let mut body = server.http.begin(Method::POST, &path, &headers, body).await.into_body();
    body.frame().await.unwrap().unwrap();
    Box::new(body)
}

const FORMS: [&str; 6] = [
    "application/x-ndjson",
    "application/json",
    "text/event-stream",
    "application/connect+json",
    "websocket",
    RAW,
];

/// The bytes of a stream of `google.api.HttpBody`, which have no place for a status.
const RAW: &str = "raw";

#[tokio::test]
async fn a_reader_who_leaves_ends_the_handlers_stream_in_every_form() {
    let server = parity().await;
    for (number, form) in FORMS.into_iter().enumerate() {
        for method in ["Count", "CountBlocking"] {
            let key = format!("{method}{number}");
            let request = json!({"to": 2_000_000_000, "plan": {"noteDrop": key}});
            let reader = begun(&server, form, method, request).await;
            assert_eq!(observed(&server, &key).await, "", "{form}: it goes on while somebody reads");
            drop(reader);
            for _ in 0..500 {
                if observed(&server, &key).await == "Dropped" {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(observed(&server, &key).await, "Dropped", "{form} {method}");
        }
    }
    eventually("no thread is held", || {
        let snapshot = server.scheduler.snapshot();
        snapshot.running == 0 && snapshot.orphaned == 0 && snapshot.queued == 0 && snapshot.open == 0
    })
    .await;
}

#[tokio::test]
async fn a_slow_reader_holds_no_thread_in_any_form() {
    let server = parity().await;
    let mut readers = Vec::new();
    for form in FORMS {
        readers.push(begun(&server, form, "CountBlocking", json!({"to": 2_000_000_000})).await);
    }
    // Until the buffers of the connections are full, some megabytes each, and then no more.
    let ran = || {
        let snapshot = server.scheduler.snapshot();
        let completed = ["CountBlocking", "RawStream"]
            .map(|method| snapshot.lane(&format!("parity.v1.Parity/{method}")).expect("a lane").completed);
        (snapshot.running, completed)
    };
    let mut before = ran();
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = ran();
        if now == before && now.0 == 0 {
            return;
        }
        before = now;
    }
    panic!("nobody reads, and the handlers run on: {before:?}");
}

#[tokio::test]
async fn a_deadline_holds_over_the_whole_stream_in_every_form() {
    let server = parity().await;
    let timeout = ("connect-timeout-ms", "150");
    for method in ["Count", "CountBlocking"] {
        let path = format!("/parity.v1.Parity/{method}");
        let request = json!({"to": 2_000_000_000, "pauseMs": 20}).to_string().into_bytes();
        for form in FORMS.into_iter().filter(|form| !["websocket", RAW].contains(form)) {
            let connect = form == "application/connect+json";
            let content_type = if connect { form } else { "application/json" };
            let headers = [("content-type", content_type), ("accept", form), timeout];
            let body = if connect { envelope(0, &request) } else { request.clone() };
            let answer = server.http.send(Method::POST, &path, &headers, body).await.text();
            let said =
                ["\"code\":4,", "\"code\":\"deadline_exceeded\""].iter().any(|end| answer.contains(end));
            assert!(said && answer.contains("\"number\":1"), "{form}: {answer}");
        }
        let mut socket = open(&server, &path, &[timeout]).await.expect("open");
        socket.send(serde_json::from_slice(&request).unwrap()).await;
        let mut record = socket.record().await;
        while record["status"].is_null() {
            record = socket.record().await;
        }
        assert_eq!((&record["status"]["code"], socket.closed().await.0), (&json!(4), 4004));
    }
}

/// Bytes have no place for a status: a client learns of a late error by an end that is none.
#[tokio::test]
async fn a_raw_stream_that_fails_is_cut_off() {
    let server = parity().await;
    for http in [server.http.clone(), server.http.http2()] {
        for (query, headers) in [
            ("pieces=2&plan.fail_code=5&pause_ms=50", &[][..]),
            ("pieces=2&plan.panic=true&pause_ms=50", &[]),
            ("pieces=2000000000&pause_ms=20", &[("connect-timeout-ms", "300")]),
        ] {
            let path = format!("/v1/raw:stream?{query}");
            let answer = http.begin(Method::GET, &path, headers, Body::empty()).await;
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(answer.headers()["content-type"], "text/csv");
            let (mut body, mut read) = (answer.into_body(), Vec::new());
            let cut = loop {
                match body.frame().await {
                    Some(Ok(frame)) => read.extend_from_slice(&frame.into_data().unwrap()),
                    Some(Err(_)) => break true,
                    None => break false,
                }
            };
            // What came just before may be lost with the end.
            assert!(cut && read.starts_with(b"one,"), "{query}: {}", String::from_utf8_lossy(&read));
        }
        // An early one is an answer of its own.
        let answer = http.get("/v1/raw:stream?pieces=0&plan.fail_code=5").await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["status"]),
            (StatusCode::NOT_FOUND, &json!("NOT_FOUND"))
        );
        let whole = http.get("/v1/raw:stream").await;
        assert_eq!(whole.text(), "one,two,three");
    }
}

/// The head does not wait for ever: then the stream has begun, and its error is in its last record.
#[tokio::test]
async fn an_error_that_comes_late_although_it_is_the_first_is_the_last_record() {
    let hasty = parity_with(|config| config.first_message_wait_ms = 20).await;
    let patient = parity_with(|config| config.first_message_wait_ms = 60_000).await;
    for path in ["/v1/count", "/v1/blocking/count"] {
        let path = format!("{path}?plan.sleep_ms=400&plan.fail_code=5&plan.fail_message=none");
        for (accept, expected) in [
            ("application/x-ndjson", r#"{"status":{"code":5,"message":"none"}}"#),
            ("application/json", r#"[{"status":{"code":5,"message":"none"}}]"#),
            ("text/event-stream", "event: status\ndata: {\"code\":5,\"message\":\"none\"}"),
        ] {
            let answer = hasty.http.send(Method::GET, &path, &[("accept", accept)], "").await;
            assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, accept));
            assert_eq!(answer.text().trim_end(), expected, "{path}");
            let answer = patient.http.send(Method::GET, &path, &[("accept", accept)], "").await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path} {accept}");
        }
    }
    let plan = Plan { sleep_ms: 400, fail_code: 5, ..Plan::default() };
    let request = CountRequest { plan: Some(plan), ..CountRequest::default() };
    let mut begun = hasty.grpc().await.count(request.clone()).await.expect("it has begun").into_inner();
    assert_eq!(begun.message().await.unwrap_err().code(), Code::NotFound);
    let refused = patient.grpc().await.count(request).await;
    assert_eq!(refused.map(drop).unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_reader_who_leaves_ends_the_handlers_stream() {
    let server = parity().await;
    for path in ["/v1/count", "/v1/blocking/count"] {
        for http in [server.http.clone(), server.http.http2()] {
            let key = format!("{path}-{:?}", std::time::Instant::now());
            let key: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
            let target = format!("{path}?to=2000000000&plan.note_drop={key}");
            let mut body = http.begin(Method::GET, &target, &[], Body::empty()).await.into_body();
            body.frame().await.unwrap().unwrap();
            assert_eq!(observed(&server, &key).await, "", "{path}: it goes on while somebody reads");
            drop(body);
            for _ in 0..500 {
                if observed(&server, &key).await == "Dropped" {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(observed(&server, &key).await, "Dropped", "{path}");
        }
    }
    eventually("no thread is held", || {
        let snapshot = server.scheduler.snapshot();
        snapshot.running == 0 && snapshot.orphaned == 0 && snapshot.queued == 0 && snapshot.open == 0
    })
    .await;
}

async fn observed(server: &Running, key: &str) -> String {
    let answer = server.http.get(&format!("/v1/observe?key={key}")).await.json();
    answer["reason"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_slow_reader_holds_no_thread() {
    let server = parity().await;
    let mut bodies = Vec::new();
    for _ in 0..20 {
        let path = "/v1/blocking/count?to=2000000000";
        bodies.push(server.http.begin(Method::GET, path, &[], Body::empty()).await.into_body());
    }
    eventually("buffers are full and threads are free", || server.scheduler.snapshot().running == 0).await;
    for body in &mut bodies {
        body.frame().await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_handler_learns_that_its_client_left() {
    let server = parity().await;
    let client = server.grpc().await;
    for blocking in [false, true] {
        let mut learned = String::new();
        // Who leaves between two messages finds a handler that is not at work, and so need not learn anything:
        // then the same is tried again.
        for attempt in 0..20 {
            let key = format!("{blocking}-{attempt}");
            let plan = Some(Plan { await_cancel: key.clone(), ..Plan::default() });
            let request = CountRequest { to: 1, plan, pause_ms: 0 };
            let response =
                if blocking { client.count_blocking(request).await } else { client.count(request).await };
            let mut replies = response.unwrap().into_inner();
            assert_eq!(replies.message().await.unwrap().unwrap().number, 1);
            tokio::time::sleep(Duration::from_millis(20)).await;
            drop(replies);
            for _ in 0..50 {
                let request = ObserveRequest { key: key.clone() };
                learned = client.observe(request).await.unwrap().into_inner().reason;
                if !learned.is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            if !learned.is_empty() {
                break;
            }
        }
        assert_eq!(learned, "ClientGone", "blocking: {blocking}");
    }
}

/// Waits for something another thread is about to do.
pub async fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if happened() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never happened: {what}");
}
