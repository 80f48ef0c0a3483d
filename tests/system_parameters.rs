//! System parameters where they were easily forgotten: of errors, and of the messages of a WebSocket.

use futures_util::StreamExt;
use http::{Method, StatusCode};
use prost::Message as _;
use serde_json::json;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::files_v1::Looked;
use crate::support::http_client::Answer;
use crate::support::running::{edge_with, files, files_with};
use crate::support::socket::open;

const PROTO: &str = "application/x-protobuf";

fn code_of_proto(answer: &Answer) -> i32 {
    assert_eq!(answer.header("content-type"), PROTO, "{}", answer.text());
    ambidex::tonic_types::pb::Status::decode(answer.body.clone()).expect("a status").code
}

#[tokio::test]
async fn an_error_has_the_form_that_the_query_asks_for() {
    let server = files().await;
    let get =
        async |path: &str, accept: &str| server.http.send(Method::GET, path, &[("accept", accept)], "").await;
    // Of the handler, of the edge once the call has begun, of the head, of the parameters themselves, and of no method.
    for (path, code) in [
        ("/described/none?", 5),
        ("/described/a?nope=1&", 3),
        ("/described/a?$prettyPrint=maybe&", 3),
        ("/nowhere?", 5),
        ("/look/%zz?", 3),
    ] {
        assert_eq!(
            code_of_proto(&get(&format!("{path}$alt=proto"), "application/json").await),
            code,
            "{path}"
        );
        let json = get(&format!("{path}$alt=json"), PROTO).await;
        assert_eq!(json.header("content-type"), "application/json", "{path}");
        assert!(json.json()["error"]["message"].is_string(), "{path}");
        assert_eq!(code_of_proto(&get(path, PROTO).await), code, "{path}");
    }
    let post = server.http.post("/described/a?$alt=proto", "").await;
    assert_eq!((post.status, code_of_proto(&post)), (StatusCode::METHOD_NOT_ALLOWED, 12));
    let unreadable =
        server.http.send(Method::PUT, "/texts/a?$alt=proto", &[("content-type", "text/x")], "").await;
    assert_eq!((unreadable.status, code_of_proto(&unreadable)), (StatusCode::UNSUPPORTED_MEDIA_TYPE, 3));
    // One that nobody knows says nothing of the form.
    assert_eq!(get("/described/a?$alt=xml", "*/*").await.header("content-type"), "application/json");
    // An early error of a stream is an error like others, and one of a file no file.
    assert_eq!(get("/pieces/none?$alt=media", "*/*").await.json()["error"]["code"], 404);
    assert_eq!(code_of_proto(&get("/pieces/none?$alt=proto", "*/*").await), 5);
    let early = edge_with(|_| ()).await.http.get("/edge/many?nope=1&$alt=sse").await;
    assert_eq!(early.json()["error"]["code"], 400);
}

#[tokio::test]
async fn an_error_is_for_people_where_the_query_says_so() {
    let server = files().await;
    for path in ["/described/none?", "/described/a?nope=1&", "/described/a?$alt=xml&", "/nowhere?"] {
        let plain = server.http.get(&format!("{path}$prettyPrint=false")).await;
        let pretty = server.http.get(&format!("{path}$prettyPrint=true")).await;
        assert!(pretty.text().starts_with("{\n  \"error\": {\n    \"code\": "), "{}", pretty.text());
        assert!(!plain.text().contains('\n'), "{}", plain.text());
        assert_eq!(plain.json(), pretty.json());
    }
    // What the server does with its replies it does with its errors.
    let pretty = files_with(|config| config.json_out.pretty = true).await;
    assert!(pretty.http.get("/described/none").await.text().contains("\n  \"error\""));
    assert!(!pretty.http.get("/described/none?$prettyPrint=0").await.text().contains('\n'));
}

#[tokio::test]
async fn the_messages_of_a_websocket_are_as_the_query_has_them() {
    let server = files_with(|config| config.response_masks = true).await;
    let first = async |query: &str| {
        let mut socket = open(&server, &format!("/look/a?{query}"), &[]).await.expect(query);
        socket.end().await;
        socket.0.next().await.expect("a frame").expect("a frame")
    };
    let json =
        |frame: &Message| serde_json::from_str::<serde_json::Value>(frame.to_text().expect("text")).unwrap();
    assert_eq!(json(&first("$alt=json").await)["result"]["size"], "SMALL");
    assert_eq!(json(&first("$alt=json;enum-encoding=int").await)["result"]["size"], 1);
    assert!(first("$prettyPrint=true").await.to_text().expect("text").contains("\n"));
    assert!(!first("$prettyPrint=false").await.to_text().expect("text").contains("\n"));
    for mask in ["fields=name", "$fields=name"] {
        assert_eq!(json(&first(mask).await), json!({"result": {"name": "a"}}), "{mask}");
    }
    let Message::Binary(proto) = first("$alt=proto&fields=binding").await else { panic!("protobuf") };
    let looked = Looked::decode(proto).expect("a message");
    assert_eq!((&*looked.name, &*looked.binding), ("", "GET /look/{name=**}"));
}

#[tokio::test]
async fn what_a_websocket_cannot_be_is_refused_as_it_is_of_any_request() {
    let server = files_with(|config| config.response_masks = true).await;
    let refused = async |query: &str, headers: &[(&str, &str)]| match open(
        &server,
        &format!("/look/a?{query}"),
        headers,
    )
    .await
    .map(drop)
    {
        Err(Error::Http(response)) => {
            let body = response.body().as_deref().unwrap_or_default();
            (response.status().as_u16(), String::from_utf8_lossy(body).into_owned())
        }
        other => panic!("{query}: {other:?}"),
    };
    for (query, word) in [
        ("$alt=xml", "xml"),
        ("$alt=sse", "$alt"),
        ("$alt=media", "$alt"),
        ("$alt=json;x=y", "x=y"),
        ("$prettyPrint=maybe", "true or false"),
        ("fields=nope", "nope"),
    ] {
        let (status, body) = refused(query, &[]).await;
        assert!(status == 400 && body.contains(word), "{query}: {status} {body}");
    }
    let chosen = [("sec-websocket-protocol", "ambidex.proto")];
    assert_eq!(refused("$alt=json", &chosen).await.0, 400, "they say different things");
    assert!(open(&server, "/look/a?$alt=proto", &chosen).await.is_ok());
    // On an RPC route the query is Connect's.
    assert!(open(&server, "/files.v1.Files/Look?$alt=xml", &[]).await.is_ok());
}
