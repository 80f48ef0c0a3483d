//! The impl as a whole: what belongs to its functions, what stays as it is, and what cannot stay.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, ImplItem, ImplItemConst, Item, ItemImpl};

use crate::execution;
use crate::expand;
use crate::handler::{Handler, NATIVE, Refused};
use crate::problems::Problems;

/// An impl of a handler trait.
pub(crate) struct Service {
    /// The impl, with everything that was not read: constants set by hand and what macros will make.
    pub(crate) implementation: ItemImpl,
    /// Lint levels, for everything that is made of the impl.
    pub(crate) lints: Vec<Attribute>,
    pub(crate) handlers: Vec<Handler>,
    pub(crate) refused: Vec<Refused>,
}

/// The macro: the expansion, and after it what was wrong.
pub(crate) fn service(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    check_arguments(&arguments, &mut problems);
    let mut expansion = match syn::parse2::<Item>(item) {
        Ok(item) => match Service::read(item, &mut problems) {
            Ok(service) => expand::expand(&service),
            Err(item) => item,
        },
        Err(error) => {
            problems.push(error);
            TokenStream::new()
        }
    };
    expansion.extend(problems.into_compile_errors());
    expansion
}

fn check_arguments(arguments: &TokenStream, problems: &mut Problems) {
    if !arguments.is_empty() {
        let message = format!(
            "`#[ambidex::service]` takes no arguments: remove `({arguments})`; how a method runs is said at its \
             function, with `#[blocking(…)]` or `#[timeout(\"2s\")]`"
        );
        problems.add(arguments, message);
    }
}

impl Service {
    /// Reads the impl. If the item is no impl of a trait, the error is the item as it may stay.
    pub(crate) fn read(item: Item, problems: &mut Problems) -> Result<Self, TokenStream> {
        let Item::Impl(mut implementation) = item else {
            problems.add(
                signature_of(&item),
                "`#[ambidex::service]` belongs on `impl Bookshop for Shop { … }`, where `Bookshop` is the \
                 handler trait of a proto service",
            );
            return Err(item.into_token_stream());
        };
        if implementation.trait_.is_none() {
            problems.add(
                &implementation.self_ty,
                format!(
                    "this impl is of no trait: write `impl Bookshop for {}`, where `Bookshop` is the handler \
                     trait of a proto service; other functions belong in an impl without `#[ambidex::service]`",
                    implementation.self_ty.to_token_stream()
                ),
            );
            return Err(without_our_attributes(implementation).into_token_stream());
        }
        for attribute in implementation.attrs.extract_if(.., |attribute| is_async_trait(attribute)) {
            problems.add(&attribute, format!("this impl needs no boxed futures: {NATIVE}"));
        }
        let lints = implementation.attrs.extract_if(.., |attribute| is_lint_level(attribute)).collect();

        let mut handlers = Vec::new();
        let mut refused = Vec::new();
        let mut kept = Vec::new();
        for item in std::mem::take(&mut implementation.items) {
            match item {
                ImplItem::Fn(function) => match Handler::read(function, problems) {
                    Ok(handler) => handlers.push(handler),
                    Err(function) => refused.push(function),
                },
                ImplItem::Type(item) => {
                    let message = format!(
                        "a handler trait has no types to set: remove `type {}`; a stream's type is written in \
                         the function's result, as `impl Stream<Item = …>`",
                        item.ident
                    );
                    problems.add(item, message);
                }
                item => kept.push(item),
            }
        }
        implementation.items = kept;
        let service = Self { implementation, lints, handlers, refused };
        service.check_constants(problems);
        Ok(service)
    }

    /// The constants of the impl that are called `name`.
    pub(crate) fn constants<'s>(
        &'s self,
        name: &'s proc_macro2::Ident,
    ) -> impl Iterator<Item = &'s ImplItemConst> {
        self.implementation.items.iter().filter_map(move |item| match item {
            ImplItem::Const(constant) if constant.ident == *name => Some(constant),
            _ => None,
        })
    }

    /// What is set by hand wins over what `fn` or `async fn` would say. It does not win over an attribute:
    /// one of the two would be written and mean nothing.
    fn check_constants(&self, problems: &mut Problems) {
        for handler in &self.handlers {
            let Some(attribute) = handler.execution.attributes.first() else { continue };
            let always_set =
                self.constants(&handler.name.constant).any(|constant| conditions(constant).next().is_none());
            if always_set {
                let message = format!(
                    "`{}` is set by hand in this impl, so this attribute of `{}` would mean nothing: remove one \
                     of them",
                    handler.name.constant, handler.name.function
                );
                problems.add(attribute, message);
            }
        }
    }
}

