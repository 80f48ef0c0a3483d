//! What a user may write as a handler's argument, and how it is made from the request.
//!
//! Two type parameters of the trait are there for the compiler. `Given` is always the method's input: it is a
//! parameter so that a message can name it. `Form` has no meaning: it keeps the implementations apart and is
//! inferred.

use prost::Message;
use tonic::Request;

use super::{BlockingStreaming, Rpc, Streaming};
use crate::call;

/// Types that a handler of method `R` may take, which is given `Given`.
#[diagnostic::on_unimplemented(
    message = "the handler of `{R}` is given a `{Given}`, not a `{Self}`",
    label = "not the request of this method",
    note = "take `{Given}` or `Request<{Given}>`; a plain `fn` may take `BlockingStreaming<M>` for `Streaming<M>`"
)]
pub trait Argument<R: Rpc, Given, Form>: Sized {
    /// Whether it is a `Request`, which has more than the message.
    const IS_WRAPPED: bool = false;

    /// Makes the argument from the request.
    fn from_request(request: Request<Given>) -> Self;
}

/// The forms an argument can have.
pub(super) mod form {
    /// The message itself.
    #[derive(Debug)]
    pub struct Bare;
    /// The message in a `Request`.
    #[derive(Debug)]
    pub struct Wrapped;
    /// The messages as a blocking iterator.
    #[derive(Debug)]
    pub struct Iter;
    /// The messages as a blocking iterator in a `Request`.
    #[derive(Debug)]
    pub struct WrappedIter;
}

#[diagnostic::do_not_recommend]
impl<R: Rpc, I> Argument<R, I, form::Bare> for I {
    fn from_request(request: Request<I>) -> Self {
        request.into_inner()
    }
}

#[diagnostic::do_not_recommend]
impl<R: Rpc, I> Argument<R, I, form::Wrapped> for Request<I> {
    const IS_WRAPPED: bool = true;

    fn from_request(request: Self) -> Self {
        request
    }
}

#[diagnostic::do_not_recommend]
impl<R, M> Argument<R, Streaming<M>, form::Iter> for BlockingStreaming<M>
where
    R: Rpc,
    M: Message + Default,
{
    fn from_request(request: Request<Streaming<M>>) -> Self {
        request.into_inner().blocking()
    }
}

#[diagnostic::do_not_recommend]
impl<R, M> Argument<R, Streaming<M>, form::WrappedIter> for Request<BlockingStreaming<M>>
where
    R: Rpc,
    M: Message + Default,
{
    const IS_WRAPPED: bool = true;

    fn from_request(request: Request<Streaming<M>>) -> Self {
        request.map(Streaming::blocking)
    }
}

/// Makes the argument a handler of `R` asks for; `#[ambidex::service]` calls it.
pub fn argument<R: Rpc, A: Argument<R, R::Input, Form>, Form>(request: Request<R::Input>) -> A {
    A::from_request(request)
}

/// The same for a function that takes the message alone, as far as one can see, and was given nothing else: its type may
/// be a `Request` by another name.
pub fn message_argument<R: Rpc, A: Argument<R, R::Input, Form>, Form>(mut request: Request<R::Input>) -> A {
    if A::IS_WRAPPED
        && let Some(call) = call::current()
    {
        *request.metadata_mut() = call.metadata().clone();
        *request.extensions_mut() = call.values().cloned().unwrap_or_default();
        request.extensions_mut().insert(call);
    }
    A::from_request(request)
}
