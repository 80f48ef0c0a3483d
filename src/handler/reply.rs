//! What a user may write as a handler's result, and how it becomes the trait's `Result<Response<…>, Status>`.
//!
//! An `async fn` streams with a `Stream`, a plain `fn` with an iterator; two traits say so, each in its own
//! words. Each other part of a result that can be wrong (that it is a `Result`, its error, an item of a stream)
//! has a trait to itself too, and so a sentence to itself in the compiler's message. `Expected` is always the
//! method's reply message: it is a parameter so that the sentence can name it. `do_not_recommend` keeps the
//! compiler from looking behind the sentence. The parameter `Form` has no meaning: it keeps the implementations
//! apart for the compiler and is inferred.

use futures_core::Stream;
use tokio_stream::StreamExt;
use tonic::{Response, Status};

use super::argument::form::{Bare, Wrapped};
use super::rpc::{Many, One, ReplyShape, ReplyStream, Rpc};

type Outcome<'a, R> = Result<Response<Payload<'a, R>>, Status>;
type Payload<'a, R> = <<R as Rpc>::Reply as ReplyShape>::Payload<'a, <R as Rpc>::Response>;

/// Adapts the result of an `async fn`; `#[ambidex::service]` calls it.
#[expect(clippy::missing_errors_doc, reason = "it hands on the handler's own error")]
pub fn async_reply<'a, R: Rpc, T, Form>(result: T) -> Outcome<'a, R>
where
    T: Returned<R>,
    T::Reply: AsyncReply<'a, R, R::Response, R::Reply, Form>,
    T::Error: Failure<R>,
{
    result.into_result().map(AsyncReply::into_response).map_err(Failure::into_status)
}

/// Adapts the result of a plain `fn`; `#[ambidex::service]` calls it.
#[expect(clippy::missing_errors_doc, reason = "it hands on the handler's own error")]
pub fn blocking_reply<'a, R: Rpc, T, Form>(result: T) -> Outcome<'a, R>
where
    T: Returned<R>,
    T::Reply: BlockingReply<'a, R, R::Response, R::Reply, Form>,
    T::Error: Failure<R>,
{
    result.into_result().map(BlockingReply::into_response).map_err(Failure::into_status)
}

/// What a handler of method `R` may return: a `Result`.
#[diagnostic::on_unimplemented(
    message = "the handler of `{R}` returns a `Result`, not `{Self}`",
    label = "not a `Result`",
    note = "write `Result<Reply, E>` with the reply message, where `E: Into<Status>`"
)]
pub trait Returned<R> {
    /// What it carries when the call succeeds.
    type Reply;
    /// What it carries when the call fails.
    type Error;

    /// The result as what it is.
    fn into_result(self) -> Result<Self::Reply, Self::Error>;
}

#[diagnostic::do_not_recommend]
impl<R, T, E> Returned<R> for Result<T, E> {
    type Reply = T;
    type Error = E;

    fn into_result(self) -> Self {
        self
    }
}

/// Errors that a handler of method `R` may return.
#[diagnostic::on_unimplemented(
    message = "the handler of `{R}` cannot fail with `{Self}`, which does not become a `Status`",
    label = "its error is not `Into<Status>`",
    note = "write `impl From<{Self}> for ambidex::Status`, or return a `Status`"
)]
pub trait Failure<R> {
    /// What the caller is told.
    fn into_status(self) -> Status;
}

#[diagnostic::do_not_recommend]
impl<R, E: Into<Status>> Failure<R> for E {
    fn into_status(self) -> Status {
        self.into()
    }
}

/// What an `async fn` may carry in its `Result` as handler of method `R`.
#[diagnostic::on_unimplemented(
    message = "the `async fn` of `{R}` cannot answer with `{Self}`",
    label = "not the reply of this method",
    note = "write `Result<{Expected}, E>` or `Result<Response<{Expected}>, E>`, where `E: Into<Status>`",
    note = "when the server streams, write `impl Stream<Item = Result<{Expected}, E>> + Send` in place of \
            `{Expected}`; to answer with an iterator, write a plain `fn`"
)]
pub trait AsyncReply<'a, R: Rpc, Expected, Shape, Form> {
    /// The response as the handler trait has it.
    fn into_response(self) -> Response<Payload<'a, R>>;
}

