//! What HTTP itself asks of a server (RFC 9110): limits of a target, methods, headers of a connection.

use std::net::SocketAddr;

use ambidex::google::api::{HttpRule, http_rule::Pattern};
use ambidex::server::Config;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::running::{edge_builder, files, files_builder, files_with, start};
use crate::support::socket::{Socket, open};

/// What comes back for a request that is sent as it stands, on a connection of its own.
async fn by_hand(address: SocketAddr, request: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("the server listens");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

fn catch_all() -> HttpRule {
    HttpRule {
        selector: "edge.v1.Edge.Unruled".into(),
        pattern: Some(Pattern::Get("/{name=**}".into())),
        ..HttpRule::default()
    }
}

#[tokio::test]
async fn a_target_that_is_too_long_is_414() {
    let server = files().await;
    let limit = Config::default().target_max_bytes;
    for client in [server.http.clone(), server.http.http2()] {
        // As long as it may be, in its path or in its query, and one more.
        let path = format!("/look/{}", "x".repeat(limit - "/look/".len()));
        let query = format!("/look/x?name={}", "y".repeat(limit - "/look/x?name=".len()));
        assert_eq!(client.get(&path).await.status, StatusCode::OK);
        assert_ne!(client.get(&query).await.status, StatusCode::URI_TOO_LONG);
        for target in [path + "x", query + "y", format!("/nowhere/{}", "x".repeat(limit))] {
            let answer = client.get(&target).await;
            assert_eq!(answer.status, StatusCode::URI_TOO_LONG);
            let error = &answer.json()["error"];
            assert_eq!((&error["code"], &error["status"]), (&json!(414), &json!("INVALID_ARGUMENT")));
            let message = format!("path and query are longer than {limit} bytes together");
            assert_eq!(error["message"], message);
            let head = client.send(Method::HEAD, &target, &[], "").await;
            assert_eq!((head.status, head.body.len()), (StatusCode::URI_TOO_LONG, 0));
        }
        let rpc = format!("/files.v1.Files/Look?{}", "x".repeat(limit));
        assert_eq!(client.post(&rpc, "{}").await.status, StatusCode::URI_TOO_LONG);
    }
    let websocket = open(&server, &format!("/look/{}", "x".repeat(limit)), &[]).await.map(drop);
    assert!(websocket.expect_err("refused").to_string().contains("414"));
    let router = files_with(|config| config.cors = Some(ambidex::server::Cors::any())).await;
    let answer = router.http.get(&format!("/look/{}", "x".repeat(limit))).await;
    assert_eq!(answer.status, StatusCode::URI_TOO_LONG, "behind a router, too");
}

#[tokio::test]
async fn the_limit_of_a_target_is_a_setting_and_the_head_has_its_own() {
    let small = files_with(|config| config.target_max_bytes = 20).await;
    assert_eq!(small.http.get("/look/1234567890").await.status, StatusCode::OK);
    assert_eq!(small.http.get("/look/12345678901234567890").await.status, StatusCode::URI_TOO_LONG);
    let none = files_with(|config| config.target_max_bytes = 0).await;
    for client in [none.http.clone(), none.http.http2()] {
        assert_eq!(client.get(&format!("/look/{}", "x".repeat(12_000))).await.status, StatusCode::OK);
    }
    // Over the limit of the head nothing is looked at any more.
    let long = by_hand(none.address, &format!("GET /look/{} HTTP/1.1\r\n\r\n", "x".repeat(20_000))).await;
    assert!(long.starts_with("HTTP/1.1 431 "), "{long}");
}

#[tokio::test]
async fn what_is_allowed_counts_rpc_routes_and_templates() {
    let server = start(edge_builder().http_rule(catch_all())).await;
    // A method with GET of its own, and one without.
    for (path, allowed) in
        [("/edge.v1.Edge/See", "GET, HEAD, POST"), ("/edge.v1.Edge/Say", "GET, HEAD, POST")]
    {
        let put = server.http.send(Method::PUT, path, &[], "").await;
        assert_eq!((put.status, put.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, allowed), "{path}");
        let options = server.http.send(Method::OPTIONS, path, &[], "").await;
        assert_eq!((options.status, options.header("allow")), (StatusCode::NO_CONTENT, allowed), "{path}");
    }
    assert_eq!(server.http.get("/edge.v1.Edge/Say").await.json()["binding"], "0 GET /{name=**}");
    // A WebSocket at an RPC route is opened with GET, and meant for the RPC.
    let mut socket = open(&server, "/edge.v1.Edge/Chat", &[]).await.expect("open");
    socket.send(json!({"id": "7"})).await;
    assert_eq!(socket.record().await["result"]["binding"], "0 POST /edge.v1.Edge/Chat");
    // Of several RPCs at a path none is meant, whatever their methods are.
    let texts = open(&files().await, "/texts/a", &[]).await.map(drop);
    assert!(texts.expect_err("refused").to_string().contains("400"));
}

#[tokio::test]
async fn a_server_says_what_it_can_do_at_all() {
    let request = "OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let server = files().await;
    let answer = by_hand(server.address, request).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 204 "), "{answer}");
    assert!(answer.contains("\r\nallow: get, head, patch, post, put, options\r\n"), "{answer}");
    // Behind a user's own routes the same.
    let routed = axum::Router::new().route("/mine", axum::routing::get(async || "mine"));
    let routed = start(files_builder().router(routed)).await;
    assert!(by_hand(routed.address, request).await.starts_with("HTTP/1.1 204 "));
    let get = by_hand(server.address, "GET * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(get.starts_with("HTTP/1.1 404 "), "{get}");
}

#[tokio::test]
async fn a_connect_get_came_by_get() {
    let server = files().await;
    let get = server.http.get("/files.v1.Files/Look?encoding=json&connect=v1&message=%7B%7D").await;
    assert_eq!(get.json()["binding"], "GET /files.v1.Files/Look");
    let post = server.http.post("/files.v1.Files/Look", "{}").await;
    assert_eq!(post.json()["binding"], "POST /files.v1.Files/Look");
}

#[tokio::test]
async fn an_unread_type_is_answered_with_the_types_that_are_read() {
    let server = files().await;
    let typed = [("content-type", "text/x")];
    for (method, path, header) in [
        (Method::PATCH, "/texts/a", "accept-patch"),
        (Method::PUT, "/texts/a", "accept"),
        (Method::POST, "/look", "accept-post"),
        (Method::POST, "/files.v1.Files/Look", "accept-post"),
    ] {
        let answer = server.http.send(method, path, &typed, "x").await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path}");
        for name in ["accept", "accept-patch", "accept-post"] {
            assert_eq!(answer.header(name).contains("application/json"), name == header, "{path} {name}");
        }
    }
}

#[tokio::test]
async fn headers_of_the_connection_are_no_metadata() {
    let server = files().await;
    let headers = "host: x\r\nconnection: X-Hop, close\r\nconnection: x-other\r\nx-hop: 1\r\nx-other: 2\r\nx-kept: 3\r\n\
                   proxy-authorization: Basic eA==\r\nkeep-alive: timeout=5\r\n";
    let names = |answer: &str| -> Value {
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
        serde_json::from_str::<Value>(body).unwrap_or_else(|_| panic!("{answer}"))["metadata"].clone()
    };
    let rest = by_hand(server.address, &format!("GET /look/a HTTP/1.1\r\n{headers}\r\n")).await;
    assert_eq!(names(&rest), json!(["x-kept"]));
    let start = format!("POST /files.v1.Files/Look HTTP/1.1\r\n{headers}content-type: application/json\r\n");
    let connect = by_hand(server.address, &format!("{start}content-length: 2\r\n\r\n{{}}")).await;
    assert_eq!(names(&connect), json!(["x-kept"]));
    let web = format!(
        "POST /files.v1.Files/Look HTTP/1.1\r\n{headers}content-type: application/grpc-web\r\ncontent-length: 5\r\n\r\n\
         \0\0\0\0\0"
    );
    let web = by_hand(server.address, &web).await;
    assert!(web.contains("x-kept") && !web.contains("x-hop") && !web.contains("x-other"), "{web:?}");
    let mut request = format!("ws://{}/look", server.address).into_client_request().expect("a request");
    let hops = [
        ("connection", "Upgrade, X-Hop"),
        ("x-hop", "1"),
        ("x-kept", "2"),
        ("proxy-authorization", "Basic eA=="),
    ];
    for (name, value) in hops {
        request.headers_mut().insert(name, value.parse().expect("a value"));
    }
    let mut socket = Socket(connect_async(request).await.expect("open").0);
    socket.send(json!({})).await;
    assert_eq!(socket.record().await["result"]["metadata"], json!(["x-kept"]));
    // What is usual names no header.
    let usual = "GET /look/a HTTP/1.1\r\nhost: x\r\nconnection: close\r\nclose: 1\r\n\r\n";
    assert_eq!(names(&by_hand(server.address, usual).await), json!(["close"]));
}
