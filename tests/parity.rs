//! Parity is a tested promise: the same cases go over every wire, and message, status, details and metadata
//! agree.

use std::time::Duration;

use ambidex::Code;
use serde_json::{Value, json};

use crate::support::running::parity;
use crate::support::wires::{ALL, Case, Outcome, STREAMING, Wire};

/// Calls over every wire; the outcomes must be the same, and are returned as one.
async fn everywhere(case: Case) -> Outcome {
    let wires = if case.requests.is_some() { &STREAMING[..] } else { &ALL[..] };
    let server = parity().await;
    let mut reference: Option<(Wire, Outcome)> = None;
    for &wire in wires {
        let outcome = server.call(wire, &case).await;
        match &reference {
            None => reference = Some((wire, outcome)),
            Some((first, expected)) => {
                assert_eq!(&outcome, expected, "{wire:?} and {first:?} disagree about {case:?}");
            }
        }
    }
    reference.expect("there are wires").1
}

fn rich() -> Value {
    json!({
        "text": "naïve \u{1F980} \"quoted\"\n",
        "numbers": [1, -2, 2147483647],
        "mask": "text,item.name",
        "item": {
            "name": "items/1",
            "count": "-9223372036854775808",
            "weight": 0.1,
            "data": "AP8=",
            "color": "GREEN",
            "tags": ["a", ""],
            "stock": {"left": 1, "right": -1},
            "made": "2024-02-29T23:59:59.123Z",
            "fragile": false,
            "batch": "18446744073709551615",
            "part": {"weight": "NaN", "maker": ""}
        }
    })
}

#[tokio::test]
async fn a_rich_message_comes_back_as_it_went() {
    for (method, rest, on_scheduler) in [
        ("Echo", "/v1/echo", false),
        ("EchoBlocking", "/v1/blocking/echo", true),
        ("EchoOffloaded", "/v1/offloaded/echo", true),
    ] {
        let outcome = everywhere(Case::new(method, rest, rich())).await;
        let mut expected = rich();
        if on_scheduler {
            expected["onScheduler"] = json!(true);
        }
        assert_eq!(outcome.messages, [expected], "{method}");
    }
}

#[tokio::test]
async fn an_empty_message_is_a_message() {
    let outcome = everywhere(Case::new("Echo", "/v1/echo", json!({}))).await;
    assert_eq!(outcome.messages, [json!({})]);
    assert_eq!(outcome.end, Ok(()));
}

#[tokio::test]
async fn every_code_arrives_with_its_message() {
    for (method, rest) in [("Echo", "/v1/echo"), ("EchoBlocking", "/v1/blocking/echo")] {
        for code in 1..17 {
            let message = "böse \"Zeichen\"\n% und mehr";
            let plan = json!({"plan": {"failCode": code, "failMessage": message}});
            let failure = everywhere(Case::new(method, rest, plan)).await.end.expect_err("it fails");
            assert_eq!((failure.code, failure.message.as_str()), (Code::from(code), message));
        }
    }
}

#[tokio::test]
async fn details_arrive_typed() {
    let plan = json!({"plan": {"failCode": 3, "failMessage": "no", "failDetails": true}});
    for (method, rest) in [("Echo", "/v1/echo"), ("EchoBlocking", "/v1/blocking/echo")] {
        let failure = everywhere(Case::new(method, rest, plan.clone())).await.end.expect_err("it fails");
        let [(name, bytes)] = failure.details.as_slice() else { panic!("one detail: {failure:?}") };
        assert_eq!(name, "google.rpc.BadRequest");
        assert!(bytes.windows(4).any(|window| window == b"text"));
    }
}

/// All of them are ready together with the panic.
#[tokio::test]
async fn messages_before_a_panic_arrive() {
    for (method, rest) in [("Count", "GET /v1/count"), ("CountBlocking", "GET /v1/blocking/count")] {
        let outcome = everywhere(Case::new(method, rest, json!({"to": 3, "plan": {"panic": true}}))).await;
        assert_eq!(outcome.messages.len(), 3, "{method}");
        assert_eq!(outcome.end.expect_err("it panics").code, Code::Internal);
    }
}

#[tokio::test]
async fn a_panic_is_internal_and_says_nothing_of_the_inside() {
    for (method, rest) in [
        ("Echo", "/v1/echo"),
        ("EchoBlocking", "/v1/blocking/echo"),
        ("EchoOffloaded", "/v1/offloaded/echo"),
        ("Count", "GET /v1/count"),
        ("CountBlocking", "GET /v1/blocking/count"),
    ] {
        let outcome = everywhere(Case::new(method, rest, json!({"plan": {"panic": true}}))).await;
        let failure = outcome.end.expect_err("it panics");
        assert_eq!((failure.code, failure.message.as_str()), (Code::Internal, "internal error"), "{method}");
    }
}

#[tokio::test]
async fn metadata_come_back_and_trailers_after_them() {
    for (method, rest) in [("Echo", "/v1/echo"), ("EchoBlocking", "/v1/blocking/echo")] {
        let case = Case::new(method, rest, json!({"plan": {"echoMetadata": true}}))
            .metadata("x-echo-one", "1")
            .metadata("x-trail-two", "2")
            .metadata("x-unasked", "3");
        let outcome = everywhere(case).await;
        assert_eq!(outcome.metadata, [("x-echo-one".to_owned(), "1".to_owned())]);
        assert_eq!(outcome.trailers, [("x-trail-two".to_owned(), "2".to_owned())]);
    }
}

