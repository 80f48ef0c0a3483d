//! HTTP rules that are not in the protos: from a service configuration, and for methods that have none.

use crate::call::{Idempotency, MethodSpec};
use crate::google::api::HttpRule;
use crate::google::api::http_rule::Pattern;

/// Why text is no service configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// It is not YAML, or has no `http`.
    #[error("the HTTP rules are no YAML of a google.api.Service: {0}")]
    Yaml(String),
    /// What stands under `http` is no `google.api.Http`.
    #[error("the HTTP rules are no google.api.Http: {0}")]
    Rules(String),
}

/// The route of a method that has no rule, where the user wants one: a custom method of its service, as
/// [AIP-136](https://google.aip.dev/136) spells it.
pub(super) fn without_rule(method: &MethodSpec) -> HttpRule {
    let mut names = method.service().rsplit('.');
    let service = lower_first(names.next().unwrap_or_default());
    let is_version =
        |name: &&str| name.starts_with('v') && name[1..].starts_with(|first: char| first.is_ascii_digit());
    let version = names.next().filter(is_version).map(|version| format!("/{version}")).unwrap_or_default();
    let path = format!("{version}/{service}:{}", lower_first(method.method()));
    let selector = method.full_name().replace('/', ".");
    match method.idempotency_level() {
        Idempotency::NoSideEffects if !method.kind().client_streams() => {
            HttpRule { selector, pattern: Some(Pattern::Get(path)), ..HttpRule::default() }
        }
        _ => HttpRule {
            selector,
            pattern: Some(Pattern::Post(path)),
            body: "*".to_owned(),
            ..HttpRule::default()
        },
    }
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

/// Reads the rules of a service configuration: `google.api.Service` in YAML, of which only `http` counts.
#[cfg(feature = "yaml")]
pub(crate) fn from_yaml(text: &str) -> Result<crate::google::api::Http, RulesError> {
    use prost::Message as _;

    let yaml = |what: &dyn std::fmt::Display| RulesError::Yaml(what.to_string());
    let rules = |what: &dyn std::fmt::Display| RulesError::Rules(what.to_string());
    let mut service: serde_json::Map<String, serde_json::Value> =
        serde_saphyr::from_str(text).map_err(|error| yaml(&error))?;
    let http = service.remove("http").ok_or_else(|| yaml(&"it has no `http`"))?;
    let schema =
        ambidex_schema::Schema::builder().add_file_descriptor_set(crate::google::FILE_DESCRIPTOR_SET);
    let schema = schema.and_then(|builder| builder.build()).map_err(|error| rules(&error))?;
    let message = schema.message("google.api.Http").ok_or_else(|| rules(&"the type is missing"))?;
    let mut wire = Vec::new();
    message
        .json_to_wire(http.to_string().as_bytes(), &ambidex_schema::DecodeOptions::default(), &mut wire)
        .map_err(|error| rules(&error))?;
    crate::google::api::Http::decode(&*wire).map_err(|error| rules(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::MethodKind;

    #[test]
    fn a_method_without_a_rule_is_a_custom_method_of_its_service() {
        let place = MethodSpec::new(
            "shop.v1.BookShop",
            "PlaceOrder",
            "/shop.v1.BookShop/PlaceOrder",
            MethodKind::Unary,
        );
        let rule = without_rule(&place);
        assert_eq!(rule.pattern, Some(Pattern::Post("/v1/bookShop:placeOrder".into())));
        assert_eq!((&*rule.body, &*rule.selector), ("*", "shop.v1.BookShop.PlaceOrder"));
        let find = MethodSpec::new("shop.Books", "Find", "/shop.Books/Find", MethodKind::ServerStreaming)
            .idempotency(Idempotency::NoSideEffects);
        let rule = without_rule(&find);
        assert_eq!((rule.pattern, &*rule.body), (Some(Pattern::Get("/books:find".into())), ""));
    }

    #[cfg(feature = "yaml")]
    #[test]
    fn a_service_configuration_is_read() {
        let text = "
type: google.api.Service
config_version: 3
name: shop.example.com
http:
  rules:
  - selector: shop.v1.Shop.GetBook
    get: /v1/{name=books/*}
    additional_bindings:
    - post: /v1/books:get
      body: '*'
";
        let http = from_yaml(text).expect("rules");
        assert_eq!(http.rules[0].selector, "shop.v1.Shop.GetBook");
        assert_eq!(http.rules[0].pattern, Some(Pattern::Get("/v1/{name=books/*}".into())));
        assert_eq!(http.rules[0].additional_bindings[0].body, "*");
        assert!(matches!(from_yaml("a: [").expect_err("no YAML"), RulesError::Yaml(_)));
        assert!(matches!(from_yaml("type: x").expect_err("no http"), RulesError::Yaml(_)));
        let unknown = "http:\n  rules:\n  - selector: a.B.C\n    gett: /v1\n";
        assert!(from_yaml(unknown).expect_err("unknown").to_string().contains("gett"));
    }
}
