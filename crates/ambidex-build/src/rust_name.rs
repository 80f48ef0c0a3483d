//! How things in a proto are called in Rust. It owns the names that generated code adds to those
//! of messages: traits, servers, clients, the types and constants of methods. The names of
//! methods and messages themselves are prost's, and the rules here start from them.

use heck::{ToSnakeCase, ToUpperCamelCase};
use proc_macro2::Ident;
use quote::format_ident;

/// The names that one service `Bookshop` brings into its package.
#[derive(Debug)]
pub(crate) struct ServiceNames {
    /// `Bookshop`
    pub(crate) handler_trait: String,
    /// `BookshopServer`
    pub(crate) server: String,
    /// `BookshopClient`
    pub(crate) client: String,
    /// `bookshop_rpc`
    pub(crate) rpc_module: String,
}

impl ServiceNames {
    pub(crate) fn new(proto_name: &str) -> Self {
        let camel = proto_name.to_upper_camel_case();
        Self {
            server: format!("{camel}Server"),
            client: format!("{camel}Client"),
            rpc_module: format!("{}_rpc", proto_name.to_snake_case()),
            handler_trait: camel,
        }
    }
}

/// The type that stands for a method, from the method's Rust name: `get_book` is `GetBook`.
///
/// `#[ambidex::service]` applies the same rule to the names of the functions it sees, which is
/// why it starts from the Rust name: split at underscores, put the first letter of each part in
/// upper case, join. The result is not always the name in the proto (`GetISBN` is `GetIsbn`).
pub(crate) fn rpc_type(method: &str) -> String {
    let method = method.strip_prefix("r#").unwrap_or(method);
    let name: String = method
        .split('_')
        .flat_map(|part| {
            let mut letters = part.chars();
            letters.next().into_iter().flat_map(char::to_uppercase).chain(letters)
        })
        .collect();
    // The one keyword of this form, which cannot be written `r#Self` either.
    if name == "Self" { "Self_".to_owned() } else { name }
}

/// The constant that says how a method runs, from the method's Rust name: `GET_BOOK`.
pub(crate) fn execution_const(method: &str) -> String {
    method.strip_prefix("r#").unwrap_or(method).to_uppercase()
}

/// The name of a method on the client. Two names are taken there, `new` and `connect`; methods
/// called so get an underscore.
pub(crate) fn client_method(method: &str) -> String {
    match method {
        "new" | "connect" => format!("{method}_"),
        _ => method.to_owned(),
    }
}

/// A name of prost's, which may be a raw identifier.
pub(crate) fn ident(name: &str) -> Ident {
    // `format_ident!` knows the `r#` prefix, `Ident::new` does not.
    format_ident!("{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_type_is_its_rust_name_in_camel_case() {
        assert_eq!(rpc_type("get_book"), "GetBook");
        assert_eq!(rpc_type("http2_go"), "Http2Go");
        assert_eq!(rpc_type("r#type"), "Type");
        assert_eq!(rpc_type("_hidden__thing_"), "HiddenThing");
        assert_eq!(rpc_type("self_"), "Self_");
    }

    #[test]
    fn a_method_constant_is_its_rust_name_in_upper_case() {
        assert_eq!(execution_const("get_book"), "GET_BOOK");
        assert_eq!(execution_const("r#type"), "TYPE");
    }

    #[test]
    fn a_service_brings_four_names() {
        let names = ServiceNames::new("HTTPBookshop");
        assert_eq!(names.handler_trait, "HttpBookshop");
        assert_eq!(names.server, "HttpBookshopServer");
        assert_eq!(names.client, "HttpBookshopClient");
        assert_eq!(names.rpc_module, "http_bookshop_rpc");
    }

    #[test]
    fn raw_identifiers_stay_raw() {
        assert_eq!(ident("r#type").to_string(), "r#type");
        assert_eq!(ident("get_book").to_string(), "get_book");
    }
}
