//! curl on the REST routes: each kind of binding, and the JSON that comes back.

use serde_json::json;

use crate::curl::{get, post, request};

#[test]
fn a_whole_body_is_the_message() {
    for path in ["/v1/echo", "/v1/blocking/echo", "/v1/offloaded/echo"] {
        let Some(request) = post(path, json!({"text": "hello", "numbers": [1, 2]})) else { return };
        let reply = request.send().ok();
        assert_eq!((&reply["text"], &reply["numbers"]), (&json!("hello"), &json!([1, 2])), "{path}");
    }
}

#[test]
fn blocking_and_async_handlers_differ_only_in_where_they_run() {
    let Some(request) = get("/v1/echo/a") else { return };
    assert_eq!(request.send().ok(), json!({"text": "a"}));
    let Some(request) = get("/v1/blocking/echo/a") else { return };
    assert_eq!(request.send().ok(), json!({"text": "a", "onScheduler": true}));
}

#[test]
fn an_empty_body_is_an_empty_message() {
    let Some(request) = request("POST", "/v1/echo") else { return };
    assert_eq!(request.send().ok(), json!({}));
}

#[test]
fn a_variable_of_one_segment_decodes_every_escape() {
    let Some(request) = get("/v1/echo/one%20two%2Fthree%25") else { return };
    assert_eq!(request.send().ok(), json!({"text": "one two/three%"}));
}

#[test]
fn a_colon_that_is_no_verb_belongs_to_the_value() {
    let Some(request) = get("/v1/echo/a:b") else { return };
    assert_eq!(request.send().ok(), json!({"text": "a:b"}));
}

#[test]
fn a_variable_of_several_segments_keeps_escaped_slashes() {
    let Some(request) = request("DELETE", "/v1/echo/items/a/b%2Fc/d%20e") else { return };
    assert_eq!(request.send().ok(), json!({"item": {"name": "items/a/b%2Fc/d e"}}));
}

#[test]
fn two_stars_match_no_segment_too() {
    let Some(request) = request("DELETE", "/v1/echo/items") else { return };
    assert_eq!(request.send().ok(), json!({"item": {"name": "items"}}));
}

#[test]
fn query_parameters_fill_fields_at_any_depth() {
    let query = "item.name=n&item.tags=x&item.tags=y&item.part.name=p&numbers=1&numbers=-2";
    let Some(request) = get(&format!("/v1/echo/a?{query}")) else { return };
    let item = json!({"name": "n", "tags": ["x", "y"], "part": {"name": "p"}});
    assert_eq!(request.send().ok(), json!({"text": "a", "item": item, "numbers": [1, -2]}));
}

#[test]
fn query_parameters_are_read_as_json_would_be() {
    let query = "item.count=-9007199254740993&item.weight=NaN&item.data=_-8&item.color=2&item.fragile=False\
                 &item.made=2024-02-29T23:00:00.5%2B01:00&mask=item.made,text";
    let Some(request) = get(&format!("/v1/echo/a?{query}")) else { return };
    let item = json!({
        "count": "-9007199254740993",
        "weight": "NaN",
        "data": "/+8=",
        "color": "GREEN",
        "fragile": false,
        "made": "2024-02-29T22:00:00.500Z",
    });
    assert_eq!(request.send().ok(), json!({"text": "a", "item": item, "mask": "item.made,text"}));
}

#[test]
fn a_query_is_decoded_as_curl_encodes_it() {
    let Some(request) = get("/v1/echo/a") else { return };
    let request = request.arguments(&["--get", "--data-urlencode", "item.name=a+b & c=d 🦀"]);
    assert_eq!(request.send().ok()["item"]["name"], "a+b & c=d 🦀");
}

#[test]
fn query_parameters_have_either_name_of_a_field() {
    for name in ["pauseMs", "pause_ms"] {
        let Some(request) = get(&format!("/v1/count?to=1&{name}=1")) else { return };
        assert_eq!(request.send().lines().len(), 2, "{name}");
    }
}

#[test]
fn system_parameters_are_no_fields() {
    let Some(request) = post("/v1/echo?$alt=json&$prettyPrint=true", json!({"text": "a"})) else { return };
    assert_eq!(request.send().json()["text"], "a");
}

#[test]
fn a_put_takes_its_resource_as_the_body_and_its_name_from_the_path() {
    let Some(request) = request("PUT", "/v1/echo/items/1?text=t") else { return };
    let reply = request.json(json!({"count": 3, "stock": {"a": 1}})).send().ok();
    let item = json!({"name": "items/1", "count": "3", "stock": {"a": 1}});
    assert_eq!(reply, json!({"text": "t", "item": item}));
}

