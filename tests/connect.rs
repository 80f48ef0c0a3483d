//! The Connect protocol, byte by byte; clients written by others speak it in `tests/foreign`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use prost::Message;
use serde_json::json;

use crate::support::edge_v1::{SeeRequest, Seen};
use crate::support::envelopes::{envelope, opened};
use crate::support::http_client::Answer;
use crate::support::parity_v1::{CountRequest, CountResponse, SumRequest, SumResponse};
use crate::support::running::{Running, edge_builder, edge_with, parity, parity_with, start};

async fn stream(server: &Running, method: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    server.http.send(Method::POST, &format!("/parity.v1.Parity/{method}"), headers, body).await
}

const STREAM_JSON: (&str, &str) = ("content-type", "application/connect+json");
const STREAM_PROTO: (&str, &str) = ("content-type", "application/connect+proto");

#[tokio::test]
async fn streams_go_in_envelopes_and_end_in_one() {
    let server = parity().await;
    let answer = stream(&server, "Count", &[STREAM_JSON], envelope(0, br#"{"to": 2}"#)).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/connect+json"));
    let (messages, end) = opened(&answer.body);
    assert_eq!(messages, [(0, br#"{"number":1}"#.to_vec()), (0, br#"{"number":2}"#.to_vec())]);
    assert_eq!(end, json!({}));

    let request = CountRequest { to: 3, ..CountRequest::default() }.encode_to_vec();
    let answer = stream(&server, "CountBlocking", &[STREAM_PROTO], envelope(0, &request)).await;
    assert_eq!(answer.header("content-type"), "application/connect+proto");
    let (messages, _) = opened(&answer.body);
    let numbers = messages.iter().map(|(_, message)| CountResponse::decode(&**message).unwrap().number);
    assert_eq!(numbers.collect::<Vec<_>>(), [1, 2, 3]);

    let numbers =
        [1, 2, 3].map(|number| envelope(0, &SumRequest { number, ..SumRequest::default() }.encode_to_vec()));
    let answer = stream(&server, "Sum", &[STREAM_PROTO], numbers.concat()).await;
    let (messages, _) = opened(&answer.body);
    assert_eq!(SumResponse::decode(&*messages[0].1).unwrap(), SumResponse { sum: 6, count: 3 });
    let answer = stream(&server, "Running", &[STREAM_PROTO], numbers.concat()).await;
    let sums = opened(&answer.body)
        .0
        .iter()
        .map(|(_, message)| SumResponse::decode(&**message).unwrap().sum)
        .collect::<Vec<_>>();
    assert_eq!(sums, [1, 3, 6]);
}

#[tokio::test]
async fn errors_of_streams_are_in_their_end_early_and_late() {
    let server = parity().await;
    let plan = r#"{"to": 2, "plan": {"failCode": 5, "failMessage": "no more", "failDetails": true}}"#;
    let late = stream(&server, "Count", &[STREAM_JSON], envelope(0, plan.as_bytes())).await;
    let (messages, end) = opened(&late.body);
    assert_eq!((late.status, messages.len()), (StatusCode::OK, 2));
    assert_eq!((&end["error"]["code"], &end["error"]["message"]), (&json!("not_found"), &json!("no more")));
    let detail = &end["error"]["details"][0];
    assert_eq!(detail["type"], "google.rpc.BadRequest");
    assert_eq!(detail["debug"]["fieldViolations"][0]["field"], "text");

    let early = plan.replace("\"to\": 2", "\"to\": 0");
    for (body, code) in [(early.as_str(), "not_found"), ("{\"nope\": 1}", "invalid_argument")] {
        let answer = stream(&server, "Count", &[STREAM_JSON], envelope(0, body.as_bytes())).await;
        let (messages, end) = opened(&answer.body);
        assert_eq!((answer.status, messages.len()), (StatusCode::OK, 0), "{}", answer.text());
        assert_eq!(end["error"]["code"], code);
    }
    let late = [STREAM_JSON, ("connect-timeout-ms", "soon")];
    let (_, end) = opened(&stream(&server, "Count", &late, envelope(0, b"{}")).await.body);
    assert_eq!(end["error"]["code"], "invalid_argument");
    let version = [STREAM_JSON, ("connect-protocol-version", "2")];
    let (_, end) = opened(&stream(&server, "Count", &version, envelope(0, b"{}")).await.body);
    assert_eq!(end["error"]["code"], "invalid_argument");
    // What is malformed, and what has more or fewer messages than the method takes.
    let twice = [envelope(0, b"{}"), envelope(0, b"{}")].concat();
    for (body, code) in
        [(vec![0, 0], "invalid_argument"), (twice, "unimplemented"), (vec![], "unimplemented")]
    {
        let (_, end) = opened(&stream(&server, "Count", &[STREAM_JSON], body).await.body);
        assert_eq!(end["error"]["code"], code);
    }
    let wrong =
        server.http.send(Method::POST, "/parity.v1.Parity/Echo", &[STREAM_JSON], envelope(0, b"{}")).await;
    assert_eq!(wrong.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "a unary method has no envelopes");
    assert!(wrong.header("accept-post").contains("application/proto"));
}

#[tokio::test]
async fn unary_metadata_lead_in_headers_and_trail_in_prefixed_ones() {
    let server = parity().await;
    let answer = stream(&server, "Count", &[STREAM_JSON], envelope(0, br#"{"to": 1}"#)).await;
    assert!(opened(&answer.body).1.get("metadata").is_none());
    // Unary: trailers are headers with a prefix.
    let headers = [
        ("content-type", "application/json"),
        ("x-echo-a", "1"),
        ("x-trail-b", "2"),
        ("x-trail-c-bin", "AP8"),
    ];
    let body = r#"{"plan": {"echoMetadata": true}}"#;
    let answer = server.http.send(Method::POST, "/parity.v1.Parity/Echo", &headers, body).await;
    assert_eq!((answer.header("x-echo-a"), answer.header("trailer-x-trail-b")), ("1", "2"));
    assert_eq!(answer.header("trailer-x-trail-c-bin").trim_end_matches('='), "AP8");
}

#[tokio::test]
async fn each_envelope_is_packed_by_itself() {
    let server = parity_with(|config| config.compress_min_bytes = 1).await;
    let roomy =
        [STREAM_JSON, ("connect-content-encoding", "gzip"), ("connect-accept-encoding", "br;q=0.1, zstd")];
    // An envelope may stay as it is although a coding was agreed on.
    let answer = stream(&server, "Count", &roomy, envelope(0, br#"{"to": 2}"#)).await;
    assert_eq!(answer.header("connect-content-encoding"), "zstd");
    let mut flags = Vec::new();
    let mut rest = &answer.body[..];
    while let Some((head, behind)) = rest.split_at_checked(5) {
        flags.push(head[0]);
        rest = &behind[u32::from_be_bytes(head[1..].try_into().unwrap()) as usize..];
    }
    assert_eq!(flags, [1, 1, 3]);
    let unknown = [STREAM_JSON, ("connect-content-encoding", "lzma")];
    let (_, end) = opened(&stream(&server, "Count", &unknown, envelope(1, b"{}")).await.body);
    assert_eq!(end["error"]["code"], "unimplemented");
    assert!(end["error"]["message"].as_str().unwrap().contains("gzip"));
}

#[tokio::test]
async fn a_call_without_side_effects_may_be_a_get() {
    let server = start(edge_builder()).await;
    let json = r#"{"id": "a+b/c"}"#;
    let proto = SeeRequest { id: "a+b/c".into(), ..SeeRequest::default() }.encode_to_vec();
    let get = async |query: String| {
        server.http.send(Method::GET, &format!("/edge.v1.Edge/See?{query}"), &[], "").await
    };
    let escaped: String = json.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for query in [
        format!("encoding=json&message={escaped}"),
        format!("connect=v1&encoding=json&base64=1&message={}", URL_SAFE_NO_PAD.encode(json)),
    ] {
        let answer = get(query).await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
        assert_eq!(answer.json()["id"], "a+b/c");
    }
    let answer =
        get(format!("encoding=proto&base64=1&message={}&connect=v1", URL_SAFE_NO_PAD.encode(&proto))).await;
    assert_eq!(answer.header("content-type"), "application/proto");
    assert_eq!(Seen::decode(answer.body).unwrap().id, "a+b/c");
    let empty = get("encoding=json&message=".into()).await;
    assert_eq!(empty.status, StatusCode::OK);
    for (query, status, code) in [
        ("message=%7B%7D", 400, "invalid_argument"),
        ("encoding=xml&message=", 415, "invalid_argument"),
        ("encoding=json", 400, "invalid_argument"),
        ("encoding=json&message=%7B", 400, "invalid_argument"),
        ("encoding=json&message=&compression=lzma", 501, "unimplemented"),
        ("encoding=json&message=&connect=v2", 400, "invalid_argument"),
    ] {
        let answer = get(query.into()).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (status, &json!(code)), "{query}");
    }
    // A method that may have side effects is not for GET.
    let answer = server.http.get("/edge.v1.Edge/Say?encoding=json&message=%7B%7D").await;
    assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
}

#[tokio::test]
async fn a_server_may_require_that_clients_say_what_they_speak() {
    let server = edge_with(|config| config.connect_require_protocol_header = true).await;
    let bare = server.http.post("/edge.v1.Edge/See", "{}").await;
    assert_eq!((bare.status, &bare.json()["code"]), (StatusCode::BAD_REQUEST, &json!("invalid_argument")));
    let headers = [("content-type", "application/json"), ("connect-protocol-version", "1")];
    let said = server.http.send(Method::POST, "/edge.v1.Edge/See", &headers, "{}").await;
    assert_eq!(said.status, StatusCode::OK);
    let get = async |query: &str| server.http.get(&format!("/edge.v1.Edge/See?{query}")).await.status;
    assert_eq!(get("encoding=json&message=").await, StatusCode::BAD_REQUEST);
    assert_eq!(get("encoding=json&message=&connect=v1").await, StatusCode::OK);
    assert_eq!(server.http.get("/edge/items/1").await.status, StatusCode::OK, "REST is not Connect");
}

#[tokio::test]
async fn unary_calls_are_packed_as_http_has_it() {
    let server = parity().await;
    let text = "x".repeat(3000);
    let headers = [("content-type", "application/json"), ("accept-encoding", "gzip")];
    let body = json!({ "text": text }).to_string();
    let packed = server.http.send(Method::POST, "/parity.v1.Parity/Echo", &headers, body).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
    let back = server.http.send(Method::POST, "/parity.v1.Parity/Echo", &headers, packed.body).await;
    assert_eq!(back.json()["text"], text);
    let headers = [("content-type", "application/json"), ("content-encoding", "lzma")];
    let unknown = server.http.send(Method::POST, "/parity.v1.Parity/Echo", &headers, "{}").await;
    assert_eq!(
        (unknown.status, &unknown.json()["code"]),
        (StatusCode::NOT_IMPLEMENTED, &json!("unimplemented"))
    );
    for coding in ["gzip", "br", "zstd"] {
        let message = unknown.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(coding), "{message:?} does not name {coding}");
    }
}
