//! `google.api.http` rules, and routing with what they say.

use ambidex_schema::{
    BodyBinding, Captures, HttpBinding, HttpRuleError, HttpRuleProblem, HttpVerb, Match, PathTemplate,
    RouteTable,
};
use ambidex_schema::{Schema, http_bindings};
use proptest::prelude::*;

use crate::schemas::{compile, compile_text};

fn bindings(schema: &Schema, service: &str, method: &str) -> Result<Vec<HttpBinding>, HttpRuleError> {
    let service = schema.service(service).unwrap();
    let method = service.methods().find(|candidate| candidate.name() == method).unwrap();
    http_bindings(schema, &method)
}

fn library(method: &str) -> Vec<HttpBinding> {
    bindings(&compile(&["test/v1/library.proto"]), "test.v1.Library", method).unwrap()
}

/// The problem of one rule, given as the content of its option.
fn problem(rule: &str) -> HttpRuleError {
    let schema = compile_text(&format!(
        r#"syntax = "proto3";
        import "google/api/annotations.proto";
        import "test/v1/library.proto";
        service Tried {{
          rpc Try(test.v1.UpdateBookRequest) returns (test.v1.Book) {{ option (google.api.http) = {{ {rule} }}; }}
        }}"#
    ));
    bindings(&schema, "Tried", "Try").expect_err(rule)
}

#[test]
fn a_rule_and_its_additional_bindings_are_read() {
    let bindings = library("GetBook");
    let summary: Vec<_> = bindings.iter().map(|b| (b.index, b.verb.clone(), b.template.as_str())).collect();
    assert_eq!(
        summary,
        [
            (0, HttpVerb::Get, "/v1/{name=shelves/*/books/*}"),
            (1, HttpVerb::Get, "/v1/books/{name}"),
            (2, HttpVerb::Any, "/v1/any/{name=**}"),
        ]
    );
    assert!(bindings.iter().all(|b| b.body == BodyBinding::None && b.response_body.is_none()));
    assert_eq!(bindings[0].path_fields[0].to_string(), "name");
    assert_eq!(bindings[0].request().full_name(), "test.v1.GetBookRequest");
}

#[test]
fn bodies_are_resolved_to_fields() {
    let update = &library("UpdateBook")[0];
    assert!(matches!(&update.body, BodyBinding::Field(field) if field.name() == "book"));
    assert_eq!(update.response_body.as_ref().unwrap().name(), "title");
    assert_eq!(update.path_fields[0].to_string(), "book.name");
    let publish = &library("Publish")[0];
    assert_eq!(publish.body, BodyBinding::Whole);
    assert_eq!(publish.template.verb(), Some("publish"));
}

#[test]
fn a_method_without_a_rule_has_no_bindings() {
    assert!(library("Plain").is_empty());
}

