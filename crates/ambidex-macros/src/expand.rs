//! What the compiler sees: a private trait with the user's functions, and the handler trait on top of it.
//!
//! A function of the user keeps its own signature, with its own `impl Trait`s, and so its own types. That
//! takes a trait to put it in: the handler trait's signatures are fixed, and the implementing type may not
//! belong to the user's crate, so it can have no functions of its own. The handler trait's methods then
//! convert the request, call the user's function and convert what it returned; both conversions are written
//! at the user's types, so that the compiler's complaints are.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, ImplItem, Meta, Pat, PatWild, Signature, Token};

use crate::handler::{Handler, Refused};
use crate::method_name::MethodName;
use crate::service::{Service, conditions};

pub(crate) fn expand(service: &Service) -> TokenStream {
    let lints = &service.lints;
    let private_trait = private_trait(service);
    let private_impl = private_impl(service);
    let handler_impl = handler_impl(service);
    quote! {
        #(#lints)*
        const _: () = {
            #private_trait
            #private_impl
            #handler_impl
        };
    }
}

fn private_trait(service: &Service) -> TokenStream {
    let (parameters, _, where_clause) = service.generics().split_for_impl();
    let functions = service.handlers.iter().map(|handler| {
        let conditions = &handler.conditions;
        let signature = declared(private_signature(handler));
        quote!(#(#conditions)* #signature;)
    });
    quote! {
        // These are the signatures of the impl below once more, and a lint would speak of them twice.
        #[allow(warnings, clippy::all, clippy::pedantic, clippy::nursery, reason = "linted where it is written")]
        trait __Handlers #parameters #where_clause {
            #(#functions)*
        }
    }
}

fn private_impl(service: &Service) -> TokenStream {
    let (impl_generics, arguments, where_clause) = service.generics().split_for_impl();
    let self_type = &service.implementation.self_ty;
    let functions = service.handlers.iter().map(|handler| {
        let conditions = &handler.conditions;
        let attributes = &handler.function.attrs;
        let signature = private_signature(handler);
        let body = &handler.function.block;
        quote!(#(#conditions)* #(#attributes)* #signature #body)
    });
    quote! {
        impl #impl_generics __Handlers #arguments for #self_type #where_clause {
            #(#functions)*
        }
    }
}

fn handler_impl(service: &Service) -> TokenStream {
    let mut implementation = service.implementation.clone();
    let methods =
        service.handlers.iter().flat_map(|handler| [constant(service, handler), method(service, handler)]);
    let refused = service.refused.iter().map(refused_method);
    implementation.items.extend(methods.chain(refused).map(ImplItem::Verbatim));
    implementation.into_token_stream()
}

/// The method's constant, unless its default is meant or the user has set it.
fn constant(service: &Service, handler: &Handler) -> TokenStream {
    let Some(value) = handler.execution.constant() else { return TokenStream::new() };
    let name = &handler.name.constant;
    let mut set_by_hand = Vec::new();
    for constant in service.constants(name) {
        let predicates: Vec<_> = conditions(constant).filter_map(predicate).collect();
        if predicates.is_empty() {
            return TokenStream::new();
        }
        set_by_hand.push(quote!(all(#(#predicates),*)));
    }
    let otherwise = (!set_by_hand.is_empty()).then(|| quote!(#[cfg(not(any(#(#set_by_hand),*)))]));
    let conditions = &handler.conditions;
    quote! {
        #(#conditions)*
        #otherwise
        const #name: ::ambidex::Execution = #value;
    }
}

fn predicate(condition: &Attribute) -> Option<&TokenStream> {
    match &condition.meta {
        Meta::List(list) => Some(&list.tokens),
        Meta::Path(_) | Meta::NameValue(_) => None,
    }
}

fn method(service: &Service, handler: &Handler) -> TokenStream {
    let MethodName { rpc, private, .. } = &handler.name;
    let (_, generics, _) = service.generics().split_for_impl();
    let argument = handler.argument.as_ref().map(|argument| {
        quote_spanned! {argument.span()=>
            let request = ::ambidex::codegen::argument::<Self::#rpc, _, _>(request);
        }
    });
    let request = handler.argument.as_ref().map(|_| quote!(, request));
    let awaited = handler.is_async().then(|| quote!(.await));
    let call = quote!(<Self as __Handlers #generics>::#private(self #request) #awaited);
    let adapter = if handler.is_async() { quote!(async_reply) } else { quote!(blocking_reply) };
    let reply = quote_spanned! {handler.reply.span()=>
        ::ambidex::codegen::#adapter::<Self::#rpc, _, _>(reply)
    };
    let conditions = &handler.conditions;
    let docs = &handler.docs;
    let signature = handler_signature(&handler.name);
    quote! {
        #(#conditions)*
        #(#docs)*
        #signature {
            async move {
                #argument
                let reply = #call;
                #reply
            }
        }
    }
}

/// Stands in for a function that was refused, so that the compiler does not call it missing as well.
fn refused_method(refused: &Refused) -> TokenStream {
    let conditions = &refused.conditions;
    let signature = handler_signature(&refused.name);
    quote! {
        #(#conditions)*
        #signature {
            async move { ::core::unreachable!("an impl with a refused function does not compile") }
        }
    }
}

/// A method as the handler trait has it. A reply may borrow from `self`, which the trait leaves open.
fn handler_signature(name: &MethodName) -> TokenStream {
    let MethodName { function, rpc, .. } = name;
    quote! {
        #[allow(refining_impl_trait, clippy::all, clippy::pedantic, reason = "the handler trait's, not the user's")]
        fn #function(
            &self,
            request: ::ambidex::Request<<Self::#rpc as ::ambidex::codegen::Rpc>::Input>,
        ) -> impl ::core::future::Future<
            Output = ::core::result::Result<
                ::ambidex::Response<
                    <<Self::#rpc as ::ambidex::codegen::Rpc>::Reply as ::ambidex::codegen::ReplyShape>::Payload<
                        '_,
                        <Self::#rpc as ::ambidex::codegen::Rpc>::Response,
                    >,
                >,
                ::ambidex::Status,
            >,
        > + ::core::marker::Send
    }
}

fn private_signature(handler: &Handler) -> Signature {
    Signature { ident: handler.name.private.clone(), ..handler.function.sig.clone() }
}

/// A signature as a trait declares it: no patterns, and no attributes at the arguments.
fn declared(mut signature: Signature) -> Signature {
    for input in &mut signature.inputs {
        match input {
            FnArg::Receiver(receiver) => receiver.attrs.clear(),
            FnArg::Typed(argument) => {
                argument.attrs.clear();
                let underscore_token = Token![_](argument.pat.span());
                *argument.pat = Pat::Wild(PatWild { attrs: Vec::new(), underscore_token });
            }
        }
    }
    signature
}

impl Service {
    fn generics(&self) -> &syn::Generics {
        &self.implementation.generics
    }
}
