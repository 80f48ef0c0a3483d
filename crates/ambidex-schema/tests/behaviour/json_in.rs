//! JSON → wire, rule by rule.

use ambidex_schema::{DecodeOptions, JsonErrorKind, MessageType};
use prost_reflect::DynamicMessage;

use crate::schemas::{compile, refusal, rich, round_trip, wire};

fn kind(message: &MessageType, text: &str) -> JsonErrorKind {
    refusal(message, text).kind()
}

#[test]
fn integers_accept_strings_fractions_of_zero_and_exponents() {
    let rich = rich();
    for text in ["1", "\"1\"", "1.0", "1e0", "10e-1", "\"1.0\""] {
        for field in
            ["anInt32", "anInt64", "aUint32", "aUint64", "aSint32", "aSint64", "aFixed32", "aFixed64"]
        {
            let json = format!("{{\"{field}\":{text}}}");
            let quoted = if field.ends_with("64") { "\"1\"" } else { "1" };
            assert_eq!(round_trip(&rich, &json), format!("{{\"{field}\":{quoted}}}"));
        }
    }
    assert_eq!(round_trip(&rich, r#"{"anInt32": 1e5}"#), r#"{"anInt32":100000}"#);
}

#[test]
fn integers_reject_fractions_spaces_signs_zeros_and_overflow() {
    let rich = rich();
    for text in [
        "0.5",
        "\"0.5\"",
        // As doubles these would be integers.
        "2e-7152",
        "1.0000000000000000001",
        "4503599627370496.5",
        "\" 1\"",
        "\"1 \"",
        "\"+1\"",
        "\"01\"",
        "\"\"",
        "\"1a\"",
        "2147483648",
        "-2147483649",
        "\"0x1\"",
        "1e10",
        "true",
        "[1]",
        "{}",
    ] {
        assert_eq!(kind(&rich, &format!("{{\"anInt32\":{text}}}")), JsonErrorKind::InvalidValue, "{text}");
    }
    for text in ["+1", "01", "1.", ".5", "1e", "NaN", "-"] {
        assert_eq!(kind(&rich, &format!("{{\"anInt32\":{text}}}")), JsonErrorKind::Syntax, "{text}");
    }
    for (field, text) in [
        ("aUint32", "-1"),
        ("aUint32", "4294967296"),
        ("aUint64", "18446744073709551616"),
        ("anInt64", "9223372036854775808"),
        ("aSfixed64", "-9223372036854775809"),
    ] {
        assert_eq!(kind(&rich, &format!("{{\"{field}\":{text}}}")), JsonErrorKind::InvalidValue, "{field}");
    }
}

#[test]
fn bytes_accept_both_alphabets_padded_or_not() {
    let rich = rich();
    for text in ["-_8=", "-_8", "+/8=", "+/8"] {
        let json = format!("{{\"aBytes\":\"{text}\"}}");
        assert_eq!(round_trip(&rich, &json), r#"{"aBytes":"+/8="}"#);
    }
    assert_eq!(kind(&rich, r#"{"aBytes":"a"}"#), JsonErrorKind::InvalidValue);
    assert_eq!(kind(&rich, r#"{"aBytes":[1]}"#), JsonErrorKind::InvalidValue);
}

#[test]
fn what_is_no_number_is_a_string_with_one_of_three_names() {
    let rich = rich();
    for name in ["NaN", "Infinity", "-Infinity"] {
        for field in ["aDouble", "aFloat"] {
            let json = format!("{{\"{field}\":\"{name}\"}}");
            assert_eq!(round_trip(&rich, &json), json);
            assert_eq!(kind(&rich, &format!("{{\"{field}\":{name}}}")), JsonErrorKind::Syntax);
        }
    }
    for text in ["\"nan\"", "\"inf\"", "\"+Infinity\"", "1e309", "\"1e309\""] {
        assert_eq!(kind(&rich, &format!("{{\"aDouble\":{text}}}")), JsonErrorKind::InvalidValue, "{text}");
    }
    assert_eq!(kind(&rich, r#"{"aFloat":3.502823e38}"#), JsonErrorKind::InvalidValue);
    assert_eq!(round_trip(&rich, r#"{"aFloat":3.4028235e+38}"#), r#"{"aFloat":3.4028235e+38}"#);
}

#[test]
fn a_string_is_no_bool() {
    let rich = rich();
    for text in ["\"true\"", "1", "\"\"", "True"] {
        wire(&rich, &format!("{{\"aBool\":{text}}}")).unwrap_err();
    }
    assert_eq!(round_trip(&rich, r#"{"boolMap":{"true":1.5}}"#), r#"{"boolMap":{"true":1.5}}"#);
    assert_eq!(kind(&rich, r#"{"boolMap":{"True":1}}"#), JsonErrorKind::InvalidValue);
}

#[test]
fn enums_are_names_or_numbers() {
    let rich = rich();
    assert_eq!(round_trip(&rich, r#"{"aColor":"COLOR_BLUE"}"#), r#"{"aColor":"COLOR_BLUE"}"#);
    assert_eq!(round_trip(&rich, r#"{"aColor":7}"#), r#"{"aColor":"COLOR_BLUE"}"#);
    assert_eq!(round_trip(&rich, r#"{"aColor":7.0}"#), r#"{"aColor":"COLOR_BLUE"}"#);
    assert_eq!(round_trip(&rich, r#"{"aColor":-3}"#), r#"{"aColor":"COLOR_NEGATIVE"}"#);
    assert_eq!(round_trip(&rich, r#"{"aliased":"ALIASED_UNO"}"#), r#"{"aliased":"ALIASED_ONE"}"#);
}

#[test]
fn an_unknown_enum_number_survives() {
    assert_eq!(round_trip(&rich(), r#"{"aColor":12345,"colors":[99]}"#), r#"{"aColor":12345,"colors":[99]}"#);
}

#[test]
fn an_unknown_enum_name_is_an_error_unless_unknowns_are_ignored() {
    let rich = rich();
    let json = r#"{"aColor":"MAUVE","colors":["COLOR_RED","MAUVE"],"uint32Map":{"1":"MAUVE","2":"COLOR_RED"},
        "choiceColor":"MAUVE","choiceInt32":1}"#;
    let error = refusal(&rich, json);
    assert_eq!(error.kind(), JsonErrorKind::UnknownField);
    assert_eq!(error.path(), "aColor");

    let mut out = Vec::new();
    let options = DecodeOptions::default().with_ignore_unknown_fields(true);
    rich.json_to_wire(json.as_bytes(), &options, &mut out).unwrap();
    assert_eq!(
        crate::schemas::json(&rich, &out),
        r#"{"colors":["COLOR_RED"],"uint32Map":{"2":"COLOR_RED"},"choiceInt32":1}"#
    );
}

#[test]
fn null_leaves_a_field_unset() {
    let rich = rich();
    for field in [
        "anInt32",
        "maybeInt32",
        "anInner",
        "int32s",
        "stringMap",
        "timestamp",
        "int32Value",
        "any",
        "choiceInt32",
    ] {
        assert_eq!(wire(&rich, &format!("{{\"{field}\":null}}")).unwrap(), [0u8; 0], "{field}");
    }
}

#[test]
fn null_is_refused_inside_lists_and_maps() {
    let rich = rich();
    for json in [
        r#"{"int32s":[1,null]}"#,
        r#"{"strings":[null]}"#,
        r#"{"inners":[null]}"#,
        r#"{"int32Values":[null]}"#,
        r#"{"stringMap":{"a":null}}"#,
        r#"{"int32Map":{"1":null}}"#,
    ] {
        assert_eq!(kind(&rich, json), JsonErrorKind::InvalidValue, "{json}");
    }
    assert_eq!(refusal(&rich, r#"{"int32s":[1,null]}"#).path(), "int32s[1]");
}

#[test]
fn null_is_a_value_for_value_and_null_value() {
    let rich = rich();
    for json in [
        r#"{"value":null}"#,
        r#"{"values":[null]}"#,
        r#"{"valueMap":{"a":null}}"#,
        r#"{"nulls":[null,null]}"#,
        r#"{"choiceNull":null}"#,
        r#"{"struct":{"a":null}}"#,
        r#"{"listValue":[null]}"#,
    ] {
        assert_eq!(round_trip(&rich, json), json);
    }
    assert_eq!(round_trip(&rich, r#"{"choiceNull":"NULL_VALUE"}"#), r#"{"choiceNull":null}"#);
}

#[test]
fn proto3_optional_set_to_its_default_is_present() {
    let rich = rich();
    let json = r#"{"maybeInt32":0,"maybeString":"","maybeBool":false,"maybeColor":"COLOR_UNSPECIFIED","maybeDouble":0.0,"maybeBytes":""}"#;
    assert_eq!(round_trip(&rich, json), json);
    assert_eq!(round_trip(&rich, r#"{"anInt32":0,"aString":"","aBool":false,"aDouble":0,"aColor":0}"#), "{}");
    assert_eq!(round_trip(&rich, r#"{"choiceInt32":0}"#), r#"{"choiceInt32":0}"#);
    assert_eq!(round_trip(&rich, r#"{"aDouble":-0.0,"aFloat":-0.0}"#), r#"{"aDouble":-0.0,"aFloat":-0.0}"#);
}

#[test]
fn an_explicit_default_reaches_the_wire() {
    // What is appended has to be able to override what stands before it.
    assert_eq!(wire(&rich(), r#"{"anInt32":0}"#).unwrap(), [0x18, 0]);
}

#[test]
fn duplicate_keys_are_refused_in_either_spelling() {
    let rich = rich();
    for json in [
        r#"{"anInt32":1,"anInt32":1}"#,
        r#"{"anInt32":1,"an_int32":1}"#,
        r#"{"an_int32":1,"anInt32":null}"#,
        r#"{"anInt32":1,"anInt32":2}"#,
        r#"{"stringMap":{"a":"1","a":"2"}}"#,
        r#"{"int32Map":{"1":{},"1":{}}}"#,
        r#"{"struct":{"a":1,"a":2}}"#,
        r#"{"any":{"@type":"type.googleapis.com/test.v1.Inner","name":"a","name":"b"}}"#,
        r#"{"any":{"@type":"type.googleapis.com/test.v1.Inner","@type":"type.googleapis.com/test.v1.Inner"}}"#,
        r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s","value":"1s"}}"#,
    ] {
        assert_eq!(kind(&rich, json), JsonErrorKind::Duplicate, "{json}");
    }
}

#[test]
fn the_first_of_many_duplicate_map_keys_is_named_by_its_place() {
    let mut entries: Vec<String> = (0..50).map(|key| format!("\"k{key}\":\"\"")).collect();
    entries.push("\"k7\":\"\"".to_owned());
    let json = format!("{{\"stringMap\":{{{}}}}}", entries.join(","));
    assert_eq!(refusal(&rich(), &json).offset(), json.rfind("\"k7\"").unwrap());
}

#[test]
fn two_members_of_one_oneof_are_refused_and_null_ones_do_not_count() {
    let rich = rich();
    assert_eq!(kind(&rich, r#"{"choiceInt32":1,"choiceString":"a"}"#), JsonErrorKind::Duplicate);
    assert_eq!(kind(&rich, r#"{"choiceNull":null,"choiceString":"a"}"#), JsonErrorKind::Duplicate);
    let json = r#"{"choiceInt32":null,"choiceString":"a","choiceInner":null,"otherBool":true}"#;
    assert_eq!(round_trip(&rich, json), r#"{"choiceString":"a","otherBool":true}"#);
}

#[test]
fn unknown_fields_are_refused_with_their_path() {
    let rich = rich();
    let error = refusal(&rich, r#"{"inners":[{},{"child":{"nope":1}}]}"#);
    assert_eq!(error.kind(), JsonErrorKind::UnknownField);
    assert_eq!(error.path(), "inners[1].child.nope");
    assert_eq!(error.to_string(), "line 1, column 25: inners[1].child.nope: test.v1.Inner has no such field");
}

#[test]
fn unknown_fields_are_skipped_when_ignored_but_must_still_be_json() {
    let rich = rich();
    let options = DecodeOptions::default().with_ignore_unknown_fields(true);
    let mut out = Vec::new();
    let json = br#"{"nope":{"a":[1,"x",{"b":null}]},"anInt32":1,"more":1e999}"#;
    rich.json_to_wire(json, &options, &mut out).unwrap();
    assert_eq!(out, [0x18, 1]);
    rich.json_to_wire(br#"{"nope":{]}"#, &options, &mut out).unwrap_err();
    rich.json_to_wire(br#"{"nope":"\ud800"}"#, &options, &mut out).unwrap_err();
    assert_eq!(out, [0x18, 1]);
}

#[test]
fn both_spellings_and_escaped_spellings_of_a_name_are_accepted() {
    let rich = rich();
    assert_eq!(round_trip(&rich, r#"{"an_int32":1}"#), r#"{"anInt32":1}"#);
    assert_eq!(round_trip(&rich, r#"{"an\u0049nt32":1}"#), r#"{"anInt32":1}"#);
    assert_eq!(round_trip(&rich, r#"{"other\"Name":"x"}"#), r#"{"other\"Name":"x"}"#);
    assert_eq!(kind(&rich, r#"{"AnInt32":1}"#), JsonErrorKind::UnknownField);
}

#[test]
fn map_keys_of_every_type_are_strings() {
    let rich = rich();
    for json in [
        r#"{"stringMap":{"":"x","é\"":"y"}}"#,
        r#"{"int32Map":{"-1":{"name":"x"}}}"#,
        r#"{"int64Map":{"-9223372036854775808":"9223372036854775807"}}"#,
        r#"{"uint32Map":{"4294967295":"COLOR_RED"}}"#,
        r#"{"uint64Map":{"18446744073709551615":"AA=="}}"#,
        r#"{"sint32Map":{"-2147483648":0.5}}"#,
        r#"{"sint64Map":{"-1":true}}"#,
        r#"{"fixed32Map":{"1":"x"}}"#,
        r#"{"fixed64Map":{"1":"x"}}"#,
        r#"{"sfixed32Map":{"-1":"x"}}"#,
        r#"{"sfixed64Map":{"-1":"x"}}"#,
        r#"{"boolMap":{"false":1.5,"true":2.5}}"#,
        r#"{"timestampMap":{"a":"1970-01-01T00:00:00Z"}}"#,
    ] {
        assert_eq!(round_trip(&rich, json), json);
    }
    assert_eq!(kind(&rich, r#"{"int32Map":{"x":{}}}"#), JsonErrorKind::InvalidValue);
    assert_eq!(kind(&rich, r#"{"uint32Map":{"-1":0}}"#), JsonErrorKind::InvalidValue);
    assert_eq!(kind(&rich, r#"{"int32Map":{1:{}}}"#), JsonErrorKind::Syntax);
}

#[test]
fn depth_is_bounded() {
    let rich = rich();
    let nested = |levels: usize| {
        "{\"anInner\":".to_owned() + &"{\"child\":".repeat(levels - 2) + "{}" + &"}".repeat(levels - 1)
    };
    wire(&rich, &nested(100)).unwrap();
    assert_eq!(kind(&rich, &nested(101)), JsonErrorKind::LimitExceeded);
    let value = |levels: usize| format!("{{\"value\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    let json = value(100);
    assert_eq!(round_trip(&rich, &json), json);
    assert_eq!(kind(&rich, &value(101)), JsonErrorKind::LimitExceeded);
    assert_eq!(kind(&rich, &value(100_000)), JsonErrorKind::LimitExceeded);
    // However high the option, the stack is safe.
    let mut out = Vec::new();
    let options = DecodeOptions::default().with_max_depth(usize::MAX);
    rich.json_to_wire(value(100_000).as_bytes(), &options, &mut out).unwrap_err();
    rich.json_to_wire(value(256).as_bytes(), &options, &mut out).unwrap();
}

#[test]
fn text_strings_and_numbers_have_a_longest_length() {
    let rich = rich();
    let (long_string, long_number) = ("x".repeat(30), "1".repeat(30));
    let options = DecodeOptions::default().with_max_string_bytes(20).with_max_number_bytes(20);
    for (json, at) in [
        (format!(r#"{{"aString":"{long_string}"}}"#), 11),
        (format!(r#"{{"{long_string}":1}}"#), 1),
        (format!(r#"{{"aDouble":{long_number}}}"#), 11),
        (format!(r#"{{"aFloat":{long_number}}}"#), 10),
        (format!(r#"{{"anInt64":{long_number}}}"#), 11),
    ] {
        let error = rich.json_to_wire(json.as_bytes(), &options, &mut Vec::new()).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (JsonErrorKind::LimitExceeded, at), "{json}");
    }
    // A number in quotes is a number.
    let options = DecodeOptions::default().with_max_number_bytes(20);
    for json in [format!(r#"{{"aDouble":"{long_number}"}}"#), format!(r#"{{"anInt64":"0.{long_number}"}}"#)] {
        let error = rich.json_to_wire(json.as_bytes(), &options, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), JsonErrorKind::LimitExceeded, "{json}");
    }
    let options = DecodeOptions::default().with_max_bytes(20);
    let mut out = Vec::new();
    assert!(rich.json_to_wire(br#"{"aString":"123456"}"#, &options, &mut out).is_ok());
    let error = rich.json_to_wire(br#"{"aString":"1234567"}"#, &options, &mut out).unwrap_err();
    assert_eq!(error.to_string(), "line 1, column 21: the text is longer than 20 bytes");
}

#[test]
fn members_and_elements_are_bounded_in_all() {
    let rich = rich();
    let options = DecodeOptions::default().with_max_elements(5);
    let decode = |json: &str| rich.json_to_wire(json.as_bytes(), &options, &mut Vec::new());
    decode(r#"{"int32s":[1,2,3,4]}"#).unwrap();
    for json in [
        r#"{"int32s":[1,2,3,4,5]}"#,
        r#"{"stringMap":{"1":"","2":"","3":"","4":"","5":""}}"#,
        r#"{"struct":{"a":[1,2],"b":[1,2]}}"#,
    ] {
        assert_eq!(decode(json).unwrap_err().kind(), JsonErrorKind::LimitExceeded, "{json}");
    }
}

#[test]
fn invalid_text_is_refused() {
    let rich = rich();
    for json in [
        "",
        " ",
        "{",
        "}",
        "{}x",
        "{} {}",
        "{\"aString\":\"\u{1}\"}",
        r#"{"aString":"\ud800"}"#,
        r#"{"aString":"\udc00"}"#,
        r#"{"aString":"\q"}"#,
        r#"{"aString":"a}"#,
        r#"{"anInt32":1,}"#,
        r#"{,"anInt32":1}"#,
        r#"{"anInt32" 1}"#,
        r#"{"anInt32":}"#,
        r#"{"int32s":[1,]}"#,
        r#"{"int32s":[1 2]}"#,
        r#"{"int32s":[1"#,
        "{'anInt32':1}",
        r#"{"aBool":tru}"#,
        r#"{"anInner":nul}"#,
        r#"{"anInner":nullx}"#,
        "// x\n{}",
        "\u{feff}{}",
    ] {
        assert_eq!(kind(&rich, json), JsonErrorKind::Syntax, "{json}");
    }
    let mut out = Vec::new();
    let error =
        rich.json_to_wire(b"{\"aString\":\"\xff\"}", &DecodeOptions::default(), &mut out).unwrap_err();
    assert_eq!((error.kind(), error.offset()), (JsonErrorKind::Syntax, 12));
}

#[test]
fn errors_say_line_column_and_path() {
    let rich = rich();
    let error = refusal(&rich, "{\n  \"inners\": [\n    {\"count\": \"many\"}\n  ]\n}");
    assert_eq!(error.to_string(), "line 3, column 15: inners[0].count: the string is not a number");
    let error = refusal(&rich, r#"{"aDouble": [1]}"#);
    assert_eq!(error.to_string(), "line 1, column 13: aDouble: expected a number, found an array");
    let error = refusal(&rich, r#"{"int32Map": {"5": {"count": {}}}}"#);
    assert_eq!(error.path(), "int32Map[\"5\"].count");
    let error = refusal(&rich, "[]");
    assert_eq!(error.to_string(), "line 1, column 1: expected an object, found an array");
    let error = refusal(&rich, "null");
    assert_eq!(error.to_string(), "line 1, column 1: expected an object, found null");
}

#[test]
fn errors_never_echo_more_than_a_short_name() {
    let secret = "s".repeat(10_000);
    let rich = rich();
    for json in [
        format!("{{\"{secret}\":1}}"),
        format!("{{\"aColor\":\"{secret}\"}}"),
        format!("{{\"anInt32\":\"{secret}\"}}"),
        format!("{{\"stringMap\":{{\"{secret}\":1}}}}"),
        format!("{{\"any\":{{\"@type\":\"x/{secret}\"}}}}"),
        format!("{{\"timestamp\":\"{secret}\"}}"),
    ] {
        assert!(refusal(&rich, &json).to_string().len() < 300);
    }
}

#[test]
fn a_failed_decode_appends_nothing() {
    let rich = rich();
    let mut out = vec![7];
    rich.json_to_wire(br#"{"anInt32":1,"nope":2}"#, &DecodeOptions::default(), &mut out).unwrap_err();
    assert_eq!(out, [7]);
}

#[test]
fn one_field_is_decoded_with_its_tag() {
    let rich = rich();
    let decode = |name: &str, json: &str| {
        let mut out = Vec::new();
        let field = rich.field(name).unwrap();
        rich.json_to_wire_field(&field, json.as_bytes(), &DecodeOptions::default(), &mut out).map(|()| out)
    };
    assert_eq!(decode("an_int32", "5").unwrap(), [0x18, 5]);
    assert_eq!(decode("int32s", "[1, 2]").unwrap(), wire(&rich, r#"{"int32s":[1,2]}"#).unwrap());
    assert_eq!(decode("anInner", r#"{"count":1}"#).unwrap(), [0x8a, 0x01, 2, 0x10, 1]);
    assert_eq!(
        decode("stringMap", r#"{"a":"b"}"#).unwrap(),
        wire(&rich, r#"{"stringMap":{"a":"b"}}"#).unwrap()
    );
    assert_eq!(decode("anInner", "null").unwrap(), [0u8; 0]);
    assert_eq!(decode("value", "null").unwrap(), wire(&rich, r#"{"value":null}"#).unwrap());
    decode("anInner", "{} x").unwrap_err();
    decode("anInner", "").unwrap_err();
}

#[test]
fn messages_with_hundreds_of_fields_find_their_duplicates() {
    let fields: String = (1..=300).map(|n| format!("int32 field_{n} = {n};")).collect();
    let schema = crate::schemas::compile_text(&format!("syntax = \"proto3\"; message Wide {{ {fields} }}"));
    let wide = schema.message("Wide").unwrap();
    let all: Vec<String> = (1..=300).map(|n| format!("\"field{n}\":{n}")).collect();
    let json = format!("{{{}}}", all.join(","));
    assert_eq!(round_trip(&wide, &json), json);
    assert_eq!(kind(&wide, &format!("{{{},\"field299\":1}}", all.join(","))), JsonErrorKind::Duplicate);
}

#[test]
fn long_nested_messages_have_their_lengths_filled_in() {
    let rich = rich();
    let name = "x".repeat(20_000);
    let json = format!(
        "{{\"anInner\":{{\"child\":{{\"child\":{{\"name\":\"{name}\"}}}}}},\"stringMap\":{{\"a\":\"{name}\"}}}}"
    );
    assert_eq!(round_trip(&rich, &json), json);
    DynamicMessage::decode(rich.descriptor(), wire(&rich, &json).unwrap().as_slice()).unwrap();
}

#[test]
fn far_apart_field_numbers_are_found() {
    let sparse = compile(&["test/v1/rich.proto"]).message("test.v1.Sparse").unwrap();
    assert_eq!(round_trip(&sparse, r#"{"two":2,"one":1}"#), r#"{"one":1,"two":2}"#);
}
