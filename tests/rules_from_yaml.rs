//! HTTP rules of a service configuration, for protos that have none.

use ambidex::google::api::{Http, HttpRule, http_rule::Pattern};
use http::{Method, StatusCode};
use serde_json::json;

use crate::support::http_client::Answer;
use crate::support::running::{Running, files_builder, start};

const RULES: &str = r#"
type: google.api.Service
config_version: 3
name: files.example.com
http:
  rules:
  - selector: files.v1.Unruled.Name
    get: /named/{name=shelves/*}
    additional_bindings:
    - get: /named/{name=files/**}
    - get: /one/{name}
    - post: /named
      body: '*'
      response_body: text
  - selector: files.v1.Unruled.Remove
    delete: /named/{name=shelves/*}
"#;

async fn served(text: &str) -> Running {
    start(files_builder().http_rules_from_yaml(text).expect("rules")).await
}

fn name(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()["name"].as_str().expect("a name").to_owned()
}

#[tokio::test]
async fn a_server_has_the_routes_of_its_configuration() {
    let plain = start(files_builder()).await;
    assert_eq!(plain.http.get("/named/shelves/1").await.status, StatusCode::NOT_FOUND);
    let server = served(RULES).await;
    let named = server.http.get("/named/shelves/1").await;
    assert_eq!(named.json(), json!({"name": "shelves/1", "text": "named"}));
    assert_eq!(server.http.post("/named", r#"{"name": "x"}"#).await.json(), json!("named"));
    let removed = server.http.send(Method::DELETE, "/named/shelves/1", &[], "").await;
    assert_eq!(removed.json()["text"], "removed");
    let other = server.http.send(Method::PUT, "/named/shelves/1", &[], "").await;
    assert_eq!((other.status, other.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "DELETE, GET, HEAD"));
    // Rules of the protos stay, where the configuration says nothing.
    assert_eq!(server.http.get("/described/a").await.json()["name"], "a");
}

#[tokio::test]
async fn reserved_characters_stay_escaped_unless_the_configuration_says_otherwise() {
    let server = served(RULES).await;
    let get = async |path: &str| name(&server.http.get(path).await);
    assert_eq!(get("/named/shelves/a%3Ab%40%2Fc%20%C3%A9").await, "shelves/a%3Ab%40%2Fc é");
    assert_eq!(get("/named/files/a%26/b%2Bc").await, "files/a%26/b%2Bc");
    assert_eq!(get("/one/a%3Ab%2Fc").await, "a:b/c", "one segment is decoded in any case");

    let full = served(&format!("{RULES}  fully_decode_reserved_expansion: true\n")).await;
    let get = async |path: &str| name(&full.http.get(path).await);
    assert_eq!(get("/named/shelves/a%3Ab%40%2Fc%20%C3%A9").await, "shelves/a:b@%2Fc é");
    assert_eq!(get("/one/a%3Ab%2Fc").await, "a:b/c");

    // In code the same; what stands by itself, and what protos say, keeps the slash alone.
    let rule = || HttpRule {
        selector: "files.v1.Unruled.Name".into(),
        pattern: Some(Pattern::Get("/named/{name=**}".into())),
        ..HttpRule::default()
    };
    for (fully_decode_reserved_expansion, expected) in [(false, "a%3Ab%2Fc"), (true, "a:b%2Fc")] {
        let rules = Http { rules: vec![rule()], fully_decode_reserved_expansion };
        let server = start(files_builder().http_rules(rules)).await;
        assert_eq!(name(&server.http.get("/named/a%3Ab%2Fc").await), expected);
    }
    let alone = start(files_builder().http_rule(rule())).await;
    assert_eq!(name(&alone.http.get("/named/a%3Ab%2Fc").await), "a:b%2Fc");
    assert_eq!(name(&alone.http.get("/look/a%3Ab%2Fc").await), "a:b%2Fc");
}

#[tokio::test]
async fn a_configuration_that_does_not_fit_is_refused_at_start_up() {
    let error = |text: &str| match files_builder().http_rules_from_yaml(text) {
        Err(error) => error.to_string(),
        Ok(builder) => builder.local().map(drop).expect_err("refused").to_string(),
    };
    assert!(error("http: [").contains("no YAML"));
    assert!(
        error("http:\n  rules:\n  - selector: files.v1.Unruled.Nope\n    get: /x\n").contains("Unruled.Nope")
    );
    assert!(
        error("http:\n  rules:\n  - selector: files.v1.Unruled.Name\n    get: /{nope}\n").contains("nope")
    );
    let shadowed = "http:\n  rules:\n  - selector: files.v1.Unruled.Name\n    post: /files.v1.Files/Look\n";
    assert!(error(shadowed).contains("RPC route"));
}
