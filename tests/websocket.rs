//! Methods of every kind over a WebSocket, by a client that another library implements.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ambidex::call::Call;
use ambidex::google::api::{HttpRule, http_rule::Pattern};
use ambidex::interceptor;
use ambidex::server::{Config, Cors};
use futures_util::{SinkExt, StreamExt};
use prost::Message as _;
use serde_json::json;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::streams::eventually;
use crate::support::parity_v1::{SumRequest, SumResponse};
use crate::support::running::{edge_builder, parity, parity_builder, parity_with, start};
use crate::support::socket::open;

#[tokio::test]
async fn both_sides_stream_at_once() {
    let server = parity().await;
    for path in ["/parity.v1.Parity/Running", "/v1/running", "/v1/blocking/running"] {
        let mut socket = open(&server, path, &[]).await.expect(path);
        for (number, sum) in [(1, "1"), (5, "6"), (-2, "4")] {
            socket.send(json!({"number": number})).await;
            let reply = socket.record().await;
            assert_eq!(reply["result"]["sum"], sum, "each is answered before the next is sent");
        }
        socket.end().await;
        assert_eq!(socket.record().await, json!({"status": {"code": 0, "message": ""}}));
        assert_eq!(socket.closed().await, (1000, String::new()));
    }
}

#[tokio::test]
async fn other_kinds_of_methods_are_called_alike() {
    let server = parity().await;
    let mut socket = open(&server, "/parity.v1.Parity/Echo", &[]).await.expect("open");
    socket.send(json!({"text": "x"})).await;
    assert_eq!(socket.record().await, json!({"result": {"text": "x"}}));
    assert_eq!(socket.record().await["status"]["code"], 0);

    let mut socket = open(&server, "/parity.v1.Parity/Sum", &[]).await.expect("open");
    for number in 1..=3 {
        socket.send(json!({"number": number})).await;
    }
    socket.end().await;
    assert_eq!(socket.record().await["result"], json!({"sum": "6", "count": 3}));

    // Path and query belong to every message, as over NDJSON.
    let mut socket = open(&server, "/v1/count?to=2", &[]).await.expect("open");
    socket.send(json!({})).await;
    assert_eq!(socket.record().await["status"]["code"], 3, "this route takes no body");
    let mut socket = open(&server, "/v1/count?to=2", &[]).await.expect("open");
    socket.send_frame(Message::binary(vec![])).await;
    assert_eq!(socket.record().await, json!({"result": {"number": 1}}));
}

#[tokio::test]
async fn messages_may_be_protobuf() {
    let server = parity().await;
    let protocol = [("sec-websocket-protocol", "ambidex.proto")];
    let mut socket = open(&server, "/parity.v1.Parity/Running", &protocol).await.expect("open");
    let request = SumRequest { number: 7, ..SumRequest::default() };
    socket.send_frame(Message::binary(request.encode_to_vec())).await;
    let Message::Binary(reply) = socket.0.next().await.unwrap().unwrap() else { panic!("binary") };
    assert_eq!(SumResponse::decode(reply).unwrap(), SumResponse { sum: 7, count: 1 });
    socket.end().await;
    assert_eq!(socket.record().await["status"]["code"], 0, "the end is text all the same");
}

#[tokio::test]
async fn an_error_is_a_record_and_the_code_of_the_close() {
    let server = parity().await;
    let plan = json!({"to": 1, "plan": {"failCode": 5, "failMessage": "no more", "failDetails": true}});
    let mut socket = open(&server, "/parity.v1.Parity/Count", &[]).await.expect("open");
    socket.send(plan).await;
    assert_eq!(socket.record().await["result"]["number"], 1);
    let status = &socket.record().await["status"];
    assert_eq!((&status["code"], &status["message"]), (&json!(5), &json!("no more")));
    assert_eq!(status["details"][0]["@type"], "type.googleapis.com/google.rpc.BadRequest");
    assert_eq!(socket.closed().await, (4005, "no more".to_owned()));

    for (text, code) in [("{", 3), ("{\"nope\": 1}", 3)] {
        let mut socket = open(&server, "/parity.v1.Parity/Running", &[]).await.expect("open");
        socket.send_frame(Message::text(text)).await;
        assert_eq!(socket.record().await["status"]["code"], code);
        assert_eq!(socket.closed().await.0, 4003);
    }
    let mut socket = open(&server, "/parity.v1.Parity/Echo", &[]).await.expect("open");
    socket.send(json!({"plan": {"sleepMs": 60_000}})).await;
    socket.send(json!({})).await;
    let status = &socket.record().await["status"];
    assert_eq!((&status["code"], &status["message"]), (&json!(3), &json!("more than one message was sent")));
    let small = parity_with(|config| config.body_max_bytes = 100).await;
    let mut socket = open(&small, "/parity.v1.Parity/Echo", &[]).await.expect("open");
    socket.send(json!({"text": "x".repeat(120)})).await;
    assert_eq!(socket.record().await["status"]["code"], 8);
}

