//! One function of the impl: a signature that can be a handler's, or what is wrong with it.
//!
//! What can be seen from the syntax is said here, in a sentence with the way out. Whether types fit is for
//! the compiler to find, at the types.

use quote::ToTokens;
use syn::{
    Attribute, FnArg, GenericArgument, GenericParam, ImplItemFn, PathArguments, Receiver, ReturnType,
    Signature, Type, TypeParamBound,
};

use crate::execution::Execution;
use crate::method_name::MethodName;
use crate::problems::Problems;
use crate::span_name;

/// A function that can be a handler.
pub(crate) struct Handler {
    pub(crate) name: MethodName,
    pub(crate) execution: Execution,
    /// The conditions under which the method exists at all; everything made of it repeats them.
    pub(crate) conditions: Vec<Attribute>,
    /// The documentation, shown at the method of the handler trait.
    pub(crate) docs: Vec<Attribute>,
    /// The function, with the attributes that are left.
    pub(crate) function: ImplItemFn,
    /// The type of its argument, if it takes its request.
    pub(crate) argument: Option<Type>,
    /// The type of its result.
    pub(crate) reply: Type,
}

/// A function that cannot, after its problems were noted.
pub(crate) struct Refused {
    pub(crate) name: MethodName,
    pub(crate) conditions: Vec<Attribute>,
}

impl Handler {
    pub(crate) fn read(mut function: ImplItemFn, problems: &mut Problems) -> Result<Self, Refused> {
        let name = MethodName::new(&function.sig.ident);
        let mut execution = Execution::take(&mut function.attrs, &name, problems);
        execution.blocking |= function.sig.asyncness.is_none();
        let conditions =
            function.attrs.extract_if(.., |attribute| attribute.path().is_ident("cfg")).collect();
        let docs = function.attrs.extract_if(.., |attribute| attribute.path().is_ident("doc")).collect();
        function.attrs.iter_mut().for_each(|attribute| span_name::keep(attribute, &name));

        // What is wrong so far, the function can do without; what is wrong with its signature, it cannot.
        let problems_before = problems.len();
        check_qualifiers(&function.sig, &name, problems);
        check_generics(&function.sig, &name, problems);
        check_receiver(&function.sig, &name, problems);
        let argument = read_argument(&function.sig, &name, problems);
        if let Some(argument) = &argument
            && !execution.blocking
        {
            refuse_blocking_stream(argument, &name, problems);
        }
        let reply = read_reply(&function.sig, &name, problems);
        match reply {
            Some(reply) if problems.len() == problems_before => {
                Ok(Self { name, execution, conditions, docs, function, argument, reply })
            }
            _ => Err(Refused { name, conditions }),
        }
    }

    pub(crate) fn is_async(&self) -> bool {
        self.function.sig.asyncness.is_some()
    }

    /// Whether it takes nothing of its request but the message, as far as one can see: by another name, a type may be a
    /// `Request`.
    pub(crate) fn takes_message_only(&self) -> bool {
        match &self.argument {
            Some(Type::Path(path)) => path.path.segments.last().is_some_and(|last| last.ident != "Request"),
            Some(_) => false,
            None => true,
        }
    }
}

fn check_qualifiers(signature: &Signature, name: &MethodName, problems: &mut Problems) {
    let function = &name.function;
    if let Some(qualifier) = &signature.unsafety {
        let message = format!("`{function}` is `unsafe`, but every caller may call it: remove `unsafe`");
        problems.add(qualifier, message);
    }
    if let Some(qualifier) = &signature.constness {
        problems.add(qualifier, format!("`{function}` is `const`, but it runs at run time: remove `const`"));
    }
    if let Some(abi) = &signature.abi {
        let message =
            format!("`{function}` is `extern`, but Rust calls it: remove `{}`", abi.to_token_stream());
        problems.add(abi, message);
    }
}

fn check_generics(signature: &Signature, name: &MethodName, problems: &mut Problems) {
    let function = &name.function;
    let generics = &signature.generics;
    let from_async_trait = generics.params.iter().any(|parameter| match parameter {
        GenericParam::Lifetime(lifetime) => lifetime.lifetime.ident == "async_trait",
        _ => false,
    });
    if from_async_trait {
        return problems
            .add(&signature.ident, format!("`{function}` was rewritten before it came here: {NATIVE}"));
    }
    if !generics.params.is_empty() {
        let message = format!(
            "`{function}` is generic, but its messages are fixed by the proto: remove the parameters, or move \
             them to the impl"
        );
        problems.add(generics, message);
    }
    if let Some(clause) = &generics.where_clause {
        problems.add(clause, format!("`{function}` has a `where` clause of its own: move it to the impl"));
    }
}

