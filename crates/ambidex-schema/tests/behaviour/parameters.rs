//! Text from paths and queries as fields, and the masks of PATCH bodies.

use ambidex_schema::{BindError, BindErrorKind, BodyBinding, FieldPathError, MessageType, QueryOptions};
use ambidex_schema::{bind_query, mask_from_json};
use proptest::prelude::*;

use crate::schemas::{compile, compile_text, json, rich, wire};

fn bound_with(message: &MessageType, query: &str, options: &QueryOptions<'_>) -> Result<String, BindError> {
    let mut wire = Vec::new();
    bind_query(message, query, options, &mut wire).inspect_err(|_| assert!(wire.is_empty()))?;
    Ok(json(message, &wire))
}

fn bound(message: &MessageType, query: &str) -> Result<String, BindError> {
    bound_with(message, query, &QueryOptions::default())
}

fn refused(message: &MessageType, query: &str) -> BindErrorKind {
    bound(message, query).expect_err(query).kind()
}

#[test]
fn proto_names_and_json_names_are_accepted_dotted() {
    let rich = rich();
    assert_eq!(bound(&rich, "an_int32=5").unwrap(), r#"{"anInt32":5}"#);
    assert_eq!(bound(&rich, "anInt32=5").unwrap(), r#"{"anInt32":5}"#);
    assert_eq!(bound(&rich, "anInner.child.name=x").unwrap(), r#"{"anInner":{"child":{"name":"x"}}}"#);
    assert_eq!(bound(&rich, "").unwrap(), "{}");
    assert_eq!(bound(&rich, "&&an_int32=5&").unwrap(), r#"{"anInt32":5}"#);
}

#[test]
fn parameters_of_one_message_are_merged() {
    let query = "an_inner.name=a&an_inner.count=2&an_inner.child.name=b&an_inner.child.count=3";
    assert_eq!(
        bound(&rich(), query).unwrap(),
        r#"{"anInner":{"name":"a","count":2,"child":{"name":"b","count":3}}}"#
    );
}

#[test]
fn repeats_append_to_a_list() {
    let rich = rich();
    assert_eq!(
        bound(&rich, "int32s=1&strings=a&int32s=2&strings=b").unwrap(),
        r#"{"int32s":[1,2],"strings":["a","b"]}"#
    );
    assert_eq!(
        bound(&rich, "timestamps=1970-01-01T00:00:00Z&int32Values=1&int32Values=2").unwrap(),
        r#"{"timestamps":["1970-01-01T00:00:00Z"],"int32Values":[1,2]}"#
    );
    assert_eq!(bound(&rich, "an_inner.tags=a&an_inner.tags=b").unwrap(), r#"{"anInner":{"tags":["a","b"]}}"#);
}

#[test]
fn two_values_for_one_field_are_refused_in_either_spelling() {
    let rich = rich();
    for query in [
        "an_int32=1&an_int32=1",
        "an_int32=1&anInt32=2",
        "an_inner.name=a&anInner.name=b",
        "fieldMask=a&fieldMask=b",
        // One of them escaped, and behind many other fields.
        "%61n_int32=1&anInt32=2",
        "far_away=a&farAway=b",
        "aString=a+b&aString=c",
    ] {
        assert_eq!(refused(&rich, query), BindErrorKind::Duplicate, "{query}");
    }
}

#[test]
fn two_members_of_a_oneof_are_refused() {
    let rich = rich();
    for query in [
        "choice_int32=1&choice_string=a",
        "choice_inner.name=a&choice_string=b",
        "rich.choice_int32=1&rich.choice_string=a",
    ] {
        assert_eq!(refused(&rich, query), BindErrorKind::Duplicate, "{query}");
    }
    bound(&rich, "choice_inner.name=a&choice_inner.count=1&other_bool=true").unwrap();
    bound(&rich, "choice_int32=1&rich.choice_string=a").unwrap();
}

#[test]
fn a_member_of_the_oneof_that_the_body_is_one_of_is_refused() {
    let rich = rich();
    let body = BodyBinding::Field(rich.field("choice_inner").expect("a field"));
    let options = QueryOptions::default().with_body(&body);
    let error = bound_with(&rich, "choice_string=a", &options).unwrap_err();
    assert_eq!((error.kind(), error.name()), (BindErrorKind::Duplicate, "choice_string"));
    bound_with(&rich, "other_bool=true&an_int32=1", &options).unwrap();
}

#[test]
fn whatever_number_a_field_has_it_is_set_once_and_by_nobody_else() {
    let fields: String = (1..=130).map(|number| format!("string f{number} = {number};")).collect();
    let schema = compile_text(&format!(r#"syntax = "proto3"; message Many {{ {fields} }}"#));
    let many = schema.message("Many").unwrap();
    for number in [1, 63, 64, 65, 66, 128, 129, 130] {
        let name = format!("f{number}");
        assert_eq!(bound(&many, &format!("{name}=a")).unwrap(), format!(r#"{{"{name}":"a"}}"#));
        assert_eq!(refused(&many, &format!("{name}=a&f2=b&{name}=a")), BindErrorKind::Duplicate, "{name}");
        let path = [many.field_path(&name).unwrap()];
        let by_path = QueryOptions::default().with_bound_by_path(&path);
        let error = bound_with(&many, &format!("{name}=a"), &by_path).unwrap_err();
        assert_eq!(error.kind(), BindErrorKind::Unknown, "{name} comes from the path");
        let body = BodyBinding::Field(many.field(&name).unwrap());
        let by_body = QueryOptions::default().with_body(&body);
        let error = bound_with(&many, &format!("f2=b&{name}=a"), &by_body).unwrap_err();
        assert_eq!(error.kind(), BindErrorKind::Unknown, "{name} comes from the body");
    }
    // A field that is called as a system parameter is still a field.
    let named = compile_text(r#"syntax = "proto3"; message Named { string fields = 1; string other = 2; }"#);
    let named = named.message("Named").unwrap();
    let options = QueryOptions::default().with_system(&["fields"]);
    assert_eq!(bound_with(&named, "fields=a&other=b", &options).unwrap(), r#"{"fields":"a","other":"b"}"#);
    let path = [named.field_path("fields").unwrap()];
    let options = options.with_bound_by_path(&path);
    assert_eq!(bound_with(&named, "fields=a&other=b", &options).unwrap(), r#"{"other":"b"}"#);
}

#[test]
fn unknown_parameters_are_refused_unless_ignored() {
    let rich = rich();
    for query in ["nope=1", "an_inner.nope=1", "an_int32.x=1", "=1", "an_inner.=1", ".an_int32=1"] {
        assert_eq!(refused(&rich, query), BindErrorKind::Unknown, "{query}");
        let ignoring = QueryOptions::default().with_ignore_unknown(true);
        assert_eq!(bound_with(&rich, query, &ignoring).unwrap(), "{}");
    }
}

#[test]
fn system_parameters_are_never_fields() {
    assert_eq!(bound(&rich(), "$alt=json&%24prettyPrint=true&$nope&an_int32=1").unwrap(), r#"{"anInt32":1}"#);
}

#[test]
fn maps_and_messages_cannot_come_from_the_query() {
    let rich = rich();
    for query in ["string_map=a", "an_inner=a", "inners=a", "struct=a", "value=1", "any=x", "empty=x"] {
        assert_eq!(refused(&rich, query), BindErrorKind::Unbindable, "{query}");
    }
    for query in ["string_map.a=b", "inners.name=a"] {
        assert_eq!(refused(&rich, query), BindErrorKind::Unknown, "{query}");
    }
}

#[test]
fn well_known_scalars_are_their_json_strings() {
    let rich = rich();
    let query = "timestamp=2024-01-02T03:04:05.5Z&duration=-1.5s&fieldMask=fooBar,a.b&int64Value=5&boolValue=True\
        &stringValue=&bytesValue=AA&doubleValue=NaN";
    assert_eq!(
        bound(&rich, query).unwrap(),
        r#"{"timestamp":"2024-01-02T03:04:05.500Z","duration":"-1.500s","fieldMask":"fooBar,a.b","doubleValue":"NaN","int64Value":"5","boolValue":true,"stringValue":"","bytesValue":"AA=="}"#
    );
    for query in ["timestamp=2024", "duration=1", "fieldMask=foo_bar", "int64Value=x", "timestamp="] {
        assert_eq!(refused(&rich, query), BindErrorKind::InvalidValue, "{query}");
    }
}

#[test]
fn scalars_are_text() {
    let rich = rich();
    let query = "aColor=COLOR_RED&colors=7&colors=12345&aBytes=-_8&blobs=%2B%2F8%3D&aDouble=-Infinity&aFloat=1e3\
        &anInt64=-9223372036854775808&aString=a%26b+c%2Bd&aNull=NULL_VALUE";
    assert_eq!(
        bound(&rich, query).unwrap(),
        r#"{"aDouble":"-Infinity","aFloat":1000.0,"anInt64":"-9223372036854775808","aString":"a&b c+d","aBytes":"+/8=","aColor":"COLOR_RED","blobs":["+/8="],"colors":["COLOR_BLUE",12345]}"#
    );
    for query in [
        "aColor=MAUVE",
        "aColor=",
        "aBytes=a",
        "anInt32=",
        "anInt32=1.5",
        "aUint32=-1",
        "aDouble=x",
        "anInt32=%201",
    ] {
        assert_eq!(refused(&rich, query), BindErrorKind::InvalidValue, "{query}");
    }
}

#[test]
fn a_plus_is_a_space_wherever_it_is_put() {
    let rich = rich();
    for (query, json) in [
        ("aString=+a+b+", r#"{"aString":" a b "}"#),
        ("strings=a+b&strings=c", r#"{"strings":["a b","c"]}"#),
        ("an_inner.child.name=a+b", r#"{"anInner":{"child":{"name":"a b"}}}"#),
        ("stringValue=a+b", r#"{"stringValue":"a b"}"#),
        ("aString=a%2Bb+%C3%A9", r#"{"aString":"a+b é"}"#),
    ] {
        assert_eq!(bound(&rich, query).unwrap(), json, "{query}");
    }
    let long = "a+%C3%A9".repeat(100);
    let bound = bound(&rich, &format!("aString={long}")).unwrap();
    assert_eq!(bound, format!(r#"{{"aString":"{}"}}"#, "a é".repeat(100)));
    for query in ["anInt32=+1", "aBool=true+", "aColor=COLOR_RED+", "aBytes=A+A"] {
        assert_eq!(refused(&rich, query), BindErrorKind::InvalidValue, "{query}");
    }
    // A name with one is no field's.
    assert_eq!(refused(&rich, "a+String=x"), BindErrorKind::Unknown);
}

#[test]
fn names_are_decoded_before_they_are_looked_up() {
    let rich = rich();
    assert_eq!(bound(&rich, "%61n%49nner%2Ename=x").unwrap(), r#"{"anInner":{"name":"x"}}"#);
    assert_eq!(bound(&rich, "%24alt=x").unwrap(), "{}");
}

#[test]
fn a_wrong_escape_is_wrong_in_a_parameter_that_nobody_knows() {
    let rich = rich();
    let ignoring = QueryOptions::default().with_ignore_unknown(true);
    for query in ["nope=%zz", "$alt=%zz", "nope=%ff", "%zz=1", "anInt32=x%"] {
        assert_eq!(refused(&rich, query), BindErrorKind::BadEscape, "{query}");
        let error = bound_with(&rich, query, &ignoring).expect_err(query);
        assert_eq!(error.kind(), BindErrorKind::BadEscape, "{query}");
    }
}

#[test]
fn bools_are_true_and_false_in_any_case() {
    let rich = rich();
    for (text, value) in [("true", true), ("True", true), ("TRUE", true), ("false", false), ("False", false)]
    {
        assert_eq!(
            bound(&rich, &format!("maybeBool={text}")).unwrap(),
            format!(r#"{{"maybeBool":{value}}}"#)
        );
    }
    for text in ["1", "0", "yes", "t", ""] {
        assert_eq!(refused(&rich, &format!("aBool={text}")), BindErrorKind::InvalidValue);
    }
}

#[test]
fn malformed_escapes_are_refused() {
    let rich = rich();
    for query in ["aString=%zz", "aString=%", "%zz=1", "aString=%ff", "$alt=%zz"] {
        assert_eq!(refused(&rich, query), BindErrorKind::BadEscape, "{query}");
    }
}

#[test]
fn what_path_and_body_bind_is_not_in_the_query() {
    let schema = compile(&["test/v1/library.proto"]);
    let update = schema.message("test.v1.UpdateBookRequest").unwrap();
    let name = [update.field_path("book.name").unwrap()];
    let by_path = QueryOptions::default().with_bound_by_path(&name);
    let refusal =
        |query: &str, options: &QueryOptions<'_>| bound_with(&update, query, options).unwrap_err().kind();
    assert_eq!(refusal("book.name=x", &by_path), BindErrorKind::Unknown);
    assert_eq!(bound_with(&update, "book.title=x", &by_path).unwrap(), r#"{"book":{"title":"x"}}"#);

    let body = BodyBinding::Field(update.field("book").unwrap());
    let by_body = QueryOptions::default().with_body(&body);
    assert_eq!(refusal("book.title=x", &by_body), BindErrorKind::Unknown);
    bound_with(&update, "allow_missing=true", &by_body).unwrap();

    let whole = QueryOptions::default().with_body(&BodyBinding::Whole);
    assert_eq!(refusal("allow_missing=true", &whole), BindErrorKind::Unknown);
    assert_eq!(bound_with(&update, "$alt=json", &whole).unwrap(), "{}");
    assert_eq!(bound_with(&update, "allow_missing=true", &whole.with_ignore_unknown(true)).unwrap(), "{}");
}

#[test]
fn a_path_and_the_query_cannot_set_one_oneof() {
    let schema = compile(&["test/v1/library.proto"]);
    let book = schema.message("test.v1.Book").unwrap();
    let cents = [book.field_path("cents").unwrap()];
    let options = QueryOptions::default().with_bound_by_path(&cents);
    assert_eq!(bound_with(&book, "free=true", &options).unwrap_err().kind(), BindErrorKind::Duplicate);
}

#[test]
fn parameters_are_bounded_in_number() {
    let options = QueryOptions::default().with_max_parameters(3);
    let rich = rich();
    bound_with(&rich, "int32s=1&int32s=2&int32s=3", &options).unwrap();
    let error = bound_with(&rich, "int32s=1&int32s=2&int32s=3&int32s=4", &options).unwrap_err();
    assert_eq!(error.kind(), BindErrorKind::LimitExceeded);
}

#[test]
fn errors_name_the_parameter_as_it_was_sent() {
    let error = bound(&rich(), "anInner.count=many").unwrap_err();
    assert_eq!(
        (error.name(), error.to_string().as_str()),
        ("anInner.count", "`anInner.count`: expected a number")
    );
}

#[test]
fn a_bound_default_overrides_what_stands_before_it() {
    let rich = rich();
    let mut bytes =
        wire(&rich, r#"{"anInt32":5,"aString":"x","timestamp":"1970-01-01T00:00:01.5Z","int32Value":7}"#)
            .unwrap();
    for (path, value) in
        [("an_int32", "0"), ("a_string", ""), ("timestamp", "1970-01-01T00:00:00Z"), ("int32_value", "0")]
    {
        rich.field_path(path).unwrap().bind_str(value, &mut bytes).unwrap();
    }
    assert_eq!(json(&rich, &bytes), r#"{"timestamp":"1970-01-01T00:00:00Z","int32Value":0}"#);
}

#[test]
fn field_paths_are_resolved_through_singular_messages_only() {
    let rich = rich();
    assert_eq!(rich.field_path("anInner.child.name").unwrap().to_string(), "an_inner.child.name");
    assert_eq!(rich.field_path("an_inner.tags").unwrap().leaf().name(), "tags");
    assert!(matches!(rich.field_path("nope"), Err(FieldPathError::Unknown { .. })));
    assert!(matches!(rich.field_path(""), Err(FieldPathError::Unknown { .. })));
    for path in ["an_int32.x", "inners.name", "string_map.key"] {
        assert!(matches!(rich.field_path(path), Err(FieldPathError::NotAMessage { .. })), "{path}");
    }
    // Following it would take a thread's stack.
    let deep = format!("an_inner.{}name", "child.".repeat(10_000));
    assert!(matches!(rich.field_path(&deep), Err(FieldPathError::TooDeep)));
}

#[test]
fn a_mask_names_what_the_body_holds() {
    let schema = compile(&["test/v1/library.proto"]);
    let book = schema.message("test.v1.Book").unwrap();
    let mask = |json: &str| mask_from_json(&book, json.as_bytes()).unwrap();
    assert_eq!(mask("{}"), [""; 0]);
    assert_eq!(mask(r#"{"title":"x","inPrint":true,"in_print":true}"#), ["title", "in_print", "in_print"]);
    assert_eq!(
        mask(r#"{"author":{"givenName":"x"},"tags":["a"],"labels":{"a":"b"}}"#),
        ["author.given_name", "tags", "labels"]
    );
    assert_eq!(mask(r#"{"title":null,"author":null,"published":null}"#), ["title", "author", "published"]);
    assert_eq!(mask(r#"{"author":{},"nope":{"a":1}}"#), ["author"]);
    assert_eq!(mask(r#"{"author":{"penNames":[{"givenName":"x"}]}}"#), ["author.pen_names"]);
    for json in ["", "[]", "{", r#"{"title":}"#, "{} x"] {
        mask_from_json(&book, json.as_bytes()).expect_err(json);
    }
    let deep = r#"{"author":"#.repeat(10_000);
    mask_from_json(&book, deep.as_bytes()).unwrap_err();
}

#[test]
fn a_mask_is_appended_to_its_field() {
    let schema = compile(&["test/v1/library.proto"]);
    let update = schema.message("test.v1.UpdateBookRequest").unwrap();
    let mask = update.field("update_mask").unwrap();
    let mut bytes = Vec::new();
    assert!(update.field_is_empty(&mask, &bytes).unwrap());
    mask.put_field_mask(&["title", "author.given_name"], &mut bytes);
    assert!(!update.field_is_empty(&mask, &bytes).unwrap());
    assert_eq!(json(&update, &bytes), r#"{"updateMask":"title,author.givenName"}"#);
}

proptest! {
    #[test]
    fn no_query_panics(query in r"[a-zA-Z_.=&%$+0-9é]{0,60}") {
        let rich = rich();
        let _ = bound(&rich, &query);
    }

    #[test]
    fn any_text_reaches_a_string_field(text: String) {
        let escaped = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC);
        let rich = rich();
        let mut expected = Vec::new();
        rich.field_path("a_string").unwrap().bind_str(&text, &mut expected).unwrap();
        let mut wire = Vec::new();
        bind_query(&rich, &format!("a_string={escaped}"), &QueryOptions::default(), &mut wire).unwrap();
        prop_assert_eq!(wire, expected);
    }
}
