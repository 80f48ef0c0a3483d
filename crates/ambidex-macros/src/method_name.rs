//! The names of a method: the one the user wrote and those that follow from it.
//!
//! The rules are shared with the code generator, which applies them to the Rust name of every method.

use proc_macro2::{Ident, Span};
use quote::format_ident;
use syn::ext::IdentExt;

/// A method's name and what follows from it. All of them have the place of the name in the source.
#[derive(Clone)]
pub(crate) struct MethodName {
    /// The function as the handler trait has it, `get_book`.
    pub(crate) function: Ident,
    /// The user's function in the private trait, `__get_book`. It has a name of its own so that
    /// `self.get_book(…)` in the user's code means the handler trait's method and nothing else.
    pub(crate) private: Ident,
    /// The type that stands for the method, `GetBook`.
    pub(crate) rpc: Ident,
    /// The constant that says how it runs, `GET_BOOK`.
    pub(crate) constant: Ident,
}

impl MethodName {
    pub(crate) fn new(function: &Ident) -> Self {
        let name = function.unraw().to_string();
        let span = function.span();
        Self {
            function: function.clone(),
            private: format_ident!("__{name}", span = span),
            rpc: type_name(&name, span),
            constant: Ident::new(&name.to_uppercase(), span),
        }
    }
}

/// Splits at underscores, puts the first letter of each part in upper case, joins.
fn type_name(name: &str, span: Span) -> Ident {
    let camel: String = name
        .split('_')
        .flat_map(|part| {
            let mut letters = part.chars();
            letters.next().into_iter().flat_map(char::to_uppercase).chain(letters)
        })
        .collect();
    match camel.as_str() {
        // A name of underscores only; no proto has it, and the handler trait will say so.
        "" => Ident::new(name, span),
        // The one keyword of this form. It cannot be written `r#Self` either.
        "Self" => Ident::new("Self_", span),
        _ => Ident::new(&camel, span),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(function: &str) -> [String; 3] {
        let ident: Ident = syn::parse_str(function).expect("an identifier");
        let name = MethodName::new(&ident);
        [name.private, name.rpc, name.constant].map(|name| name.to_string())
    }

    #[test]
    fn a_method_is_a_type_and_a_constant() {
        assert_eq!(names("get_book"), ["__get_book", "GetBook", "GET_BOOK"]);
        assert_eq!(names("http2_go"), ["__http2_go", "Http2Go", "HTTP2_GO"]);
    }

    #[test]
    fn a_raw_identifier_loses_its_prefix() {
        assert_eq!(names("r#type"), ["__type", "Type", "TYPE"]);
    }

    #[test]
    fn outer_underscores_do_not_reach_the_type() {
        assert_eq!(names("_hidden__thing_"), ["___hidden__thing_", "HiddenThing", "_HIDDEN__THING_"]);
        assert_eq!(names("self_"), ["__self_", "Self_", "SELF_"]);
    }
}
