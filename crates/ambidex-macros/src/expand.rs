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
use syn::{Attribute, FnArg, ImplItem, Meta, Pat, PatWild, Signature, Token, Type};

use crate::handler::{Handler, Refused};
use crate::method_name::MethodName;
use crate::place::Place;
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
    let no_lints = no_lints();
    quote! {
        #no_lints
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
    let Some(value) = handler.execution.constant(handler.takes_message_only()) else {
        return TokenStream::new();
    };
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
    let no_lints = no_lints();
    let constant = quote_spanned!(name.span()=> const #name: ::ambidex::Execution = #value;);
    quote!(#(#conditions)* #otherwise #no_lints #constant)
}

fn predicate(condition: &Attribute) -> Option<&TokenStream> {
    match &condition.meta {
        Meta::List(list) => Some(&list.tokens),
        Meta::Path(_) | Meta::NameValue(_) => None,
    }
}

fn method(service: &Service, handler: &Handler) -> TokenStream {
    let reply = reply(service, handler);
    // Made before the future, which then need not keep what the user's function does not take.
    let (parameter, argument) = match &handler.argument {
        Some(argument) => {
            let request = request(handler, argument);
            (quote!(request), quote!(let request = #request;))
        }
        None => (quote!(_), TokenStream::new()),
    };
    let docs = &handler.docs;
    let method = handler_method(&handler.name, &handler.conditions, &parameter, &argument, &reply);
    quote!(#(#docs)* #method)
}

/// Makes the user's argument, in the place of its type.
fn request(handler: &Handler, argument: &Type) -> TokenStream {
    let rpc = &handler.name.rpc;
    let place = argument.span();
    let make = match handler.takes_message_only() {
        true => quote_spanned!(place=> message_argument),
        false => quote_spanned!(place=> argument),
    };
    quote_spanned!(place=> ::ambidex::codegen::#make::<Self::#rpc, _, _>(request))
}

/// Calls the user's function and makes the trait's reply of its result, in the place of the result's type.
fn reply(service: &Service, handler: &Handler) -> TokenStream {
    let rpc = &handler.name.rpc;
    let (_, generics, _) = service.generics().split_for_impl();
    let Place { start, end } = Place::of(&handler.reply);
    let mut private = handler.name.private.clone();
    private.set_span(start);
    let function = quote_spanned!(start=> <Self as __Handlers #generics>::#private);
    let request = handler.argument.as_ref().map(|_| quote!(, request));
    if handler.is_async() {
        let result = quote_spanned!(end=> (self #request).await);
        quote_spanned!(start=> ::ambidex::codegen::async_reply::<Self::#rpc, _, _>(#function #result))
    } else {
        let result = quote_spanned!(end=> (self #request));
        quote_spanned!(start=> ::ambidex::codegen::blocking_reply::<Self::#rpc, _, _>(#function #result))
    }
}

/// Stands in for a function that was refused, so that the compiler does not call it missing as well.
fn refused_method(refused: &Refused) -> TokenStream {
    let body = quote!(::core::unreachable!("an impl with a refused function does not compile"));
    handler_method(&refused.name, &refused.conditions, &quote!(_), &TokenStream::new(), &body)
}

/// A method as the handler trait has it, except that a reply may borrow from `self`.
///
/// All of it is in the place of the method's name: there the compiler shall point when the trait has no such
/// method, and when the future is not `Send`.
fn handler_method(
    name: &MethodName,
    conditions: &[Attribute],
    parameter: &TokenStream,
    before: &TokenStream,
    body: &TokenStream,
) -> TokenStream {
    let MethodName { function, rpc, .. } = name;
    let place = function.span();
    let rpc = quote_spanned!(place=> <Self::#rpc as ::ambidex::codegen::Rpc>);
    let payload = quote_spanned! {place=>
        <#rpc::Reply as ::ambidex::codegen::ReplyShape>::Payload<'_, #rpc::Response>
    };
    let no_lints = no_lints();
    let method = quote_spanned! {place=>
        fn #function(
            &self,
            #parameter: ::ambidex::Request<#rpc::Input>,
        ) -> impl ::core::future::Future<
            Output = ::core::result::Result<::ambidex::Response<#payload>, ::ambidex::Status>,
        > + ::core::marker::Send {
            #before
            async move { #body }
        }
    };
    quote!(#(#conditions)* #no_lints #method)
}

/// What is not the user's code is not theirs to mend, although it is in its place. `refining_impl_trait` is
/// about replies that borrow from `self`, which is on purpose.
fn no_lints() -> TokenStream {
    quote! {
        #[allow(
            warnings,
            refining_impl_trait,
            unused_qualifications,
            clippy::all,
            clippy::pedantic,
            clippy::nursery,
            clippy::restriction,
            reason = "made by `#[ambidex::service]`"
        )]
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

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(implementation: TokenStream) -> String {
        let expansion = crate::service::service(TokenStream::new(), implementation);
        // The same for everything that is generated; it would hide what differs.
        let no_lints = no_lints().to_string();
        let shown = expansion.to_string().replace(&no_lints, "");
        prettyplease::unparse(&syn::parse_str(&shown).expect("an expansion is made of items"))
    }

    #[test]
    fn an_async_fn_is_awaited_between_two_conversions() {
        let expansion = expanded(quote! {
            impl Bookshop for Shop {
                /// Finds a book.
                async fn get_book(&self, mut request: Request<GetBookRequest>) -> Result<Book, ShopError> {
                    self.find(request.get_mut())
                }
            }
        });
        assert_eq!(
            expansion,
            r#"const _: () = {
    trait __Handlers {
        async fn __get_book(
            &self,
            _: Request<GetBookRequest>,
        ) -> Result<Book, ShopError>;
    }
    impl __Handlers for Shop {
        async fn __get_book(
            &self,
            mut request: Request<GetBookRequest>,
        ) -> Result<Book, ShopError> {
            self.find(request.get_mut())
        }
    }
    impl Bookshop for Shop {
        /// Finds a book.
        fn get_book(
            &self,
            request: ::ambidex::Request<
                <Self::GetBook as ::ambidex::codegen::Rpc>::Input,
            >,
        ) -> impl ::core::future::Future<
            Output = ::core::result::Result<
                ::ambidex::Response<
                    <<Self::GetBook as ::ambidex::codegen::Rpc>::Reply as ::ambidex::codegen::ReplyShape>::Payload<
                        '_,
                        <Self::GetBook as ::ambidex::codegen::Rpc>::Response,
                    >,
                >,
                ::ambidex::Status,
            >,
        > + ::core::marker::Send {
            let request = ::ambidex::codegen::argument::<Self::GetBook, _, _>(request);
            async move {
                ::ambidex::codegen::async_reply::<
                    Self::GetBook,
                    _,
                    _,
                >(<Self as __Handlers>::__get_book(self, request).await)
            }
        }
    }
};
"#
        );
    }

    /// The lines of an expansion that contain `part`, without what is around them.
    fn lines_with(part: &str, implementation: TokenStream) -> Vec<String> {
        let expansion = expanded(implementation);
        expansion.lines().filter(|line| line.contains(part)).map(|line| line.trim().to_owned()).collect()
    }

    fn without_spaces(text: &str) -> String {
        text.split_whitespace().collect()
    }

    #[test]
    fn a_plain_fn_is_called_and_blocks() {
        let implementation = quote! {
            impl Bookshop for Shop {
                fn place_order(&self, order: PlaceOrderRequest) -> Result<Order, Status> { self.place(order) }
            }
        };
        let expansion = expanded(implementation);
        let constant = "constPLACE_ORDER:::ambidex::Execution=::ambidex::Execution::BLOCKING.message_only();";
        assert!(without_spaces(&expansion).contains(constant), "{expansion}");
        assert!(expansion.contains("::ambidex::codegen::blocking_reply::<"), "{expansion}");
        assert!(expansion.contains("(<Self as __Handlers>::__place_order(self, request))"), "{expansion}");
    }

    #[test]
    fn attributes_become_the_constant() {
        let expansion = expanded(quote! {
            impl Bookshop for Shop {
                #[blocking(lane = "database", max_concurrency = LIMIT, timeout = "2s")]
                async fn report(&self) -> Result<Report, Status> { self.report_now().await }

                #[ambidex::timeout("500ms")]
                async fn watch(&self) -> Result<Change, Status> { self.next_change().await }
            }
        });
        let constants: String =
            expansion.split("const ").filter(|part| part.contains("Execution::")).collect();
        let value = |name: &str| {
            let (_, after) = constants.split_once(&format!("{name}: ::ambidex::Execution =")).expect("set");
            without_spaces(after.split(';').next().expect("ends"))
        };
        assert_eq!(
            value("REPORT"),
            "::ambidex::Execution::BLOCKING.lane(\"database\").max_concurrency(LIMIT)\
             .timeout(::core::time::Duration::from_secs(2u64)).message_only()"
        );
        assert_eq!(
            value("WATCH"),
            "::ambidex::Execution::ASYNC.timeout(::core::time::Duration::from_millis(500u64)).message_only()"
        );
    }

    #[test]
    fn what_is_no_request_is_the_message_alone() {
        let implementation = |argument: TokenStream| {
            quote! {
                impl Bookshop for Shop {
                    async fn get_book(&self, book: #argument) -> Result<Book, Status> { self.find(book) }
                }
            }
        };
        for (argument, message_only) in [
            (quote!(GetBookRequest), true),
            (quote!(bookshop::v1::GetBookRequest), true),
            (quote!(Streaming<Book>), true),
            (quote!(Request<GetBookRequest>), false),
            (quote!(::ambidex::Request<GetBookRequest>), false),
            (quote!((GetBookRequest)), false),
        ] {
            let expansion = without_spaces(&expanded(implementation(argument.clone())));
            assert_eq!(expansion.contains("ASYNC.message_only()"), message_only, "{argument}");
            assert_eq!(expansion.contains("message_argument"), message_only, "{argument}");
        }
    }

    #[test]
    fn a_constant_set_by_hand_is_the_only_one() {
        let by_hand = lines_with(
            "Execution",
            quote! {
                impl Bookshop for Shop {
                    const GET_BOOK: Execution = Execution::ASYNC;
                    fn get_book(&self) -> Result<Book, Status> { Ok(self.book.clone()) }
                }
            },
        );
        assert_eq!(by_hand, ["const GET_BOOK: Execution = Execution::ASYNC;"]);
    }

    #[test]
    fn a_constant_set_by_hand_under_a_condition_leaves_the_rest() {
        let conditions = lines_with(
            "cfg",
            quote! {
                impl Bookshop for Shop {
                    #[cfg(feature = "memory")]
                    const GET_BOOK: Execution = Execution::ASYNC;
                    fn get_book(&self) -> Result<Book, Status> { Ok(self.book.clone()) }
                }
            },
        );
        assert_eq!(
            conditions,
            [r#"#[cfg(feature = "memory")]"#, r#"#[cfg(not(any(all(feature = "memory"))))]"#]
        );
    }

    #[test]
    fn a_condition_is_on_everything_made_of_a_function() {
        let conditions = lines_with(
            "cfg(unix)",
            quote! {
                impl Bookshop for Shop {
                    #[cfg(unix)]
                    fn get_book(&self) -> Result<Book, Status> { Ok(self.book.clone()) }
                }
            },
        );
        assert_eq!(conditions.len(), 4, "the declaration, the function, the constant and the method");
    }

    #[test]
    fn the_private_trait_has_the_generics_of_the_impl() {
        let implementation = quote! {
            impl<D: Clone, const N: usize> Bookshop for Shop<D, N> where D: Database {
                fn get_book(&self) -> Result<Book, D::Error> { self.database.book() }
            }
        };
        let expansion = expanded(implementation);
        for part in [
            "trait __Handlers<D: Clone, const N: usize>",
            "impl<D: Clone, const N: usize> __Handlers<D, N> for Shop<D, N>",
            "<Self as __Handlers<D, N>>::__get_book(self)",
        ] {
            assert!(expansion.contains(part), "{part} is in {expansion}");
        }
    }
}
