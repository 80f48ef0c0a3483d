//! Protos that cannot be served. Each test asserts that the error says where, what, and what to
//! do about it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use ambidex_build::{Builder, configure};

/// Compiles one proto, `bad.proto`, and returns what is printed about it, with the directory it
/// stood in left out.
fn error_with(builder: Builder, proto: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("bad.proto"), proto).unwrap();
    let error = builder
        .out_dir(directory.path())
        .compile(&["bad.proto"], &[directory.path()])
        .expect_err("the proto was taken for good");
    let prefix = format!("{}{}", directory.path().display(), std::path::MAIN_SEPARATOR);
    format!("{error:?}").replace(&prefix, "").replace(&directory.path().display().to_string(), "protos")
}

fn error(proto: &str) -> String {
    error_with(configure(), proto)
}

#[test]
fn a_syntax_error_is_told_with_its_place() {
    assert_eq!(
        error("syntax = \"proto3\";\n\nmessage Book {\n  string title 1;\n}\n"),
        "bad.proto:4:16: expected '=', but found '1'"
    );
}

#[test]
fn an_unknown_type_is_told_with_its_place() {
    assert_eq!(
        error("syntax = \"proto3\";\nmessage Book {\n  Title title = 1;\n}\n"),
        "bad.proto:3:3: name 'Title' is not defined"
    );
}

#[test]
fn a_missing_import_is_told_with_the_directories_searched() {
    assert_eq!(
        error("syntax = \"proto3\";\nimport \"no/such.proto\";\n"),
        "bad.proto:2:1: import 'no/such.proto' not found; the directories searched are `protos` \
         (google/protobuf, google/api and google/rpc need none): add the one that holds the file to the \
         includes, or correct the name"
    );
}

#[test]
fn a_file_outside_the_includes_is_told_with_the_directories_searched() {
    let error = configure().compile(&["no/such.proto"], &["protos"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "file 'no/such.proto' is not in any include path; the directories searched are `protos` \
         (google/protobuf, google/api and google/rpc need none): add the one that holds the file to the \
         includes, or correct the name"
    );
}

#[test]
fn a_message_called_like_a_server_is_told_with_ways_out() {
    assert_eq!(
        error(
            "syntax = \"proto3\";\npackage echo.v1;\nmessage EchoServer {}\nservice Echo {\n  \
             rpc Say(EchoServer) returns (EchoServer);\n}\n"
        ),
        "bad.proto:4:1: service echo.v1.Echo: its server is called `EchoServer` in Rust, and so is message \
         `EchoServer`; rename one of the two, or generate no servers with .server(false)"
    );
}

#[test]
fn a_message_called_like_a_trait_in_rust_is_told() {
    assert_eq!(
        error(
            "syntax = \"proto3\";\npackage echo.v1;\nmessage Echo {}\nservice echo {\n  rpc Say(Echo) returns (Echo);\n}\n"
        ),
        "bad.proto:4:1: service echo.v1.echo: its handler trait is called `Echo` in Rust, and so is message \
         `Echo`; rename one of the two, or generate no servers with .server(false)"
    );
}

#[test]
fn a_name_is_no_clash_where_nothing_of_it_is_generated() {
    let directory = tempfile::tempdir().unwrap();
    let proto = "syntax = \"proto3\";\nmessage EchoClient {}\nservice Echo {}\n";
    fs::write(directory.path().join("good.proto"), proto).unwrap();
    configure()
        .client(false)
        .out_dir(directory.path())
        .compile(&["good.proto"], &[directory.path()])
        .unwrap();
}

#[test]
fn methods_that_are_the_same_in_rust_are_told() {
    assert_eq!(
        error(
            "syntax = \"proto3\";\nmessage M {}\nservice Echo {\n  rpc SayIt(M) returns (M);\n  \
             rpc say_it(M) returns (M);\n}\n"
        ),
        "bad.proto:5:3: method Echo.say_it: its type is called `SayIt` in Rust, and so is that of another \
         method; rename the method"
    );
}

#[test]
fn a_method_that_rust_cannot_name_is_told() {
    assert_eq!(
        error("syntax = \"proto3\";\nmessage M {}\nservice Echo {\n  rpc _(M) returns (M);\n}\n"),
        "bad.proto:4:3: method Echo._: Rust has no way to write this name; rename the method"
    );
}

#[test]
fn a_message_called_like_a_type_parameter_is_told() {
    assert_eq!(
        error("syntax = \"proto3\";\nmessage T {}\nservice Echo {\n  rpc Say(T) returns (T);\n}\n"),
        "bad.proto:4:3: method Echo.Say: the message `T` is called like the type parameter of the client; \
         rename the message, or generate no clients with .client(false)"
    );
}

#[test]
fn every_problem_is_told_in_one_run() {
    let told =
        error("syntax = \"proto3\";\nmessage AServer {}\nmessage BServer {}\nservice A {}\nservice B {}\n");
    assert_eq!(told.lines().count(), 2, "{told}");
}

#[test]
fn unimplemented_for_a_service_that_is_not_there_is_told() {
    assert_eq!(
        error_with(configure().unimplemented(".echo.v1.Ecco"), "syntax = \"proto3\";\nservice Echo {}\n"),
        ".unimplemented(\".echo.v1.Ecco\") names no service; write the full name, such as \".bookshop.v1.Bookshop\""
    );
}

#[test]
fn nothing_to_compile_is_told() {
    let none: [&str; 0] = [];
    assert_eq!(
        configure().compile(&none, &none).unwrap_err().to_string(),
        "no proto was given to compile; name at least one file"
    );
}
