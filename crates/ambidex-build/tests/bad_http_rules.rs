//! HTTP rules that cannot be served. Each test asserts that the error says where, what, and what
//! to do about it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use ambidex_build::configure;

/// Puts `methods` into a service and returns what is printed about it. The first method starts on
/// line 24.
fn error(methods: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let proto = format!("{PROTO}service Library {{\n{methods}\n}}\n");
    fs::write(directory.path().join("bad.proto"), proto).unwrap();
    let error = configure()
        .out_dir(directory.path())
        .compile(&["bad.proto"], &[directory.path()])
        .expect_err("the proto was taken for good");
    let prefix = format!("{}{}", directory.path().display(), std::path::MAIN_SEPARATOR);
    error.to_string().replace(&prefix, "")
}

const PROTO: &str = r#"syntax = "proto3";

package library.v1;

import "google/api/annotations.proto";

message Book {
  string name = 1;
  Shelf shelf = 2;
  repeated string tags = 3;
  map<string, string> labels = 4;
}

message Shelf {
  string name = 1;
}

message GetRequest {
  string name = 1;
  Book book = 2;
}

"#;

/// The wording of a bad rule is `ambidex-schema`'s, so only its gist is looked at here.
#[track_caller]
fn assert_told(told: &str, line: usize, gist: &str) {
    let place = format!("bad.proto:{line}:5: method library.v1.Library.Get: ");
    assert!(told.starts_with(&place) && told.contains(gist), "{told}");
}

/// What is printed about one method with this rule.
fn rule(rule: &str) -> String {
    error(&format!(
        "  rpc Get(GetRequest) returns (Book) {{\n    option (google.api.http) = {{ {rule} }};\n  }}"
    ))
}

#[test]
fn a_variable_that_is_no_field() {
    assert_told(
        &rule("get: \"/v1/{title}\""),
        25,
        "binds `title`, but library.v1.GetRequest has no field `title`; name a field of the request message",
    );
}

#[test]
fn a_variable_that_is_a_message() {
    assert_told(
        &rule("get: \"/v1/{book}\""),
        25,
        "binds `book`, which is a message; a path can only set singular fields",
    );
}

#[test]
fn a_variable_that_is_repeated() {
    assert_told(
        &rule("get: \"/v1/{book.tags}\""),
        25,
        "binds `book.tags`, which is repeated; a path can only set singular fields",
    );
}

#[test]
fn a_variable_that_is_a_map() {
    assert_told(
        &rule("get: \"/v1/{book.labels}\""),
        25,
        "binds `book.labels`, which is a map; a path can only set singular fields",
    );
}

#[test]
fn a_malformed_template() {
    assert_told(&rule("get: \"/v1/{name\""), 25, "malformed template `/v1/{name`: column 10");
    assert_told(&rule("get: \"/v1/**/{name}\""), 25, "malformed template `/v1/**/{name}`: column");
}

#[test]
fn a_body_that_is_no_field_of_the_request() {
    assert_told(
        &rule("post: \"/v1\" body: \"book.shelf\""),
        25,
        "`body: \"book.shelf\"`, but library.v1.GetRequest has no such field; name one of its own fields, or *",
    );
}

#[test]
fn a_response_body_that_is_no_field_of_the_response() {
    assert_told(
        &rule("get: \"/v1\" response_body: \"title\""),
        25,
        "`response_body: \"title\"`, but library.v1.Book has no such field; name one of its own fields",
    );
}

#[test]
fn a_rule_without_a_path() {
    assert_told(
        &rule("body: \"*\""),
        25,
        "has no pattern; set one of get, put, post, delete, patch or custom",
    );
}

#[test]
fn additional_bindings_that_nest() {
    let nested = "get: \"/v1\" additional_bindings { get: \"/v2\" additional_bindings { get: \"/v3\" } }";
    assert_told(
        &rule(nested),
        25,
        "additional binding 1 of its HTTP rule has additional bindings of its own; list all",
    );
}

#[test]
fn a_bad_additional_binding() {
    assert_told(
        &rule("get: \"/v1\" additional_bindings { get: \"/v2/{title}\" }"),
        25,
        "additional binding 1 of its HTTP rule binds `title`, but",
    );
}

