//! The rules of `google.api.http` that toys get wrong, numbered as in `docs/traps.md`: paths and binding.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::http_client::Answer;
use crate::support::running::{Running, edge_builder, edge_with, parity, start};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

async fn edge() -> Running {
    start(edge_builder()).await
}

fn ok(answer: &Answer) -> Value {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

fn refused(answer: &Answer, says: &str) {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    let message = answer.json()["error"]["message"].as_str().expect("a message").to_owned();
    assert!(message.contains(says), "{message}");
}

#[tokio::test]
async fn trap_1_the_literal_of_a_variable_is_part_of_its_value() {
    let server = edge().await;
    assert_eq!(ok(&server.http.get("/edge/shelves/1").await)["name"], "shelves/1");
    assert_eq!(ok(&server.http.get("/edge/shelves/1/books/a/b").await)["name"], "shelves/1/books/a/b");
}

#[tokio::test]
async fn trap_2_one_segment_decodes_every_escape_and_several_keep_their_slashes() {
    let server = edge().await;
    assert_eq!(ok(&server.http.get("/edge/items/a%2Fb%20c%C3%A9").await)["id"], "a/b cé");
    let several = ok(&server.http.get("/edge/shelves/1/books/a%2Fb%2fc%20d").await);
    assert_eq!(several["name"], "shelves/1/books/a%2Fb%2fc d");
}

#[tokio::test]
async fn trap_3_a_path_is_split_first_and_decoded_after() {
    let server = edge().await;
    let bad = server.http.get("/edge/items/%zz").await;
    refused(&bad, "escape");
    assert_eq!(server.http.get("/edge/shelves%2F1").await.status, StatusCode::NOT_FOUND);
    let lenient = edge_with(|config| config.split_escaped_slashes = true).await;
    assert_eq!(ok(&lenient.http.get("/edge/shelves%2F1").await)["name"], "shelves/1");
}

#[tokio::test]
async fn trap_4_two_stars_match_none_and_any_number_of_segments() {
    let server = edge().await;
    for (path, name) in [("/edge/files", ""), ("/edge/files/a", "a"), ("/edge/files/a/b/c", "a/b/c")] {
        let answer = ok(&server.http.get(path).await);
        assert_eq!(answer.get("name").unwrap_or(&json!("")), name, "{path}");
        assert_eq!(answer["binding"], "7 GET /edge/files/{name=**}");
    }
    let raw = ok(&server.http.get("/edge/files/a/b:raw").await);
    assert_eq!((&raw["name"], &raw["binding"]), (&json!("a/b"), &json!("8 GET /edge/files/{name=**}:raw")));
}

#[tokio::test]
async fn trap_5_a_colon_that_is_no_verb_belongs_to_the_value() {
    let server = edge().await;
    assert_eq!(ok(&server.http.get("/edge/items/a:b").await)["id"], "a:b");
    let archived = ok(&server.http.send(Method::POST, "/edge/items/a:b:archive", &JSON, "{}").await);
    assert_eq!(
        (&archived["id"], &archived["binding"]),
        (&json!("a:b"), &json!("6 POST /edge/items/{id}:archive"))
    );
}

#[tokio::test]
async fn trap_6_a_literal_beats_a_wildcard_and_is_left_again_where_it_leads_nowhere() {
    let server = edge().await;
    let binding = async |path: &str| ok(&server.http.get(path).await)["binding"].clone();
    assert_eq!(binding("/edge/items/special").await, "3 GET /edge/items/special");
    assert_eq!(binding("/edge/items/specially").await, "2 GET /edge/items/{id}");
    assert_eq!(binding("/edge/items/special/x/end").await, "4 GET /edge/items/special/{id}/end");
    // `special` has no `parts`: the wildcard does.
    assert_eq!(binding("/edge/items/special/parts/x").await, "5 GET /edge/items/{id}/parts/{name}");
}

// Trap 7, errors of the build, is tested where they arise: crates/ambidex-build.

#[tokio::test]
async fn trap_8_beside_a_whole_body_the_query_maps_to_nothing() {
    let server = edge().await;
    refused(&server.http.send(Method::POST, "/edge/items/a:archive?name=x", &JSON, "{}").await, "name");
    let lenient = edge_with(|config| config.ignore_unknown_query = true).await;
    let answer = ok(&lenient.http.send(Method::POST, "/edge/items/a:archive?name=x", &JSON, "{}").await);
    assert_eq!(answer.get("name"), None);
}

#[tokio::test]
async fn trap_9_where_no_body_belongs_one_is_an_error() {
    let server = edge().await;
    refused(&server.http.send(Method::GET, "/edge/items/a", &JSON, "{\"name\":\"x\"}").await, "no body");
    ok(&server.http.send(Method::GET, "/edge/items/a", &JSON, "").await);
}

#[tokio::test]
async fn trap_10_the_path_beats_the_body_unless_the_server_is_strict() {
    let server = edge().await;
    let put = async |server: &Running, body: Value| {
        server.http.send(Method::PUT, "/edge/inner/a", &JSON, body.to_string()).await
    };
    let answer = ok(&put(&server, json!({"id": "b", "size": 1})).await);
    assert_eq!(answer["inner"], json!({"id": "a", "size": 1}));
    let strict = edge_with(|config| config.refuse_contradicting_bodies = true).await;
    refused(&put(&strict, json!({"id": "b"})).await, "inner.id");
    for body in [json!({"id": "a", "size": 1}), json!({"size": 1})] {
        assert_eq!(ok(&put(&strict, body).await)["inner"], json!({"id": "a", "size": 1}));
    }
    let archive = async |body: Value| {
        strict.http.send(Method::POST, "/edge/items/a:archive", &JSON, body.to_string()).await
    };
    refused(&archive(json!({"id": "b"})).await, "`id`");
    ok(&archive(json!({"id": "a"})).await);
}

#[tokio::test]
async fn trap_11_queries_name_fields_once_unless_they_are_lists() {
    let server = edge().await;
    let query = "inner.size=1&inner.inner.id=x&ids=a&ids=b&maybe=0&$unknown=1&%24xgafv=2";
    let answer = ok(&server.http.get(&format!("/edge/items/1?{query}")).await);
    assert_eq!(answer["inner"], json!({"size": 1, "inner": {"id": "x"}}));
    assert_eq!((&answer["ids"], &answer["maybe"]), (&json!(["a", "b"]), &json!(0)));
    for (query, says) in [
        ("name=a&name=b", "twice"),
        ("nope=1", "no such query parameter"),
        ("labels=x", "map"),
        ("inners=x", "list of messages"),
        ("inner=x", "message"),
        ("id=2", "path"),
        ("count=-1", "count"),
        ("name=%zz", "percent-encoding"),
    ] {
        refused(&server.http.get(&format!("/edge/items/1?{query}")).await, says);
    }
    let lenient = edge_with(|config| config.ignore_unknown_query = true).await;
    ok(&lenient.http.get("/edge/items/1?nope=1").await);
}

#[tokio::test]
async fn trap_12_scalars_in_paths_and_queries_are_spelled_as_in_json() {
    let server = edge().await;
    let path = "/edge/typed/2024-01-02T03:04:05Z/1.5s/FALSE/GREEN/_-8/-7?mask=a.b,c&weight=NaN";
    let answer = ok(&server.http.get(path).await);
    let expected = json!({
        "made": "2024-01-02T03:04:05Z", "took": "1.500s", "color": "GREEN", "data": "/+8=", "boxed": "-7",
        "mask": "a.b,c", "weight": "NaN", "binding": answer["binding"],
    });
    assert_eq!(answer, expected);
    let path = "/edge/typed/2024-01-02T03:04:05Z/0s/True/2/%2B%2F8=/0";
    let answer = ok(&server.http.get(path).await);
    assert_eq!(
        (&answer["flag"], &answer["color"], &answer["data"]),
        (&json!(true), &json!("GREEN"), &json!("+/8="))
    );
    refused(&server.http.get("/edge/items/1?flag=1").await, "true or false");
    refused(&server.http.get("/edge/items/1?flag=").await, "true or false");
    refused(&server.http.get("/edge/items/1?color=BLUE").await, "color");
    refused(&server.http.get("/edge/items/1?made=yesterday").await, "made");
}

#[tokio::test]
async fn trap_13_an_empty_body_is_an_empty_message_and_a_malformed_one_is_placed() {
    let server = edge().await;
    ok(&server.http.send(Method::POST, "/edge/items/a:archive", &JSON, "").await);
    let malformed = server.http.send(Method::POST, "/edge/items/a:archive", &JSON, "{\n  \"id\": }").await;
    refused(&malformed, "line 2, column 9");
}

#[tokio::test]
async fn trap_14_a_known_path_says_which_methods_it_takes() {
    let server = edge().await;
    let answer = server.http.send(Method::DELETE, "/edge/items/1", &[], "").await;
    assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD"));
    let answer = server.http.send(Method::OPTIONS, "/edge/items/1", &[], "").await;
    assert_eq!((answer.status, answer.header("allow")), (StatusCode::NO_CONTENT, "GET, HEAD"));
    for client in [server.http.clone(), server.http.http2()] {
        let get = client.get("/edge/items/1").await;
        let head = client.send(Method::HEAD, "/edge/items/1", &[], "").await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
        assert_eq!(head.header("content-length"), get.body.len().to_string());
        assert_eq!(head.header("content-type"), get.header("content-type"));
    }
    let overridden = [("x-http-method-override", "GET")];
    let answer = server.http.send(Method::DELETE, "/edge/items/1", &overridden, "").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    let rpc = server.http.send(Method::PUT, "/edge.v1.Edge/See", &[], "").await;
    assert_eq!((rpc.status, rpc.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST, GET, HEAD"));
}

#[tokio::test]
async fn trap_15_a_patch_without_a_mask_gets_one_from_its_body() {
    // The whole of it is `http::a_patch_without_a_mask_gets_the_fields_of_its_body`.
    let server = parity().await;
    let body = r#"{"count": "0", "part": {"weight": 1.5}}"#;
    let answer = server.http.send(Method::PATCH, "/v1/echo/items/1", &JSON, body).await;
    assert_eq!(ok(&answer)["mask"], "count,part.weight");
}

#[tokio::test]
async fn trap_16_a_raw_body_has_its_own_type_also_as_a_stream() {
    let server = edge().await;
    let pieces = tokio_stream::iter(["one", "two", "three"].map(Ok::<_, std::io::Error>));
    let body = axum::body::Body::from_stream(pieces);
    let answer =
        server.http.send(Method::POST, "/edge/uploads/a", &[("content-type", "video/mp4")], body).await;
    let uploaded = ok(&answer);
    assert_eq!(
        (&uploaded["name"], &uploaded["contentType"], &uploaded["bytes"]),
        (&json!("a"), &json!("video/mp4"), &json!("11"))
    );
    let empty =
        ok(&server.http.send(Method::POST, "/edge/uploads/a", &[("content-type", "text/x")], "").await);
    assert_eq!((&empty["contentType"], &empty["pieces"]), (&json!("text/x"), &json!(1)));
}

#[tokio::test]
async fn trap_17_custom_kinds_and_the_one_for_every_method() {
    let server = edge().await;
    let purge = Method::from_bytes(b"PURGE").expect("a method");
    assert_eq!(
        ok(&server.http.send(purge.clone(), "/edge/cache/1", &[], "").await)["binding"],
        "11 PURGE /edge/cache/{id}"
    );
    for method in [Method::GET, Method::DELETE, purge] {
        assert_eq!(
            ok(&server.http.send(method, "/edge/any/1", &[], "").await)["binding"],
            "12 * /edge/any/{id}"
        );
    }
    let head = server.http.send(Method::HEAD, "/edge/heads/1", &[], "").await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(server.http.get("/edge/heads/1").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn bodies_and_replies_that_are_one_field() {
    let server = edge().await;
    assert_eq!(ok(&server.http.get("/edge/inner?inner.id=a&name=x").await), json!({"id": "a"}));
    assert_eq!(ok(&server.http.get("/edge/ids?ids=a&ids=b").await), json!(["a", "b"]));
    let posted = ok(&server.http.post("/edge/ids?name=x", r#"["a", "b"]"#).await);
    assert_eq!((&posted["ids"], &posted["name"]), (&json!(["a", "b"]), &json!("x")));
}

#[tokio::test]
async fn slashes_at_the_end_and_capitals_are_other_paths() {
    let server = edge().await;
    for path in
        ["/edge/items/special/", "/edge/Items/special", "//edge/items/special", "/edge//items/special"]
    {
        assert_eq!(server.http.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
