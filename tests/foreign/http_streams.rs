//! curl on streams: NDJSON and server-sent events out, NDJSON in, and both at once.

use std::time::Duration;

use serde_json::{Value, json};

use crate::curl::{Request, get, request};

const COUNTS: [&str; 2] = ["/v1/count", "/v1/blocking/count"];
const SUMS: [&str; 2] = ["/v1/sum", "/v1/blocking/sum"];
const RUNNINGS: [&str; 2] = ["/v1/running", "/v1/blocking/running"];

fn ended_well() -> Value {
    json!({"status": {"code": 0, "message": ""}})
}

#[test]
fn a_stream_is_lines_and_ends_in_its_status() {
    for path in COUNTS {
        for http2 in [false, true] {
            let Some(request) = get(&format!("{path}?to=2")) else { return };
            let request = if http2 { request.http2() } else { request };
            let numbers = [json!({"result": {"number": 1}}), json!({"result": {"number": 2}}), ended_well()];
            assert_eq!(request.send().lines(), numbers, "{path}");
        }
    }
}

#[test]
fn a_stream_is_read_to_its_end_over_http_1_0_too() {
    let Some(request) = get("/v1/count?to=2") else { return };
    assert_eq!(request.arguments(&["--http1.0"]).send().lines().len(), 3);
}

#[test]
fn a_stream_without_messages_has_its_status_all_the_same() {
    for path in COUNTS {
        let Some(request) = get(path) else { return };
        assert_eq!(request.send().lines(), [ended_well()]);
    }
}

#[test]
fn a_long_stream_arrives_whole() {
    for path in COUNTS {
        let Some(request) = get(&format!("{path}?to=20000")) else { return };
        let lines = request.send().lines();
        assert_eq!(lines.len(), 20_001);
        assert_eq!(lines[19_999], json!({"result": {"number": 20_000}}));
    }
}

#[test]
fn a_stream_is_server_sent_events_for_a_client_that_asks_for_them() {
    for path in COUNTS {
        let Some(request) = get(&format!("{path}?to=2")) else { return };
        let answer = request.header("accept", "text/event-stream").send();
        assert_eq!(answer.header("content-type"), "text/event-stream");
        let events: Vec<_> = answer.text().split_terminator("\n\n").map(str::to_owned).collect();
        let end = "event: status\ndata: {\"code\":0,\"message\":\"\"}";
        assert_eq!(events, ["id: 1\ndata: {\"number\":1}", "id: 2\ndata: {\"number\":2}", end], "{path}");
    }
}

#[test]
fn an_error_before_the_first_message_has_its_http_status() {
    for path in COUNTS {
        let Some(request) = get(&format!("{path}?plan.failCode=5&plan.failMessage=nothing")) else { return };
        request.send().refused(404, "NOT_FOUND", "nothing");
    }
}

#[test]
fn an_error_after_messages_is_in_the_last_record() {
    for path in COUNTS {
        let query = "to=1&plan.failCode=15&plan.failMessage=lost";
        let Some(request) = get(&format!("{path}?{query}")) else { return };
        let lines = request.send().lines();
        assert_eq!(
            lines,
            [json!({"result": {"number": 1}}), json!({"status": {"code": 15, "message": "lost"}})]
        );
    }
}

#[test]
fn a_panic_after_messages_is_in_the_last_record_and_says_nothing_of_the_inside() {
    for path in COUNTS {
        let Some(request) = get(&format!("{path}?to=1&plan.panic=true")) else { return };
        let answer = request.send();
        assert_eq!(answer.lines()[1]["status"]["code"], 13);
        assert!(!answer.text().contains("secret"));
    }
}

#[test]
fn a_deadline_in_a_stream_is_in_the_last_record() {
    for path in COUNTS {
        let Some(request) = get(&format!("{path}?to=1000&pauseMs=50")) else { return };
        let lines = request.header("connect-timeout-ms", "1000").send().lines();
        assert_eq!(lines.last().expect("a record")["status"]["code"], 4);
        assert!(lines.len() > 1, "messages came before");
    }
}

