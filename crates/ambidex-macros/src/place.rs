//! Where the compiler's messages point.
//!
//! The compiler underlines an expression from its first token to its last, and a token can be in one place only.
//! So what is written in the place of a type of many tokens has its first token at the type's first and its last
//! at the type's last.

use proc_macro2::{Span, TokenTree};
use quote::ToTokens;

/// The two ends of something the user wrote.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) start: Span,
    pub(crate) end: Span,
}

impl Place {
    pub(crate) fn of(tokens: &impl ToTokens) -> Self {
        let mut ends = tokens.to_token_stream().into_iter().map(|token| match token {
            TokenTree::Group(group) => (group.span_open(), group.span_close()),
            token => (token.span(), token.span()),
        });
        let (start, end) = ends.next().unwrap_or_else(|| (Span::call_site(), Span::call_site()));
        Self { start, end: ends.last().map_or(end, |(_, end)| end) }
    }
}
