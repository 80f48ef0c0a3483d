//! Requests that arrive: a path with variables, a query and a header, put together from words there are and from any
//! bytes. No answer blames the server, and an answer is the same however its query is escaped.
#![no_main]

use std::fmt::Write as _;

use ambidex_fuzz::with_router;
use axum::body::Body;
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::BodyExt;
use libfuzzer_sys::{Corpus, fuzz_target};
use tower::ServiceExt;

/// Where a call may go; `{}` is any text.
const PLACES: [(&str, &str); 24] = [
    ("GET", "/edge/{}"),
    ("GET", "/edge/shelves/{}"),
    ("GET", "/edge/shelves/1/books/{}"),
    ("GET", "/edge/items/{}"),
    ("GET", "/edge/items/special/{}/end"),
    ("GET", "/edge/items/{}/parts/x"),
    ("GET", "/edge/files/{}"),
    ("GET", "/edge/files/{}:raw"),
    ("GET", "/edge/typed/2024-01-02T03:04:05Z/{}/true/RED/aGk=/1"),
    ("GET", "/edge/typed/{}"),
    ("HEAD", "/edge/heads/{}"),
    ("PURGE", "/edge/cache/{}"),
    ("PATCH", "/edge/any/{}"),
    ("GET", "/edge/inner"),
    ("GET", "/edge/ids"),
    ("GET", "/edge/list"),
    ("GET", "/edge/many"),
    ("HEAD", "/edge/many"),
    ("OPTIONS", "/edge/items/{}"),
    ("POST", "/edge/items/{}:archive"),
    ("PUT", "/edge/inner/{}"),
    ("GET", "/edge.v1.Edge/See"),
    ("HEAD", "/edge.v1.Edge/See"),
    ("GET", "/{}"),
];

const HEADERS: [&str; 12] = [
    "accept",
    "accept-encoding",
    "last-event-id",
    "content-type",
    "content-encoding",
    "connect-timeout-ms",
    "grpc-timeout",
    "x-server-timeout",
    "connect-protocol-version",
    "x-own-bin",
    "origin",
    "if-none-match",
];

/// What a byte over 127 stands for: words that chance takes long to find.
const WORDS: [&str; 88] = [
    "&",
    "=",
    "&name=x",
    "&id=1",
    "&made=2024-01-02T03:04:05.678Z",
    "&made=0001-01-01T00:00:00%2B01:00",
    "&took=-1.5s",
    "&took=315576000000s",
    "&flag=True",
    "&color=RED",
    "&color=7",
    "&data=-_8",
    "&data=aGk%3D",
    "&boxed=-9223372036854775808",
    "&inner.id=a",
    "&inner.size=5",
    "&inner.inner.inner.text=b",
    "&ids=a&ids=b",
    "&labels.a=b",
    "&inners.id=x",
    "&mask=name,inner.id",
    "&weight=-1e5",
    "&weight=NaN",
    "&weight=Infinity",
    "&count=3",
    "&count=1e2",
    "&count=18446744073709551615",
    "&maybe=0",
    "&$alt=json",
    "&$alt=proto",
    "&$alt=sse",
    "&$alt=media",
    ";enum-encoding=int",
    ";enum-encoding=string",
    "&$prettyPrint=true",
    "&$prettyPrint=0",
    "&$fields=",
    "&fields=",
    "inner(id,size)",
    "seen(name,ids)",
    "seen.inner.id",
    "nextPageToken",
    "ids,labels",
    "*",
    "&message=",
    "&message=%7B%22name%22%3A%22x%22%7D",
    "&message=eyJuYW1lIjoieCJ9&base64=1",
    "&message=H4sIAAAAAAACA6tWykvMTVWyUqpQqgUAabOBngwAAAA&base64=1&compression=gzip",
    "&message=CgF4&base64=1&encoding=proto",
    "&encoding=json",
    "&encoding=proto",
    "&base64=1",
    "&compression=identity",
    "&compression=gzip",
    "&compression=br",
    "&compression=zstd",
    "&connect=v1",
    "true",
    "false",
    "null",
    "shelves/",
    "books/",
    "shelves%2F1%2Fbooks%2F2",
    "%2F",
    "%25",
    "%zz",
    "%C3%A9",
    "%ff",
    "%00",
    "+",
    ":archive",
    ":raw",
    "special",
    "..",
    "//",
    "application/json",
    "application/proto",
    "application/x-protobuf",
    "application/x-ndjson",
    "text/event-stream",
    "application/connect+json",
    "*/*",
    ";q=0.5",
    ";q=0",
    ", ",
    "gzip",
    "br",
    "identity",
];