#[test]
fn a_client_that_leaves_a_stream_is_noticed() {
    for path in COUNTS {
        let key = format!("curl-left-{}", path.replace('/', "-"));
        let Some(request) = get(&format!("{path}?to=1&plan.awaitCancel={key}")) else { return };
        let conversation = request.listen();
        // The first message is here although the stream goes on.
        assert_eq!(conversation.hear(), json!({"result": {"number": 1}}));
        // Until the handler is at the end of its numbers, where it waits to be cancelled.
        std::thread::sleep(Duration::from_millis(500));
        drop(conversation);
        assert_eq!(cancel_reason(&key), "ClientGone", "{path}");
    }
}

/// Asks why the call under this key was cancelled until its handler knows.
fn cancel_reason(key: &str) -> String {
    for _ in 0..200 {
        let observe = get(&format!("/v1/observe?key={key}")).expect("curl was there before");
        if let Some(reason) = observe.send().ok()["reason"].as_str() {
            return reason.to_owned();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the call under {key} was never cancelled");
}

/// Lines as clients in the wild write them: blank ones, CRLF, and the last one without an end.
const NUMBERS: &str = "{\"number\": 1}\n\n{\"number\": \"2\"}\r\n{\"number\": 3}";

fn ndjson(path: &str, body: &str) -> Option<Request> {
    Some(request("POST", path)?.body("application/x-ndjson", body))
}

#[test]
fn lines_in_are_messages() {
    for path in SUMS {
        let Some(whole) = ndjson(path, NUMBERS) else { return };
        assert_eq!(whole.send().ok(), json!({"sum": "6", "count": 3}));
        let Some(streamed) = request("POST", path) else { return };
        let streamed = streamed.streamed_body("application/x-ndjson", NUMBERS);
        assert_eq!(streamed.send().ok(), json!({"sum": "6", "count": 3}));
    }
}

#[test]
fn no_lines_are_no_messages() {
    for path in SUMS {
        let Some(request) = ndjson(path, "") else { return };
        assert_eq!(request.send().ok(), json!({}));
    }
}

#[test]
fn a_wrong_line_is_named_by_its_number() {
    let body = "{\"number\": 1}\n\n{\"number\": one}\n";
    for path in SUMS {
        let Some(request) = ndjson(path, body) else { return };
        request.send().refused(400, "INVALID_ARGUMENT", "line 3 of the body");
    }
    for path in RUNNINGS {
        let Some(request) = ndjson(path, body) else { return };
        let lines = request.send().lines();
        assert_eq!(lines[0], json!({"result": {"sum": "1", "count": 1}}));
        assert_eq!(lines[1]["status"]["code"], 3);
        assert!(lines[1]["status"]["message"].as_str().expect("a message").contains("line 3"));
    }
}

#[test]
fn lines_in_are_lines_out() {
    for path in RUNNINGS {
        let Some(request) = ndjson(path, NUMBERS) else { return };
        let sums = [("1", 1), ("3", 2), ("6", 3)];
        let mut expected: Vec<_> =
            sums.map(|(sum, count)| json!({"result": {"sum": sum, "count": count}})).into();
        expected.push(ended_well());
        assert_eq!(request.send().lines(), expected, "{path}");
    }
}

#[test]
fn a_line_is_answered_before_the_next_is_sent() {
    for path in RUNNINGS {
        for http2 in [false, true] {
            let Some(request) = request("POST", path) else { return };
            let request = if http2 { request.http2() } else { request };
            let mut conversation = request.header("content-type", "application/x-ndjson").converse();
            for (number, sum) in [(1, 1), (2, 3), (3, 6)] {
                conversation.say(&json!({"number": number}));
                let answer = json!({"sum": sum.to_string(), "count": number});
                assert_eq!(conversation.hear()["result"], answer, "{path}");
            }
            conversation.end();
            assert_eq!(conversation.hear(), ended_well());
        }
    }
}
