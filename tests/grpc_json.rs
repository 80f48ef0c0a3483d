//! `application/grpc+json`: all that is true of messages of protobuf is true of those of JSON.

use ambidex::Code;
use ambidex::server::{Config, MethodConfig, ReplyCoding};
use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use prost::Message;
use serde_json::{Value, json};

use crate::grpc::unpacked;
use crate::support::envelopes::envelope;
use crate::support::running::{Running, parity, parity_builder, start};

/// What came back: the head, the messages with their flags, and the headers that say how it ended.
struct Answer {
    head: HeaderMap,
    messages: Vec<(u8, Value)>,
    end: HeaderMap,
}

impl Answer {
    fn code(&self) -> Code {
        Code::from_bytes(self.end["grpc-status"].as_bytes())
    }

    fn values(&self) -> Vec<Value> {
        self.messages.iter().map(|(_, message)| message.clone()).collect()
    }
}

async fn call(server: &Running, method: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    let mut all = vec![("content-type", "application/grpc+json"), ("te", "trailers")];
    all.extend_from_slice(headers);
    let path = format!("/parity.v1.Parity/{method}");
    let (head, body) =
        server.http.http2().begin(Method::POST, &path, &all, Bytes::from(body)).await.into_parts();
    let body = body.collect().await.expect("a body");
    let end = body.trailers().cloned().unwrap_or_else(|| head.headers.clone());
    let coding = head.headers.get("grpc-encoding").map_or("", |coding| coding.to_str().unwrap()).to_owned();
    let (whole, mut messages) = (body.to_bytes(), Vec::new());
    let mut rest = &whole[..];
    while let Some((prefix, behind)) = rest.split_at_checked(5) {
        let (message, behind) = behind.split_at(u32::from_be_bytes(prefix[1..].try_into().unwrap()) as usize);
        let json = unpacked(&coding, prefix[0], message);
        messages.push((prefix[0], serde_json::from_slice(&json).expect("JSON")));
        rest = behind;
    }
    Answer { head: head.headers, messages, end }
}

fn framed(messages: &[Value]) -> Vec<u8> {
    messages.iter().flat_map(|message| envelope(0, message.to_string().as_bytes())).collect()
}

#[tokio::test]
async fn a_stream_each_way() {
    let server = parity().await;
    for method in ["Running", "RunningBlocking"] {
        let body = framed(&[json!({"number": 2}), json!({"number": "40"})]);
        let answer = call(&server, method, &[], body).await;
        let expected = [json!({"sum": "2", "count": 1}), json!({"sum": "42", "count": 2})];
        assert_eq!((answer.values(), answer.code()), (expected.into(), Code::Ok), "{method}");
        assert_eq!(answer.head["content-type"], "application/grpc+json");
        // What was right before something wrong is answered.
        let body = framed(&[json!({"number": 2}), json!({"number": "two"})]);
        let answer = call(&server, method, &[], body).await;
        assert_eq!((answer.values().len(), answer.code()), (1, Code::InvalidArgument), "{method}");
    }
}

/// Details are protobuf, whatever the messages are.
#[tokio::test]
async fn details_of_an_error_are_where_they_always_are() {
    let server = parity().await;
    let plan = json!({"plan": {"failCode": 3, "failMessage": "no", "failDetails": true}});
    for method in ["Echo", "EchoBlocking"] {
        let answer = call(&server, method, &[], framed(std::slice::from_ref(&plan))).await;
        let status = tonic::Status::from_header_map(&answer.end).expect("a status");
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "no"));
        let details = ambidex::google::rpc::Status::decode(status.details()).unwrap().details;
        assert_eq!(details[0].type_url, "type.googleapis.com/google.rpc.BadRequest", "{method}");
    }
    // Behind messages of a stream, too.
    let body = json!({"to": 2, "plan": {"failCode": 5, "failMessage": "no more", "failDetails": true}});
    let answer = call(&server, "Count", &[], framed(&[body])).await;
    assert_eq!((answer.values().len(), answer.code()), (2, Code::NotFound));
    assert!(answer.end.contains_key("grpc-status-details-bin"));
}

#[tokio::test]
async fn messages_are_compressed_both_ways() {
    let mut config = Config::default();
    config.grpc_compression = vec![ReplyCoding::Mirror, ReplyCoding::Zstd];
    config.compress_min_bytes = 100;
    let server = start(parity_builder().config(config)).await;
    let text = "compress me ".repeat(50);
    let message = json!({"text": text}).to_string();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, message.as_bytes()).unwrap();
    let packed = envelope(1, &gzip.finish().unwrap());
    for (headers, body, coding) in [
        (vec![("grpc-encoding", "gzip"), ("grpc-accept-encoding", "gzip")], packed, "gzip"),
        (vec![("grpc-accept-encoding", "gzip, zstd")], envelope(0, message.as_bytes()), "zstd"),
    ] {
        let answer = call(&server, "Echo", &headers, body).await;
        assert_eq!(answer.head["grpc-encoding"], coding);
        assert_eq!(answer.messages, [(1, json!({"text": text}))]);
    }
}

/// A request is measured as it comes, a reply as every reply: as protobuf.
#[tokio::test]
async fn bounds_hold() {
    let bound = MethodConfig::new().request_max_bytes(200).reply_max_bytes(100);
    let server = start(parity_builder().method("parity.v1.Parity", bound)).await;
    let echo = |bytes: usize| framed(&[json!({"text": "x".repeat(bytes)})]);
    for method in ["Echo", "EchoBlocking"] {
        assert_eq!(call(&server, method, &[], echo(90)).await.code(), Code::Ok);
        let answer = call(&server, method, &[], echo(150)).await;
        assert_eq!(answer.code(), Code::ResourceExhausted);
        assert!(answer.end["grpc-message"].to_str().unwrap().contains("reply"), "{:?}", answer.end);
        let answer = call(&server, method, &[], echo(300)).await;
        assert_eq!(answer.code(), Code::ResourceExhausted);
        assert!(!answer.end["grpc-message"].to_str().unwrap().contains("reply"), "{:?}", answer.end);
    }
    // Six letters of JSON each, and one byte of protobuf.
    let escaped = r#"{"text": "TEXT"}"#.replace("TEXT", &"\\u0041".repeat(30));
    assert_eq!(call(&server, "Echo", &[], envelope(0, escaped.as_bytes())).await.code(), Code::Ok);
    let control = json!({"text": "\u{1}".repeat(30)});
    let answer = call(&server, "Echo", &[], framed(&[control])).await;
    assert_eq!(answer.code(), Code::Ok, "as JSON it is longer than 100 bytes, as a message it is not");
    assert!(answer.messages[0].1.to_string().len() > 100);
}