#[test]
fn two_methods_with_the_same_route() {
    let told = error(
        "  rpc Get(GetRequest) returns (Book) {
    option (google.api.http) = { get: \"/v1/{name=books/*}\" };
  }
  rpc Read(GetRequest) returns (Book) {
    option (google.api.http) = { get: \"/v1/books/{book.name}\" };
  }",
    );
    assert_eq!(
        told,
        "bad.proto:28:5: method library.v1.Library.Read: its route `GET /v1/books/{book.name}` and the route \
         `GET /v1/{name=books/*}` of library.v1.Library.Get (bad.proto:25:5) match the same requests; give one \
         of them another path, or a verb such as `:search` at its end"
    );
}

#[test]
fn one_method_with_the_same_route_twice() {
    let twice = "get: \"/v1/{name}\" additional_bindings { get: \"/v1/{book.name}\" }";
    assert_told(
        &rule(twice),
        25,
        "holds both `GET /v1/{name}` and `GET /v1/{book.name}`, which match the same requests; remove one",
    );
}

#[test]
fn a_route_that_is_an_rpc_route() {
    assert_told(
        &rule("post: \"/library.v1.Library/Get\" body: \"*\""),
        25,
        "its route `POST /library.v1.Library/Get` is the RPC route that it has without a rule; leave it out, or give it \
         another path",
    );
    let told = error(
        "  rpc Get(GetRequest) returns (Book) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = { get: \"/v1/{name}\" };
  }
  rpc Read(GetRequest) returns (Book) {
    option (google.api.http) = {
      get: \"/library.v1.Library/Get\"
      additional_bindings { custom: { kind: \"HEAD\" path: \"/library.v1.Library/Get\" } }
      additional_bindings { put: \"/library.v1.Library/Get\" }
      additional_bindings { get: \"/library.v1.Library/Read\" }
      additional_bindings { get: \"/library.v1.Library/{name}\" }
    };
  }",
    );
    let shadowed = |verb: &str| {
        format!(
            "bad.proto:29:5: method library.v1.Library.Read: its route `{verb} /library.v1.Library/Get` is the RPC \
             route of library.v1.Library.Get (bad.proto:26:5); leave it out, or give it another path"
        )
    };
    assert_eq!(told.lines().collect::<Vec<_>>(), [shadowed("GET"), shadowed("HEAD")], "and no other");
}

#[test]
fn a_rule_that_is_set_field_by_field_has_a_place_too() {
    let told = error(
        "  rpc Get(GetRequest) returns (Book) {
    option deprecated = true;
    option (google.api.http).get = \"/v1/{title}\";
  }",
    );
    assert_told(&told, 26, "binds `title`");
}

#[test]
fn every_bad_rule_is_told_in_one_run() {
    let told = error(
        "  rpc Get(GetRequest) returns (Book) {
    option (google.api.http) = { get: \"/v1/{a}\" };
  }
  rpc Read(GetRequest) returns (Book) {
    option (google.api.http) = { get: \"/v1/{b}\" };
  }",
    );
    assert_eq!(told.lines().count(), 2, "{told}");
}

#[test]
fn two_files_with_the_same_route_are_both_placed() {
    let directory = tempfile::tempdir().unwrap();
    let file = |package: &str, above: &str| {
        format!(
            "syntax = \"proto3\";\npackage {package};\nimport \"google/api/annotations.proto\";\nmessage M {{}}\n\
             service S {{\n  rpc Get(M) returns (M) {{{above}\n    option (google.api.http) = {{get: \"/v1/x\"}};\n  }}\n}}\n"
        )
    };
    fs::write(directory.path().join("a.proto"), file("a.v1", "")).unwrap();
    fs::write(
        directory.path().join("b.proto"),
        file("b.v1", "\n    option idempotency_level = NO_SIDE_EFFECTS;"),
    )
    .unwrap();
    let error = configure()
        .out_dir(directory.path())
        .compile(&["a.proto", "b.proto"], &[directory.path()])
        .expect_err("the routes were taken for good");
    let prefix = format!("{}{}", directory.path().display(), std::path::MAIN_SEPARATOR);
    let told = error.to_string().replace(&prefix, "");
    assert!(told.starts_with("b.proto:8:5: method b.v1.S.Get: its route `GET /v1/x`"), "{told}");
    assert!(told.contains("of a.v1.S.Get (a.proto:7:5)"), "{told}");
}
