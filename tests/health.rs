//! The health service: over gRPC and HTTP, changed by the application, and at the end of the server.

use std::time::Duration;

use ambidex::server::{Admin, Config, Health};
use http::{Method, StatusCode};
use serde_json::json;

use crate::support::envelopes::{envelope, opened};
use crate::support::running::{Running, parity_builder, start};
use crate::support::socket::open;

const PATH: &str = "/grpc.health.v1.Health";

async fn check(server: &Running, service: &str) -> (StatusCode, serde_json::Value) {
    let answer = server.http.post(&format!("{PATH}/Check"), json!({"service": service}).to_string()).await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn the_server_and_each_service_say_whether_they_serve() {
    let health = Health::new();
    health.set_serving("a.database", false);
    let server = start(parity_builder().health(health.clone())).await;
    for service in ["", "parity.v1.Parity"] {
        assert_eq!(check(&server, service).await, (StatusCode::OK, json!({"status": "SERVING"})));
    }
    assert_eq!(check(&server, "a.database").await.1, json!({"status": "NOT_SERVING"}));
    assert_eq!(check(&server, "nobody").await.0, StatusCode::NOT_FOUND);
    health.set_serving("parity.v1.Parity", false);
    assert_eq!(check(&server, "parity.v1.Parity").await.1, json!({"status": "NOT_SERVING"}));
    assert_eq!(check(&server, "").await.1, json!({"status": "SERVING"}));
    // Over gRPC, byte for byte: SERVING is field 1, value 1.
    let headers = [("content-type", "application/grpc"), ("te", "trailers")];
    let http = server.http.http2();
    let answer = http.send(Method::POST, &format!("{PATH}/Check"), &headers, vec![0; 5]).await;
    assert_eq!(&answer.body[..], b"\0\0\0\0\x02\x08\x01");
    // Who did not ask for it has none.
    let plain = start(parity_builder()).await;
    assert_eq!(plain.http.post(&format!("{PATH}/Check"), "{}").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn who_watches_is_told_of_each_change_once() {
    let health = Health::new();
    let server = start(parity_builder().health(health.clone())).await;
    let mut socket = open(&server, &format!("{PATH}/Watch"), &[]).await.expect("open");
    socket.send(json!({"service": "late"})).await;
    assert_eq!(socket.record().await, json!({"result": {"status": "SERVICE_UNKNOWN"}}));
    health.set_serving("another", true);
    health.set_serving("late", true);
    assert_eq!(socket.record().await, json!({"result": {"status": "SERVING"}}));
    health.set_serving("late", true);
    health.set_serving("late", false);
    assert_eq!(socket.record().await, json!({"result": {"status": "NOT_SERVING"}}));
}

#[tokio::test]
async fn a_server_that_is_to_stop_says_so_while_it_still_serves() {
    let mut config = Config::default();
    config.drain_quiet_ms = 400;
    let mut server = start(parity_builder().config(config).health(Health::new())).await;
    let watching = tokio::spawn({
        let http = server.http.clone();
        async move {
            let headers = [("content-type", "application/connect+json")];
            http.send(Method::POST, &format!("{PATH}/Watch"), &headers, envelope(0, b"{}")).await
        }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.tell_to_stop();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(check(&server, "").await.1, json!({"status": "NOT_SERVING"}));
    assert_eq!(check(&server, "parity.v1.Parity").await.1, json!({"status": "NOT_SERVING"}));
    assert_eq!(server.http.get("/v1/echo/x").await.status, StatusCode::OK, "calls are answered as before");
    server.stopped().await.expect("nothing was cut off");
    let (told, end) = opened(&watching.await.unwrap().body);
    let told: Vec<_> =
        told.iter().map(|(_, message)| String::from_utf8_lossy(message).into_owned()).collect();
    assert_eq!(told, [r#"{"status":"SERVING"}"#, r#"{"status":"NOT_SERVING"}"#]);
    assert_eq!(end["error"]["code"], "unavailable");
}

/// Whoever asks for readiness by HTTP needs the same time to notice.
#[tokio::test]
async fn a_server_without_the_service_is_quiet_before_it_drains_too() {
    let mut config = Config::default();
    config.drain_quiet_ms = 400;
    let mut server = start(parity_builder().config(config).admin(Admin::below("/admin"))).await;
    server.tell_to_stop();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.http.get("/admin/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let new_connection = crate::support::http_client::HttpClient::new(server.address);
    assert_eq!(new_connection.get("/v1/echo/x").await.status, StatusCode::OK);
    server.stopped().await.expect("nothing was cut off");
}
