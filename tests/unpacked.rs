//! What is packed is bounded by what it unpacks to, message by message, in every form of a stream.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use http::{Method, StatusCode};
use serde_json::json;

use crate::support::allocations::{forget_peak, in_a_process_of_its_own, live, peak};
use crate::support::envelopes::{envelope, opened};
use crate::support::running::{Running, parity_with};

const LIMIT_BYTES: usize = 10_000;

async fn bounded() -> Running {
    parity_with(|config| config.body_max_bytes = LIMIT_BYTES).await
}

/// A message of about so many bytes, which pack to half.
fn message(bytes: usize, seed: u64) -> String {
    let mut state = seed;
    let digits = (0..bytes).map(|_| {
        // Xorshift: a text that no coding knows by heart.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from_digit((state % 16) as u32, 16).unwrap()
    });
    json!({"number": "1", "plan": {"failMessage": digits.collect::<String>()}}).to_string()
}

fn packed(coding: &str, bytes: &[u8]) -> Vec<u8> {
    match coding {
        "gzip" => {
            let mut out = GzEncoder::new(Vec::new(), Compression::best());
            out.write_all(bytes).unwrap();
            out.finish().unwrap()
        }
        "br" => {
            let mut out = Vec::new();
            brotli::CompressorReader::new(bytes, 4096, 5, 20).read_to_end(&mut out).unwrap();
            out
        }
        _ => zstd::encode_all(bytes, 3).unwrap(),
    }
}

const CODINGS: [&str; 3] = ["gzip", "br", "zstd"];
const PATHS: [&str; 4] =
    ["/v1/sum", "/v1/blocking/sum", "/parity.v1.Parity/Sum", "/parity.v1.Parity/RunningBlocking"];

#[tokio::test]
async fn a_message_over_the_limit_ends_a_packed_stream_and_many_below_it_do_not() {
    let server = bounded().await;
    let small: Vec<_> = (1..=10).map(|seed| message(3_000, seed)).collect();
    let large = message(12_000, 11);
    for (content_type, before, between, behind) in
        [("application/x-ndjson", "", "\n", "\n"), ("application/json", "[", ",", "]")]
    {
        for coding in CODINGS {
            let headers = [("content-type", content_type), ("content-encoding", coding)];
            for path in PATHS {
                let send = async |messages: &[&str]| {
                    let body = format!("{before}{}{behind}", messages.join(between));
                    server.http.send(Method::POST, path, &headers, packed(coding, body.as_bytes())).await
                };
                // Thirty thousand bytes in all: a stream goes on for as long as it likes.
                let fine = send(&small.iter().map(String::as_str).collect::<Vec<_>>()).await;
                assert_eq!(fine.status, StatusCode::OK, "{content_type} {coding} {path}: {}", fine.text());
                assert!(fine.text().contains(r#""count":10"#), "{}", fine.text());
                let refused = send(&[&large]).await;
                assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE, "{content_type} {coding} {path}");
                assert!(refused.text().contains("10000 bytes"), "{}", refused.text());
                let late = send(&[&small[0], &large]).await;
                if path.contains("Running") {
                    // Its stream of replies has begun by then.
                    assert_eq!(late.lines().last().unwrap()["status"]["code"], 8, "{}", late.text());
                } else {
                    assert_eq!(late.status, StatusCode::PAYLOAD_TOO_LARGE, "{content_type} {coding} {path}");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_envelope_is_bounded_by_what_it_unpacks_to() {
    let server = bounded().await;
    let small: Vec<_> = (1..=10).map(|seed| message(3_000, seed)).collect();
    let large = message(12_000, 11);
    for coding in CODINGS {
        let headers = [("content-type", "application/connect+json"), ("connect-content-encoding", coding)];
        for method in ["Sum", "SumBlocking", "RunningBlocking"] {
            let send = async |body: Vec<u8>| {
                let path = format!("/parity.v1.Parity/{method}");
                let answer = server.http.send(Method::POST, &path, &headers, body).await;
                assert_eq!(answer.status, StatusCode::OK);
                opened(&answer.body)
            };
            let envelope = |text: &str| envelope(1, &packed(coding, text.as_bytes()));
            let (messages, end) = send(small.iter().flat_map(|text| envelope(text)).collect()).await;
            assert_eq!((end.get("error"), messages.is_empty()), (None, false), "{coding} {method}");
            for (body, replies) in
                [(envelope(&large), 0), ([envelope(&small[0]), envelope(&large)].concat(), 1)]
            {
                let (messages, end) = send(body).await;
                assert_eq!(end["error"]["code"], "resource_exhausted", "{coding} {method}: {end}");
                let said = end["error"]["message"].as_str().unwrap();
                assert!(said.contains("10000 bytes"), "{coding} {method}: {said}");
                let replies = if method.starts_with("Running") { replies } else { 0 };
                assert_eq!(messages.len(), replies, "{coding} {method}");
            }
        }
        // One that is not packed is refused by the length it says it has, before its bytes are there.
        let claim = [&[0][..], &12_000_u32.to_be_bytes(), b"{"].concat();
        let body = axum::body::Body::from_stream(futures_util::stream::StreamExt::chain(
            tokio_stream::once(Ok::<_, std::io::Error>(claim)),
            futures_util::stream::pending(),
        ));
        let answer = server.http.send(Method::POST, "/parity.v1.Parity/Sum", &headers, body).await;
        assert_eq!(opened(&answer.body).1["error"]["code"], "resource_exhausted");
    }
}

#[test]
fn a_bomb_in_a_stream_is_never_unpacked() {
    in_a_process_of_its_own("unpacked::bombs");
}

const BOMB_BYTES: usize = 64 << 20;

/// Memory is what is measured, so nobody else may use any.
#[tokio::test]
#[ignore = "measures the memory of its whole process"]
async fn bombs() {
    let server = bounded().await;
    let bomb = |before: &str| {
        let mut out = GzEncoder::new(Vec::new(), Compression::best());
        out.write_all(before.as_bytes()).unwrap();
        let piece = vec![b'x'; 1 << 16];
        for _ in 0..BOMB_BYTES / piece.len() {
            out.write_all(&piece).unwrap();
        }
        out.finish().unwrap()
    };
    let open = r#"{"number": "1", "plan": {"failMessage": ""#;
    for (content_type, coding, body) in [
        ("application/x-ndjson", "content-encoding", bomb(open)),
        ("application/json", "content-encoding", bomb(&format!("[{open}"))),
        ("application/connect+json", "connect-content-encoding", envelope(1, &bomb(open))),
    ] {
        let before = live();
        forget_peak();
        let headers = [("content-type", content_type), (coding, "gzip")];
        let answer = server.http.send(Method::POST, "/parity.v1.Parity/Sum", &headers, body).await;
        assert!(answer.text().contains("resource_exhausted"), "{content_type}: {}", answer.text());
        let grown = peak().saturating_sub(before);
        assert!(grown < BOMB_BYTES / 16, "{content_type}: {grown} bytes for a message of {LIMIT_BYTES}");
    }
}
