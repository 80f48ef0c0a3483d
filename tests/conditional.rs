//! Conditional requests: a read that finds nothing new, and a change of what has changed meanwhile.

use ambidex::Code;
use ambidex::client::Channel;
use ambidex::tonic::IntoRequest;
use http::{Method, StatusCode};
use prost::Message;
use serde_json::json;

use crate::support::files_v1::{FilesClient, Text, TextRequest};
use crate::support::running::files;
use crate::support::socket::open;

const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

#[tokio::test]
async fn a_client_that_has_the_answer_is_told_so() {
    let server = files().await;
    for client in [server.http.clone(), server.http.http2()] {
        let get = async |headers: &[(&str, &str)]| client.send(Method::GET, "/texts/a", headers, "").await;
        let first = get(&[]).await;
        assert_eq!((first.status, first.header("etag")), (StatusCode::OK, "\"v1\""));
        assert_eq!(first.header("last-modified"), MODIFIED);
        for known in
            [("if-none-match", "\"x\", \"v1\""), ("if-none-match", "*"), ("if-modified-since", MODIFIED)]
        {
            let again = get(&[known]).await;
            assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0), "{known:?}");
            // Who went by the time may know the strong tag or, of a compressed answer, the weak one.
            let tag = if known.0 == "if-modified-since" { "W/\"v1\"" } else { "\"v1\"" };
            assert_eq!((again.header("etag"), again.header("content-type")), (tag, ""), "{known:?}");
        }
        for other in [("if-none-match", "\"v2\""), ("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT")] {
            assert_eq!(get(&[other]).await.status, StatusCode::OK, "{other:?}");
        }
        let head = client.send(Method::HEAD, "/texts/a", &[("if-none-match", "\"v1\"")], "").await;
        assert_eq!(head.status, StatusCode::NOT_MODIFIED);
    }
}

/// A tag that became weak on its way comes back weak.
#[tokio::test]
async fn a_compressed_answer_is_known_by_its_weak_tag() {
    let server = files().await;
    for coding in ["gzip", "br", "zstd"] {
        let accept = ("accept-encoding", coding);
        let first = server.http.send(Method::GET, "/texts/a", &[accept], "").await;
        assert_eq!((first.header("content-encoding"), first.header("etag")), (coding, "W/\"v1\""));
        let known = ("if-none-match", first.header("etag"));
        let again = server.http.send(Method::GET, "/texts/a", &[accept, known], "").await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
        // A cache finds by it what it has.
        assert_eq!((again.header("etag"), again.header("content-encoding")), ("W/\"v1\"", ""));
        let vary: Vec<_> = again.headers.get_all("vary").iter().collect();
        assert_eq!(vary, ["accept", "accept-encoding"]);
    }
}

#[tokio::test]
async fn a_change_of_what_has_changed_is_refused() {
    let server = files().await;
    let put = async |path: &str, header: (&str, &str)| {
        let headers = [("content-type", "application/json"), header];
        server.http.send(Method::PUT, path, &headers, r#"{"text": "x"}"#).await
    };
    assert_eq!(put("/texts/a", ("if-match", "\"v0\", \"v1\"")).await.status, StatusCode::OK);
    assert_eq!(put("/texts/new", ("if-none-match", "*")).await.status, StatusCode::OK);
    for (path, header) in [
        ("/texts/a", ("if-match", "\"v0\"")),
        ("/texts/a", ("if-match", "W/\"v1\"")),
        ("/texts/a", ("if-none-match", "*")),
        ("/texts/a", ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:36 GMT")),
        ("/texts/new", ("if-match", "*")),
    ] {
        let refused = put(path, header).await;
        assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED, "{path} {header:?}");
        assert_eq!(refused.json()["error"]["status"], "FAILED_PRECONDITION");
    }
}

/// 304 is a word of REST: whoever calls otherwise gets the message.
#[tokio::test]
async fn other_protocols_get_the_message_and_the_same_refusal() {
    let server = files().await;
    let channel = Channel::connect(format!("http://{}", server.address)).await.expect("it listens");
    let client = FilesClient::new(channel);
    let mut request = TextRequest { name: "a".into() }.into_request();
    request.metadata_mut().insert("if-none-match", "\"v1\"".parse().expect("a value"));
    assert!(!client.read(request).await.expect("a text").into_inner().text.is_empty());
    let mut request = Text { name: "a".into(), text: "x".into() }.into_request();
    request.metadata_mut().insert("if-match", "\"v0\"".parse().expect("a value"));
    assert_eq!(client.write(request).await.expect_err("refused").code(), Code::FailedPrecondition);

    let rpc = [("content-type", "application/proto"), ("if-none-match", "\"v1\"")];
    let name = TextRequest { name: "a".into() }.encode_to_vec();
    let answer = server.http.send(Method::POST, "/files.v1.Files/Read", &rpc, name).await;
    assert_eq!((answer.status, answer.header("etag")), (StatusCode::OK, "\"v1\""));
    assert!(!Text::decode(answer.body).expect("a text").text.is_empty());
    let rpc = [("content-type", "application/json"), ("if-match", "\"v0\"")];
    let refused = server.http.send(Method::POST, "/files.v1.Files/Write", &rpc, r#"{"name": "a"}"#).await;
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (StatusCode::BAD_REQUEST, &json!("failed_precondition"))
    );

    let mut socket = open(&server, "/read/a", &[("if-none-match", "\"v1\"")]).await.expect("open");
    socket.end().await;
    assert!(socket.record().await["result"]["text"].is_string());
}