#[test]
fn the_path_wins_over_the_body() {
    let Some(request) = request("PUT", "/v1/echo/items/1") else { return };
    let reply = request.json(json!({"name": "items/2"})).send().ok();
    assert_eq!(reply["item"]["name"], "items/1");
}

#[test]
fn a_patch_without_a_mask_changes_what_its_body_holds() {
    let Some(request) = request("PATCH", "/v1/echo/items/1") else { return };
    let reply = request.json(json!({"count": "3", "part": {"name": "p"}, "fragile": false})).send().ok();
    let mask = reply["mask"].as_str().expect("a mask");
    let mut paths: Vec<_> = mask.split(',').collect();
    paths.sort_unstable();
    assert_eq!(paths, ["count", "fragile", "part.name"]);
}

#[test]
fn a_patch_with_a_mask_keeps_it() {
    let Some(request) = request("PATCH", "/v1/echo/items/1?mask=count") else { return };
    let reply = request.json(json!({"count": "3", "weight": 1.5})).send().ok();
    assert_eq!(reply["mask"], "count");
}

#[test]
fn json_is_printed_as_protojson_has_it() {
    let sent = json!({
        "name": "é\u{1F980}\"\\",
        "count": 9_007_199_254_740_993_i64,
        "weight": "-Infinity",
        "data": "_-8",
        "color": 1,
        "tags": ["", "a"],
        "stock": {"": -1},
        "made": "2024-01-02T03:04:05.000000001+01:00",
        "fragile": false,
        "batch": "18446744073709551615",
        "part": {},
    });
    let Some(request) = request("PUT", "/v1/echo/items/1") else { return };
    let printed = json!({
        "name": "items/1",
        "count": "9007199254740993",
        "weight": "-Infinity",
        "data": "/+8=",
        "color": "RED",
        "tags": ["", "a"],
        "stock": {"": -1},
        "made": "2024-01-02T02:04:05.000000001Z",
        "fragile": false,
        "batch": "18446744073709551615",
        "part": {},
    });
    assert_eq!(request.json(sent).send().ok()["item"], printed);
}

#[test]
fn head_is_a_get_without_its_body() {
    let Some(got) = get("/v1/echo/a") else { return };
    let Some(head) = request("HEAD", "/v1/echo/a") else { return };
    let (got, head) = (got.send(), head.send());
    assert_eq!(head.status, 200);
    assert!(head.body.is_empty());
    for name in ["content-type", "content-length"] {
        assert_eq!(head.header(name), got.header(name), "{name}");
    }
}

#[test]
fn metadata_are_headers() {
    let Some(request) = post("/v1/echo", json!({"plan": {"echoMetadata": true}})) else { return };
    let answer = request.header("x-echo-a", "one").header("x-trail-b", "two").send();
    assert_eq!((answer.header("x-echo-a"), answer.header("trailer-x-trail-b")), ("one", "two"));
}

#[test]
fn a_header_sent_twice_comes_back_twice() {
    let Some(request) = post("/v1/echo", json!({"plan": {"echoMetadata": true}})) else { return };
    let answer = request.header("x-echo-a", "1").header("x-echo-a", "2").send();
    assert_eq!(answer.headers("x-echo-a"), ["1", "2"]);
}

#[test]
fn every_version_of_http_is_answered() {
    // `--http2` begins as HTTP/1.1 and offers an upgrade, which a server may pass over.
    let versions =
        [("--http1.0", "1"), ("--http1.1", "1.1"), ("--http2", "1.1"), ("--http2-prior-knowledge", "2")];
    for (flag, version) in versions {
        for path in ["/v1/echo/a", "/v1/blocking/echo/a"] {
            let Some(request) = get(path) else { return };
            let answer = request.arguments(&[flag]).send();
            assert_eq!(answer.ok()["text"], "a");
            assert_eq!(answer.version, version, "{flag}");
        }
    }
}

#[test]
fn a_connection_serves_one_request_after_another() {
    let Some(request) = get("/v1/echo/a?numbers=[1-5]") else { return };
    // Five requests; what is told of is the last one.
    let answer = request.arguments(&["--no-globoff"]).send();
    assert_eq!(answer.text().matches(r#"{"text":"a""#).count(), 5);
    assert_eq!(answer.connects, 0);
}