#[tokio::test]
async fn what_cannot_be_opened_is_refused_before_it_is() {
    let server = parity().await;
    let status = async |path: &str, headers: &[(&str, &str)]| match open(&server, path, headers).await {
        Err(Error::Http(response)) => response.status().as_u16(),
        other => panic!("unexpected: {:?}", other.map(drop)),
    };
    assert_eq!(status("/nowhere", &[]).await, 404);
    assert_eq!(status("/v1/running", &[("origin", "https://evil.example")]).await, 403);
    assert_eq!(status("/v1/running", &[("connect-timeout-ms", "soon")]).await, 400);
    let own = format!("http://{}", server.address);
    assert!(open(&server, "/v1/running", &[("origin", &own)]).await.is_ok(), "the server's own page");
    for credentials in [false, true] {
        let mut config = Config::default();
        let cors = Cors::origins(["https://shop.example"]);
        config.cors = Some(if credentials { cors.credentials() } else { cors });
        let came = Arc::new(AtomicBool::new(false));
        let look = interceptor::blocking({
            let came = came.clone();
            move |call: &mut Call| {
                came.store(call.metadata.contains_key("cookie"), Ordering::Relaxed);
                Ok(())
            }
        });
        let trusting = start(parity_builder().config(config).interceptor(look)).await;
        let page = [("origin", "https://shop.example"), ("cookie", "a=b"), ("x-deep", "kept")];
        let mut socket = open(&trusting, "/parity.v1.Parity/Describe", &page).await.expect("a trusted page");
        socket.end().await;
        assert_eq!(socket.record().await["result"]["deepMetadata"], "kept");
        assert_eq!(came.load(Ordering::Relaxed), credentials, "its user's cookies come only where they may");
    }
}

