//! curl on the RPC routes: `POST /package.Service/Method` with JSON or protobuf.

use serde_json::json;

use crate::curl::{Answer, Request, post, request};

fn echo(content_type: &str, body: impl Into<Vec<u8>>) -> Option<Request> {
    Some(request("POST", "/parity.v1.Parity/Echo")?.body(content_type, body))
}

/// An error as [Connect](https://connectrpc.com/docs/protocol/#error-end-stream) has it.
#[track_caller]
fn refused(answer: &Answer, http_status: u16, code: &str, says: &str) {
    assert_eq!((answer.status, answer.header("content-type")), (http_status, "application/json"));
    assert_eq!(answer.json()["code"], code);
    let message = answer.json()["message"].as_str().expect("a message").to_owned();
    assert!(message.contains(says), "{message:?} does not say {says:?}");
}

#[test]
fn json_is_answered_with_json() {
    for method in ["Echo", "EchoBlocking", "EchoOffloaded"] {
        for http2 in [false, true] {
            let path = format!("/parity.v1.Parity/{method}");
            let Some(request) = post(&path, json!({"text": "hello"})) else { return };
            let answer = if http2 { request.http2() } else { request }.send();
            assert_eq!(answer.ok()["text"], "hello", "{method}");
        }
    }
}

/// Field 1, "text", of both messages.
const HELLO: &[u8] = b"\x0a\x05hello";

#[test]
fn protobuf_is_answered_with_protobuf() {
    let Some(request) = echo("application/proto", HELLO) else { return };
    let answer = request.send();
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/proto"));
    assert_eq!(answer.body, HELLO);
}

#[test]
fn a_stream_is_lines_on_its_rpc_route_too() {
    for method in ["Count", "CountBlocking"] {
        let Some(request) = post(&format!("/parity.v1.Parity/{method}"), json!({"to": 2})) else { return };
        assert_eq!(request.send().lines().len(), 3);
    }
}

#[test]
fn an_error_is_connects() {
    let plan = json!({"failCode": 5, "failMessage": "nowhere", "failDetails": true});
    let Some(request) = post("/parity.v1.Parity/Echo", json!({"plan": plan})) else { return };
    let answer = request.send();
    refused(&answer, 404, "not_found", "nowhere");
    let debug = json!({"fieldViolations": [{"field": "text", "description": "is not to my liking"}]});
    let value = "ChsKBHRleHQSE2lzIG5vdCB0byBteSBsaWtpbmc";
    let detail = json!({"type": "google.rpc.BadRequest", "value": value, "debug": debug});
    assert_eq!(answer.json()["details"], json!([detail]));
}

#[test]
fn every_code_has_its_name_and_its_http_status() {
    let table = [
        (1, 499, "canceled"),
        (2, 500, "unknown"),
        (3, 400, "invalid_argument"),
        (4, 504, "deadline_exceeded"),
        (5, 404, "not_found"),
        (6, 409, "already_exists"),
        (7, 403, "permission_denied"),
        (8, 429, "resource_exhausted"),
        (9, 400, "failed_precondition"),
        (10, 409, "aborted"),
        (11, 400, "out_of_range"),
        (12, 501, "unimplemented"),
        (13, 500, "internal"),
        (14, 503, "unavailable"),
        (15, 500, "data_loss"),
        (16, 401, "unauthenticated"),
    ];
    for (code, http_status, name) in table {
        let plan = json!({"failCode": code, "failMessage": "no"});
        let Some(request) = post("/parity.v1.Parity/EchoBlocking", json!({"plan": plan})) else { return };
        refused(&request.send(), http_status, name, "no");
    }
}

#[test]
fn an_error_of_a_protobuf_call_is_json_too() {
    let Some(request) = echo("application/proto", *b"\x0a\xff") else { return };
    refused(&request.send(), 400, "invalid_argument", "protobuf");
}

#[test]
fn a_codec_nobody_speaks_is_415() {
    let Some(request) = echo("text/xml", "<echo/>") else { return };
    let answer = request.send();
    assert_eq!(answer.status, 415, "{}", answer.text());
}

#[test]
fn get_is_not_for_methods_with_side_effects() {
    let Some(request) = request("GET", "/parity.v1.Parity/Echo?encoding=json&message=%7B%7D") else { return };
    let answer = request.send();
    assert_eq!((answer.status, answer.header("allow")), (405, "POST"));
}

#[test]
fn the_version_of_the_protocol_may_be_said() {
    let Some(request) = post("/parity.v1.Parity/Echo", json!({"text": "a"})) else { return };
    assert_eq!(request.header("connect-protocol-version", "1").send().ok()["text"], "a");
}

/// The only version is 1; connect-go, the reference, refuses another as an invalid argument.
#[test]
fn another_version_of_the_protocol_is_refused() {
    let Some(request) = post("/parity.v1.Parity/Echo", json!({})) else { return };
    let answer = request.header("connect-protocol-version", "2").send();
    refused(&answer, 400, "invalid_argument", "connect-protocol-version");
}

/// [Connect](https://connectrpc.com/docs/protocol/#unary-request): a compression the server does not support is
/// `unimplemented`, with those it does.
#[test]
fn a_compression_nobody_reads_is_unimplemented() {
    let Some(request) = post("/parity.v1.Parity/Echo", json!({})) else { return };
    refused(&request.header("content-encoding", "x-unheard-of").send(), 501, "unimplemented", "");
}

#[test]
fn metadata_and_trailers_are_headers() {
    let Some(request) = post("/parity.v1.Parity/Echo", json!({"plan": {"echoMetadata": true}})) else {
        return;
    };
    let request = request.header("x-echo-a", "one").header("x-trail-b", "two");
    let answer = request.header("x-echo-c-bin", "AP8").send();
    assert_eq!(answer.header("x-echo-a"), "one");
    assert_eq!(answer.header("trailer-x-trail-b"), "two");
    assert_eq!(answer.header("x-echo-c-bin").trim_end_matches('='), "AP8");
}
