//! What a wrong request gets: the right code on each wire, a message that says what and where, and a server
//! that goes on.

use std::time::{Duration, Instant};

use ambidex::Code;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::streams::eventually;
use crate::support::grpc_web;
use crate::support::http_client::Answer;
use crate::support::parity_v1::{EchoRequest, Plan};
use crate::support::running::{Running, parity, parity_with};
use crate::support::wires::{self, ALL, Case, Wire};

/// An AIP-193 error of this status, whose message holds this.
#[track_caller]
fn refused(answer: &Answer, status: StatusCode, name: &str, says: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let error = &answer.json()["error"];
    assert_eq!(error["status"], name);
    assert_eq!(error["code"], json!(status.as_u16()));
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains(says), "{message:?} does not say {says:?}");
}

/// The same as a Connect error.
#[track_caller]
fn refused_rpc(answer: &Answer, status: StatusCode, name: &str, says: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let error = answer.json();
    assert_eq!(error["code"], name);
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains(says), "{message:?} does not say {says:?}");
}

async fn still_serves(server: &Running) {
    let answer = server.http.post("/v1/echo", r#"{"text": "still here"}"#).await;
    assert_eq!(answer.json()["text"], "still here");
}

#[tokio::test]
async fn malformed_json_is_400_with_line_and_column() {
    let server = parity().await;
    let answer = server.http.post("/v1/echo", "{\"text\":\n  tru}").await;
    refused(&answer, StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", "line 2");
    let answer = server.http.post("/parity.v1.Parity/Echo", "{\"text\":\n  tru}").await;
    refused_rpc(&answer, StatusCode::BAD_REQUEST, "invalid_argument", "line 2");
    still_serves(&server).await;
}

#[tokio::test]
async fn an_unknown_field_is_named() {
    let server = parity().await;
    let answer = server.http.post("/v1/echo", r#"{"item": {"colour": "RED"}}"#).await;
    refused(&answer, StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", "colour");
    let answer = server.http.get("/v1/echo/hi?itme.name=x").await;
    refused(&answer, StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", "itme");
}

#[tokio::test]
async fn a_wrong_type_is_named_with_its_path() {
    let server = parity().await;
    let answer = server.http.post("/v1/echo", r#"{"item": {"stock": {"a": "b"}}}"#).await;
    refused(&answer, StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", "item.stock");
    let answer = server.http.get("/v1/count?to=many").await;
    refused(&answer, StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", "to");
}

#[tokio::test]
async fn a_path_nobody_serves_is_404() {
    let server = parity().await;
    refused(&server.http.get("/v1/nothing").await, StatusCode::NOT_FOUND, "NOT_FOUND", "/v1/nothing");
    refused(&server.http.get("/v1/echo/a/b").await, StatusCode::NOT_FOUND, "NOT_FOUND", "/v1/echo/a/b");
    let answer = server.http.post("/parity.v1.Parity/Nothing", "{}").await;
    refused(&answer, StatusCode::NOT_FOUND, "NOT_FOUND", "/parity.v1.Parity/Nothing");
}

#[tokio::test]
async fn a_wrong_method_is_405_with_those_that_are_right() {
    let server = parity().await;
    let answer = server.http.send(Method::DELETE, "/v1/count", &[], "").await;
    refused(&answer, StatusCode::METHOD_NOT_ALLOWED, "UNIMPLEMENTED", "DELETE");
    assert!(answer.header("allow").contains("GET"), "{}", answer.header("allow"));
    let answer = server.http.get("/parity.v1.Parity/Echo").await;
    assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
    let options = server.http.send(Method::OPTIONS, "/v1/count", &[], "").await;
    assert_eq!(options.status, StatusCode::NO_CONTENT);
    assert!(options.header("allow").contains("GET"));
}

#[tokio::test]
async fn a_malformed_escape_in_a_path_is_400() {
    let server = parity().await;
    let answer = server.http.get("/v1/echo/a%zz").await;
    refused(&answer, StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", "escape");
}

#[tokio::test]
async fn a_body_where_none_belongs_is_400() {
    let server = parity().await;
    let answer = server.http.send(Method::GET, "/v1/count?to=1", &[], "{\"to\": 3}").await;
    refused(&answer, StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", "no body");
}

#[tokio::test]
async fn a_body_of_another_type_is_415_and_an_answer_of_another_type_406() {
    let server = parity().await;
    let answer = server.http.send(Method::POST, "/v1/echo", &[("content-type", "text/xml")], "<a/>").await;
    refused(&answer, StatusCode::UNSUPPORTED_MEDIA_TYPE, "INVALID_ARGUMENT", "application/json");
    let path = "/parity.v1.Parity/Echo";
    let answer = server.http.send(Method::POST, path, &[("content-type", "text/xml")], "<a/>").await;
    refused_rpc(&answer, StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_argument", "application/proto");
    let answer = server.http.send(Method::GET, "/v1/count?to=1", &[("accept", "image/png")], "").await;
    refused(&answer, StatusCode::NOT_ACCEPTABLE, "INVALID_ARGUMENT", "Accept");
}

#[tokio::test]
async fn too_much_is_413_over_http_and_resource_exhausted_over_grpc() {
    let server = parity_with(|config| {
        config.body_max_bytes = 1000;
        config.request_message_max_bytes = 1000;
    })
    .await;
    let text = "x".repeat(2000);
    let body = json!({"text": text}).to_string();
    let answer = server.http.post("/v1/echo", body.clone()).await;
    refused(&answer, StatusCode::PAYLOAD_TOO_LARGE, "RESOURCE_EXHAUSTED", "1000 bytes");
    let answer = server.http.post("/parity.v1.Parity/Echo", body.clone()).await;
    refused_rpc(&answer, StatusCode::PAYLOAD_TOO_LARGE, "resource_exhausted", "1000 bytes");
    // Without a length up front, too.
    let chunks = body.into_bytes().chunks(100).map(Bytes::copy_from_slice).collect::<Vec<_>>();
    let chunks = tokio_stream::iter(chunks.into_iter().map(Ok::<_, std::io::Error>));
    let answer = server.http.post("/v1/echo", axum::body::Body::from_stream(chunks)).await;
    refused(&answer, StatusCode::PAYLOAD_TOO_LARGE, "RESOURCE_EXHAUSTED", "1000 bytes");
    let client = server.grpc().await;
    let status = client.echo(EchoRequest { text, ..EchoRequest::default() }).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    still_serves(&server).await;
}

/// Head and body in packets of their own: the refusal is there before the body, and the connection goes on.
#[tokio::test]
async fn a_refusal_is_read_by_a_client_that_is_still_sending() {
    let server = parity_with(|config| config.body_max_bytes = 1000).await;
    for (path, body) in [("/nowhere", 7), ("/v1/echo", 3_000_000)] {
        let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        for _ in 0..2 {
            let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {body}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            stream.write_all(&vec![b' '; body]).await.expect("nobody resets it");
            let mut answer = vec![0; 4096];
            let read = stream.read(&mut answer).await.expect("an answer");
            assert!(
                answer[..read].starts_with(b"HTTP/1.1 4"),
                "{}",
                String::from_utf8_lossy(&answer[..read])
            );
        }
    }
}

#[tokio::test]
async fn a_bad_line_of_a_stream_is_named_by_its_number() {
    let server = parity().await;
    let ndjson = [("content-type", "application/x-ndjson")];
    for path in ["/v1/sum", "/v1/blocking/sum"] {
        let lines = "{\"number\": 1}\n{\"number\": \"one\"}\n";
        let answer = server.http.send(Method::POST, path, &ndjson, lines).await;
        refused(&answer, StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", "line 2 of the body");
    }
}

#[tokio::test]
async fn bytes_that_are_no_protobuf_are_invalid() {
    let server = parity().await;
    let proto = [("content-type", "application/proto")];
    for path in ["/parity.v1.Parity/Echo", "/parity.v1.Parity/EchoBlocking"] {
        let answer = server.http.send(Method::POST, path, &proto, vec![0x0a, 0xff, 0x01]).await;
        refused_rpc(&answer, StatusCode::BAD_REQUEST, "invalid_argument", "protobuf");
    }
    let bad = Bytes::from_static(&[0, 0, 0, 0, 3, 0x0a, 0xff, 0x01]);
    for path in ["/parity.v1.Parity/Echo", "/parity.v1.Parity/EchoBlocking"] {
        let answer = raw_grpc(&server, path, &[], bad.clone()).await;
        assert_eq!(answer.header("grpc-status"), (Code::InvalidArgument as i32).to_string());
    }
    still_serves(&server).await;
}

/// A method of each kind.
const EACH_KIND: [&str; 4] = [
    "/parity.v1.Parity/Echo",
    "/parity.v1.Parity/Count",
    "/parity.v1.Parity/Sum",
    "/parity.v1.Parity/Running",
];

#[tokio::test]
async fn a_malformed_timeout_is_an_error_and_not_an_absence() {
    let server = parity().await;
    for timeout in ["1", "123456789S", "1.5S", "-1S", "soon"] {
        for path in EACH_KIND {
            let headers = [("grpc-timeout", timeout)];
            let answer = raw_grpc(&server, path, &headers, Bytes::from_static(&[0; 5])).await;
            let invalid = (Code::InvalidArgument as i32).to_string();
            assert_eq!(answer.header("grpc-status"), invalid, "{timeout} {path}");
            assert!(answer.header("grpc-message").contains("grpc-timeout"));
            let web = grpc_web::call(&server.http, path, &headers, None, &[Vec::new()], false).await;
            assert_eq!(web.status.code(), Code::InvalidArgument, "{timeout} {path}");
        }
    }
    let headers = [("content-type", "application/json"), ("connect-timeout-ms", "1s")];
    let answer = server.http.send(Method::POST, "/v1/echo", &headers, "{}").await;
    refused(&answer, StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", "connect-timeout-ms");
    let answer = server.http.send(Method::POST, "/parity.v1.Parity/Echo", &headers, "{}").await;
    refused_rpc(&answer, StatusCode::BAD_REQUEST, "invalid_argument", "connect-timeout-ms");
}

#[tokio::test]
async fn a_grpc_method_nobody_serves_is_unimplemented() {
    let server = parity().await;
    for path in ["/parity.v1.Parity/Nothing", "/no.Such/Service", "/"] {
        let answer = raw_grpc(&server, path, &[], Bytes::new()).await;
        assert_eq!(answer.status, StatusCode::OK, "a gRPC error is trailers-only");
        assert_eq!(answer.header("grpc-status"), (Code::Unimplemented as i32).to_string());
        assert!(answer.body.is_empty());
    }
}

#[tokio::test]
async fn an_encoding_nobody_knows_is_refused_with_those_that_are_known() {
    let server = parity().await;
    let headers = [("grpc-encoding", "br")];
    for path in EACH_KIND {
        let answer = raw_grpc(&server, path, &headers, Bytes::from_static(&[1, 0, 0, 0, 1, 0])).await;
        assert_eq!(answer.header("grpc-status"), (Code::Unimplemented as i32).to_string(), "{path}");
        for encoding in ["gzip", "deflate", "zstd"] {
            assert!(answer.header("grpc-accept-encoding").contains(encoding), "{path}: {:?}", answer.headers);
        }
    }
}

#[tokio::test]
async fn a_stream_that_fails_at_once_is_trailers_only() {
    let server = parity().await;
    // `plan { fail_code: 7 }` by hand.
    let message = Bytes::from_static(&[0, 0, 0, 0, 4, 0x12, 0x02, 0x08, 0x07]);
    for path in ["/parity.v1.Parity/Count", "/parity.v1.Parity/CountBlocking"] {
        let answer = raw_grpc(&server, path, &[], message.clone()).await;
        assert_eq!(answer.header("grpc-status"), "7", "in the head: {answer:?}");
    }
}

#[tokio::test]
async fn a_panic_takes_nobody_with_it() {
    let server = parity().await;
    let client = server.grpc().await;
    let panicking =
        EchoRequest { plan: Some(Plan { panic: true, ..Plan::default() }), ..EchoRequest::default() };
    for _ in 0..20 {
        // All on one connection: a panic that reached its task would end the neighbours.
        let (one, other, third) = tokio::join!(
            client.echo(panicking.clone()),
            client.echo(EchoRequest { text: "fine".to_owned(), ..EchoRequest::default() }),
            client.echo_blocking(panicking.clone()),
        );
        assert_eq!(one.unwrap_err().code(), Code::Internal);
        assert_eq!(other.unwrap().into_inner().text, "fine");
        assert_eq!(third.unwrap_err().code(), Code::Internal);
    }
    assert_eq!(server.scheduler.snapshot().running, 0);
}

/// One call runs and one waits; the third takes the place of the second, which is told so on its own wire.
#[tokio::test]
async fn a_full_queue_refuses_the_oldest_and_says_when_to_come_back() {
    for wire in ALL {
        let server = parity_with(|config| {
            config.scheduler.threads_max = 1;
            config.scheduler.threads_hard_max = 1;
            config.scheduler.lane_queue_max = 1;
        })
        .await;
        let slow = Case::new("EchoBlocking", "/v1/blocking/echo", json!({"plan": {"sleepMs": 400}}));
        let first = server.call(wire, &slow);
        let others = async {
            eventually("one runs", || server.scheduler.snapshot().running == 1).await;
            let second = server.call(wire, &slow);
            let third = async {
                eventually("one waits", || server.scheduler.snapshot().queued == 1).await;
                server.call(wire, &slow).await
            };
            tokio::join!(second, third)
        };
        let (first, (second, third)) = tokio::join!(first, others);
        assert_eq!((first.end, third.end), (Ok(()), Ok(())), "{wire:?}");
        let failure = second.end.unwrap_err();
        assert_eq!(failure.code, Code::ResourceExhausted, "{wire:?}");
        assert!(failure.message.contains("overloaded"), "{wire:?}: {}", failure.message);
    }
}

/// A stream has its place to its end, and whoever comes meanwhile finds it taken, each on whatever wire.
#[tokio::test]
async fn the_places_for_calls_are_one_number_over_all_wires() {
    let server = parity_with(|config| config.in_flight_max = 1).await;
    let echo = Case::new("Echo", "/v1/echo", json!({"text": "hi"}));
    let count = Case::new("Count", "GET /v1/count", json!({"to": 1, "pauseMs": 3_600_000}));
    for holder in wires::STREAMING {
        let mut held = Box::pin(server.call(holder, &count));
        // It has the place by then, whatever comes of the call itself.
        let held_for_a_while = tokio::time::timeout(Duration::from_millis(500), &mut held).await;
        assert!(held_for_a_while.is_err(), "{holder:?}: {held_for_a_while:?}");
        for wire in wires::ALL {
            let end = server.call(wire, &echo).await.end;
            let code = end.expect_err("the one place is taken").code;
            assert_eq!(code, Code::ResourceExhausted, "{wire:?} beside {holder:?}");
        }
        drop(held);
        let patience = Instant::now() + Duration::from_secs(20);
        while server.call(Wire::Local, &echo).await.end.is_err() {
            assert!(Instant::now() < patience, "{holder:?} keeps it");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_refusal_says_when_to_come_back_in_the_words_of_its_wire() {
    let server = parity_with(|config| config.in_flight_max = 1).await;
    let client = server.grpc().await;
    let plan = Some(Plan { sleep_ms: 1000, ..Plan::default() });
    let held = tokio::spawn(async move { client.echo(EchoRequest { plan, ..EchoRequest::default() }).await });
    let mut refusal = None;
    for _ in 0..100 {
        let answer = server.http.post("/v1/echo", "{}").await;
        if answer.status != StatusCode::OK {
            refusal = Some(answer);
            break;
        }
    }
    let refusal = refusal.expect("the one place is taken");
    refused(&refusal, StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED", "calls under way");
    assert_eq!(refusal.header("retry-after"), "1");
    let status = server.grpc().await.echo(EchoRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.metadata().get("grpc-retry-pushback-ms").unwrap(), "1000");
    held.await.unwrap().expect("the one that had the place");
    still_serves(&server).await;
}

/// Nobody may hold a place by saying nothing, or only half of what HTTP/2 begins with.
#[tokio::test]
async fn a_client_that_says_nothing_is_let_go() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = parity_with(|config| {
        config.header_read_timeout_ms = 200;
        config.connections_max = 1;
    })
    .await;
    for beginning in ["", "PRI * HT", "GET / HT"] {
        let mut silent = tokio::net::TcpStream::connect(server.address).await.unwrap();
        silent.write_all(beginning.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let ended =
            tokio::time::timeout(std::time::Duration::from_secs(5), silent.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "{beginning:?} holds its place");
    }
    still_serves(&server).await;
}

#[tokio::test]
async fn grpc_over_http_1_is_refused_for_it_has_no_trailers() {
    let server = parity().await;
    let headers = [("content-type", "application/grpc")];
    let body = Bytes::from_static(&[0, 0, 0, 0, 0]);
    let answer = server.http.send(Method::POST, "/parity.v1.Parity/Echo", &headers, body).await;
    assert_eq!(answer.status, StatusCode::HTTP_VERSION_NOT_SUPPORTED);
}

#[tokio::test]
async fn a_reply_over_its_bound_is_resource_exhausted() {
    let server = parity_with(|config| config.reply_message_max_bytes = 100).await;
    let client = server.grpc().await;
    let request = EchoRequest { text: "x".repeat(200), ..EchoRequest::default() };
    let status = client.echo(request).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("100"), "{status}");
}

/// A gRPC request by hand, with what a proper client would not send.
pub async fn raw_grpc(server: &Running, path: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
    let mut all = vec![("content-type", "application/grpc"), ("te", "trailers")];
    all.extend_from_slice(headers);
    server.http.http2().send(Method::POST, path, &all, body).await
}