#[tokio::test]
async fn a_deadline_ends_the_call() {
    for (method, rest) in [
        ("Echo", "/v1/echo"),
        ("EchoBlocking", "/v1/blocking/echo"),
        ("EchoOffloaded", "/v1/offloaded/echo"),
        ("Count", "GET /v1/count"),
        ("CountBlocking", "GET /v1/blocking/count"),
    ] {
        let plan = json!({"plan": {"sleepMs": 2000}});
        let case = Case::new(method, rest, plan).timeout(Duration::from_millis(40));
        let failure = everywhere(case).await.end.expect_err("it is late");
        assert_eq!(failure.code, Code::DeadlineExceeded, "{method}");
    }
}

#[tokio::test]
async fn a_timeout_of_the_method_bounds_callers_that_have_none() {
    let case = Case::new("Hurried", "/v1/hurried", json!({"plan": {"sleepMs": 2000}}));
    assert_eq!(everywhere(case).await.end.expect_err("it is late").code, Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_stream_arrives_whole_and_in_order() {
    for (method, rest) in [("Count", "GET /v1/count"), ("CountBlocking", "GET /v1/blocking/count")] {
        let outcome = everywhere(Case::new(method, rest, json!({"to": 100}))).await;
        let numbers: Vec<_> = (1..=100).map(|number| json!({"number": number})).collect();
        assert_eq!(outcome.messages, numbers);
        assert_eq!(outcome.end, Ok(()));
    }
}

#[tokio::test]
async fn an_error_late_in_a_stream_comes_after_its_messages() {
    for (method, rest) in [("Count", "GET /v1/count"), ("CountBlocking", "GET /v1/blocking/count")] {
        let plan = json!({"failCode": 10, "failMessage": "enough", "failDetails": true});
        let outcome = everywhere(Case::new(method, rest, json!({"to": 3, "plan": plan}))).await;
        assert_eq!(outcome.messages.len(), 3);
        let failure = outcome.end.expect_err("it fails");
        assert_eq!((failure.code, failure.message.as_str()), (Code::Aborted, "enough"));
        assert_eq!(failure.details.len(), 1);
    }
}

#[tokio::test]
async fn an_empty_stream_is_a_stream() {
    for (method, rest) in [("Count", "GET /v1/count"), ("CountBlocking", "GET /v1/blocking/count")] {
        let outcome = everywhere(Case::new(method, rest, json!({}))).await;
        assert_eq!((outcome.messages.len(), outcome.end), (0, Ok(())));
    }
}

const CLIENT_STREAMS: [(&str, &str); 4] = [
    ("Sum", "/v1/sum"),
    ("SumBlocking", "/v1/blocking/sum"),
    ("Running", "/v1/running"),
    ("RunningBlocking", "/v1/blocking/running"),
];

#[tokio::test]
async fn a_stream_of_requests_is_answered_alike() {
    for (method, rest) in CLIENT_STREAMS {
        let numbers = (1..=20).map(|number| json!({"number": number.to_string()})).collect();
        let outcome = everywhere(Case::stream(method, rest, numbers)).await;
        assert_eq!(outcome.messages.last(), Some(&json!({"sum": "210", "count": 20})), "{method}");
        assert_eq!(outcome.end, Ok(()), "{method}");
        let outcome = everywhere(Case::stream(method, rest, Vec::new())).await;
        assert_eq!(outcome.end, Ok(()), "{method}: no request is a stream too");
    }
}

#[tokio::test]
async fn a_stream_of_requests_fails_alike() {
    let plan = json!({"failCode": 8, "failMessage": "too many", "failDetails": true});
    for (method, rest) in CLIENT_STREAMS {
        let requests = vec![json!({"number": "1"}), json!({"number": "2", "plan": plan})];
        let outcome = everywhere(Case::stream(method, rest, requests)).await;
        let failure = outcome.end.expect_err("the second fails");
        assert_eq!(
            (failure.code, failure.message.as_str()),
            (Code::ResourceExhausted, "too many"),
            "{method}"
        );
        assert_eq!(failure.details.len(), 1, "{method}");
        assert_eq!(outcome.messages.len(), usize::from(method.starts_with("Running")), "{method}");
    }
}

#[tokio::test]
async fn a_stream_of_requests_panics_alike() {
    for (method, rest) in CLIENT_STREAMS {
        let requests = vec![json!({"number": "1", "plan": {"panic": true}})];
        let failure = everywhere(Case::stream(method, rest, requests)).await.end.expect_err("it panics");
        assert_eq!((failure.code, failure.message.as_str()), (Code::Internal, "internal error"), "{method}");
    }
}

#[tokio::test]
async fn a_stream_of_requests_is_late_alike() {
    for (method, rest) in CLIENT_STREAMS {
        let requests = vec![json!({"number": "1", "plan": {"sleepMs": 2000}})];
        let case = Case::stream(method, rest, requests).timeout(Duration::from_millis(40));
        let failure = everywhere(case).await.end.expect_err("it is late");
        assert_eq!(failure.code, Code::DeadlineExceeded, "{method}");
    }
}
