//! wire → JSON, rule by rule.

use ambidex_schema::{EncodeOptions, WireErrorKind};

use crate::schemas::{compile, json, json_with, rich, wire};

#[test]
fn integers_of_64_bits_are_strings() {
    let rich = rich();
    let wire = wire(&rich, r#"{"anInt64":1,"aUint64":2,"aSint64":3,"aFixed64":4,"aSfixed64":5,"anInt32":6}"#)
        .unwrap();
    let expected =
        r#"{"anInt32":6,"anInt64":"1","aUint64":"2","aSint64":"3","aFixed64":"4","aSfixed64":"5"}"#;
    assert_eq!(json(&rich, &wire), expected);
}

#[test]
fn floats_are_the_shortest_that_read_back() {
    let rich = rich();
    let wire = wire(
        &rich,
        r#"{"aDouble":0.1,"aFloat":0.1,"doubles":[1,1e21,1.5e-9,123456789],"floats":[16777216]}"#,
    );
    let expected =
        r#"{"aDouble":0.1,"aFloat":0.1,"doubles":[1.0,1e+21,1.5e-9,123456789.0],"floats":[16777216.0]}"#;
    assert_eq!(json(&rich, &wire.unwrap()), expected);
}

#[test]
fn members_come_in_the_order_of_field_numbers() {
    let rich = rich();
    // aString = 14, anInt32 = 3, aBool = 13
    assert_eq!(json(&rich, b"\x72\x01x\x18\x05\x68\x01"), r#"{"anInt32":5,"aBool":true,"aString":"x"}"#);
}

#[test]
fn the_last_of_several_scalars_wins() {
    let rich = rich();
    assert_eq!(json(&rich, b"\x18\x05\x18\x06"), r#"{"anInt32":6}"#);
    // A default that comes last wins, too.
    assert_eq!(json(&rich, b"\x18\x05\x18\x00"), "{}");
}

#[test]
fn several_occurrences_of_a_message_are_merged() {
    let rich = rich();
    let mut bytes = wire(&rich, r#"{"anInner":{"name":"a","tags":["x"],"child":{"count":1}}}"#).unwrap();
    bytes.extend(wire(&rich, r#"{"anInner":{"count":2,"tags":["y"],"child":{"name":"b"}}}"#).unwrap());
    assert_eq!(
        json(&rich, &bytes),
        r#"{"anInner":{"name":"a","count":2,"child":{"name":"b","count":1},"tags":["x","y"]}}"#
    );
}

#[test]
fn the_last_member_of_a_oneof_wins() {
    let rich = rich();
    let concatenated =
        |texts: &[&str]| texts.iter().flat_map(|text| wire(&rich, text).unwrap()).collect::<Vec<_>>();
    let bytes = concatenated(&[r#"{"choiceString":"a"}"#, r#"{"choiceInt32":1}"#]);
    assert_eq!(json(&rich, &bytes), r#"{"choiceInt32":1}"#);
    let bytes = concatenated(&[r#"{"choiceInt32":1}"#, r#"{"choiceString":"a"}"#]);
    assert_eq!(json(&rich, &bytes), r#"{"choiceString":"a"}"#);
    // A member that is replaced and set again has forgotten what it held.
    let bytes = concatenated(&[
        r#"{"choiceInner":{"name":"a"}}"#,
        r#"{"choiceInt32":1}"#,
        r#"{"choiceInner":{"count":2}}"#,
        r#"{"choiceInner":{"tags":["x"]}}"#,
    ]);
    assert_eq!(json(&rich, &bytes), r#"{"choiceInner":{"count":2,"tags":["x"]}}"#);
}

#[test]
fn lists_may_be_interleaved_split_and_packed_or_not() {
    let rich = rich();
    let mut bytes = Vec::new();
    for text in [r#"{"int32s":[1,2]}"#, r#"{"strings":["a"]}"#, r#"{"int32s":[3]}"#, r#"{"strings":["b"]}"#] {
        bytes.extend(wire(&rich, text).unwrap());
    }
    // int32s = 31, once as a plain element
    bytes.extend([0xf8, 0x01, 4]);
    assert_eq!(json(&rich, &bytes), r#"{"int32s":[1,2,3,4],"strings":["a","b"]}"#);
    // int64s = 32 is declared unpacked, and may still come packed.
    assert_eq!(json(&rich, &[0x82, 0x02, 2, 1, 2]), r#"{"int64s":["1","2"]}"#);
}

#[test]
fn empty_packed_records_are_an_unset_list() {
    let rich = rich();
    assert_eq!(json(&rich, &[0xfa, 0x01, 0]), "{}");
    assert_eq!(json(&rich, &[0xfa, 0x01, 0, 0xfa, 0x01, 1, 5]), r#"{"int32s":[5]}"#);
}

#[test]
fn of_equal_map_keys_the_last_one_wins() {
    let rich = rich();
    let entry = |text: &str| wire(&rich, text).unwrap();
    let mut bytes = entry(r#"{"stringMap":{"a":"1","b":"2"}}"#);
    bytes.extend(entry(r#"{"stringMap":{"a":"3"}}"#));
    assert_eq!(json(&rich, &bytes), r#"{"stringMap":{"b":"2","a":"3"}}"#);
    for round in 0..20 {
        bytes.extend(entry(&format!(r#"{{"stringMap":{{"k{round}":"x","a":"{round}"}}}}"#)));
    }
    let text = json(&rich, &bytes);
    assert_eq!(text.matches("\"a\":").count(), 1);
    assert!(text.contains(r#""a":"19""#));
}

#[test]
fn a_map_entry_without_key_or_value_has_their_defaults() {
    let rich = rich();
    // stringMap = 50, int32Map = 51, uint32Map = 53, boolMap = 61
    assert_eq!(json(&rich, &[0x92, 0x03, 0]), r#"{"stringMap":{"":""}}"#);
    assert_eq!(json(&rich, &[0x9a, 0x03, 0]), r#"{"int32Map":{"0":{}}}"#);
    assert_eq!(json(&rich, &[0xaa, 0x03, 0]), r#"{"uint32Map":{"0":"COLOR_UNSPECIFIED"}}"#);
    assert_eq!(json(&rich, &[0xea, 0x03, 0]), r#"{"boolMap":{"false":0.0}}"#);
}

#[test]
fn the_message_of_a_map_entry_may_come_in_parts() {
    let rich = rich();
    // int32Map = 51 holds messages; name = 1, count = 2.
    let parts = [0x9a, 0x03, 13, 0x08, 7, 0x12, 3, 0x0a, 1, b'a', 0x12, 2, 0x10, 1, 0x12, 0];
    assert_eq!(json(&rich, &parts), r#"{"int32Map":{"7":{"name":"a","count":1}}}"#);
}

#[test]
fn unknown_fields_and_groups_are_skipped() {
    let rich = rich();
    // Field 999 as varint, fixed64, bytes, a group with content, fixed32.
    let bytes = [
        0xb8, 0x3e, 1, 0xb9, 0x3e, 1, 2, 3, 4, 5, 6, 7, 8, 0xba, 0x3e, 2, 1, 2, 0xbb, 0x3e, 0x08, 1, 0xbc,
        0x3e, 0xbd, 0x3e, 1, 2, 3, 4, 0x18, 5,
    ];
    assert_eq!(json(&rich, &bytes), r#"{"anInt32":5}"#);
}

#[test]
fn options_choose_names_numbers_defaults_and_layout() {
    let inner = compile(&["test/v1/rich.proto"]).message("test.v1.Inner").unwrap();
    let rich = rich();
    let bytes = wire(&rich, r#"{"anInt32":1,"aColor":"COLOR_RED"}"#).unwrap();
    let default = EncodeOptions::default;
    assert_eq!(
        json_with(&rich, &bytes, &default().with_original_field_names(true).with_enums_as_numbers(true)),
        r#"{"an_int32":1,"a_color":1}"#
    );
    let bytes = wire(&inner, r#"{"child":{"tags":["a","b"]}}"#).unwrap();
    assert_eq!(
        json_with(&inner, &bytes, &default().with_emit_unset_fields(true)),
        r#"{"name":"","count":0,"child":{"name":"","count":0,"tags":["a","b"]},"tags":[]}"#
    );
    assert_eq!(
        json_with(&inner, &bytes, &default().with_pretty(true)),
        "{\n  \"child\": {\n    \"tags\": [\n      \"a\",\n      \"b\"\n    ]\n  }\n}"
    );
    assert_eq!(json_with(&inner, b"", &default().with_pretty(true)), "{}");
}

#[test]
fn fields_with_presence_are_never_invented() {
    let rich = rich();
    let text = json_with(&rich, b"", &EncodeOptions::default().with_emit_unset_fields(true));
    assert!(
        text.contains(r#""anInt32":0"#)
            && text.contains(r#""stringMap":{}"#)
            && text.contains(r#""aNull":null"#)
    );
    for absent in ["maybe", "choice", "anInner", "timestamp\"", "value\"", "any\""] {
        assert!(!text.contains(absent), "{absent}");
    }
}

#[test]
fn one_field_is_written_alone() {
    let rich = rich();
    let bytes = wire(
        &rich,
        r#"{"anInt32":5,"int32s":[1,2],"stringMap":{"a":"b"},"anInner":{"name":"x"},"maybeInt32":0,"choiceInt32":3}"#,
    )
    .unwrap();
    let field = |name: &str, wire: &[u8]| {
        let mut out = Vec::new();
        rich.wire_to_json_field(&rich.field(name).unwrap(), wire, &EncodeOptions::default(), &mut out)
            .unwrap();
        String::from_utf8(out).unwrap()
    };
    for (name, present, absent) in [
        ("an_int32", "5", "0"),
        ("int32s", "[1,2]", "[]"),
        ("string_map", r#"{"a":"b"}"#, "{}"),
        ("an_inner", r#"{"name":"x"}"#, "null"),
        ("maybe_int32", "0", "null"),
        ("choice_int32", "3", "null"),
    ] {
        assert_eq!(field(name, &bytes), present, "{name}");
        assert_eq!(field(name, b""), absent, "{name}");
    }
    assert_eq!(field("a_string", b""), "\"\"");
    assert_eq!(field("an_int64", b""), "\"0\"");
    assert_eq!(field("a_color", &[0x80, 0x01, 0]), "\"COLOR_UNSPECIFIED\"");
    // Another member of the oneof, set later, makes this one absent.
    let mut replaced = bytes.clone();
    replaced.extend(wire(&rich, r#"{"choiceString":"x"}"#).unwrap());
    assert_eq!(field("choice_int32", &replaced), "null");
    // Two occurrences are one message.
    let mut twice = bytes.clone();
    twice.extend(wire(&rich, r#"{"anInner":{"count":1}}"#).unwrap());
    assert_eq!(field("an_inner", &twice), r#"{"name":"x","count":1}"#);
}

#[test]
fn a_value_of_another_wire_type_is_an_unknown_field() {
    // As every reader of protobuf has it, at the top and in whatever is inside.
    for (wire, expected) in [
        // A number, a string, a message and a map, spelled as something else.
        (&b"\x1a\x01\x00"[..], "{}"),
        (b"\x70\x01", "{}"),
        (b"\x88\x01\x05", "{}"),
        (b"\x90\x03\x05", "{}"),
        (b"\x1d\x01\x00\x00\x00\x70\x01\x18\x05", r#"{"anInt32":5}"#),
        (b"\x18\x05\x1a\x01\x00", r#"{"anInt32":5}"#),
        // Elements that cannot be packed values, between two that are elements.
        (b"\xfa\x01\x01\x07\xfd\x01\x01\x00\x00\x00\xf8\x01\x08", r#"{"int32s":[7,8]}"#),
        (b"\xaa\x02\x01a\xa8\x02\x01", r#"{"strings":["a"]}"#),
        // A member of a oneof that is none does not replace the one that is.
        (b"\xb2\x04\x01x\xba\x04\x00", r#"{"choiceString":"x"}"#),
        // Occurrences of a message, of which one is none.
        (b"\x8a\x01\x02\x10\x01\x88\x01\x05\x8a\x01\x03\x0a\x01n", r#"{"anInner":{"name":"n","count":1}}"#),
        // The key of an entry, the value of an entry, and both, where the last that fits counts.
        (b"\x92\x03\x05\x08\x01\x12\x01v", r#"{"stringMap":{"":"v"}}"#),
        (b"\x92\x03\x05\x0a\x01k\x10\x01", r#"{"stringMap":{"k":""}}"#),
        (b"\x92\x03\x0a\x0a\x01k\x08\x01\x12\x01v\x10\x01", r#"{"stringMap":{"k":"v"}}"#),
        // Inside of a message that is written in order so far.
        (b"\x18\x05\x8a\x01\x04\x08\x01\x10\x02", r#"{"anInt32":5,"anInner":{"count":2}}"#),
    ] {
        assert_eq!(json(&rich(), wire), expected, "{wire:02x?}");
    }
}

#[test]
fn a_value_of_another_wire_type_does_not_set_its_field() {
    let rich = rich();
    let field = rich.field("an_inner").unwrap();
    let wire = b"\x88\x01\x05";
    assert!(!rich.field_is_set(&field, wire).unwrap());
    assert!(rich.field_is_empty(&field, wire).unwrap());
    let mut out = Vec::new();
    rich.wire_to_json_field(&field, wire, &EncodeOptions::default(), &mut out).unwrap();
    assert_eq!(out, b"null");
}

#[test]
fn invalid_wire_bytes_are_refused_with_their_offset() {
    let rich = rich();
    let refusal = |wire: &[u8]| {
        let mut out = vec![7];
        let error = rich.wire_to_json(wire, &EncodeOptions::default(), &mut out).unwrap_err();
        assert_eq!(out, [7]);
        error
    };
    let error = refusal(b"\x18\x01\x72\x05abc");
    assert_eq!((error.kind(), error.offset()), (WireErrorKind::Malformed, 3));
    let error = refusal(b"\x8a\x01\x04\x0a\x02a\xff");
    assert_eq!((error.kind(), error.offset()), (WireErrorKind::InvalidUtf8, 6));
    assert_eq!(error.to_string(), "byte 6: an_inner.name: the string is not valid UTF-8");
    for wire in [
        &b"\x18"[..],
        b"\x07\x00",
        b"\x00\x00",
        b"\x0b",
        b"\x0c",
        b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    ] {
        assert_eq!(refusal(wire).kind(), WireErrorKind::Malformed);
    }
}

#[test]
fn depth_is_bounded_and_hostile_nesting_costs_no_more_than_its_size() {
    let rich = rich();
    let nested = |levels: usize, disorder: &[u8]| {
        let mut bytes = Vec::new();
        for level in 0..levels {
            // child = 3 inside Inner, an_inner = 17 outside; the disorder behind forces the general path.
            let tag: &[u8] = if level + 1 == levels { &[0x8a, 0x01] } else { &[0x1a] };
            let mut outer = tag.to_vec();
            let mut length = bytes.len();
            while length >= 0x80 {
                outer.push(length as u8 | 0x80);
                length >>= 7;
            }
            outer.push(length as u8);
            outer.extend(&bytes);
            if level + 1 != levels {
                outer.extend(disorder);
            }
            bytes = outer;
        }
        bytes
    };
    let mut out = Vec::new();
    let options = EncodeOptions::default();
    rich.wire_to_json(&nested(99, b"\x10\x01\x0a\x01x"), &options, &mut out).unwrap();
    let error = rich.wire_to_json(&nested(100, b"\x10\x01\x0a\x01x"), &options, &mut out).unwrap_err();
    assert_eq!(error.kind(), WireErrorKind::LimitExceeded);
    let error =
        rich.wire_to_json(&nested(5000, b""), &options.with_max_depth(usize::MAX), &mut out).unwrap_err();
    assert_eq!(error.kind(), WireErrorKind::LimitExceeded);
}

#[test]
fn presence_on_the_wire_can_be_asked() {
    let rich = rich();
    let mask = rich.field("field_mask").unwrap();
    assert!(!rich.field_is_set(&mask, b"").unwrap());
    let empty = wire(&rich, r#"{"fieldMask":""}"#).unwrap();
    assert!(rich.field_is_set(&mask, &empty).unwrap());
    assert!(rich.field_is_empty(&mask, &empty).unwrap());
    let filled = wire(&rich, r#"{"fieldMask":"a"}"#).unwrap();
    assert!(!rich.field_is_empty(&mask, &filled).unwrap());
    rich.field_is_set(&mask, b"\xff").unwrap_err();
}
