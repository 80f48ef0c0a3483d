//! The name of the span that `#[tracing::instrument]` opens.
//!
//! It is the function's unless it is told otherwise, and the functions it sees here have private names.
//! `__get_book` has no place in anyone's traces.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::{Attribute, MacroDelimiter, Meta, MetaList, token};

use crate::method_name::MethodName;

/// Adds `name = "get_book"` to an `#[instrument]` that does not choose a name itself.
pub(crate) fn keep(attribute: &mut Attribute, name: &MethodName) {
    let is_instrument = attribute.path().segments.last().is_some_and(|last| last.ident == "instrument");
    if !is_instrument {
        return;
    }
    let span_name = name.function.to_string();
    match &mut attribute.meta {
        Meta::Path(path) => {
            let delimiter = MacroDelimiter::Paren(token::Paren::default());
            let tokens = quote!(name = #span_name);
            attribute.meta = Meta::List(MetaList { path: path.clone(), delimiter, tokens });
        }
        Meta::List(list) if !chooses_name(&list.tokens) => {
            let arguments = &list.tokens;
            list.tokens = quote!(name = #span_name, #arguments);
        }
        Meta::List(_) | Meta::NameValue(_) => {}
    }
}

/// A name is a string at the very start, or `name = …`.
fn chooses_name(arguments: &TokenStream) -> bool {
    let trees: Vec<TokenTree> = arguments.clone().into_iter().collect();
    if let Some(TokenTree::Literal(_)) = trees.first() {
        return true;
    }
    trees.windows(2).any(|pair| match pair {
        [TokenTree::Ident(key), TokenTree::Punct(equals)] => key == "name" && equals.as_char() == '=',
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use quote::{ToTokens, format_ident};
    use syn::parse_quote;

    use super::*;

    fn kept(mut attribute: Attribute) -> String {
        keep(&mut attribute, &MethodName::new(&format_ident!("get_book")));
        attribute.to_token_stream().to_string()
    }

    fn text(attribute: &Attribute) -> String {
        attribute.to_token_stream().to_string()
    }

    #[test]
    fn a_span_is_named_after_the_method() {
        assert_eq!(
            kept(parse_quote!(#[tracing::instrument])),
            text(&parse_quote!(#[tracing::instrument(name = "get_book")]))
        );
        assert_eq!(
            kept(parse_quote!(#[instrument(skip(self), fields(name = 1))])),
            text(&parse_quote!(#[instrument(name = "get_book", skip(self), fields(name = 1))]))
        );
    }

    #[test]
    fn a_name_of_the_users_choice_stays() {
        for chosen in [
            parse_quote!(#[instrument("mine")]),
            parse_quote!(#[instrument(skip_all, name = "mine")]),
            parse_quote!(#[inline]),
        ] {
            assert_eq!(kept(Attribute::clone(&chosen)), text(&chosen));
        }
    }
}