/// The conditions of a constant that was set by hand.
pub(crate) fn conditions(constant: &ImplItemConst) -> impl Iterator<Item = &Attribute> {
    constant.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg"))
}

/// What to underline of an item that is no impl: enough to see which, not its whole body.
fn signature_of(item: &Item) -> TokenStream {
    match item {
        Item::Fn(item) => item.sig.ident.to_token_stream(),
        Item::Struct(item) => item.ident.to_token_stream(),
        Item::Enum(item) => item.ident.to_token_stream(),
        Item::Trait(item) => item.ident.to_token_stream(),
        Item::Mod(item) => item.ident.to_token_stream(),
        item => item.to_token_stream(),
    }
}

/// Leaves the compiler nothing to say about attributes that only mean something to this macro.
fn without_our_attributes(mut implementation: ItemImpl) -> ItemImpl {
    for item in &mut implementation.items {
        if let ImplItem::Fn(function) = item {
            function.attrs.retain(|attribute| !execution::is_ours(attribute));
        }
    }
    implementation
}

fn is_async_trait(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|last| last.ident == "async_trait")
}

fn is_lint_level(attribute: &Attribute) -> bool {
    ["allow", "expect", "warn", "deny", "forbid"].iter().any(|level| attribute.path().is_ident(level))
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    fn problems(item: TokenStream) -> Vec<String> {
        let mut problems = Problems::default();
        let item = syn::parse2(item).expect("an item");
        let _ = Service::read(item, &mut problems);
        problems.messages()
    }

    #[test]
    fn arguments_of_the_attribute_are_refused() {
        let expansion = service(quote!(blocking), quote!(impl Bookshop for Shop {})).to_string();
        assert!(expansion.contains("takes no arguments: remove `(blocking)`"), "{expansion}");
    }

    #[test]
    fn an_item_that_is_no_impl_of_a_trait_is_handed_back() {
        assert_eq!(
            problems(quote!(
                struct Shop;
            )),
            [
                "`#[ambidex::service]` belongs on `impl Bookshop for Shop { … }`, where `Bookshop` is the handler \
              trait of a proto service"
            ]
        );
        assert_eq!(
            problems(quote!(impl Shop {})),
            [
                "this impl is of no trait: write `impl Bookshop for Shop`, where `Bookshop` is the handler trait of \
              a proto service; other functions belong in an impl without `#[ambidex::service]`"
            ]
        );
        let expansion = service(TokenStream::new(), quote!(impl Shop { #[blocking] fn get(&self) {} }));
        assert!(expansion.to_string().starts_with("impl Shop { fn get (& self) { } }"), "{expansion}");
    }

    #[test]
    fn what_tonic_needed_is_refused_with_what_replaces_it() {
        let found = problems(quote! {
            #[tonic::async_trait]
            impl Bookshop for Shop {
                type WatchStream = BoxStream<Book>;
            }
        });
        assert_eq!(
            found,
            [
                "this impl needs no boxed futures: handlers are native `async fn`s, remove `#[async_trait]`",
                "a handler trait has no types to set: remove `type WatchStream`; a stream's type is written in \
                 the function's result, as `impl Stream<Item = …>`",
            ]
        );
    }

    #[test]
    fn an_attribute_beside_a_constant_is_refused() {
        let found = problems(quote! {
            impl Bookshop for Shop {
                const GET_BOOK: Execution = Execution::ASYNC;
                #[timeout("2s")]
                async fn get_book(&self) -> Result<Book, Status> { self.book().await }
            }
        });
        assert_eq!(
            found,
            [
                "`GET_BOOK` is set by hand in this impl, so this attribute of `get_book` would mean nothing: remove \
              one of them"
            ]
        );
    }

    #[test]
    fn a_refused_function_leaves_a_method_in_its_place() {
        let expansion = service(
            TokenStream::new(),
            quote!(impl Bookshop for Shop { fn get_book(&mut self) -> Result<Book, Status> { self.book() } }),
        )
        .to_string();
        assert!(expansion.contains("fn get_book (& self , _ : "), "{expansion}");
        assert_eq!(expansion.matches("compile_error").count(), 1, "{expansion}");
    }
}
