//! REST routes as `google.api.http` has them: paths, queries, bodies, masks, raw bodies.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::running::{parity, parity_builder, parity_with, start};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

#[tokio::test]
async fn a_get_takes_its_fields_from_path_and_query() {
    let server = parity().await;
    let path = "/v1/echo/a%2Fb%20c?item.count=-7&item.color=RED&item.fragile=False&numbers=1&numbers=2\
                &item.made=2024-01-01T00:00:00Z&item.data=_-8&item.part.weight=Infinity&%24alt=json";
    let answer = server.http.get(path).await;
    let expected = json!({
        "text": "a/b c",
        "numbers": [1, 2],
        "item": {
            "count": "-7", "color": "RED", "fragile": false, "made": "2024-01-01T00:00:00Z",
            "data": "/+8=", "part": {"weight": "Infinity"}
        }
    });
    assert_eq!(answer.json(), expected, "{}", answer.text());
}

#[tokio::test]
async fn head_works_wherever_get_does() {
    let server = parity().await;
    let answer = server.http.send(Method::HEAD, "/v1/echo/x", &[], "").await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
    assert_eq!(answer.header("content-type"), "application/json");
}

#[tokio::test]
async fn all_five_methods_reach_one_handler() {
    let server = parity().await;
    let item = json!({"text": "x"}).to_string();
    let post = server.http.send(Method::POST, "/v1/echo", &JSON, item).await;
    assert_eq!(post.json(), json!({"text": "x"}));
    let body = json!({"count": 3}).to_string();
    let put = server.http.send(Method::PUT, "/v1/echo/items/1", &JSON, body).await;
    assert_eq!(put.json(), json!({"item": {"name": "items/1", "count": "3"}}));
    let delete = server.http.send(Method::DELETE, "/v1/echo/items/a/b%2Fc", &[], "").await;
    assert_eq!(delete.json(), json!({"item": {"name": "items/a/b%2Fc"}}));
    let body = json!({"count": 4}).to_string();
    let patch = server.http.send(Method::PATCH, "/v1/echo/items/2", &JSON, body).await;
    assert_eq!(patch.json()["item"], json!({"name": "items/2", "count": "4"}));
    let get = server.http.get("/v1/echo/y").await;
    assert_eq!(get.json(), json!({"text": "y"}));
}

#[tokio::test]
async fn a_patch_without_a_mask_gets_the_fields_of_its_body() {
    let server = parity().await;
    let patch = async |path: &str, body: Value| {
        server.http.send(Method::PATCH, path, &JSON, body.to_string()).await.json()
    };
    let answer = patch("/v1/echo/items/1", json!({"count": "0", "part": {"weight": 1.5}, "tags": []})).await;
    assert_eq!(answer["mask"], "count,part.weight,tags");
    let answer = patch("/v1/echo/items/1?mask=weight", json!({"count": "0"})).await;
    assert_eq!(answer["mask"], "weight", "a mask that is said is kept");
    let put = server.http.send(Method::PUT, "/v1/echo/items/1", &JSON, "{\"count\": 1}").await;
    assert_eq!(put.json().get("mask"), None, "PUT replaces everything");
}

#[tokio::test]
async fn the_path_wins_over_the_body() {
    let server = parity().await;
    let body = json!({"name": "items/other", "count": 1}).to_string();
    let answer = server.http.send(Method::PUT, "/v1/echo/items/1", &JSON, body).await;
    assert_eq!(answer.json()["item"]["name"], "items/1");
}

#[tokio::test]
async fn an_empty_body_is_an_empty_message() {
    let server = parity().await;
    for path in ["/v1/echo", "/parity.v1.Parity/Echo"] {
        let answer = server.http.send(Method::POST, path, &JSON, "").await;
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({})));
    }
}

#[tokio::test]
async fn a_query_beside_a_whole_body_is_an_error_unless_ignored() {
    let server = parity().await;
    let answer = server.http.post("/v1/echo?text=x", "{}").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let server = parity_with(|config| config.ignore_unknown_query = true).await;
    let answer = server.http.post("/v1/echo?text=x", "{}").await;
    assert_eq!(answer.json(), json!({}));
}

#[tokio::test]
async fn a_raw_body_is_a_raw_body_both_ways() {
    let server = parity().await;
    let answer = server.http.get("/v1/raw").await;
    assert_eq!((answer.header("content-type"), answer.text().as_str()), ("text/plain; charset=utf-8", "raw"));
    let png = [("content-type", "image/png")];
    let answer = server.http.send(Method::POST, "/v1/raw", &png, vec![0_u8, 255, 1]).await;
    assert_eq!((answer.header("content-type"), &answer.body[..]), ("image/png", &[0, 255, 1][..]));
    let answer = server.http.get("/v1/raw:stream").await;
    assert_eq!((answer.header("content-type"), answer.text().as_str()), ("text/csv", "one,two,three"));
}

#[tokio::test]
async fn both_http_versions_are_spoken_on_one_port() {
    let server = parity().await;
    for client in [server.http.clone(), server.http.http2()] {
        assert_eq!(client.get("/v1/echo/x").await.json(), json!({"text": "x"}));
    }
}

#[tokio::test]
async fn the_forms_of_json_are_options_of_the_server() {
    let server = parity_with(|config| {
        config.json_out = config.json_out.clone().with_enums_as_numbers(true).with_original_field_names(true);
        config.json_in = config.json_in.clone().with_ignore_unknown_fields(true);
    })
    .await;
    let answer = server.http.post("/v1/blocking/echo", r#"{"item": {"color": "GREEN"}, "new": 1}"#).await;
    assert_eq!(answer.json(), json!({"item": {"color": 2}, "on_scheduler": true}));
}

#[tokio::test]
async fn a_users_own_routes_and_layers_stand_beside_ours() {
    let router = axum::Router::new()
        .route("/healthz", axum::routing::get(|| async { "ok" }))
        .route("/v1/echo/mine", axum::routing::get(|| async { "my own" }));
    let stamp = axum::middleware::map_response(|mut response: axum::response::Response| async move {
        response.headers_mut().insert("x-stamp", "1".parse().expect("a value"));
        response
    });
    let server = start(parity_builder().router(router).http_layer(stamp)).await;
    assert_eq!(server.http.get("/healthz").await.text(), "ok");
    assert_eq!(server.http.get("/v1/echo/mine").await.text(), "my own");
    let ours = server.http.get("/v1/echo/other").await;
    assert_eq!((ours.json(), ours.header("x-stamp")), (json!({"text": "other"}), "1"));
}

#[tokio::test]
async fn an_escaped_slash_may_separate_segments_where_the_server_says_so() {
    let strict = parity().await;
    assert_eq!(strict.http.get("/v1%2Fecho%2Fx").await.status, StatusCode::NOT_FOUND);
    let lenient = parity_with(|config| config.split_escaped_slashes = true).await;
    assert_eq!(lenient.http.get("/v1%2Fecho%2Fx").await.json(), json!({"text": "x"}));
    let kept = lenient.http.get("/v1/echo/a%2Fb").await.json();
    assert_eq!(kept, json!({"text": "a/b"}), "what matches as it stands is left as it stands");
}
