//! A user's own axum routes and layers beside a service, in whichever order they are added; and the service as a router
//! that the user serves.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use http::{Method, StatusCode};
use serde_json::json;

use crate::support::http_client::HttpClient;
use crate::support::running::{parity_builder, start};

/// Says its letter in a header of the answer, behind those that have said theirs.
async fn say(letter: &'static str, request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let so_far = answer.headers().get("x-said").map_or("", |value| value.to_str().unwrap()).to_owned();
    answer.headers_mut().insert("x-said", format!("{so_far}{letter}").parse().unwrap());
    answer
}

/// Turns away who comes with the wrong word, before any route.
async fn guard(request: Request, next: Next) -> Response {
    if request.headers().contains_key("x-wrong") {
        let mut refused = Response::new("no".into());
        *refused.status_mut() = StatusCode::IM_A_TEAPOT;
        return refused;
    }
    next.run(request).await
}

fn own() -> Router {
    Router::new().route("/own", get(|| async { "own" })).route("/v1/echo/mine", get(|| async { "mine" }))
}

fn other() -> Router {
    Router::new().route("/other/{name}", get(|path: axum::extract::Path<String>| async move { path.0 }))
}

#[tokio::test]
async fn routes_and_layers_may_be_added_in_any_order() {
    let a = || from_fn(async |request, next| say("a", request, next).await);
    let b = || from_fn(async |request, next| say("b", request, next).await);
    for (order, builder) in [
        ("routes first", parity_builder().router(own()).router(other()).http_layer(a()).http_layer(b())),
        ("layers first", parity_builder().http_layer(a()).http_layer(b()).router(own()).router(other())),
        ("in between", parity_builder().http_layer(a()).router(own()).http_layer(b()).router(other())),
        (
            "the other way round",
            parity_builder().router(other()).http_layer(a()).router(own()).http_layer(b()),
        ),
    ] {
        let server = start(builder.http_layer(from_fn(guard))).await;
        for (path, text) in [
            ("/own", "own"),
            ("/v1/echo/mine", "mine"),
            ("/other/x", "x"),
            ("/v1/echo/ours", r#"{"text":"ours"}"#),
        ] {
            let answer = server.http.get(path).await;
            assert_eq!((answer.status, &*answer.text()), (StatusCode::OK, text), "{order}: {path}");
            // The last one added is the outermost, and so says its letter last.
            assert_eq!(answer.header("x-said"), "ab", "{order}: {path}");
            let refused = server.http.send(Method::GET, path, &[("x-wrong", "1")], "").await;
            assert_eq!(
                (refused.status, &*refused.text()),
                (StatusCode::IM_A_TEAPOT, "no"),
                "{order}: {path}"
            );
        }
        // A route of the user's has the methods that it has; the service's methods there are hidden.
        let answer = server.http.send(Method::DELETE, "/own", &[], "").await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{order}");
        let nowhere = server.http.get("/nowhere").await;
        assert_eq!((nowhere.status, nowhere.header("x-said")), (StatusCode::NOT_FOUND, "ab"), "{order}");
        let rpc = server.http.post("/parity.v1.Parity/Echo", "{}").await;
        assert_eq!((rpc.status, rpc.header("x-said")), (StatusCode::OK, "ab"), "{order}");
    }
}

#[tokio::test]
async fn a_service_is_a_router_that_axum_serves() {
    let service = parity_builder().router(own()).into_router().expect("it fits together");
    let whole = Router::new()
        .route("/who", get(|ConnectInfo(who): ConnectInfo<SocketAddr>| async move { who.ip().to_string() }))
        .merge(other())
        .fallback_service(service);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        axum::serve(listener, whole.into_make_service_with_connect_info::<SocketAddr>()).await
    });
    let http = HttpClient::new(address);
    for http in [http.clone(), http.http2()] {
        assert_eq!(http.get("/who").await.text(), "127.0.0.1");
        assert_eq!(http.get("/other/x").await.text(), "x");
        assert_eq!(http.get("/own").await.text(), "own");
        assert_eq!(http.get("/v1/echo/hey").await.json(), json!({"text": "hey"}));
        let described = http.get("/v1/blocking/describe").await.json();
        assert_eq!((&described["hasPeer"], &described["onScheduler"]), (&json!(true), &json!(true)));
        assert_eq!(
            http.post("/parity.v1.Parity/Echo", r#"{"text": "x"}"#).await.json(),
            json!({"text": "x"})
        );
        let lines = http.get("/v1/count?to=2").await.lines();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[2], json!({"status": {"code": 0, "message": ""}}));
        assert_eq!(http.get("/nowhere").await.status, StatusCode::NOT_FOUND);
        let late = http.send(
            Method::POST,
            "/v1/echo",
            &[("connect-timeout-ms", "30")],
            r#"{"plan": {"sleepMs": 5000}}"#,
        );
        assert_eq!(late.await.status, StatusCode::GATEWAY_TIMEOUT);
    }
    serving.abort();
}
