//! gRPC as curl can speak it: a call made by hand shows what proper clients hide.

use crate::curl::{Request, request};

/// Field 1, "text", of a request and of its reply.
const HELLO: &[u8] = b"\x0a\x05hello";

/// A message behind the prefix that gRPC gives it.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a short message");
    [&[0], &length.to_be_bytes()[..], message].concat()
}

fn grpc_by_hand(method: &str, message: &[u8]) -> Option<Request> {
    let request = request("POST", &format!("/parity.v1.Parity/{method}"))?.http2();
    Some(request.body("application/grpc", framed(message)).header("te", "trailers"))
}

#[test]
fn a_grpc_call_made_by_hand_is_answered() {
    let Some(request) = grpc_by_hand("Echo", HELLO) else { return };
    let answer = request.send();
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/grpc"));
    assert_eq!(answer.body, framed(HELLO));
}

#[test]
fn the_server_itself_ends_a_grpc_call_at_its_deadline() {
    // `plan: {sleep_ms: 10000}`. Proper clients end such a call themselves; curl waits.
    let Some(request) = grpc_by_hand("Echo", b"\x1a\x03\x28\x90\x4e") else { return };
    let answer = request.header("grpc-timeout", "100m").send();
    assert_eq!((answer.status, answer.header("grpc-status")), (200, "4"));
    assert!(answer.body.is_empty());
}

#[test]
fn a_grpc_timeout_that_is_none_is_an_error() {
    for timeout in ["1", "1.5S", "123456789S", "-1m", "1s"] {
        // Without a message: some versions of curl take an answer before the end of a request for a failure.
        let Some(request) = request("POST", "/parity.v1.Parity/Echo") else { return };
        let request = request.http2().header("content-type", "application/grpc").header("te", "trailers");
        let answer = request.header("grpc-timeout", timeout).send();
        assert_eq!(answer.header("grpc-status"), "3", "{timeout}");
    }
}

#[test]
fn grpc_over_http_1_is_never_taken_for_json() {
    let Some(request) = request("POST", "/parity.v1.Parity/Echo") else { return };
    let answer = request.body("application/grpc", framed(HELLO)).send();
    assert_ne!(answer.header("content-type"), "application/json", "{answer:?}");
}