/// The way out for services that come from tonic.
pub(crate) const NATIVE: &str = "handlers are native `async fn`s, remove `#[async_trait]`";

fn check_receiver(signature: &Signature, name: &MethodName, problems: &mut Problems) {
    let function = &name.function;
    let Some(receiver) = signature.receiver() else {
        let message =
            format!("`{function}` takes no `&self`: write `{function}(&self, request: Request<…>)`");
        return problems.add(&signature.ident, message);
    };
    let Receiver { reference, mutability, colon_token, .. } = receiver;
    let written = receiver.to_token_stream().to_string().replace("& ", "&");
    let reason = match (reference, mutability, colon_token) {
        (Some(_), None, None) => return,
        (Some(_), Some(_), _) => {
            "but its calls run side by side: write `&self`, and keep what changes behind a lock"
        }
        (None, _, None) => "but the service outlives the call: write `&self`, and clone what the call keeps",
        _ => "but a handler borrows its service: write `&self`",
    };
    problems.add(receiver, format!("`{function}` takes `{written}`, {reason}"));
}

fn read_argument(signature: &Signature, name: &MethodName, problems: &mut Problems) -> Option<Type> {
    let function = &name.function;
    let mut arguments = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(argument) => Some(argument),
        FnArg::Receiver(_) => None,
    });
    let request = arguments.next()?;
    let more: Vec<_> = arguments.collect();
    if let Some(first) = more.first() {
        let message = format!(
            "`{function}` takes {} arguments, but a method has one request: write `{function}(&self, request: \
             Request<…>)`; what else it needs is in the message, in the request's metadata, or in `self`",
            more.len() + 1
        );
        problems.add(first, message);
    }
    if let Type::ImplTrait(argument) = &*request.ty {
        let message = format!(
            "`{function}` takes any `{}`, but its request is fixed by the proto: write the request message, or \
             `Request<…>` around it",
            argument.to_token_stream()
        );
        problems.add(argument, message);
    }
    Some((*request.ty).clone())
}

/// Waiting for the client on the runtime would stop it. The type alone does not show where it is used, so this
/// goes by its name.
fn refuse_blocking_stream(argument: &Type, name: &MethodName, problems: &mut Problems) {
    let Type::Path(path) = argument else { return };
    let Some(last) = path.path.segments.last() else { return };
    if last.ident == "BlockingStreaming" {
        let message = format!(
            "`{0}` is an `async fn`, and `BlockingStreaming` would block the runtime: take `Streaming<…>`, or \
             write `fn {0}`",
            name.function
        );
        return problems.add(argument, message);
    }
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return };
    for argument in &arguments.args {
        if let GenericArgument::Type(inner) = argument {
            refuse_blocking_stream(inner, name, problems);
        }
    }
}

fn read_reply(signature: &Signature, name: &MethodName, problems: &mut Problems) -> Option<Type> {
    let function = &name.function;
    let ReturnType::Type(_, reply) = &signature.output else {
        let message = format!(
            "`{function}` returns nothing, but its caller waits for a reply: write \
             `-> Result<Reply, Status>` with the reply message"
        );
        // At the name: what is missing has no place of its own.
        problems.add(&signature.ident, message);
        return None;
    };
    if signature.asyncness.is_none() && is_impl_future(reply) {
        let message = format!(
            "`{function}` is a `fn` and so may block, but it returns a future: write \
             `async fn {function}(…) -> Result<Reply, Status>`"
        );
        problems.add(reply, message);
    }
    Some((**reply).clone())
}

