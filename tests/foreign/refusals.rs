//! curl makes mistakes: each is answered with its own HTTP status and a body that says what was wrong.

use serde_json::{Value, json};

use crate::curl::{get, post, request};

#[test]
fn a_path_nobody_has_is_404() {
    for path in ["/", "/v1", "/v1/nothing", "/v1/echo/", "/v1/echo/a/b", "/no.such.v1.Service/Echo"] {
        let Some(request) = get(path) else { return };
        request.send().refused(404, "NOT_FOUND", path);
    }
}

#[test]
fn a_method_the_path_does_not_have_is_405_and_says_which_it_has() {
    for (method, path, allowed) in [
        ("DELETE", "/v1/count", "GET, HEAD"),
        ("POST", "/v1/echo/a", "GET, HEAD"),
        ("GET", "/v1/echo", "POST"),
        ("BREW", "/v1/echo", "POST"),
        ("POST", "/v1/echo/items/1", "DELETE, PATCH, PUT"),
    ] {
        let Some(request) = request(method, path) else { return };
        let answer = request.send();
        answer.refused(405, "UNIMPLEMENTED", method);
        let mut named: Vec<_> = answer.header("allow").split(", ").collect();
        named.sort_unstable();
        assert_eq!(named.join(", "), allowed, "{method} {path}");
    }
}

#[test]
fn options_tells_the_methods_of_a_path() {
    let Some(request) = request("OPTIONS", "/v1/echo/a") else { return };
    let answer = request.send();
    assert_eq!((answer.status, answer.header("allow")), (204, "GET, HEAD"));
}

#[test]
fn a_method_cannot_be_overridden_by_a_header() {
    let Some(request) = request("POST", "/v1/count") else { return };
    request.header("x-http-method-override", "GET").send().refused(405, "UNIMPLEMENTED", "POST");
}

#[test]
fn an_escape_that_is_none_is_400() {
    for path in ["/v1/echo/%zz", "/v1/echo/%f", "/v1/echo/%ff"] {
        let Some(request) = get(path) else { return };
        request.send().refused(400, "INVALID_ARGUMENT", "escape");
    }
}

#[test]
fn a_wrong_query_is_400_and_names_the_parameter() {
    for (path, says) in [
        ("/v1/count?two=1", "two"),
        ("/v1/count?to=many", "to"),
        ("/v1/count?to=", "to"),
        ("/v1/count?to=1.5", "to"),
        ("/v1/count?to=2147483648", "to"),
        ("/v1/count?to=1&to=2", "twice"),
        ("/v1/count?plan=x", "plan"),
        ("/v1/count?plan.panic=yes", "plan.panic"),
        ("/v1/echo/a?text=b", "text"),
        ("/v1/echo/a?item.stock=b", "item.stock"),
        ("/v1/echo/a?item.color=PURPLE", "item.color"),
        ("/v1/echo/a?item.made=yesterday", "item.made"),
        ("/v1/echo/a?item.maker=m&item.batch=1", "item.batch"),
    ] {
        let Some(request) = get(path) else { return };
        request.send().refused(400, "INVALID_ARGUMENT", says);
    }
}

#[test]
fn a_query_where_the_body_is_everything_is_400() {
    let Some(request) = post("/v1/echo?text=a", json!({})) else { return };
    request.send().refused(400, "INVALID_ARGUMENT", "text");
}

#[test]
fn a_body_where_none_belongs_is_400() {
    for (method, path) in [("GET", "/v1/echo/a"), ("DELETE", "/v1/echo/items/1")] {
        let Some(request) = request(method, path) else { return };
        request.json(json!({"text": "b"})).send().refused(400, "INVALID_ARGUMENT", "no body");
    }
}

