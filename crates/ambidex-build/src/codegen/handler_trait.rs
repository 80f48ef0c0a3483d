//! The trait that a handler implements: for each method of the service a function, and a constant
//! that says how the function runs.

use proc_macro2::TokenStream;
use quote::quote;

use super::service::{Method, Service};

pub(super) fn write(service: &Service, ambidex: &TokenStream, has_defaults: bool) -> TokenStream {
    let Service { docs, handler_trait, rpc_module, .. } = service;
    let constants = service.methods.iter().map(|method| execution_const(method, ambidex));
    let functions = service.methods.iter().map(|method| function(service, method, ambidex, has_defaults));
    quote! {
        #docs
        pub trait #handler_trait:
            #rpc_module::Methods + ::core::marker::Send + ::core::marker::Sync + 'static
        {
            #(#constants)*
            #(#functions)*
        }
    }
}

fn execution_const(method: &Method, ambidex: &TokenStream) -> TokenStream {
    let Method { execution_const, function, .. } = method;
    // rustdoc finds a raw identifier by its plain name only.
    let name = function.to_string();
    let name = name.strip_prefix("r#").unwrap_or(&name);
    let doc =
        format!(" How [`{name}`](Self::{name}) runs; `#[ambidex::service]` sets it from `fn` or `async fn`.");
    quote! {
        #[doc = #doc]
        const #execution_const: #ambidex::Execution = #ambidex::Execution::ASYNC;
    }
}

fn function(service: &Service, method: &Method, ambidex: &TokenStream, has_default: bool) -> TokenStream {
    let Method { docs, function, .. } = method;
    let input = method.input(&method.request.path, ambidex);
    let response = &method.response.path;
    let reply = if method.kind.server_streams() {
        quote! {
            impl #ambidex::codegen::Stream<
                Item = ::core::result::Result<#response, #ambidex::Status>,
            > + ::core::marker::Send
        }
    } else {
        response.clone()
    };
    let body = if has_default { default_body(service, method, ambidex) } else { quote!(;) };
    let allow_self_convention = method.allow_self_convention();
    quote! {
        #docs
        #allow_self_convention
        fn #function(&self, request: #ambidex::Request<#input>) -> impl ::core::future::Future<
            Output = ::core::result::Result<#ambidex::Response<#reply>, #ambidex::Status>,
        > + ::core::marker::Send
        #body
    }
}

fn default_body(service: &Service, method: &Method, ambidex: &TokenStream) -> TokenStream {
    let message = format!("{}/{} is not implemented", service.full_name, method.proto_name);
    let response = &method.response.path;
    // A stream of replies never comes into being, and still its type has to be known.
    let reply = if method.kind.server_streams() {
        quote!(::<#ambidex::Response<#ambidex::Streaming<#response>>, #ambidex::Status>)
    } else {
        TokenStream::new()
    };
    quote! {
        {
            let _ = request;
            ::core::future::ready(::core::result::Result::Err #reply (#ambidex::Status::unimplemented(#message)))
        }
    }
}
