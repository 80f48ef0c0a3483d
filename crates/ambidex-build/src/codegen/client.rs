//! The client: for each method of the service a function that calls it.

use proc_macro2::TokenStream;
use quote::quote;

use super::service::{Method, Service};
use super::{Docs, blank_line};

pub(super) fn write(service: &Service, ambidex: &TokenStream) -> TokenStream {
    let Service { full_name, client, .. } = service;
    let docs = Docs::lines([
        format!(
            "Calls a `{full_name}`, over gRPC through a channel or in this process through another transport."
        ),
        format!("`{client}::connect(\"http://localhost:8080\").await?` is the short way to one."),
    ]);
    let blank_line = blank_line();
    let functions = service.methods.iter().map(|method| function(service, method, ambidex));
    // The derives and the functions below name a client that nobody else should.
    let (deprecated, allow_deprecated) = if service.deprecated {
        let reason = "the client of a deprecated service is deprecated as a whole";
        (quote!(#[deprecated]), quote!(#[allow(deprecated, reason = #reason)]))
    } else {
        (TokenStream::new(), TokenStream::new())
    };
    // A program that only serves includes its client all the same.
    let allow_unused = quote!(#[allow(dead_code, reason = "not every program calls the services it knows")]);
    quote! {
        #docs
        #deprecated
        #allow_deprecated
        #allow_unused
        #[derive(Debug, Clone)]
        pub struct #client<T = #ambidex::client::Channel> {
            caller: #ambidex::client::Caller<T>,
        }

        #blank_line
        #allow_deprecated
        #allow_unused
        impl #client {
            /// Connects to `endpoint`, such as `http://localhost:8080`.
            ///
            /// # Errors
            ///
            /// If `endpoint` is no URL or nothing answers there.
            pub async fn connect(
                endpoint: impl ::core::convert::Into<#ambidex::codegen::prost::alloc::string::String>,
            ) -> ::core::result::Result<Self, #ambidex::client::ConnectError> {
                #ambidex::client::Channel::connect(endpoint.into()).await.map(Self::new)
            }
        }

        #blank_line
        #allow_deprecated
        #allow_unused
        impl<T: #ambidex::client::Transport> #client<T> {
            /// Calls over `transport`.
            pub fn new(transport: T) -> Self {
                Self { caller: #ambidex::client::Caller::new(transport) }
            }
            #(#functions)*
        }
    }
}

fn function(service: &Service, method: &Method, ambidex: &TokenStream) -> TokenStream {
    let module = &service.rpc_module;
    let Method { docs, client_function, rpc_type, .. } = method;
    let (request, response) = (&method.request.path, &method.response.path);
    let call = method.kind.function();
    let deprecated = method.deprecated.then(|| quote!(#[deprecated]));
    let allow_self_convention = method.allow_self_convention();
    let (parameter, argument) = if method.kind.client_streams() {
        (
            quote!(impl #ambidex::codegen::IntoStreamingRequest<Message = #request>),
            quote!(request.into_streaming_request()),
        )
    } else {
        (quote!(impl #ambidex::codegen::IntoRequest<#request>), quote!(request.into_request()))
    };
    let reply =
        if method.kind.server_streams() { quote!(#ambidex::Streaming<#response>) } else { response.clone() };
    quote! {
        #docs
        #deprecated
        #allow_self_convention
        pub async fn #client_function(
            &self,
            request: #parameter,
        ) -> ::core::result::Result<#ambidex::Response<#reply>, #ambidex::Status> {
            self.caller.#call::<#module::#rpc_type>(#argument).await
        }
    }
}
