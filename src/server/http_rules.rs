//! HTTP rules for protos one cannot edit, in code and in service configurations.

use super::ServerBuilder;
use crate::google::api::{Http, HttpRule};

impl ServerBuilder {
    /// Gives methods HTTP rules in place of those their protos have, for protos one cannot edit. The selector of a
    /// rule names its method, `bookshop.v1.Bookshop.GetBook`; the last rule for a method holds.
    ///
    /// ```
    /// use ambidex::google::api::{HttpRule, http_rule::Pattern};
    ///
    /// let server = ambidex::Server::builder().http_rule(HttpRule {
    ///     selector: "bookshop.v1.Bookshop.GetBook".into(),
    ///     pattern: Some(Pattern::Get("/v2/{name=books/*}".into())),
    ///     ..Default::default()
    /// });
    /// ```
    #[must_use]
    pub fn http_rule(mut self, rule: HttpRule) -> Self {
        self.http_rules.push(rule);
        self
    }

    /// The same for all rules of a configuration. Where it does not say `fully_decode_reserved_expansion`, variables of
    /// several segments such as `{name=shelves/*}` keep escaped what RFC 6570 reserves (``:/?#[]@!$&'()*+,;=``), as
    /// `google/api/http.proto` has it; else, and by every other way that rules come, they keep `%2F` alone.
    #[must_use]
    pub fn http_rules(mut self, rules: Http) -> Self {
        self.http_rules.extend(rules);
        self
    }

    /// [The same](Self::http_rules) from a service configuration: a `google.api.Service` in YAML, of which only `http`
    /// counts.
    ///
    /// # Errors
    ///
    /// When the text is no such configuration. What its rules say is checked when the server starts.
    #[cfg(feature = "yaml")]
    pub fn http_rules_from_yaml(self, text: &str) -> Result<Self, super::Error> {
        Ok(self.http_rules(crate::http::from_yaml(text)?))
    }
}
