//! Building a schema out of descriptor sets.

use ambidex_schema::{Schema, SchemaError};
use prost_reflect::prost::Message;
use prost_reflect::prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet, SourceCodeInfo};

fn file(name: &str, message: &str) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(name.to_owned()),
        syntax: Some("proto3".to_owned()),
        message_type: vec![DescriptorProto { name: Some(message.to_owned()), ..Default::default() }],
        ..Default::default()
    }
}

fn set(files: &[FileDescriptorProto]) -> Vec<u8> {
    FileDescriptorSet { file: files.to_vec() }.encode_to_vec()
}

#[test]
fn sets_may_share_files_and_come_in_any_order() {
    let mut importing = file("b.proto", "B");
    importing.dependency.push("a.proto".to_owned());
    let mut commented = file("a.proto", "A");
    commented.source_code_info = Some(SourceCodeInfo::default());
    let schema = Schema::builder()
        .add_file_descriptor_set(&set(&[importing]))
        .and_then(|builder| builder.add_file_descriptor_set(&set(&[file("a.proto", "A")])))
        .and_then(|builder| builder.add_file_descriptor_set(&set(&[commented])))
        .and_then(|builder| builder.build())
        .unwrap();
    assert!(schema.message("A").is_some() && schema.message("B").is_some());
    assert!(schema.message("C").is_none());
}

#[test]
fn two_versions_of_a_file_are_refused() {
    let error = Schema::builder()
        .add_file_descriptor_set(&set(&[file("a.proto", "A")]))
        .unwrap()
        .add_file_descriptor_set(&set(&[file("a.proto", "Other")]))
        .unwrap_err();
    assert!(matches!(error, SchemaError::ConflictingFile { file } if file == "a.proto"));
}

#[test]
fn what_does_not_decode_or_link_is_refused() {
    let error = Schema::builder().add_file_descriptor_set(b"\xff").unwrap_err();
    assert!(matches!(error, SchemaError::Decode(_)));
    let mut importing = file("b.proto", "B");
    importing.dependency.push("missing.proto".to_owned());
    let error = Schema::builder().add_file_descriptor_set(&set(&[importing])).unwrap().build().unwrap_err();
    assert!(matches!(error, SchemaError::Link(_)));
    assert!(error.to_string().contains("missing.proto"));
}

#[test]
fn a_schema_without_files_is_empty() {
    assert!(Schema::builder().build().unwrap().message("A").is_none());
}

#[test]
fn handles_answer_what_edges_ask() {
    let schema = crate::schemas::compile(&["test/v1/rich.proto", "test/v1/library.proto"]);
    let rich = schema.message("test.v1.Rich").unwrap();
    assert_eq!(rich.full_name(), "test.v1.Rich");
    assert_eq!(rich.field("anInt32"), rich.field("an_int32"));
    assert_eq!(rich.field("anInt32"), rich.field_by_number(3));
    assert!(rich.field("nope").is_none() && rich.field_by_number(999).is_none());
    let field = |name: &str| rich.field(name).unwrap();
    assert!(field("int32s").is_list() && !field("string_map").is_list());
    assert!(field("string_map").is_map() && field("string_map").message_type().is_none());
    assert!(field("maybe_int32").has_presence() && !field("an_int32").has_presence());
    assert_eq!(field("an_inner").message_type().unwrap().full_name(), "test.v1.Inner");
    assert_eq!(field("rich").message_type(), Some(rich.clone()));
    assert!(field("timestamp").is_text_bindable() && !field("struct").is_text_bindable());
    assert_eq!(field("renamed").json_name(), "other\"Name");
    assert_eq!(rich.fields().next().unwrap().name(), "a_double");
    assert_eq!(field("an_int32").descriptor().unwrap().name(), "an_int32");
    assert_eq!(schema.service("test.v1.Library").unwrap().methods().len(), 4);
    assert!(schema.service("test.v1.Nope").is_none());
    assert!(field("field_mask").is_field_mask() && !field("timestamp").is_field_mask());
}