/// More would only be a longer one of the same, and escaped it is three times as long.
const TEXT_MAX_BYTES: usize = 2048;

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((&[place, header], rest)) = data.split_first_chunk::<2>() else { return Corpus::Reject };
    let (method, template) = PLACES[usize::from(place) % PLACES.len()];
    let header = HEADERS[usize::from(header) % HEADERS.len()];
    let mut pieces = rest.splitn(3, |byte| *byte == b'\n').map(text);
    let mut piece = || pieces.next().unwrap_or_default();
    let (variable, query, value) = (piece(), piece(), piece());
    // What neither part of a request line may hold; the rest is the edge's to judge, escapes above all.
    let path = template.replace("{}", &escaped(&variable, |byte| b" ?#\"<>\\^`{|}".contains(&byte)));
    let query = escaped(&query, |byte| b" #\"<>\\^`".contains(&byte));
    let query = query.trim_start_matches('&');

    let ask = |query: &str| {
        let uri = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
        let mut request = Request::builder().method(method).uri(uri.parse::<Uri>().ok()?);
        if let Ok(value) = HeaderValue::from_str(&value) {
            request = request.header(header, value);
        }
        Some(answer(request.body(Body::empty()).ok()?))
    };
    let Some(plain) = ask(query) else { return Corpus::Reject };
    assert!(plain.is_no_blame(), "{method} {path}?{query}: {plain:?}");

    // Connect reads its parameters by their bare names.
    let is_rest = path.starts_with("/edge/");
    if is_rest && !query.is_empty() {
        let other = query_in_escapes(query);
        let escaped = ask(&other).expect("an escape may stand where its letter may");
        // A deadline may pass in one of the two.
        if plain.status != StatusCode::GATEWAY_TIMEOUT && escaped.status != StatusCode::GATEWAY_TIMEOUT {
            assert_eq!(plain.status, escaped.status, "{method} {path}?{query} and ?{other}");
            if plain.status == StatusCode::OK {
                assert_eq!(plain, escaped, "{method} {path}?{query} and ?{other}");
            }
        }
    }
    Corpus::Keep
});

#[derive(Debug, PartialEq)]
struct Answer {
    status: StatusCode,
    content_type: Option<HeaderValue>,
    /// Nothing where it is packed: where a stream's packing is flushed depends on time.
    body: Option<String>,
}

impl Answer {
    /// Whether it says that the request was good or what was wrong with it, and not that the server is.
    fn is_no_blame(&self) -> bool {
        match self.status {
            StatusCode::NOT_IMPLEMENTED | StatusCode::GATEWAY_TIMEOUT => true,
            other => !other.is_server_error(),
        }
    }
}

fn answer(request: Request<Body>) -> Answer {
    with_router(|router| async move {
        let response = router.oneshot(request).await.expect("the router does not fail");
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("the body has an end").to_bytes();
        let is_packed = head.headers.contains_key("content-encoding");
        Answer {
            status: head.status,
            content_type: head.headers.get("content-type").cloned(),
            body: (!is_packed).then(|| String::from_utf8_lossy(&body).into_owned()),
        }
    })
}

/// Bytes below 128 as they are, those above as the words they stand for.
fn text(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte.checked_sub(128) {
            None => text.push(char::from(*byte)),
            Some(number) => text.push_str(WORDS[usize::from(number) % WORDS.len()]),
        }
        if text.len() > TEXT_MAX_BYTES {
            break;
        }
    }
    text
}

fn escaped(text: &str, has_to_be: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !has_to_be(byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The same query with an escape for each letter and digit.
fn query_in_escapes(query: &str) -> String {
    let mut out = String::with_capacity(3 * query.len());
    let mut rest = query.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let is_escape = byte == b'%' && after.len() >= 2 && after[..2].iter().all(u8::is_ascii_hexdigit);
        if is_escape {
            out.push('%');
            out.extend(after[..2].iter().map(|digit| char::from(*digit)));
            rest = &after[2..];
        } else if byte == b'%' {
            // Escaping what follows would make it no other query, but what follows two letters on might be one.
            out.push('%');
            let letters = after.iter().take(2).take_while(|next| **next != b'%').count();
            out.extend(after[..letters].iter().map(|next| char::from(*next)));
            rest = &after[letters..];
        } else if byte.is_ascii_alphanumeric() {
            let _ = write!(out, "%{byte:02X}");
        } else {
            out.push(char::from(byte));
        }
    }
    out
}