fn is_impl_future(reply: &Type) -> bool {
    let Type::ImplTrait(reply) = reply else { return false };
    reply.bounds.iter().any(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last().is_some_and(|last| last.ident == "Future"),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn problems(function: ImplItemFn) -> Vec<String> {
        let mut problems = Problems::default();
        let read = Handler::read(function, &mut problems);
        assert_eq!(read.is_err(), problems.len() > 0, "a function is refused for a reason");
        problems.messages()
    }

    #[test]
    fn a_handler_borrows_its_service() {
        let receiver = |function| {
            let found = problems(function);
            found.first().expect("a problem").clone()
        };
        assert_eq!(
            receiver(parse_quote!(
                fn get_book(&mut self) -> Result<Book, Status> {}
            )),
            "`get_book` takes `&mut self`, but its calls run side by side: write `&self`, and keep what changes \
             behind a lock"
        );
        assert_eq!(
            receiver(parse_quote!(
                fn get_book(self) -> Result<Book, Status> {}
            )),
            "`get_book` takes `self`, but the service outlives the call: write `&self`, and clone what the call \
             keeps"
        );
        assert!(
            receiver(parse_quote!(
                fn get_book(self: Arc<Self>) -> Result<Book, Status> {}
            ))
            .ends_with("but a handler borrows its service: write `&self`")
        );
        assert_eq!(
            receiver(parse_quote!(
                fn get_book(request: GetBookRequest) -> Result<Book, Status> {}
            )),
            "`get_book` takes no `&self`: write `get_book(&self, request: Request<…>)`"
        );
    }

    #[test]
    fn a_handler_takes_one_request_of_a_fixed_type() {
        assert_eq!(
            problems(parse_quote!(
                fn get_book(&self, a: A, b: B) -> Result<Book, Status> {}
            )),
            ["`get_book` takes 2 arguments, but a method has one request: write `get_book(&self, request: \
              Request<…>)`; what else it needs is in the message, in the request's metadata, or in `self`"]
        );
        assert_eq!(
            problems(parse_quote!(
                fn get_book(&self, request: impl Into<A>) -> Result<Book, Status> {}
            )),
            [
                "`get_book` takes any `impl Into < A >`, but its request is fixed by the proto: write the request \
              message, or `Request<…>` around it"
            ]
        );
        assert_eq!(
            problems(parse_quote!(
                fn get_book<A>(&self, a: A) -> Result<Book, Status>
                where
                    A: B,
                {
                }
            )),
            [
                "`get_book` is generic, but its messages are fixed by the proto: remove the parameters, or move \
                 them to the impl",
                "`get_book` has a `where` clause of its own: move it to the impl",
            ]
        );
    }

    #[test]
    fn an_async_fn_does_not_wait_for_its_client() {
        let refused = ["`import` is an `async fn`, and `BlockingStreaming` would block the runtime: take \
                        `Streaming<…>`, or write `fn import`"];
        let wrapped = parse_quote!(
            async fn import(&self, books: Request<BlockingStreaming<Book>>) -> Result<Book, Status> {}
        );
        assert_eq!(problems(wrapped), refused);
        let on_the_scheduler = parse_quote!(
            #[blocking]
            async fn import(&self, books: BlockingStreaming<Book>) -> Result<Book, Status> {}
        );
        assert!(problems(on_the_scheduler).is_empty());
    }

    #[test]
    fn a_handler_returns_a_reply() {
        assert_eq!(
            problems(parse_quote!(
                async fn get_book(&self, request: GetBookRequest) {}
            )),
            [
                "`get_book` returns nothing, but its caller waits for a reply: write `-> Result<Reply, Status>` with \
              the reply message"
            ]
        );
        assert_eq!(
            problems(parse_quote!(
                fn get_book(&self) -> impl Future<Output = Reply> + Send {}
            )),
            [
                "`get_book` is a `fn` and so may block, but it returns a future: write `async fn get_book(…) -> \
              Result<Reply, Status>`"
            ]
        );
    }

    #[test]
    fn qualifiers_are_refused_all_at_once() {
        assert_eq!(
            problems(parse_quote!(
                const unsafe extern "C" fn get_book(&self) -> Result<Book, Status> {}
            )),
            [
                "`get_book` is `unsafe`, but every caller may call it: remove `unsafe`",
                "`get_book` is `const`, but it runs at run time: remove `const`",
                "`get_book` is `extern`, but Rust calls it: remove `extern \"C\"`",
            ]
        );
    }

    #[test]
    fn what_async_trait_left_is_recognised() {
        let rewritten = parse_quote!(
            fn get_book<'life0, 'async_trait>(
                &'life0 self,
            ) -> Pin<Box<dyn Future<Output = Reply> + 'async_trait>>
            where
                'life0: 'async_trait,
            {
            }
        );
        assert_eq!(
            problems(rewritten),
            ["`get_book` was rewritten before it came here: handlers are native `async fn`s, remove \
              `#[async_trait]`"]
        );
    }

    #[test]
    fn a_mistake_in_an_attribute_does_not_refuse_the_function() {
        let mut problems = Problems::default();
        let function = parse_quote!(
            #[timeout("soon")]
            async fn get_book(&self) -> Result<Book, Status> {}
        );
        assert!(Handler::read(function, &mut problems).is_ok());
        assert_eq!(problems.len(), 1);
    }
}
