//! The attributes that say how a function runs: `#[blocking]` and `#[timeout]`.
//!
//! ```text
//! attribute = "#[blocking]" | "#[blocking(" setting { "," setting } ")]" | "#[timeout(" time ")]"
//! setting   = "lane =" name | "max_concurrency =" number | "timeout =" time
//! ```
//!
//! Each value is a literal, which is checked here, or a constant expression, which the compiler checks
//! against the type it has in `Execution`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, Meta, MetaNameValue, Path, Token};

use crate::method_name::MethodName;
use crate::problems::Problems;
use crate::timeout;

/// What a function's attributes say about how it runs.
#[derive(Default)]
pub(crate) struct Execution {
    pub(crate) blocking: bool,
    lane: Option<Expr>,
    max_concurrency: Option<Expr>,
    timeout: Option<TokenStream>,
    /// The attributes it was read from.
    pub(crate) attributes: Vec<Attribute>,
}

impl Execution {
    /// Takes the attributes that are ours out of `attributes`.
    pub(crate) fn take(attributes: &mut Vec<Attribute>, name: &MethodName, problems: &mut Problems) -> Self {
        let mut execution = Self::default();
        for attribute in attributes.extract_if(.., |attribute| is_ours(attribute)) {
            execution.read(&attribute, name, problems);
            execution.attributes.push(attribute);
        }
        for attribute in &*attributes {
            refuse_conditional(attribute, name, problems);
        }
        execution
    }

    /// The value of the method's constant, or nothing where the handler trait's default is meant.
    pub(crate) fn constant(&self, takes_message_only: bool) -> Option<TokenStream> {
        if !self.blocking && self.timeout.is_none() && !takes_message_only {
            return None;
        }
        let place = if self.blocking { quote!(BLOCKING) } else { quote!(ASYNC) };
        let lane = self.lane.iter();
        let max_concurrency = self.max_concurrency.iter();
        let timeout = self.timeout.iter();
        let message_only = takes_message_only.then(|| quote!(.message_only()));
        Some(quote! {
            ::ambidex::Execution::#place
                #(.lane(#lane))*
                #(.max_concurrency(#max_concurrency))*
                #(.timeout(#timeout))*
                #message_only
        })
    }

    fn read(&mut self, attribute: &Attribute, name: &MethodName, problems: &mut Problems) {
        if names(attribute.path(), "timeout") {
            self.read_timeout(attribute, name, problems);
            return;
        }
        let function = &name.function;
        if self.blocking {
            problems.add(attribute, format!("`{function}` has `#[blocking]` twice: write it once"));
        }
        self.blocking = true;
        let settings = match &attribute.meta {
            Meta::Path(_) => return,
            Meta::List(list) => list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated),
            Meta::NameValue(_) => {
                let message = format!(
                    "`#[blocking]` of `{function}` takes its settings in parentheses: write \
                     `#[blocking(lane = \"database\")]`, or just `#[blocking]`"
                );
                return problems.add(attribute, message);
            }
        };
        match settings {
            Ok(settings) => {
                settings.into_iter().for_each(|setting| self.read_setting(setting, name, problems));
            }
            Err(error) => problems.push(syn::Error::new(
                error.span(),
                format!(
                    "the settings of `{function}` cannot be read ({error}): write them as \
                     `#[blocking({SETTINGS})]`"
                ),
            )),
        }
    }

    fn read_setting(&mut self, setting: Meta, name: &MethodName, problems: &mut Problems) {
        let function = &name.function;
        let path = setting.path().clone();
        let known = ["lane", "max_concurrency", "timeout"].into_iter().find(|known| path.is_ident(known));
        let Some(key) = known else {
            let unknown = path.to_token_stream();
            let message = format!(
                "`#[blocking]` of `{function}` has no setting `{unknown}`: there are `lane`, \
                 `max_concurrency` and `timeout`, as in `#[blocking({SETTINGS})]`"
            );
            return problems.add(setting, message);
        };
        let Meta::NameValue(MetaNameValue { value, .. }) = setting else {
            let message = format!("`{key}` of `{function}` needs a value: write `#[blocking({SETTINGS})]`");
            return problems.add(setting, message);
        };
        let taken = match key {
            "lane" => {
                check_lane(&value, name, problems);
                self.lane.replace(value).is_some()
            }
            "max_concurrency" => {
                check_max_concurrency(&value, name, problems);
                self.max_concurrency.replace(value).is_some()
            }
            _ => return self.set_timeout(value, path, name, problems),
        };
        if taken {
            problems.add(path, format!("`{function}` has `{key}` twice: write it once"));
        }
    }

    fn read_timeout(&mut self, attribute: &Attribute, name: &MethodName, problems: &mut Problems) {
        let value = match &attribute.meta {
            Meta::List(list) => list.parse_args::<Expr>().ok(),
            Meta::Path(_) | Meta::NameValue(_) => None,
        };
        let Some(value) = value else {
            let function = &name.function;
            let message = format!(
                "the timeout of `{function}` is one value in parentheses: write `#[timeout(\"500ms\")]`"
            );
            return problems.add(attribute, message);
        };
        self.set_timeout(value, attribute, name, problems);
    }

    fn set_timeout(&mut self, value: Expr, place: impl ToTokens, name: &MethodName, problems: &mut Problems) {
        if self.timeout.is_some() {
            let message = format!(
                "`{}` has a timeout twice: write it once, as `#[timeout(\"2s\")]` or as \
                 `#[blocking(timeout = \"2s\")]`",
                name.function
            );
            problems.add(place, message);
        }
        self.timeout = read_timeout_value(value, name, problems);
    }
}

