//! Streams of replies: their forms over HTTP, their ends, and who holds what while nobody reads.

use std::time::Duration;

use ambidex::Code;
use axum::body::Body;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::json;

use crate::support::parity_v1::{CountRequest, ObserveRequest, Plan};
use crate::support::running::{Running, parity};

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
        let expected = "data: {\"number\":1}\n\n\
                        event: status\ndata: {\"code\":10,\"message\":\"enough\"}\n\n";
        assert_eq!(answer.text(), expected, "{path}");
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
