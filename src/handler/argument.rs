//! What a user may write as a handler's argument, and how it is made from the request.
//!
//! The second type parameter of the trait has no meaning: it keeps the implementations apart for the
//! compiler and is inferred.

use prost::Message;
use tonic::Request;

use super::{BlockingStreaming, Rpc, Streaming};

/// Types that a handler of method `R` may take.
#[diagnostic::on_unimplemented(
    message = "method `{R}` cannot be handed a `{Self}`",
    label = "not the request of this method",
    note = "take the request message `M` or `Request<M>`; when the client streams, `Streaming<M>` in an \
            `async fn` or `BlockingStreaming<M>` in a `fn`, bare or in a `Request`"
)]
pub trait Argument<R: Rpc, Form>: Sized {
    /// Makes the argument from the request.
    fn from_request(request: Request<R::Input>) -> Self;
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

impl<R: Rpc<Input = I>, I> Argument<R, form::Bare> for I {
    fn from_request(request: Request<I>) -> Self {
        request.into_inner()
    }
}

impl<R: Rpc<Input = I>, I> Argument<R, form::Wrapped> for Request<I> {
    fn from_request(request: Self) -> Self {
        request
    }
}

impl<R: Rpc<Input = Streaming<M>>, M: Message + Default> Argument<R, form::Iter> for BlockingStreaming<M> {
    fn from_request(request: Request<Streaming<M>>) -> Self {
        request.into_inner().blocking()
    }
}

impl<R, M> Argument<R, form::WrappedIter> for Request<BlockingStreaming<M>>
where
    R: Rpc<Input = Streaming<M>>,
    M: Message + Default,
{
    fn from_request(request: Request<Streaming<M>>) -> Self {
        request.map(Streaming::blocking)
    }
}

/// Makes the argument a handler of `R` asks for; `#[ambidex::service]` calls it.
pub fn argument<R: Rpc, A: Argument<R, Form>, Form>(request: Request<R::Input>) -> A {
    A::from_request(request)
}