#[tokio::test]
async fn metadata_and_deadlines_are_those_of_the_opening_request() {
    let server = parity().await;
    let headers = [("x-echo-a", "1"), ("x-trail-b", "2")];
    let mut socket = open(&server, "/parity.v1.Parity/Echo", &headers).await.expect("open");
    socket.send(json!({"plan": {"echoMetadata": true}})).await;
    assert_eq!(socket.record().await, json!({"metadata": {"x-echo-a": ["1"]}}));
    assert_eq!(socket.record().await, json!({"result": {}}));
    assert_eq!(socket.record().await["status"]["metadata"], json!({"x-trail-b": ["2"]}));

    let mut socket =
        open(&server, "/parity.v1.Parity/Running", &[("connect-timeout-ms", "50")]).await.expect("open");
    assert_eq!(socket.record().await["status"]["code"], 4);
    assert_eq!(socket.closed().await.0, 4004);
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_call() {
    let server = parity().await;
    for polite in [true, false] {
        let key = format!("websocket {polite}");
        let mut socket = open(&server, "/parity.v1.Parity/Echo", &[]).await.expect("open");
        socket.send(json!({"plan": {"awaitCancel": key}})).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        if polite {
            socket.0.close(None).await.expect("closed");
        }
        drop(socket);
        let observed =
            async || server.http.get(&format!("/v1/observe?key={}", key.replace(' ', "+"))).await.json();
        for _ in 0..200 {
            if observed().await["reason"] == "ClientGone" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(observed().await, json!({"reason": "ClientGone"}));
    }
    eventually("nothing is open", || server.scheduler.snapshot().open == 0).await;
}

#[tokio::test]
async fn a_silent_client_is_asked_and_then_given_up() {
    let server = parity_with(|config| config.stream_keep_alive_ms = 50).await;
    let mut socket = open(&server, "/v1/running", &[]).await.expect("open");
    assert!(matches!(socket.0.next().await, Some(Ok(Message::Ping(_)))));
    // This client answers only while it reads: it does, and lives on.
    for _ in 0..5 {
        assert!(matches!(socket.0.next().await, Some(Ok(Message::Ping(_)))));
    }
    // Now it does not.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut frames = 0;
    while let Some(Ok(_)) = socket.0.next().await {
        frames += 1;
        assert!(frames < 50, "it was cut off");
    }
}

/// A client that only listens says nothing, so it has to be asked, however much there is to hear.
#[tokio::test]
async fn a_client_that_only_listens_is_asked_in_the_midst_of_a_busy_stream() {
    let server = parity_with(|config| config.stream_keep_alive_ms = 200).await;
    let mut socket = open(&server, "/parity.v1.Parity/Count", &[]).await.expect("open");
    socket.send(json!({"to": 160, "pauseMs": 10})).await;
    let mut pings = 0;
    loop {
        match socket.0.next().await.expect("a frame").expect("a frame") {
            Message::Ping(_) => pings += 1,
            Message::Text(text) if text.starts_with("{\"status\":{\"code\":0") => break,
            Message::Text(_) => {}
            other => panic!("unexpected: {other:?}"),
        }
    }
    assert!(pings >= 3, "{pings} pings in 1.6 s");
}

#[tokio::test]
async fn the_first_thing_that_is_wrong_is_what_is_told() {
    let server = parity().await;
    let mut socket = open(&server, "/parity.v1.Parity/Running", &[]).await.expect("open");
    socket.send(json!({"nope": 1})).await;
    for number in 0..50 {
        socket.send(json!({"number": number})).await;
    }
    let status = &socket.record().await["status"];
    assert!(status["message"].as_str().is_some_and(|message| message.contains("nope")), "{status}");
}

#[tokio::test]
async fn a_method_of_one_message_takes_none_for_the_empty_one() {
    let server = parity().await;
    let mut socket = open(&server, "/v1/count?to=1", &[]).await.expect("open");
    socket.end().await;
    assert_eq!(socket.record().await["result"]["number"], 1);
    assert_eq!(socket.record().await["status"]["code"], 0);
}

#[tokio::test]
async fn a_path_of_several_methods_is_opened_if_they_are_one_rpc_and_else_refused() {
    let server = parity().await;
    let mut socket = open(&server, "/v1/echo/items/1", &[]).await.expect("PUT, PATCH and DELETE of one RPC");
    socket.send(json!({"count": 3})).await;
    assert_eq!(socket.record().await["result"]["item"]["name"], "items/1");
    let rule = HttpRule {
        selector: "edge.v1.Edge.Unruled".into(),
        pattern: Some(Pattern::Delete("/edge/items/{id}".into())),
        ..HttpRule::default()
    };
    let server = start(edge_builder().http_rule(rule)).await;
    match open(&server, "/edge/items/1", &[]).await.map(drop) {
        Err(Error::Http(response)) => assert_eq!(response.status(), 400, "nobody could say which is meant"),
        other => panic!("unexpected: {other:?}"),
    }
}

#[tokio::test]
async fn a_client_that_leaves_politely_has_its_close_answered() {
    let server = parity().await;
    let mut socket = open(&server, "/v1/running", &[]).await.expect("open");
    socket.0.close(None).await.expect("sent");
    assert!(matches!(socket.0.next().await, Some(Ok(Message::Close(_)))), "a close for a close");
}

#[tokio::test]
async fn a_client_that_does_nothing_but_ping_is_let_go() {
    let server = parity().await;
    let mut socket = open(&server, "/v1/running", &[]).await.expect("open");
    let mut pings = 0;
    while socket.0.send(Message::Ping(vec![0; 125].into())).await.is_ok() {
        pings += 1;
        assert!(pings < 1_000_000, "for ever");
    }
}

#[tokio::test]
async fn an_open_socket_counts_among_the_connections() {
    let server = parity_with(|config| config.connections_max = 2).await;
    let mut first = open(&server, "/v1/running", &[]).await.expect("open");
    let _second = open(&server, "/v1/running", &[]).await.expect("open");
    let third = tokio::time::timeout(Duration::from_millis(200), open(&server, "/v1/running", &[])).await;
    assert!(third.is_err(), "there is no place for another");
    first.0.close(None).await.expect("sent");
    drop(first);
    let third = tokio::time::timeout(Duration::from_secs(10), open(&server, "/v1/running", &[])).await;
    assert!(third.is_ok_and(|third| third.is_ok()), "now there is");
}

#[tokio::test]
async fn a_drain_tells_open_sockets_and_waits_for_them() {
    let mut server = parity().await;
    let mut socket = open(&server, "/v1/running", &[]).await.expect("open");
    socket.send(json!({"number": 1})).await;
    socket.record().await;
    server.tell_to_stop();
    assert_eq!(socket.record().await["status"]["code"], 14);
    assert_eq!(socket.closed().await.0, 4014);
    drop(socket);
    server.stopped().await.expect("nothing was cut off");
}
