//! `google.api.HttpBody` as the part of a reply that is shown: bytes of any type.

use ambidex::client::Channel;
use http::{Method, StatusCode};
use prost::Message;
use serde_json::json;

use crate::support::files_v1::{File, FileRequest, FilesClient};
use crate::support::running::files;
use crate::support::socket::open;

#[tokio::test]
async fn a_field_of_raw_bytes_is_sent_as_it_is() {
    let server = files().await;
    for client in [server.http.clone(), server.http.http2()] {
        for path in ["/files/a", "/files/a?$alt=media", "/pieces/a"] {
            // Whatever a client takes, bytes have one form.
            let answer = client.send(Method::GET, path, &[("accept", "application/json")], "").await;
            assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"\x00\xff\x01"[..]), "{path}");
            assert_eq!(answer.header("content-type"), "image/x-test", "{path}");
        }
        for path in ["/files/empty", "/pieces/empty"] {
            let answer = client.get(path).await;
            assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0), "{path}");
            assert_eq!(answer.header("content-type"), "application/octet-stream", "{path}");
        }
        for path in ["/files/none", "/pieces/none"] {
            let answer = client.get(path).await;
            assert_eq!(
                (answer.status, &answer.json()["error"]["code"]),
                (StatusCode::NOT_FOUND, &json!(404))
            );
        }
        let head = client.send(Method::HEAD, "/files/a", &[], "").await;
        assert_eq!((head.header("content-type"), head.header("content-length")), ("image/x-test", "3"));
    }
}

#[tokio::test]
async fn the_same_message_is_json_where_the_bytes_are_not_all_of_it() {
    let server = files().await;
    let whole = json!({
        "name": "a",
        "body": {"contentType": "image/x-test", "data": "AP8B"},
        "attached": [{"contentType": "text/plain", "data": "YQ=="}]
    });
    assert_eq!(server.http.get("/described/a").await.json(), whole);
    assert_eq!(server.http.post("/files.v1.Files/Fetch", r#"{"name": "a"}"#).await.json(), whole);
    // A list of files is no file.
    assert_eq!(server.http.get("/attached/a").await.json(), whole["attached"]);
    // A frame has no type of its own.
    let mut socket = open(&server, "/pieces/a", &[]).await.expect("open");
    socket.end().await;
    assert_eq!(socket.record().await, json!({"result": {"contentType": "image/x-test", "data": "AP8="}}));
    // Over other protocols nobody knows of it.
    let request = FileRequest { name: "a".into() };
    let channel = Channel::connect(format!("http://{}", server.address)).await.expect("it listens");
    let file = FilesClient::new(channel).fetch(request.clone()).await.expect("a file").into_inner();
    let rpc = [("content-type", "application/proto")];
    let answer = server.http.send(Method::POST, "/files.v1.Files/Fetch", &rpc, request.encode_to_vec()).await;
    assert_eq!(File::decode(answer.body).expect("a file"), file);
    assert_eq!(&file.body.expect("bytes").data[..], b"\x00\xff\x01");
}