#[test]
fn a_schema_without_annotations_has_no_rules() {
    let schema = compile_text(r#"syntax = "proto3"; message M {} service S { rpc Do(M) returns (M); }"#);
    assert!(bindings(&schema, "S", "Do").unwrap().is_empty());
}

#[test]
fn path_variables_must_name_singular_fields_that_text_can_spell() {
    for (rule, what) in [
        (r#"get: "/v1/{book.tags}""#, "repeated"),
        (r#"get: "/v1/{book.labels}""#, "a map"),
        (r#"get: "/v1/{book}""#, "a message"),
        (r#"get: "/v1/{book.author}""#, "a message"),
    ] {
        let error = problem(rule);
        assert!(
            matches!(&*error.problem, HttpRuleProblem::PathFieldType { what: w, .. } if *w == what),
            "{error}"
        );
    }
    for rule in [
        r#"get: "/v1/{nope}""#,
        r#"get: "/v1/{book.nope}""#,
        r#"get: "/v1/{book.title.x}""#,
        r#"get: "/v1/{book.tags.x}""#,
        // JSON names are for JSON.
        r#"get: "/v1/{allowMissing}""#,
    ] {
        assert!(matches!(*problem(rule).problem, HttpRuleProblem::PathField { .. }), "{rule}");
    }
    // Well-known scalars are text.
    let schema = compile_text(
        r#"syntax = "proto3"; import "google/api/annotations.proto"; import "test/v1/library.proto";
        service S { rpc Do(test.v1.GetBookRequest) returns (test.v1.Book) {
          option (google.api.http) = { get: "/v1/{as_of}/{read_mask}/{like.in_print}/{like.format}" }; } }"#,
    );
    assert_eq!(bindings(&schema, "S", "Do").unwrap()[0].path_fields.len(), 4);
}

#[test]
fn bodies_must_be_top_level_fields() {
    for rule in [
        r#"post: "/v1" body: "nope""#,
        r#"post: "/v1" body: "book.title""#,
        r#"post: "/v1" body: "allowMissing""#,
        r#"post: "/v1" body: "*" response_body: "nope""#,
        r#"post: "/v1" body: "*" response_body: "author.given_name""#,
        r#"post: "/v1" body: "*" response_body: "*""#,
    ] {
        assert!(matches!(*problem(rule).problem, HttpRuleProblem::NotTopLevel { .. }), "{rule}");
    }
}

#[test]
fn additional_bindings_do_not_nest() {
    let error = problem(
        r#"get: "/a" additional_bindings { get: "/b" } additional_bindings { get: "/c" additional_bindings { get: "/d" } }"#,
    );
    assert_eq!((error.index, &*error.problem), (2, &HttpRuleProblem::NestedAdditionalBindings));
}

#[test]
fn a_rule_needs_a_pattern() {
    assert_eq!(*problem(r#"body: "*""#).problem, HttpRuleProblem::NoPattern);
    assert_eq!(problem(r#"get: "/a" additional_bindings { body: "*" }"#).index, 1);
    assert!(matches!(*problem(r#"custom { path: "/a" }"#).problem, HttpRuleProblem::CustomKind { .. }));
    assert!(matches!(
        *problem(r#"custom { kind: "A B" path: "/a" }"#).problem,
        HttpRuleProblem::CustomKind { .. }
    ));
}

#[test]
fn malformed_templates_and_repeated_variables_name_their_column() {
    for (rule, column) in [
        (r#"get: "v1""#, 1),
        (r#"get: """#, 1),
        (r#"get: "/v1/{book.name""#, 15),
        (r#"get: "/{book.name}/{book.name}""#, 15),
    ] {
        let error = problem(rule);
        assert!(
            matches!(&*error.problem, HttpRuleProblem::Template { error, .. } if error.column() == column),
            "{error}"
        );
    }
}

#[test]
fn two_members_of_one_oneof_cannot_both_be_bound() {
    let message = r#"message Try { oneof how { string a = 1; string b = 2; Inner inner = 3; } string c = 4; }
                     message Inner { oneof which { string a = 1; string b = 2; } }"#;
    let bound = |rule: &str| {
        let schema = compile_text(&format!(
            r#"syntax = "proto3";
            import "google/api/annotations.proto";
            {message}
            service Tried {{ rpc Try(.Try) returns (.Try) {{ option (google.api.http) = {{ {rule} }}; }} }}"#
        ));
        bindings(&schema, "Tried", "Try").map_err(|error| *error.problem)
    };
    let contradiction = |variable: &str, other: &str, oneof: &str| {
        let (variable, other, oneof) = (variable.to_owned(), other.to_owned(), oneof.to_owned());
        HttpRuleProblem::Oneof { variable, other, oneof }
    };
    assert_eq!(bound(r#"get: "/{a}/{b}""#).unwrap_err(), contradiction("b", "a", "how"));
    assert_eq!(bound(r#"get: "/{c}/{inner.a}/{b}""#).unwrap_err(), contradiction("b", "inner.a", "how"));
    assert_eq!(
        bound(r#"get: "/{inner.a}/{inner.b}""#).unwrap_err(),
        contradiction("inner.b", "inner.a", "which")
    );
    assert_eq!(bound(r#"post: "/{b}" body: "inner""#).unwrap_err(), contradiction("b", "inner", "how"));
    bound(r#"get: "/{a}/{c}""#).unwrap();
    bound(r#"post: "/{inner.a}" body: "inner""#).unwrap();
}

#[test]
fn errors_name_the_method_and_say_what_to_do() {
    assert_eq!(
        problem(r#"post: "/v1" body: "boook""#).to_string(),
        "Tried.Try: its HTTP rule: has `body: \"boook\"`, but test.v1.UpdateBookRequest has no such field; name one \
         of its own fields, or * for the whole message"
    );
    assert_eq!(
        problem(r#"get: "/a" additional_bindings { get: "/{book}" }"#).to_string(),
        "Tried.Try: additional binding 1 of its HTTP rule: binds `book`, which is a message; a path can only set \
         singular fields that are no messages"
    );
}

#[test]
fn a_path_and_a_body_and_a_query_make_one_message() {
    let schema = compile(&["test/v1/library.proto"]);
    let update = &bindings(&schema, "test.v1.Library", "UpdateBook").unwrap()[0];
    let request = update.request();
    let BodyBinding::Field(body) = &update.body else { panic!("the rule has a body field") };
    let mut wire = Vec::new();
    let json = br#"{"name":"from the body","title":"x","pages":3}"#;
    request.json_to_wire_field(body, json, &Default::default(), &mut wire).unwrap();
    update.bind_query("allowMissing=true&updateMask=title", false, &mut wire).unwrap();
    update.bind_path(&["shelves/1/books/2"], &mut wire).unwrap();
    assert_eq!(
        crate::schemas::json(request, &wire),
        r#"{"book":{"name":"shelves/1/books/2","title":"x","pages":3},"updateMask":"title","allowMissing":true}"#
    );
}

// Routing.

fn table(routes: &[(&str, &str)]) -> RouteTable<usize> {
    let mut table = RouteTable::new();
    for (index, (verb, template)) in routes.iter().enumerate() {
        table.insert(&HttpVerb::from_custom_kind(verb), &template.parse().unwrap(), index).unwrap();
    }
    table
}

fn find<'t, T>(table: &'t RouteTable<T>, method: &str, path: &str) -> Match<'t, T> {
    table.find(method, path, &mut Captures::default())
}

fn found(table: &RouteTable<usize>, method: &str, path: &str) -> Option<(usize, Vec<String>)> {
    let mut captures = Captures::default();
    match table.find(method, path, &mut captures) {
        Match::Found { value, .. } => Some((*value, captures.iter().map(|c| c.to_string()).collect())),
        _ => None,
    }
}

fn captures(template: &str, path: &str) -> Vec<String> {
    let (_, captures) = found(&table(&[("GET", template)]), "GET", path).expect(path);
    captures
}

#[test]
fn a_literal_inside_a_variable_is_part_of_its_value() {
    assert_eq!(captures("/v1/{name=shelves/*}", "/v1/shelves/1"), ["shelves/1"]);
    assert_eq!(captures("/v1/{a}/x/{b=y/*}", "/v1/1/x/y/2"), ["1", "y/2"]);
}

#[test]
fn one_segment_decodes_every_escape_and_several_keep_the_slash() {
    assert_eq!(captures("/v1/{name}", "/v1/a%2Fb%20c%C3%A9"), ["a/b cé"]);
    assert_eq!(captures("/v1/{name=shelves/*}", "/v1/shelves/a%2Fb%2fc%20d"), ["shelves/a%2Fb%2fc d"]);
    assert_eq!(captures("/v1/{name=**}", "/v1/a%2Fb"), ["a%2Fb"]);
    // An escaped slash separates nothing.
    assert_eq!(found(&table(&[("GET", "/v1/{a}/{b}")]), "GET", "/v1/a%2Fb"), None);
}

#[test]
fn several_segments_keep_what_is_reserved_where_the_template_is_told_to() {
    let captures = |template: &str, path: &str| {
        let template: PathTemplate = template.parse().unwrap();
        assert!(!template.keeps_reserved());
        let mut table = RouteTable::new();
        table.insert(&HttpVerb::Get, &template.keeping_reserved(), 0).unwrap();
        found(&table, "GET", path).expect(path).1
    };
    let several = captures("/v1/{name=shelves/*}", "/v1/shelves/a%3Ab%2fc%40%20d%C3%A9");
    assert_eq!(several, ["shelves/a%3Ab%2fc%40 dé"]);
    assert_eq!(captures("/v1/{name=**}", "/v1/a%26b/c%2Bd"), ["a%26b/c%2Bd"]);
    // One segment is decoded in any case.
    assert_eq!(captures("/v1/{name}", "/v1/a%3Ab%2Fc"), ["a:b/c"]);
}

#[test]
fn only_a_path_without_wildcard_and_verb_is_literal() {
    let literal = |template: &str| template.parse::<PathTemplate>().unwrap().literal().map(str::to_owned);
    assert_eq!(literal("/v1/a"), Some("/v1/a".to_owned()));
    for template in ["/v1/*", "/v1/{name}", "/v1/**", "/v1/a:read"] {
        assert_eq!(literal(template), None, "{template}");
    }
}

#[test]
fn a_plus_is_a_plus_in_a_path() {
    assert_eq!(captures("/v1/{name}", "/v1/a+b"), ["a+b"]);
}

#[test]
fn a_malformed_escape_is_no_match_but_an_error() {
    let table = table(&[("GET", "/v1/{name}"), ("GET", "/**")]);
    for path in ["/v1/%zz", "/v1/%", "/v1/%2", "/elsewhere/%zz", "/v1/%ff"] {
        assert!(matches!(find(&table, "GET", path), Match::BadEscape), "{path}");
    }
}

#[test]
fn escaped_slashes_separate_only_on_demand_and_second() {
    let routes = [("GET", "/v1/{name=shelves/*}"), ("GET", "/v1/{name=files/**}")];
    assert_eq!(found(&table(&routes), "GET", "/v1/shelves%2F1"), None);
    let lenient = table(&routes).with_split_escaped_slashes(true);
    assert_eq!(found(&lenient, "GET", "/v1/shelves%2F1"), Some((0, vec!["shelves/1".to_owned()])));
    assert_eq!(found(&lenient, "GET", "/v1/shelves%2f1%20x"), Some((0, vec!["shelves/1 x".to_owned()])));
    // What matches strictly is matched strictly.
    assert_eq!(found(&lenient, "GET", "/v1/files/a%2Fb"), Some((1, vec!["files/a%2Fb".to_owned()])));
}

#[test]
fn a_multi_wildcard_takes_any_number_of_segments() {
    assert_eq!(captures("/v1/{name=**}", "/v1"), [""]);
    assert_eq!(captures("/v1/{name=**}", "/v1/"), [""]);
    assert_eq!(captures("/v1/{name=**}", "/v1/a"), ["a"]);
    assert_eq!(captures("/v1/{name=**}", "/v1/a/b/c"), ["a/b/c"]);
    assert_eq!(captures("/v1/{name=a/**}", "/v1/a"), ["a"]);
    assert_eq!(captures("/{name=**}", "/"), [""]);
    assert_eq!(captures("/v1/{name=**}:read", "/v1/a/b:read"), ["a/b"]);
    assert_eq!(captures("/v1/{name=**}", "/v1//a//b/"), ["/a//b/"]);
}

#[test]
fn a_single_wildcard_takes_one_segment_that_is_not_empty() {
    let table = table(&[("GET", "/v1/{name}")]);
    for path in ["/v1", "/v1/", "/v1/a/", "/v1/a/b", "/v2/a", "v1/a", "", "//v1/a"] {
        assert_eq!(found(&table, "GET", path), None, "{path}");
    }
}

#[test]
fn a_colon_that_no_route_registers_belongs_to_the_value() {
    assert_eq!(captures("/v1/items/{id}", "/v1/items/a:b"), ["a:b"]);
    let table =
        table(&[("GET", "/v1/items/{id}"), ("GET", "/v1/items/{id}:b"), ("GET", "/v1/others/{id}:c")]);
    assert_eq!(found(&table, "GET", "/v1/items/a:b"), Some((1, vec!["a".to_owned()])));
    assert_eq!(found(&table, "GET", "/v1/items/a:x:b"), Some((1, vec!["a:x".to_owned()])));
    assert_eq!(found(&table, "GET", "/v1/items/a:c"), Some((0, vec!["a:c".to_owned()])));
    assert_eq!(found(&table, "GET", "/v1/items/a%3Ab"), Some((0, vec!["a:b".to_owned()])));
    assert_eq!(found(&table, "GET", "/v1/items/a:"), Some((0, vec!["a:".to_owned()])));
}

#[test]
fn verbs_stand_behind_literals_and_the_root_too() {
    let table = table(&[("POST", "/v1/items:batchGet"), ("POST", "/:ping"), ("GET", "/")]);
    assert_eq!(found(&table, "POST", "/v1/items:batchGet"), Some((0, vec![])));
    assert_eq!(found(&table, "POST", "/:ping"), Some((1, vec![])));
    assert_eq!(found(&table, "GET", "/"), Some((2, vec![])));
}

#[test]
fn a_literal_beats_a_wildcard_with_backtracking() {
    let table = table(&[
        ("GET", "/v1/{name}/x"),
        ("GET", "/v1/books/{name}"),
        ("GET", "/v1/books/list"),
        ("GET", "/v1/{name=**}"),
        ("POST", "/v1/books/list/y"),
    ]);
    assert_eq!(found(&table, "GET", "/v1/books/list").unwrap().0, 2);
    assert_eq!(found(&table, "GET", "/v1/books/x").unwrap().0, 1);
    assert_eq!(found(&table, "GET", "/v1/shelves/x").unwrap().0, 0);
    assert_eq!(found(&table, "GET", "/v1/books/list/more").unwrap().0, 3);
    // The literal route takes another method, so the wildcard has its turn.
    assert_eq!(found(&table, "GET", "/v1/books/list/y").unwrap().0, 3);
}

#[test]
fn segments_and_templates_of_every_length_are_told_apart() {
    for length in 1..40 {
        let literal = "abcdefgh".repeat(5)[..length].to_owned();
        let table = table(&[("GET", &format!("/v1/{literal}/{{x}}")), ("GET", "/v1/{x}/{y}")]);
        assert_eq!(found(&table, "GET", &format!("/v1/{literal}/1")), Some((0, vec!["1".to_owned()])));
        let other = format!("{}-", &literal[..length - 1]);
        assert_eq!(found(&table, "GET", &format!("/v1/{other}/1")), Some((1, vec![other, "1".to_owned()])));
        // As many segments as that, the last of them captured and all of them captured.
        let many = "/a".repeat(length);
        assert_eq!(captures(&format!("{many}/{{x}}"), &format!("{many}/b")), ["b"]);
        assert_eq!(
            captures(&format!("{{x={}/**}}", &many[1..]).replacen('{', "/{", 1), &format!("{many}/b/c")),
            [format!("{}/b/c", &many[1..])]
        );
    }
}

#[test]
fn an_escape_and_a_colon_are_noticed_wherever_they_are() {
    let table = table(&[("GET", "/{x}"), ("GET", "/{x}:y")]);
    for before in 0..40 {
        for behind in 0..20 {
            let (before, behind) = ("a".repeat(before), "b".repeat(behind));
            assert!(matches!(find(&table, "GET", &format!("/{before}%{behind}x")), Match::BadEscape));
            let escaped = found(&table, "GET", &format!("/{before}%2C{behind}"));
            assert_eq!(escaped, Some((0, vec![format!("{before},{behind}")])));
            let with_verb = found(&table, "GET", &format!("/{before}:{behind}c:y"));
            assert_eq!(with_verb, Some((1, vec![format!("{before}:{behind}c")])));
        }
    }
}

#[test]
fn literals_match_decoded() {
    let table = table(&[("GET", "/v1/a%20b/{x}"), ("GET", "/v1/~c")]);
    assert_eq!(found(&table, "GET", "/v1/a%20b/1").unwrap().0, 0);
    assert_eq!(found(&table, "GET", "/v1/%61%20b/1").unwrap().0, 0);
    assert_eq!(found(&table, "GET", "/v1/%7ec").unwrap().0, 1);
}

#[test]
fn a_known_path_with_another_method_says_which_are_allowed() {
    let table = table(&[("GET", "/v1/{x}"), ("PATCH", "/v1/a"), ("LINK", "/v1/a"), ("POST", "/v2")]);
    let Match::MethodNotAllowed { allow } = find(&table, "DELETE", "/v1/a") else {
        panic!("there are routes")
    };
    assert_eq!(allow, ["GET", "HEAD", "LINK", "PATCH"]);
    let Match::MethodNotAllowed { allow } = find(&table, "GET", "/v2") else { panic!("there are routes") };
    assert_eq!(allow, ["POST"]);
    assert!(matches!(find(&table, "DELETE", "/v3"), Match::NotFound));
    // Methods are case-sensitive.
    assert!(matches!(find(&table, "get", "/v1/a"), Match::MethodNotAllowed { .. }));
}

#[test]
fn head_works_wherever_get_does() {
    let mut table = table(&[("GET", "/v1/{x}")]);
    assert_eq!(find(&table, "HEAD", "/v1/a"), Match::Found { value: &0, head_as_get: true });
    table.insert(&HttpVerb::from_custom_kind("HEAD"), &"/v1/{x}".parse().unwrap(), 1).unwrap();
    assert_eq!(find(&table, "HEAD", "/v1/a"), Match::Found { value: &1, head_as_get: false });
}

#[test]
fn any_method_is_served_after_its_own() {
    let table = table(&[("*", "/v1/{x}"), ("GET", "/v1/{x}")]);
    assert_eq!(found(&table, "GET", "/v1/a").unwrap().0, 1);
    assert_eq!(found(&table, "BREW", "/v1/a").unwrap().0, 0);
}

#[test]
fn routes_that_no_request_can_tell_apart_conflict() {
    let mut table = table(&[("GET", "/v1/{name=shelves/*}"), ("GET", "/v1/{x=**}")]);
    let mut insert = |verb: &str, template: &str| {
        table.insert(&HttpVerb::from_custom_kind(verb), &template.parse().unwrap(), 9)
    };
    let conflict = insert("GET", "/v1/shelves/{id}").unwrap_err();
    assert_eq!(conflict.existing_index, 0);
    assert_eq!(
        conflict.to_string(),
        "`GET /v1/shelves/{id}` and `GET /v1/{name=shelves/*}` match the same requests"
    );
    assert_eq!(insert("GET", "/v1/**").unwrap_err().existing_index, 1);
    insert("POST", "/v1/shelves/{id}").unwrap();
    insert("GET", "/v1/shelves/{id}:read").unwrap();
    insert("*", "/v1/shelves/{id}").unwrap();
    insert("GET", "/v1/shelves/{id}:read").unwrap_err();
}

#[test]
fn captures_borrow_from_the_path_where_nothing_is_escaped() {
    let table = table(&[("GET", "/v1/{name=a/**}")]);
    let mut captures = Captures::default();
    // What was there before is gone.
    for _ in 0..2 {
        table.find("GET", "/v1/a/b/c", &mut captures);
        assert!(matches!(captures[..], [std::borrow::Cow::Borrowed("a/b/c")]));
    }
}

proptest! {
    #[test]
    fn no_path_panics(path in r"/?[a-c/:%2F*{}é]{0,20}", method in "GET|HEAD|POST|X") {
        let mut table = table(&[
            ("GET", "/a/{x}"), ("POST", "/a/{x=b/*}:c"), ("GET", "/{x=**}"), ("*", "/{x}/{y=b/**}:a"), ("GET", "/"),
        ]);
        find(&table, &method, &path);
        table = table.with_split_escaped_slashes(true);
        find(&table, &method, &path);
    }

    /// Escaping a value, putting it into a path and matching that gives the value back.
    #[test]
    fn what_a_client_escapes_arrives(values in prop::collection::vec(".{1,8}", 1..4)) {
        let escaped = |value: &String| {
            percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        let template: String = (0..values.len()).map(|i| format!("/{{f{i}}}")).collect();
        let path: String = values.iter().map(|value| format!("/{}", escaped(value))).collect();
        prop_assert_eq!(captures(&template, &path), values);
    }

    /// The trie finds a route exactly where comparing segment by segment does.
    #[test]
    fn the_trie_agrees_with_trying_every_template(
        templates in prop::collection::hash_set(r"(/(a|b|\*)){1,3}(/\*\*)?", 1..6),
        path in "(/[ab]){0,4}",
    ) {
        let mut table = RouteTable::new();
        let mut inserted = Vec::new();
        for template in &templates {
            if table.insert(&HttpVerb::Get, &template.parse().unwrap(), template.clone()).is_ok() {
                inserted.push(template);
            }
        }
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let matches = |template: &str| {
            let mut wanted: Vec<&str> = template.split('/').skip(1).collect();
            let open = wanted.last() == Some(&"**");
            wanted.truncate(wanted.len() - usize::from(open));
            (segments.len() == wanted.len() || open && segments.len() > wanted.len())
                && wanted.iter().zip(&segments).all(|(wanted, segment)| *wanted == "*" || wanted == segment)
        };
        match find(&table, "GET", &path) {
            Match::Found { value, .. } => prop_assert!(matches(value)),
            Match::NotFound => prop_assert!(!inserted.iter().any(|template| matches(template))),
            other => prop_assert!(false, "{other:?}"),
        }
    }
}
