//! curl and raw bodies: `google.api.HttpBody` in, out and in pieces.

use crate::curl::{get, request};

#[test]
fn a_raw_body_has_its_own_type() {
    let Some(request) = get("/v1/raw") else { return };
    let answer = request.send();
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/plain; charset=utf-8"));
    assert_eq!(answer.text(), "raw");
}

#[test]
fn a_raw_body_comes_back_byte_by_byte_as_it_was_sent() {
    let every_byte: Vec<u8> = (0..=255).collect();
    for content_type in ["image/png", "application/json", "application/x-www-form-urlencoded"] {
        let Some(request) = request("POST", "/v1/raw") else { return };
        let answer = request.body(content_type, every_byte.clone()).send();
        assert_eq!((answer.status, answer.header("content-type")), (200, content_type));
        assert_eq!(answer.body, every_byte);
    }
}

#[test]
fn the_pieces_of_a_raw_stream_are_one_body() {
    for http2 in [false, true] {
        let Some(request) = get("/v1/raw:stream") else { return };
        let answer = if http2 { request.http2() } else { request }.send();
        assert_eq!((answer.status, answer.header("content-type")), (200, "text/csv"));
        assert_eq!(answer.text(), "one,two,three");
    }
}

/// Bytes have no place for a status. What curl says is in docs/streams.md.
#[test]
fn a_raw_stream_that_fails_late_is_cut_off_and_curl_says_so() {
    for (http2, code) in [(false, 18), (true, 92)] {
        let Some(request) = get("/v1/raw:stream?pause_ms=50&plan.fail_code=9") else { return };
        let request = if http2 { request.http2() } else { request };
        let (body, ended_with, says) = request.until_cut_off();
        // The last piece may go down with the connection.
        assert!(!body.is_empty() && "one,two,three".starts_with(&body), "{body}");
        assert_eq!(ended_with, Some(code), "{says}");
        assert!(says.starts_with(&format!("curl: ({code})")), "{says}");
    }
}
