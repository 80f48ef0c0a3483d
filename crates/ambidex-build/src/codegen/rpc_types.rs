//! The module that holds a service's methods as types. Server, client and `#[ambidex::service]`
//! all speak of a method through its type, which knows its messages and its spec.

use proc_macro2::TokenStream;
use quote::quote;

use super::service::{Method, Service};
use super::{Docs, Features, blank_line};

pub(super) fn write(service: &Service, ambidex: &TokenStream, features: Features) -> TokenStream {
    let name = if features.server { &service.handler_trait } else { &service.client };
    let docs = Docs::lines([format!(
        "The methods of [`{name}`] as types, each of which knows its messages and its name."
    )]);
    let module = &service.rpc_module;
    let types = service.methods.iter().map(|method| rpc_type(service, method, ambidex));
    let names = if features.server { methods_trait(service, ambidex) } else { TokenStream::new() };
    quote! {
        #docs
        pub mod #module {
            #(#types)*
            #names
        }
    }
}

fn rpc_type(service: &Service, method: &Method, ambidex: &TokenStream) -> TokenStream {
    let Method { rpc_type, proto_name, .. } = method;
    let service_name = &service.full_name;
    let docs = Docs::lines([format!("`{service_name}/{proto_name}`")]);
    let path = format!("/{service_name}/{proto_name}");
    let kind = method.kind.variant();
    let idempotency = method.idempotency.iter();
    let types = Types::of(method, ambidex);
    let Types { request, response, input, reply } = &types;
    let blank_line = blank_line();
    quote! {
        #docs
        #[derive(Debug, Clone, Copy)]
        pub struct #rpc_type;

        #blank_line
        impl #ambidex::codegen::Rpc for #rpc_type {
            type Request = #request;
            type Response = #response;
            type Input = #input;
            type Reply = #reply;
            const SPEC: &'static #ambidex::MethodSpec = &#ambidex::MethodSpec::new(
                #service_name,
                #proto_name,
                #path,
                #ambidex::MethodKind::#kind,
            )#(.idempotency(#ambidex::Idempotency::#idempotency))*;
        }
    }
}

/// The trait that lets code which sees only `Self` name the types of a method by the method's
/// name. The bounds spell the types out once more, because a type behind `Self` is opaque.
fn methods_trait(service: &Service, ambidex: &TokenStream) -> TokenStream {
    let declarations = service.methods.iter().map(|method| {
        let rpc_type = &method.rpc_type;
        let Types { request, response, input, reply } = Types::of(method, ambidex);
        quote! {
            type #rpc_type: #ambidex::codegen::Rpc<
                Request = #request,
                Response = #response,
                Input = #input,
                Reply = #reply,
            >;
        }
    });
    let definitions = service.methods.iter().map(|method| {
        let rpc_type = &method.rpc_type;
        // `self::`, because a method may be called like the parameter.
        quote!(type #rpc_type = self::#rpc_type;)
    });
    let docs =
        Docs::lines(["Lets `#[ambidex::service]` name a method's types as `Self::Method`.".to_owned()]);
    let blank_line = blank_line();
    quote! {
        #docs
        #[doc(hidden)]
        pub trait Methods {
            #(#declarations)*
        }

        #blank_line
        impl<T: ?::core::marker::Sized> Methods for T {
            #(#definitions)*
        }
    }
}

/// The types that belong to a method, as the module sees them.
struct Types {
    request: TokenStream,
    response: TokenStream,
    input: TokenStream,
    reply: TokenStream,
}

impl Types {
    fn of(method: &Method, ambidex: &TokenStream) -> Self {
        let request = method.request.path_from_inside.clone();
        Self {
            response: method.response.path_from_inside.clone(),
            input: method.input(&request, ambidex),
            reply: if method.kind.server_streams() {
                quote!(#ambidex::codegen::Many)
            } else {
                quote!(#ambidex::codegen::One)
            },
            request,
        }
    }
}
