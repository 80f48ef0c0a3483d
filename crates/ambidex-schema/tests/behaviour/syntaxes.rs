//! proto2, groups, extensions and editions: the tables hold what differs, the transcoder does not.

use ambidex_schema::{DecodeOptions, JsonErrorKind, MessageType, Schema, SchemaError};
use prost_reflect::DynamicMessage;
use prost_reflect::prost::Message;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
};

use crate::schemas::{compile, json, refusal, round_trip, wire};

fn legacy() -> MessageType {
    compile(&["test/v1/legacy.proto"]).message("test.v1.Legacy").unwrap()
}

#[test]
fn proto2_scalars_know_their_presence() {
    assert_eq!(round_trip(&legacy(), r#"{"id":0}"#), r#"{"id":0}"#);
    assert_eq!(json(&legacy(), b""), "{}");
}

#[test]
fn closed_enums_refuse_unknown_numbers() {
    let legacy = legacy();
    assert_eq!(round_trip(&legacy, r#"{"closed":2}"#), r#"{"closed":"CLOSED_TWO"}"#);
    assert_eq!(refusal(&legacy, r#"{"closed":9}"#).kind(), JsonErrorKind::UnknownField);
    let mut out = Vec::new();
    let options = DecodeOptions::default().with_ignore_unknown_fields(true);
    legacy.json_to_wire(br#"{"closed":9}"#, &options, &mut out).unwrap();
    assert!(out.is_empty());
}

#[test]
fn lists_are_packed_as_declared_and_read_either_way() {
    let legacy = legacy();
    assert_eq!(wire(&legacy, r#"{"unpacked":[1,2]}"#).unwrap(), [0x18, 1, 0x18, 2]);
    assert_eq!(wire(&legacy, r#"{"packed":[1,2]}"#).unwrap(), [0x22, 2, 1, 2]);
    assert_eq!(json(&legacy, &[0x1a, 2, 1, 2, 0x20, 3]), r#"{"unpacked":[1,2],"packed":[3]}"#);
}

#[test]
fn groups_are_messages_between_tags() {
    let legacy = legacy();
    let json = r#"{"part":{"name":"x","size":0},"row":[{"cell":1},{}]}"#;
    assert_eq!(round_trip(&legacy, json), json);
    let bytes = wire(&legacy, json).unwrap();
    assert_eq!(bytes, [0x2b, 0x0a, 1, b'x', 0x10, 0, 0x2c, 0x33, 0x08, 1, 0x34, 0x33, 0x34]);
    DynamicMessage::decode(legacy.descriptor(), bytes.as_slice()).unwrap();
    // Two occurrences of a singular group are merged.
    let mut twice = bytes.clone();
    twice.extend(wire(&legacy, r#"{"part":{"size":5}}"#).unwrap());
    assert!(crate::schemas::json(&legacy, &twice).contains(r#""part":{"name":"x","size":5}"#));
}

#[test]
fn paths_lead_into_groups() {
    let legacy = legacy();
    let mut bytes = Vec::new();
    legacy.field_path("part.size").unwrap().bind_str("7", &mut bytes).unwrap();
    assert_eq!(json(&legacy, &bytes), r#"{"part":{"size":7}}"#);
}

#[test]
fn extensions_are_members_in_brackets() {
    let legacy = legacy();
    let json = r#"{"id":1,"[test.v1.note]":"x","[test.v1.marks]":[1,2]}"#;
    assert_eq!(round_trip(&legacy, json), json);
    refusal(&legacy, r#"{"[test.v1.nope]":1}"#);
    refusal(&legacy, r#"{"note":1}"#);
}

#[test]
fn a_closed_enum_of_a_map_has_its_first_value_by_default() {
    assert_eq!(json(&legacy(), &[0x3a, 3, 0x0a, 1, b'a']), r#"{"closedMap":{"a":"CLOSED_ONE"}}"#);
}

#[test]
fn an_unknown_number_of_a_closed_enum_is_an_unknown_field() {
    let legacy = legacy();
    assert_eq!(json(&legacy, &[0x10, 9]), "{}");
    // What was there before stays.
    assert_eq!(json(&legacy, &[0x10, 1, 0x10, 9]), r#"{"closed":"CLOSED_ONE"}"#);
    let unpacked = [0x40, 1, 0x40, 9, 0x40, 2];
    let packed = [0x42, 3, 1, 9, 2];
    for wire in [unpacked.as_slice(), packed.as_slice()] {
        assert_eq!(json(&legacy, wire), r#"{"closedList":["CLOSED_ONE","CLOSED_TWO"]}"#);
    }
    assert_eq!(json(&legacy, &[0x42, 1, 9]), "{}");
    let entry = |number| [0x3a, 5, 0x0a, 1, b'a', 0x10, number];
    assert_eq!(json(&legacy, &entry(9)), "{}");
    assert_eq!(json(&legacy, &[entry(2), entry(9)].concat()), r#"{"closedMap":{"a":"CLOSED_TWO"}}"#);
}

/// `google.protobuf.Edition`, as numbers.
const EDITION_2023: i32 = 1000;
const EDITION_2024: i32 = 1001;

fn field(name: &str, number: i32, r#type: Type, label: Label) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(label as i32),
        r#type: Some(r#type as i32),
        json_name: Some(name.to_owned()),
        ..Default::default()
    }
}

/// Adds `features { field: value }` to the options of an encoded descriptor, whose field this number is.
fn with_feature(encoded: Vec<u8>, options: u32, features: u32, feature: u32, value: u8) -> Vec<u8> {
    use prost_reflect::prost::encoding::bytes::encode;
    let set = vec![(feature << 3) as u8, value];
    let (mut inner, mut outer) = (Vec::new(), encoded);
    encode(features, &set, &mut inner);
    encode(options, &inner, &mut outer);
    outer
}

/// An edition file, spelled field by field: the compiler of the tests has no editions.
fn edition(number: i32) -> Result<Schema, SchemaError> {
    use prost_reflect::prost::encoding::{bytes, int32, string};
    let (optional, repeated) = (Label::Optional, Label::Repeated);
    let mut nested = field("delimited", 5, Type::Message, optional);
    nested.type_name = Some(".ed.Message".to_owned());
    let mut closed = field("closed", 6, Type::Enum, optional);
    closed.type_name = Some(".ed.Closed".to_owned());
    let mut open = field("open", 7, Type::Enum, optional);
    open.type_name = Some(".ed.Open".to_owned());

    let mut message =
        DescriptorProto { name: Some("Message".to_owned()), ..Default::default() }.encode_to_vec();
    const FIELD: u32 = 2;
    const FIELD_OPTIONS: u32 = 8;
    const FIELD_FEATURES: u32 = 21;
    bytes::encode(FIELD, &field("explicit", 1, Type::Int32, optional).encode_to_vec(), &mut message);
    let implicit = field("implicit", 2, Type::Int32, optional).encode_to_vec();
    bytes::encode(FIELD, &with_feature(implicit, FIELD_OPTIONS, FIELD_FEATURES, 1, 2), &mut message);
    bytes::encode(FIELD, &field("packed", 3, Type::Int32, repeated).encode_to_vec(), &mut message);
    let expanded = field("expanded", 4, Type::Int32, repeated).encode_to_vec();
    bytes::encode(FIELD, &with_feature(expanded, FIELD_OPTIONS, FIELD_FEATURES, 3, 2), &mut message);
    bytes::encode(
        FIELD,
        &with_feature(nested.encode_to_vec(), FIELD_OPTIONS, FIELD_FEATURES, 5, 2),
        &mut message,
    );
    bytes::encode(FIELD, &closed.encode_to_vec(), &mut message);
    bytes::encode(FIELD, &open.encode_to_vec(), &mut message);

    let item = |name: &str| {
        let value = EnumValueDescriptorProto {
            name: Some(format!("{name}_ZERO")),
            number: Some(0),
            ..Default::default()
        };
        EnumDescriptorProto { name: Some(name.to_owned()), value: vec![value], ..Default::default() }
            .encode_to_vec()
    };
    let mut file = FileDescriptorProto {
        name: Some("ed.proto".to_owned()),
        package: Some("ed".to_owned()),
        ..Default::default()
    }
    .encode_to_vec();
    bytes::encode(4, &message, &mut file);
    bytes::encode(5, &with_feature(item("Closed"), 3, 7, 2, 2), &mut file);
    bytes::encode(5, &item("Open"), &mut file);
    string::encode(12, &"editions".to_owned(), &mut file);
    int32::encode(14, &number, &mut file);
    let mut set = Vec::new();
    bytes::encode(1, &file, &mut set);
    Schema::builder().add_file_descriptor_set(&set).unwrap().build()
}

#[test]
fn the_features_of_edition_2023_are_honoured() {
    the_features_are_honoured(edition(EDITION_2023).unwrap());
}

#[test]
fn the_features_of_edition_2024_are_honoured() {
    the_features_are_honoured(edition(EDITION_2024).unwrap());
}

#[test]
fn an_edition_of_the_future_is_refused() {
    let error = edition(EDITION_2024 + 1).unwrap_err();
    assert!(matches!(&error, SchemaError::UnsupportedEdition { file, .. } if file == "ed.proto"), "{error}");
}

fn the_features_are_honoured(schema: Schema) {
    let message = schema.message("ed.Message").unwrap();
    assert_eq!(round_trip(&message, r#"{"explicit":0,"implicit":0}"#), r#"{"explicit":0}"#);
    assert_eq!(
        wire(&message, r#"{"packed":[1,2],"expanded":[3,4]}"#).unwrap(),
        [0x1a, 2, 1, 2, 0x20, 3, 0x20, 4]
    );
    assert_eq!(wire(&message, r#"{"delimited":{"explicit":1}}"#).unwrap(), [0x2b, 0x08, 1, 0x2c]);
    assert_eq!(round_trip(&message, r#"{"delimited":{"packed":[1]}}"#), r#"{"delimited":{"packed":[1]}}"#);
    assert_eq!(round_trip(&message, r#"{"open":5}"#), r#"{"open":5}"#);
    assert_eq!(refusal(&message, r#"{"closed":5}"#).kind(), JsonErrorKind::UnknownField);
}
