//! The server: a handler together with the knowledge of which function answers which method.

use proc_macro2::TokenStream;
use quote::quote;

use super::service::{Method, Service};
use super::{Docs, blank_line};

pub(super) fn write(service: &Service, ambidex: &TokenStream) -> TokenStream {
    let Service { full_name, handler_trait, server, .. } = service;
    let docs = Docs::lines([
        format!("Serves a [`{handler_trait}`] as `{full_name}`, over every protocol that the server speaks:"),
        format!("`Server::builder().service({server}::new(handler))`."),
    ]);
    let blank_line = blank_line();
    let arc = quote!(#ambidex::codegen::Arc);
    let methods = if service.methods.is_empty() { quote!(_methods) } else { quote!(methods) };
    let spread = (!service.methods.is_empty())
        .then(|| quote!(let spread = #ambidex::codegen::Spread::of(self.handler);));
    let registrations = service.methods.iter().map(|method| registration(service, method));
    quote! {
        #docs
        #[derive(Debug)]
        pub struct #server<T> {
            handler: #arc<T>,
        }

        #blank_line
        impl<T: #handler_trait> #server<T> {
            /// Serves `handler`.
            pub fn new(handler: T) -> Self {
                Self::from_arc(#arc::new(handler))
            }

            #blank_line
            /// Serves a handler that is in use elsewhere too.
            pub fn from_arc(handler: #arc<T>) -> Self {
                Self { handler }
            }
        }

        #blank_line
        impl<T> ::core::clone::Clone for #server<T> {
            fn clone(&self) -> Self {
                Self { handler: #arc::clone(&self.handler) }
            }
        }

        #blank_line
        impl<T: #handler_trait> #ambidex::Service for #server<T> {
            const NAME: &'static str = #full_name;
            const FILE_DESCRIPTOR_SET: &'static [u8] = self::FILE_DESCRIPTOR_SET;
            #blank_line
            fn register(self, #methods: &mut #ambidex::codegen::Methods) {
                #spread
                #(#registrations)*
            }
        }
    }
}

/// Functions are called as `T::get_book`: on a value, a method that is called `clone` or `into`
/// would not be the handler's.
fn registration(service: &Service, method: &Method) -> TokenStream {
    let module = &service.rpc_module;
    let Method { function, execution_const, rpc_type, .. } = method;
    let register = method.kind.function();
    let (parameters, call) = if method.kind.server_streams() {
        // The replies are forwarded inside, where the handler lives, so that they may borrow from it.
        (quote!(request, replies), quote!(replies.forward(T::#function(&handler, request).await).await))
    } else {
        (quote!(request), quote!(T::#function(&handler, request).await))
    };
    let blank_line = blank_line();
    quote! {
        #blank_line
        let handler = spread.clone();
        methods.#register::<#module::#rpc_type, _, _>(T::#execution_const, move |#parameters| {
            let handler = handler.share();
            async move { #call }
        });
    }
}