const SETTINGS: &str = r#"lane = "database", max_concurrency = 4, timeout = "2s""#;

/// Whether an attribute is one of this module's.
pub(crate) fn is_ours(attribute: &Attribute) -> bool {
    is_our_path(attribute.path())
}

fn is_our_path(path: &Path) -> bool {
    names(path, "blocking") || names(path, "timeout")
}

/// Users who write `#[ambidex::service]` in full may write `#[ambidex::blocking]` too.
fn names(path: &Path, attribute: &str) -> bool {
    if path.is_ident(attribute) {
        return true;
    }
    let mut segments = path.segments.iter();
    let qualified = segments.next().is_some_and(|segment| segment.ident == "ambidex")
        && segments.next().is_some_and(|segment| segment.ident == attribute);
    qualified && segments.next().is_none()
}

/// A `cfg_attr` is not resolved yet when this macro runs, and what it hides would be lost.
fn refuse_conditional(attribute: &Attribute, name: &MethodName, problems: &mut Problems) {
    if !attribute.path().is_ident("cfg_attr") {
        return;
    }
    let parsed = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    let Ok(parts) = parsed else { return };
    for part in parts.iter().skip(1).filter(|part| is_our_path(part.path())) {
        let message = format!(
            "`{}` cannot have this attribute in a `cfg_attr`: set `const {}: ambidex::Execution = …;` in the \
             impl, under `#[cfg(…)]`",
            name.function, name.constant
        );
        problems.add(part, message);
    }
}

fn check_lane(value: &Expr, name: &MethodName, problems: &mut Problems) {
    let fine = match literal(value) {
        None => true,
        Some(Lit::Str(lane)) => !lane.value().trim().is_empty(),
        Some(_) => false,
    };
    if !fine {
        let message =
            format!("the lane of `{}` is a name of your choice: write `lane = \"database\"`", name.function);
        problems.add(value, message);
    }
}

fn check_max_concurrency(value: &Expr, name: &MethodName, problems: &mut Problems) {
    let function = &name.function;
    let number = match literal(value) {
        None => return,
        Some(Lit::Int(number)) => number.base10_parse::<usize>(),
        Some(other) => Err(syn::Error::new_spanned(other, "not a number")),
    };
    match number {
        Ok(0) => problems.add(
            value,
            format!(
                "`max_concurrency = 0` lets no call of `{function}` run: write 1 or more, or leave it out"
            ),
        ),
        Ok(_) => {}
        Err(_) => problems.add(
            value,
            format!("`max_concurrency` of `{function}` is a number of calls: write `max_concurrency = 4`"),
        ),
    }
}

