//! gRPC-Web, written and read by hand, as bytes and as text.

use std::time::Duration;

use ambidex::Status;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::envelopes::envelope;
use super::http_client::{Answer, HttpClient};

/// The flag of the frame with the trailers.
const TRAILERS: u8 = 0x80;

/// What came back: the head, the messages, the trailers, and the status wherever it was.
pub struct Web {
    pub head: Answer,
    pub messages: Vec<Vec<u8>>,
    pub trailers: HeaderMap,
    pub status: Status,
}

/// Calls with these messages; as text, where base64 is around the whole body.
pub async fn call(
    http: &HttpClient,
    path: &str,
    headers: &[(&str, &str)],
    timeout: Option<Duration>,
    messages: &[Vec<u8>],
    text: bool,
) -> Web {
    let timeout = timeout.map(|timeout| format!("{}m", timeout.as_millis()));
    let mut all = headers.to_vec();
    let content_type = if text { "application/grpc-web-text+proto" } else { "application/grpc-web+proto" };
    all.extend([("content-type", content_type), ("accept", content_type), ("x-grpc-web", "1")]);
    all.extend(timeout.as_deref().map(|timeout| ("grpc-timeout", timeout)));
    let body: Vec<u8> = messages.iter().flat_map(|message| envelope(0, message)).collect();
    let body = if text { STANDARD.encode(body).into_bytes() } else { body };
    let answer = http.send(Method::POST, path, &all, body).await;
    read(answer, text)
}

fn read(head: Answer, text: bool) -> Web {
    let body = if text { of_text(&head.body) } else { head.body.to_vec() };
    let (mut messages, mut trailers) = (Vec::new(), HeaderMap::new());
    let mut rest = &body[..];
    while let Some((prefix, behind)) = rest.split_at_checked(5) {
        let length = u32::from_be_bytes(prefix[1..].try_into().unwrap()) as usize;
        let (frame, behind) = behind.split_at(length);
        rest = behind;
        match prefix[0] {
            0 => messages.push(frame.to_vec()),
            TRAILERS => {
                assert!(rest.is_empty(), "the trailers are the last");
                trailers = lines(std::str::from_utf8(frame).unwrap());
            }
            flags => panic!("flags {flags}"),
        }
    }
    assert!(rest.is_empty(), "half a frame");
    let status = Status::from_header_map(&trailers).or_else(|| Status::from_header_map(&head.headers));
    let status = status.unwrap_or_else(|| panic!("no status in {head:?}"));
    Web { head, messages, trailers, status }
}

/// Pieces of base64 one behind the other, each padded by itself.
fn of_text(text: &[u8]) -> Vec<u8> {
    text.chunks(4).flat_map(|four| STANDARD.decode(four).expect("base64")).collect()
}

fn lines(text: &str) -> HeaderMap {
    let pairs = text.split("\r\n").filter(|line| !line.is_empty()).map(|line| {
        let (name, value) = line.split_once(':').expect("a name and a value");
        (HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value.trim()).unwrap())
    });
    let mut headers = HeaderMap::new();
    pairs.for_each(|(name, value)| {
        headers.append(name, value);
    });
    headers
}