/// What a plain `fn` may carry in its `Result` as handler of method `R`.
#[diagnostic::on_unimplemented(
    message = "the `fn` of `{R}` cannot answer with `{Self}`",
    label = "not the reply of this method",
    note = "write `Result<{Expected}, E>` or `Result<Response<{Expected}>, E>`, where `E: Into<Status>`",
    note = "when the server streams, write `impl Iterator<Item = Result<{Expected}, E>> + Send` in place of \
            `{Expected}`; to answer with a `Stream`, write an `async fn`"
)]
pub trait BlockingReply<'a, R: Rpc, Expected, Shape, Form> {
    /// The response as the handler trait has it.
    fn into_response(self) -> Response<Payload<'a, R>>;
}

macro_rules! one_message {
    ($reply:ident) => {
        #[diagnostic::do_not_recommend]
        impl<'a, R: Rpc<Response = M, Reply = One>, M: 'a> $reply<'a, R, M, One, Bare> for M {
            fn into_response(self) -> Response<M> {
                Response::new(self)
            }
        }

        #[diagnostic::do_not_recommend]
        impl<'a, R: Rpc<Response = M, Reply = One>, M: 'a> $reply<'a, R, M, One, Wrapped> for Response<M> {
            fn into_response(self) -> Self {
                self
            }
        }
    };
}

one_message!(AsyncReply);
one_message!(BlockingReply);

macro_rules! many_messages {
    ($reply:ident, $source:ident, $adapt:ident) => {
        // Recommended, so that the compiler does look behind it: at an item that is wrong, and at what is not
        // `Send` in a stream.
        impl<'a, R: Rpc<Reply = Many>, S> $reply<'a, R, R::Response, Many, Bare> for S
        where
            S: $source<Item: ReplyItem<R, R::Response>> + Send + 'a,
        {
            fn into_response(self) -> Response<ReplyStream<'a, R::Response>> {
                Response::new($adapt::<R, S>(self))
            }
        }

        #[diagnostic::do_not_recommend]
        impl<'a, R: Rpc<Reply = Many>, S> $reply<'a, R, R::Response, Many, Wrapped> for Response<S>
        where
            S: $source<Item: ReplyItem<R, R::Response>> + Send + 'a,
        {
            fn into_response(self) -> Response<ReplyStream<'a, R::Response>> {
                self.map($adapt::<R, S>)
            }
        }
    };
}

many_messages!(AsyncReply, Stream, stream);
many_messages!(BlockingReply, Iterator, iterator);

fn stream<'a, R: Rpc, S>(messages: S) -> ReplyStream<'a, R::Response>
where
    S: Stream<Item: ReplyItem<R, R::Response>> + Send + 'a,
{
    Box::pin(messages.map(ReplyItem::into_item))
}

fn iterator<'a, R: Rpc, S>(messages: S) -> ReplyStream<'a, R::Response>
where
    S: Iterator<Item: ReplyItem<R, R::Response>> + Send + 'a,
{
    // Polled on scheduler threads only, so `next` may block: the method's `Execution` says so.
    Box::pin(tokio_stream::iter(messages.map(ReplyItem::into_item)))
}

/// What the handler of method `R` may stream, item by item.
#[diagnostic::on_unimplemented(
    message = "the handler of `{R}` streams `Result<{Expected}, E>`, not `{Self}`",
    label = "its items are not the replies of this method",
    note = "make each item a `Result<{Expected}, E>`, where `E: Into<Status>`"
)]
pub trait ReplyItem<R, Expected> {
    /// The item as the handler trait has it.
    fn into_item(self) -> Result<Expected, Status>;
}

#[diagnostic::do_not_recommend]
impl<R, M, E: Into<Status>> ReplyItem<R, M> for Result<M, E> {
    fn into_item(self) -> Result<M, Status> {
        self.map_err(Into::into)
    }
}
