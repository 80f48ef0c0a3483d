//! One function of the impl: a signature that can be a handler's, or what is wrong with it.
//!
//! What can be seen from the syntax is said here, in a sentence with the way out. Whether types fit is for
//! the compiler to find, at the types.

use quote::ToTokens;
use syn::{
    Attribute, FnArg, GenericParam, ImplItemFn, Receiver, ReturnType, Signature, Type, TypeParamBound,
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
        let problems_before = problems.len();
        let name = MethodName::new(&function.sig.ident);
        let mut execution = Execution::take(&mut function.attrs, &name, problems);
        execution.blocking |= function.sig.asyncness.is_none();
        let conditions =
            function.attrs.extract_if(.., |attribute| attribute.path().is_ident("cfg")).collect();
        let docs = function.attrs.extract_if(.., |attribute| attribute.path().is_ident("doc")).collect();
        function.attrs.iter_mut().for_each(|attribute| span_name::keep(attribute, &name));

        check_qualifiers(&function.sig, &name, problems);
        check_generics(&function.sig, &name, problems);
        check_receiver(&function.sig, &name, problems);
        let argument = read_argument(&function.sig, &name, problems);
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
            "`{function}` is generic, but its messages are fixed by the proto: remove `{}`, or move it to the \
             impl",
            generics.to_token_stream()
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
        (Some((_, None)), None, None) => return,
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
