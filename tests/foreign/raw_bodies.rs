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
