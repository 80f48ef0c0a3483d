//! What of a stream is shown, and how: `$fields`, `$alt` and HEAD on replies of many messages, and masks on replies that
//! are one field.

use ambidex::google::api::{HttpRule, http_rule::Pattern};
use ambidex::server::Config;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::running::{Running, edge_builder, edge_with, start};

async fn masked() -> Running {
    edge_with(|config| config.response_masks = true).await
}

async fn get(server: &Running, path: &str, accept: &str) -> String {
    let answer = server.http.send(Method::GET, path, &[("accept", accept)], "").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, accept), "{path}");
    answer.text()
}

#[tokio::test]
async fn a_mask_holds_for_each_message_of_a_stream_and_not_for_its_end() {
    let server = masked().await;
    for mask in ["$fields=id,inner.size", "fields=id,inner(size)"] {
        let path = format!("/edge/many?count=2&id=7&name=x&inner.id=i&inner.size=3&{mask}");
        let shown = r#"{"id":"7","inner":{"size":3}}"#;
        let end = r#"{"code":0,"message":""}"#;
        assert_eq!(
            get(&server, &path, "application/x-ndjson").await,
            format!("{{\"result\":{shown}}}\n{{\"result\":{shown}}}\n{{\"status\":{end}}}\n")
        );
        let array: Value = serde_json::from_str(&get(&server, &path, "application/json").await).unwrap();
        let result = json!({"result": {"id": "7", "inner": {"size": 3}}});
        assert_eq!(array, json!([result, result, {"status": {"code": 0, "message": ""}}]));
        assert_eq!(
            get(&server, &path, "text/event-stream").await,
            format!("id: 1\ndata: {shown}\n\nid: 2\ndata: {shown}\n\nevent: status\ndata: {end}\n\n")
        );
    }
    let wrong = server.http.get("/edge/many?count=2&fields=nope").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST, "before the stream begins");
}

fn rule(method: &str, path: &str, response_body: &str) -> HttpRule {
    HttpRule {
        selector: format!("edge.v1.Edge.{method}"),
        pattern: Some(Pattern::Post(path.into())),
        body: "*".into(),
        response_body: response_body.into(),
        ..HttpRule::default()
    }
}

/// A mask names fields of what is shown, where that is a message or a list of them; of the reply where it is not.
#[tokio::test]
async fn a_mask_of_a_reply_that_is_a_list_or_a_scalar() {
    let mut config = Config::default();
    config.response_masks = true;
    let mut unruled = rule("Unruled", "/v2/inners", "inners");
    unruled.additional_bindings =
        vec![rule("", "/v2/ids", "ids"), rule("", "/v2/id", "id"), rule("", "/v2/labels", "labels")];
    let many = rule("Many", "/v2/many", "inner");
    let server = start(edge_builder().config(config).http_rule(unruled).http_rule(many)).await;
    let request = json!({
        "id": "7", "ids": ["a", "b"], "count": 2, "inner": {"id": "i", "size": 3}, "labels": {"k": "v"},
        "inners": [{"id": "a", "size": 1}, {"id": "b", "size": 2, "inner": {"id": "c", "size": 3}}],
    });
    for (path, expected) in [
        ("/v2/inners?fields=id", json!([{"id": "a"}, {"id": "b"}])),
        ("/v2/inners?fields=inner.size", json!([{}, {"inner": {"size": 3}}])),
        ("/v2/ids?fields=ids", json!(["a", "b"])),
        ("/v2/ids?fields=id", json!([])),
        ("/v2/id?fields=id,name", json!("7")),
        ("/v2/id?fields=name", json!("")),
        ("/v2/labels?fields=labels", json!({"k": "v"})),
    ] {
        let answer = server.http.post(path, request.to_string()).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, expected), "{path}");
    }
    for path in ["/v2/inners?fields=inners", "/v2/ids?fields=nope"] {
        let answer = server.http.post(path, request.to_string()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}: {}", answer.text());
    }
    // Each message of a stream may be one field, too.
    let answer = server.http.post("/v2/many?fields=size", request.to_string()).await;
    assert_eq!(answer.lines()[..2], [json!({"result": {"size": 3}}), json!({"result": {"size": 3}})]);
}

#[tokio::test]
async fn the_query_chooses_the_form_of_a_stream_among_those_it_has() {
    let server = masked().await;
    let many = |query: &str| format!("/edge/many?count=1&color=RED&fields=color&{query}");
    let answer = server.http.get(&many("$alt=json;enum-encoding=int")).await;
    assert_eq!(answer.lines()[0], json!({"result": {"color": 1}}));
    let numbers = r#"[{"result":{"color":1}},"#;
    assert!(
        get(&server, &many("$alt=json;enum-encoding=int"), "application/json").await.starts_with(numbers)
    );
    let events = server.http.get(&many("$alt=sse;enum-encoding=int")).await;
    assert!(events.text().starts_with("id: 1\ndata: {\"color\":1}\n"), "{}", events.text());
    // A stream has a line for each record, however it is to look.
    let pretty = server.http.get(&many("$prettyPrint=true")).await;
    assert_eq!(pretty.lines()[0], json!({"result": {"color": "RED"}}));
    for form in ["proto", "media"] {
        let answer = server.http.get(&many(&format!("$alt={form}"))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{form}: {}", answer.text());
        assert!(answer.text().contains("$alt"), "{form}: {}", answer.text());
    }
}

#[tokio::test]
async fn head_of_a_stream_is_its_head() {
    let server = masked().await;
    for http in [server.http.clone(), server.http.http2()] {
        for accept in ["application/x-ndjson", "application/json", "text/event-stream"] {
            let headers = [("accept", accept)];
            let head = http.send(Method::HEAD, "/edge/many?count=100", &headers, "").await;
            assert_eq!((head.status, head.header("content-type")), (StatusCode::OK, accept));
            assert_eq!((head.body.len(), head.header("content-length")), (0, ""), "nobody has counted it");
        }
        let wrong = http.send(Method::HEAD, "/edge/many?count=many", &[], "").await;
        assert_eq!((wrong.status, wrong.body.len()), (StatusCode::BAD_REQUEST, 0));
    }
    // Its handler is let go.
    let idle = || {
        let snapshot = server.scheduler.snapshot();
        snapshot.running == 0 && snapshot.open == 0
    };
    crate::streams::eventually("nobody is asked for more", idle).await;
}
