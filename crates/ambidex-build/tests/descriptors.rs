//! The descriptors beside the code: what is in them and what they are called.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use ambidex_build::{Builder, configure};
use prost::Message as _;
use prost_reflect::{DescriptorPool, Value};
use prost_types::FileDescriptorSet;

fn compile(builder: Builder, protos: &[&str]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let includes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proto");
    builder.out_dir(directory.path()).compile(protos, &[includes]).unwrap();
    directory
}

#[test]
fn http_rules_survive() {
    let directory = compile(configure(), &["library/v1/library.proto"]);
    let pool =
        DescriptorPool::decode(&fs::read(directory.path().join("library.v1.bin")).unwrap()[..]).unwrap();
    let service = pool.get_service_by_name("library.v1.Library").unwrap();
    let method = service.methods().find(|method| method.name() == "GetBook").unwrap();
    let option = pool.get_extension_by_name("google.api.http").unwrap();
    let options = method.options();
    let rule = options.get_extension(&option);
    let get = rule.as_message().unwrap().get_field_by_name("get").unwrap();
    assert_eq!(get.as_ref(), &Value::String("/v1/{name=shelves/*/books/*}".to_owned()));
}

#[test]
fn imports_are_in_and_source_info_is_not() {
    let directory = compile(configure(), &["library/v1/library.proto"]);
    let encoded = fs::read(directory.path().join("library.v1.bin")).unwrap();
    let set = FileDescriptorSet::decode(&encoded[..]).unwrap();
    let names: Vec<_> = set.file.iter().map(|file| file.name()).collect();
    assert!(names.contains(&"google/api/annotations.proto"), "{names:?}");
    assert!(names.contains(&"google/protobuf/timestamp.proto"), "{names:?}");
    assert!(set.file.iter().all(|file| file.source_code_info.is_none()));
}

#[test]
fn two_runs_with_an_import_in_common_do_not_collide() {
    let directory = compile(configure(), &["names/v1/names.proto"]);
    assert!(directory.path().join("names.v1.bin").exists());
    assert!(!directory.path().join("library.v1.bin").exists());
}

#[test]
fn the_file_can_be_given_a_name() {
    let directory = compile(configure().file_descriptor_set_name("everything.bin"), &["shop/shop.proto"]);
    assert!(directory.path().join("everything.bin").exists());
    let code = fs::read_to_string(directory.path().join("shop.rs")).unwrap();
    assert!(code.contains("include_bytes!(\"everything.bin\")"));
}

#[test]
fn google_types_are_not_generated_unless_asked_for() {
    let directory = compile(configure(), &["library/v1/library.proto"]);
    assert!(!directory.path().join("google.api.rs").exists());
    let directory = compile(configure().without_google_extern_paths(), &["google/api/httpbody.proto"]);
    assert!(
        fs::read_to_string(directory.path().join("google.api.rs")).unwrap().contains("pub struct HttpBody")
    );
}

#[test]
fn what_exists_elsewhere_is_not_generated() {
    let builder = configure().extern_path(".library.v1", "::library::v1");
    let directory = compile(builder, &["names/v1/names.proto"]);
    assert!(!directory.path().join("library.v1.rs").exists());
    let code = fs::read_to_string(directory.path().join("names.v1.rs")).unwrap();
    assert!(code.contains("::ambidex::Request<::library::v1::Book>"));
}

#[test]
fn files_are_called_like_packages_whatever_rust_thinks_of_the_name() {
    let directory = tempfile::tempdir().unwrap();
    let proto = "syntax = \"proto3\";\npackage type.V1;\nmessage M {}\n";
    fs::write(directory.path().join("type.proto"), proto).unwrap();
    configure()
        .include_file("mod.rs")
        .out_dir(directory.path())
        .compile(&["type.proto"], &[directory.path()])
        .unwrap();
    assert!(directory.path().join("type.V1.rs").exists());
    assert!(directory.path().join("type.V1.bin").exists());
    let modules = fs::read_to_string(directory.path().join("mod.rs")).unwrap();
    assert!(modules.contains("pub mod r#type {"), "{modules}");
}

#[test]
fn messages_alone_where_neither_servers_nor_clients_are_wanted() {
    let directory = compile(configure().server(false).client(false), &["shop/shop.proto"]);
    let code = fs::read_to_string(directory.path().join("shop.rs")).unwrap();
    assert!(code.contains("pub struct Order"));
    assert!(!code.contains("shop_rpc"));
}

#[test]
fn the_user_says_where_google_types_are() {
    let directory = compile(configure().extern_path(".google.rpc", "::mine"), &["library/v1/library.proto"]);
    let code = fs::read_to_string(directory.path().join("library.v1.rs")).unwrap();
    assert!(code.contains("::mine::Status"));
    assert!(code.contains("::ambidex::google::api::HttpBody"));
}
