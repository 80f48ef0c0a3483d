//! HTTP rules that are not in the protos: from a service configuration, and for methods that have none.

use ambidex_schema::HttpBinding;
use prost::Message as _;

use crate::call::{Idempotency, MethodSpec};
use crate::google::api::http_rule::Pattern;
use crate::google::api::{Http, HttpRule};

/// The rules that a server has from elsewhere, in the order they were given.
#[derive(Debug, Default)]
pub(crate) struct Rules(Vec<Rule>);

/// One of them.
#[derive(Debug)]
pub(super) struct Rule {
    rule: HttpRule,
    /// Whether variables of several segments keep escaped what RFC 6570 reserves. `google/api/http.proto` says so of the
    /// rules of a `google.api.Http` that does not say `fully_decode_reserved_expansion`; of a rule by itself it says that
    /// they keep the slash.
    keeps_reserved: bool,
}

impl Rules {
    /// Adds one rule by itself.
    pub(crate) fn push(&mut self, rule: HttpRule) {
        self.0.push(Rule { rule, keeps_reserved: false });
    }

    /// Adds the rules of a configuration, read as it says.
    pub(crate) fn extend(&mut self, http: Http) {
        let keeps_reserved = !http.fully_decode_reserved_expansion;
        self.0.extend(http.rules.into_iter().map(|rule| Rule { rule, keeps_reserved }));
    }

    /// The methods that they name.
    pub(super) fn selectors(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|Rule { rule, .. }| &*rule.selector)
    }

    /// The rule of a method. As in Google's service configurations, the last one holds.
    pub(super) fn of(&self, selector: &str) -> Option<&Rule> {
        self.0.iter().rev().find(|Rule { rule, .. }| rule.selector == selector)
    }
}

impl Rule {
    /// The wire bytes of the rule itself.
    pub(super) fn wire(&self) -> Vec<u8> {
        self.rule.encode_to_vec()
    }

    /// The rule's bindings, which read paths as it is to be read.
    pub(super) fn read(&self, mut bindings: Vec<HttpBinding>) -> Vec<HttpBinding> {
        if self.keeps_reserved {
            bindings.iter_mut().for_each(|binding| {
                binding.template = binding.template.clone().keeping_reserved();
            });
        }
        bindings
    }
}

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
pub(crate) fn from_yaml(text: &str) -> Result<Http, RulesError> {
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
    Http::decode(&*wire).map_err(|error| rules(&error))
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