/// A `Duration` of the literal; any other expression is one already.
fn read_timeout_value(value: Expr, name: &MethodName, problems: &mut Problems) -> Option<TokenStream> {
    let reason = match literal(&value) {
        None => return Some(value.into_token_stream()),
        Some(Lit::Str(text)) => match timeout::parse(&text.value()) {
            Ok(timeout) => {
                let seconds = timeout.as_secs();
                if timeout.subsec_millis() == 0 {
                    return Some(quote!(::core::time::Duration::from_secs(#seconds)));
                }
                let millis = seconds * 1_000 + u64::from(timeout.subsec_millis());
                return Some(quote!(::core::time::Duration::from_millis(#millis)));
            }
            Err(reason) => reason,
        },
        Some(Lit::Int(_) | Lit::Float(_)) => "has no unit",
        Some(_) => "is not a time",
    };
    let message = format!(
        "the timeout `{}` of `{}` {reason}: write a whole number and a unit, such as `\"250ms\"`, `\"2s\"`, \
         `\"1m\"` or `\"1h\"`",
        literal_text(&value),
        name.function
    );
    problems.add(&value, message);
    None
}

fn literal_text(value: &Expr) -> String {
    match literal(value) {
        Some(Lit::Str(text)) => text.value(),
        _ => value.to_token_stream().to_string(),
    }
}

fn literal(value: &Expr) -> Option<&Lit> {
    match value {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use quote::format_ident;
    use syn::parse_quote;

    use super::*;

    fn problems(mut attributes: Vec<Attribute>) -> Vec<String> {
        let mut problems = Problems::default();
        Execution::take(&mut attributes, &MethodName::new(&format_ident!("export")), &mut problems);
        problems.messages()
    }

    #[test]
    fn every_setting_may_be_left_out() {
        for attribute in [
            parse_quote!(#[blocking]),
            parse_quote!(#[blocking()]),
            parse_quote!(#[ambidex::blocking(lane = LANE)]),
            parse_quote!(#[blocking(max_concurrency = 4, timeout = config::TIMEOUT)]),
            parse_quote!(#[timeout("1h")]),
        ] {
            assert_eq!(problems(vec![attribute]), [""; 0]);
        }
    }

    #[test]
    fn every_wrong_setting_is_named() {
        let attribute =
            parse_quote!(#[blocking(lanes = "a", lane = "", max_concurrency = 0, timeout = 2, lane)]);
        assert_eq!(
            problems(vec![attribute]),
            [
                "`#[blocking]` of `export` has no setting `lanes`: there are `lane`, `max_concurrency` and \
                 `timeout`, as in `#[blocking(lane = \"database\", max_concurrency = 4, timeout = \"2s\")]`",
                "the lane of `export` is a name of your choice: write `lane = \"database\"`",
                "`max_concurrency = 0` lets no call of `export` run: write 1 or more, or leave it out",
                "the timeout `2` of `export` has no unit: write a whole number and a unit, such as `\"250ms\"`, \
                 `\"2s\"`, `\"1m\"` or `\"1h\"`",
                "`lane` of `export` needs a value: write `#[blocking(lane = \"database\", max_concurrency = 4, \
                 timeout = \"2s\")]`",
            ]
        );
        assert_eq!(
            problems(vec![parse_quote!(#[blocking(max_concurrency = "many")])]),
            ["`max_concurrency` of `export` is a number of calls: write `max_concurrency = 4`"]
        );
    }

    #[test]
    fn nothing_is_said_twice() {
        assert_eq!(
            problems(vec![parse_quote!(#[blocking(lane = "a", lane = "b")]), parse_quote!(#[blocking])]),
            ["`export` has `lane` twice: write it once", "`export` has `#[blocking]` twice: write it once"]
        );
        assert_eq!(
            problems(vec![parse_quote!(#[timeout("1s")]), parse_quote!(#[blocking(timeout = "2s")])]),
            [
                "`export` has a timeout twice: write it once, as `#[timeout(\"2s\")]` or as `#[blocking(timeout = \
              \"2s\")]`"
            ]
        );
    }

    #[test]
    fn another_form_of_an_attribute_is_answered_with_the_right_one() {
        let right_one =
            ["the timeout of `export` is one value in parentheses: write `#[timeout(\"500ms\")]`"];
        assert_eq!(problems(vec![parse_quote!(#[timeout = "2s"])]), right_one);
        assert_eq!(problems(vec![parse_quote!(#[timeout])]), right_one);
        assert_eq!(problems(vec![parse_quote!(#[timeout("2s", "3s")])]), right_one);
        assert_eq!(
            problems(vec![parse_quote!(#[blocking = "database"])]),
            ["`#[blocking]` of `export` takes its settings in parentheses: write `#[blocking(lane = \
              \"database\")]`, or just `#[blocking]`"]
        );
    }

    #[test]
    fn an_attribute_hidden_in_a_cfg_attr_is_found() {
        assert_eq!(
            problems(vec![parse_quote!(#[cfg_attr(unix, inline, blocking)])]),
            [
                "`export` cannot have this attribute in a `cfg_attr`: set `const EXPORT: ambidex::Execution = …;` in \
              the impl, under `#[cfg(…)]`"
            ]
        );
    }
}
