//! The messages that ProtoJSON spells in a way of their own, inside other messages and alone.

use ambidex_schema::{DecodeOptions, EncodeOptions, JsonErrorKind, WireErrorKind};

use crate::schemas::{compile, json, refusal, rich, round_trip, wire};

#[test]
fn timestamps_are_printed_with_z_and_grouped_digits() {
    let rich = rich();
    for (given, printed) in [
        ("2024-02-29T12:34:56Z", "2024-02-29T12:34:56Z"),
        ("2024-02-29T14:34:56+02:00", "2024-02-29T12:34:56Z"),
        ("2024-02-29T12:34:56.5Z", "2024-02-29T12:34:56.500Z"),
        ("2024-02-29T12:34:56.123450Z", "2024-02-29T12:34:56.123450Z"),
        ("2024-02-29T12:34:56.000000001Z", "2024-02-29T12:34:56.000000001Z"),
    ] {
        assert_eq!(
            round_trip(&rich, &format!(r#"{{"timestamp":"{given}"}}"#)),
            format!(r#"{{"timestamp":"{printed}"}}"#)
        );
    }
    for text in ["\"2024-02-30T00:00:00Z\"", "\"2024-02-29\"", "5", "{}", "\"2024-02-29T12:34:56z\""] {
        assert_eq!(refusal(&rich, &format!(r#"{{"timestamp":{text}}}"#)).kind(), JsonErrorKind::InvalidValue);
    }
}

#[test]
fn durations_need_their_s() {
    let rich = rich();
    assert_eq!(round_trip(&rich, r#"{"duration":"-0.5s"}"#), r#"{"duration":"-0.500s"}"#);
    assert_eq!(refusal(&rich, r#"{"duration":"1"}"#).path(), "duration");
    refusal(&rich, r#"{"duration":1}"#);
}

#[test]
fn values_out_of_range_cannot_be_printed() {
    let rich = rich();
    for bytes in [
        // timestamp = 80: nanos of -1
        &b"\x82\x05\x0b\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"[..],
        // duration = 81: a second less a nanosecond, signs apart
        b"\x8a\x05\x0d\x08\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        // field_mask = 82: upper case does not come back
        b"\x92\x05\x03\x0a\x01A",
        // value = 84: a number that is none
        b"\xa2\x05\x09\x11\x00\x00\x00\x00\x00\x00\xf8\x7f",
    ] {
        let error = rich.wire_to_json(bytes, &EncodeOptions::default(), &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), WireErrorKind::Unrepresentable, "{error}");
    }
}

#[test]
fn field_masks_are_lower_camel() {
    let rich = rich();
    let json = r#"{"fieldMask":"displayName,book.fooBar"}"#;
    assert_eq!(round_trip(&rich, json), json);
    let bytes = wire(&rich, json).unwrap();
    assert!(bytes.ends_with(b"\x0a\x0cdisplay_name\x0a\x0cbook.foo_bar"));
    for refused in ["display_name", ",", "a,", ".b", "a..b", "a."] {
        refusal(&rich, &format!("{{\"fieldMask\":\"{refused}\"}}"));
    }
    assert_eq!(round_trip(&rich, r#"{"fieldMask":"*"}"#), r#"{"fieldMask":"*"}"#);
    assert_eq!(round_trip(&rich, r#"{"fieldMask":""}"#), r#"{"fieldMask":""}"#);
}

#[test]
fn wrappers_are_the_values_they_wrap() {
    let rich = rich();
    let json = r#"{"doubleValue":0.0,"floatValue":"NaN","int32Value":0,"int64Value":"0","uint32Value":1,"uint64Value":"2","boolValue":false,"stringValue":"","bytesValue":"AA=="}"#;
    assert_eq!(round_trip(&rich, json), json);
    assert_eq!(round_trip(&rich, r#"{"int32Values":["1",2.0]}"#), r#"{"int32Values":[1,2]}"#);
    refusal(&rich, r#"{"int32Value":{"value":1}}"#);
    // An absent value is the default, a null field is no wrapper at all.
    assert_eq!(crate::schemas::json(&rich, b"\xe2\x05\x00"), r#"{"int32Value":0}"#);
}

#[test]
fn structs_hold_any_json() {
    let rich = rich();
    for json in [
        r#"{"struct":{}}"#,
        r#"{"struct":{"a":{"b":[1.5,"x",null,true,{},[]]}}}"#,
        r#"{"value":{"a":null}}"#,
        r#"{"value":"\u0001\"é"}"#,
        r#"{"value":[[[]]]}"#,
        r#"{"listValue":[1.0,false]}"#,
    ] {
        assert_eq!(round_trip(&rich, json), json);
    }
    refusal(&rich, r#"{"struct":[]}"#);
    refusal(&rich, r#"{"listValue":{}}"#);
    refusal(&rich, r#"{"struct":{"a":NaN}}"#);
    refusal(&rich, r#"{"value":1e400}"#);
    assert_eq!(refusal(&rich, r#"{"struct":{"a":[1,tru]}}"#).path(), r#"struct["a"][1]"#);
}

#[test]
fn a_value_without_kind_is_null() {
    assert_eq!(json(&rich(), b"\xa2\x05\x00"), r#"{"value":null}"#);
}

#[test]
fn the_type_of_an_any_may_stand_anywhere() {
    let rich = rich();
    let expected =
        r#"{"any":{"@type":"type.googleapis.com/test.v1.Inner","name":"a","count":1,"child":{"name":"b"}}}"#;
    for json in [
        expected,
        r#"{"any":{"name":"a","@type":"type.googleapis.com/test.v1.Inner","count":1,"child":{"name":"b"}}}"#,
        r#"{"any":{"name":"a","count":1,"child":{"name":"b"},"@type":"type.googleapis.com/test.v1.Inner"}}"#,
        r#"{"any":{"name":"a","count":1,"child":{"name":"b"},"\u0040type":"type.googleapis.com/test.v1.Inner"}}"#,
    ] {
        assert_eq!(round_trip(&rich, json), expected);
    }
}

#[test]
fn a_well_known_type_in_an_any_is_under_value() {
    let rich = rich();
    for json in [
        r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"}}"#,
        r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Int64Value","value":"1"}}"#,
        r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Value","value":null}}"#,
        r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Struct","value":{"a":1.0}}}"#,
        r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Any","value":{"@type":"x/test.v1.Inner"}}}"#,
    ] {
        assert_eq!(round_trip(&rich, json), json);
    }
    assert_eq!(
        round_trip(&rich, r#"{"any":{"value":"1s","@type":"x/google.protobuf.Duration"}}"#),
        r#"{"any":{"@type":"x/google.protobuf.Duration","value":"1s"}}"#
    );
    let error = refusal(&rich, r#"{"any":{"@type":"x/google.protobuf.Duration","value":"1s","more":1}}"#);
    assert_eq!(error.kind(), JsonErrorKind::UnknownField);
    refusal(&rich, r#"{"any":{"@type":"x/google.protobuf.Duration"}}"#);
    refusal(&rich, r#"{"any":{"@type":"x/google.protobuf.Duration","seconds":1}}"#);
}

#[test]
fn empty_in_an_any_has_no_value_but_may_be_given_one() {
    let rich = rich();
    let expected = r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Empty"}}"#;
    assert_eq!(round_trip(&rich, expected), expected);
    assert_eq!(
        round_trip(&rich, r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Empty","value":{}}}"#),
        expected
    );
    refusal(&rich, r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Empty","value":1}}"#);
}

#[test]
fn an_any_that_cannot_be_resolved_is_an_error() {
    let rich = rich();
    for (json, kind) in [
        (r#"{"any":{"@type":"x/no.such.Type"}}"#, JsonErrorKind::UnknownType),
        (r#"{"any":{"@type":"test.v1.Inner"}}"#, JsonErrorKind::UnknownType),
        (r#"{"any":{"@type":""}}"#, JsonErrorKind::UnknownType),
        (r#"{"any":{"@type":1}}"#, JsonErrorKind::InvalidValue),
        (r#"{"any":{"name":"a"}}"#, JsonErrorKind::InvalidValue),
        (r#"{"any":[]}"#, JsonErrorKind::InvalidValue),
    ] {
        assert_eq!(refusal(&rich, json).kind(), kind, "{json}");
    }
    // any = 86: type_url "x/y", then a value without a type.
    let refuse =
        |wire: &[u8]| rich.wire_to_json(wire, &EncodeOptions::default(), &mut Vec::new()).unwrap_err();
    assert_eq!(refuse(b"\xb2\x05\x05\x0a\x03x/y").kind(), WireErrorKind::UnknownType);
    assert_eq!(refuse(b"\xb2\x05\x03\x12\x01x").kind(), WireErrorKind::Unrepresentable);
}

#[test]
fn an_any_merged_from_two_types_is_read_as_the_later_one() {
    // Merging keeps the value of the first, whose fields are not those of the second type: what has its wire
    // type there is taken for it, the rest is unknown, as it would be outside of an Any.
    let rich = rich();
    let mut bytes = wire(&rich, r#"{"any":{"@type":"x/test.v1.Inner","name":"a","count":2}}"#).unwrap();
    let message = compile(&["test/v1/rich.proto"]).message("google.protobuf.Any").unwrap();
    let retyped = |type_url: &str| {
        let mut bytes = bytes.clone();
        bytes.extend([0xb2, 0x05, type_url.len() as u8 + 2, 0x0a, type_url.len() as u8]);
        bytes.extend(type_url.as_bytes());
        json(&rich, &bytes)
    };
    assert_eq!(retyped("x/test.v1.Sparse"), r#"{"any":{"@type":"x/test.v1.Sparse"}}"#);
    assert_eq!(retyped("x/google.protobuf.Empty"), r#"{"any":{"@type":"x/google.protobuf.Empty"}}"#);
    assert_eq!(
        retyped("x/google.protobuf.Timestamp"),
        r#"{"any":{"@type":"x/google.protobuf.Timestamp","value":"1970-01-01T00:00:00.000000002Z"}}"#
    );
    assert_eq!(
        retyped("x/google.protobuf.Int32Value"),
        r#"{"any":{"@type":"x/google.protobuf.Int32Value","value":0}}"#
    );
    assert_eq!(
        retyped("x/google.protobuf.StringValue"),
        r#"{"any":{"@type":"x/google.protobuf.StringValue","value":"a"}}"#
    );
    // A type URL or a value of another wire type is none either.
    bytes.extend(b"\xb2\x05\x04\x08\x01\x10\x01");
    assert!(json(&rich, &bytes).contains(r#""name":"a","count":2"#));
    assert_eq!(json(&message, b"\x08\x01\x10\x01"), "{}");
}

#[test]
fn a_field_of_another_wire_type_in_a_well_known_message_is_unknown() {
    let rich = rich();
    for (wire, expected) in [
        // timestamp, its seconds as bytes, then as a number; duration; field_mask
        (&b"\x82\x05\x05\x0a\x01x\x08\x01"[..], r#"{"timestamp":"1970-01-01T00:00:01Z"}"#),
        (b"\x8a\x05\x03\x12\x01x", r#"{"duration":"0s"}"#),
        (b"\x92\x05\x05\x08\x01\x0a\x01a", r#"{"fieldMask":"a"}"#),
        // struct, an entry that is none; value, a struct that is a number, and a number that is one
        (b"\x9a\x05\x02\x08\x01", r#"{"struct":{}}"#),
        (b"\xa2\x05\x02\x28\x01", r#"{"value":null}"#),
        (b"\xa2\x05\x04\x20\x01\x28\x01", r#"{"value":true}"#),
        (b"\xaa\x05\x02\x08\x01", r#"{"listValue":[]}"#),
        // int32_value
        (b"\xe2\x05\x05\x08\x05\x0a\x01x", r#"{"int32Value":5}"#),
    ] {
        assert_eq!(json(&rich, wire), expected, "{wire:02x?}");
    }
}

#[test]
fn an_empty_object_is_an_any_that_holds_nothing() {
    assert_eq!(round_trip(&rich(), r#"{"any":{}}"#), r#"{"any":{}}"#);
}

#[test]
fn nested_anys_with_late_types_stay_within_their_limits() {
    let rich = rich();
    let mut json = r#"{"name":"x","@type":"x/test.v1.Inner"}"#.to_owned();
    for _ in 0..40 {
        json = format!(r#"{{"any":{json},"@type":"x/test.v1.Rich"}}"#);
    }
    let json = format!(r#"{{"any":{json}}}"#);
    // Members that are read twice to find a type count once.
    let options = DecodeOptions::default().with_max_elements(2 * 41 + 1);
    let mut out = Vec::new();
    rich.json_to_wire(json.as_bytes(), &options, &mut out).unwrap();
    rich.json_to_wire(json.as_bytes(), &options.with_max_elements(2 * 41), &mut out).unwrap_err();
}

#[test]
fn types_of_anys_that_were_skipped_through_are_found_again() {
    let rich = rich();
    let nested = |inner: &str| format!(r#"{{"any":{{"any":{inner},"@type":"x/test.v1.Rich"}}}}"#);
    for (inner, expected) in [
        (r#"{"name":"a","@type":"x/test.v1.Inner"}"#, r#"{"@type":"x/test.v1.Inner","name":"a"}"#),
        (r#"{"@type":"x/test.v1.Inner","name":"a"}"#, r#"{"@type":"x/test.v1.Inner","name":"a"}"#),
        (r#"{ }"#, "{}"),
        (
            r#"{"value":{"any":{"value":[1],"@type":"x/google.protobuf.Value"}},"@type":"x/google.protobuf.Struct"}"#,
            r#"{"@type":"x/google.protobuf.Struct","value":{"any":{"value":[1.0],"@type":"x/google.protobuf.Value"}}}"#,
        ),
    ] {
        let expected = format!(r#"{{"any":{{"@type":"x/test.v1.Rich","any":{expected}}}}}"#);
        assert_eq!(round_trip(&rich, &nested(inner)), expected);
    }
    for (inner, complaint) in [
        (r#"{"name":"a"}"#, "an Any needs an @type"),
        (r#"{"name":"a","@type":1}"#, "expected a type URL string"),
        (r#"{"name":"a","@type":"x/test.v1.Inner","@type":"x/test.v1.Inner"}"#, "the type is given twice"),
    ] {
        let error = refusal(&rich, &nested(inner)).to_string();
        assert!(error.contains(complaint), "{error}");
    }
}

#[test]
fn well_known_types_stand_alone_too() {
    let schema = compile(&["test/v1/rich.proto"]);
    for (name, json) in [
        ("Timestamp", "\"1970-01-01T00:00:00Z\""),
        ("Duration", "\"0s\""),
        ("FieldMask", "\"a.b\""),
        ("Int64Value", "\"5\""),
        ("Value", "null"),
        ("ListValue", "[]"),
        ("Struct", "{}"),
        ("Empty", "{}"),
        ("Any", "{}"),
    ] {
        let message = schema.message(&format!("google.protobuf.{name}")).unwrap();
        assert_eq!(round_trip(&message, json), json);
    }
    refusal(&schema.message("google.protobuf.Empty").unwrap(), r#"{"a":1}"#);
}