#[test]
fn wrong_json_is_400_with_where_and_what() {
    for (body, says) in [
        ("{\"text\":\n  tru}", "line 2, column 3"),
        (r#"{"text": 1}"#, "text"),
        (r#"{"text": "a", "text": "b"}"#, "twice"),
        (r#"{"txet": "a"}"#, "txet"),
        (r#"{"item": {"part": {"colour": 1}}}"#, "item.part.colour"),
        (r#"{"item": {"count": 0.5}}"#, "item.count"),
        (r#"{"item": {"count": "9223372036854775808"}}"#, "item.count"),
        (r#"{"item": {"maker": "m", "batch": 1}}"#, "item.batch"),
        (r#"{"numbers": [1, null]}"#, "numbers"),
        (r#"{"text": "a"} x"#, "end"),
        (r#"{"text": "\ud800"}"#, "text"),
        (r#"["text"]"#, "object"),
        ("{", "line 1"),
        ("null", ""),
    ] {
        let Some(request) = request("POST", "/v1/echo") else { return };
        request.body("application/json", body).send().refused(400, "INVALID_ARGUMENT", says);
    }
}

#[test]
fn json_that_is_no_utf_8_is_400() {
    let Some(request) = request("POST", "/v1/echo") else { return };
    let answer = request.body("application/json", *b"{\"text\": \"\xff\"}").send();
    answer.refused(400, "INVALID_ARGUMENT", "UTF-8");
}

#[test]
fn json_nested_without_end_is_400() {
    let body = r#"{"item":"#.to_owned() + &r#"{"part":"#.repeat(100_000);
    let Some(request) = request("POST", "/v1/echo") else { return };
    request.body("application/json", body).send().refused(400, "INVALID_ARGUMENT", "deep");
}

#[test]
fn a_body_of_another_type_is_415_and_names_the_right_one() {
    for content_type in
        ["application/x-www-form-urlencoded", "text/xml", "application/connect+json", "nonsense"]
    {
        let Some(request) = request("POST", "/v1/echo") else { return };
        request.body(content_type, "{}").send().refused(415, "INVALID_ARGUMENT", "application/json");
    }
}

/// RFC 9110, 8.4: a coding that is not acceptable is 415, with `Accept-Encoding` to say what is.
#[test]
fn a_body_in_a_coding_nobody_reads_is_415() {
    let Some(request) = post("/v1/echo", json!({"text": "a"})) else { return };
    let answer = request.header("content-encoding", "x-unheard-of").send();
    assert_eq!(answer.status, 415, "{}", answer.text());
    assert!(!answer.headers("accept-encoding").is_empty());
}

#[test]
fn an_answer_nobody_accepts_is_406() {
    for path in ["/v1/echo/a", "/v1/count?to=1"] {
        let Some(request) = get(path) else { return };
        request.header("accept", "image/png").send().refused(406, "INVALID_ARGUMENT", "Accept");
    }
}

const LIMIT_BYTES: usize = 4 * 1024 * 1024;

fn json_of(bytes: usize) -> Vec<u8> {
    let text = "x".repeat(bytes - r#"{"text":""}"#.len());
    json!({"text": text}).to_string().into_bytes()
}

#[test]
fn a_body_at_the_limit_passes() {
    let Some(request) = request("POST", "/v1/echo") else { return };
    let answer = request.body("application/json", json_of(LIMIT_BYTES)).send();
    assert_eq!(answer.body.len(), LIMIT_BYTES);
}

#[test]
fn a_body_over_the_limit_is_413_whether_its_length_is_announced_or_not() {
    let Some(announced) = request("POST", "/v1/echo") else { return };
    let answer = announced.body("application/json", json_of(LIMIT_BYTES + 1)).send();
    answer.refused(413, "RESOURCE_EXHAUSTED", "4194304 bytes");
    let Some(streamed) = request("POST", "/v1/echo") else { return };
    let answer = streamed.streamed_body("application/json", json_of(LIMIT_BYTES + 1)).send();
    answer.refused(413, "RESOURCE_EXHAUSTED", "4194304 bytes");
}

#[test]
fn a_client_that_asks_first_need_not_send_a_body_that_is_too_large() {
    let Some(request) = request("POST", "/v1/echo") else { return };
    let request = request.header("expect", "100-continue");
    let answer = request.body("application/json", json_of(2 * LIMIT_BYTES)).send();
    answer.refused(413, "RESOURCE_EXHAUSTED", "4194304 bytes");
    assert_eq!(answer.uploaded_bytes, 0);
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    let Some(request) = post("/v1/echo", json!({"text": "asked"})) else { return };
    assert_eq!(request.header("expect", "100-continue").send().ok()["text"], "asked");
}

#[test]
fn a_deadline_is_504() {
    for path in ["/v1/echo", "/v1/blocking/echo"] {
        let Some(request) = post(path, json!({"plan": {"sleepMs": 1000}})) else { return };
        let answer = request.header("connect-timeout-ms", "100").send();
        answer.refused(504, "DEADLINE_EXCEEDED", "deadline");
    }
    let Some(request) = post("/v1/hurried", json!({"plan": {"sleepMs": 10_000}})) else { return };
    request.send().refused(504, "DEADLINE_EXCEEDED", "deadline");
}

#[test]
fn a_timeout_that_is_none_is_400() {
    for (header, value) in [("connect-timeout-ms", "1s"), ("connect-timeout-ms", "-1"), ("grpc-timeout", "1")]
    {
        let Some(request) = post("/v1/echo", json!({})) else { return };
        request.header(header, value).send().refused(400, "INVALID_ARGUMENT", header);
    }
}

#[test]
fn every_code_has_its_http_status() {
    let table = [
        (1, 499, "CANCELLED"),
        (2, 500, "UNKNOWN"),
        (3, 400, "INVALID_ARGUMENT"),
        (4, 504, "DEADLINE_EXCEEDED"),
        (5, 404, "NOT_FOUND"),
        (6, 409, "ALREADY_EXISTS"),
        (7, 403, "PERMISSION_DENIED"),
        (8, 429, "RESOURCE_EXHAUSTED"),
        (9, 400, "FAILED_PRECONDITION"),
        (10, 409, "ABORTED"),
        (11, 400, "OUT_OF_RANGE"),
        (12, 501, "UNIMPLEMENTED"),
        (13, 500, "INTERNAL"),
        (14, 503, "UNAVAILABLE"),
        (15, 500, "DATA_LOSS"),
        (16, 401, "UNAUTHENTICATED"),
    ];
    for (code, http_status, name) in table {
        let plan = json!({"failCode": code, "failMessage": "nö \"quotes\"\n"});
        let Some(request) = post("/v1/blocking/echo", json!({"plan": plan})) else { return };
        request.send().refused(http_status, name, "nö \"quotes\"\n");
    }
}

/// AIP-193: details are the standard payloads of `google.rpc`, each as the JSON of its message.
#[test]
fn details_are_spelled_out() {
    let plan = json!({"failCode": 3, "failMessage": "no", "failDetails": true});
    let Some(request) = post("/v1/echo", json!({"plan": plan})) else { return };
    let violation = json!({"field": "text", "description": "is not to my liking"});
    let detail =
        json!({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]});
    assert_eq!(request.send().json()["error"]["details"], json!([detail]));
}

#[test]
fn a_panic_is_500_says_nothing_of_the_inside_and_the_server_goes_on() {
    for path in ["/v1/echo", "/v1/blocking/echo", "/v1/offloaded/echo"] {
        let Some(request) = post(path, json!({"plan": {"panic": true}})) else { return };
        let answer = request.send();
        answer.refused(500, "INTERNAL", "");
        assert!(!answer.text().contains("secret"), "{}", answer.text());
        let Some(request) = post(path, json!({"text": "still here"})) else { return };
        assert_eq!(request.send().ok()["text"], Value::from("still here"));
    }
}
