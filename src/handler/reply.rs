//! What a user may write as a handler's result, and how it becomes the trait's `Result<Response<…>, Status>`.
//!
//! An `async fn` streams with a `Stream`, a plain `fn` with an iterator; two traits say so, each in its own
//! words. The last type parameter has no meaning: it keeps the implementations apart for the compiler and
//! is inferred.

use futures_core::Stream;
use tokio_stream::StreamExt;
use tonic::{Response, Status};

use super::argument::form::{Bare, Wrapped};
use super::rpc::{Many, One, ReplyShape, ReplyStream, Rpc};

type Outcome<'a, R> =
    Result<Response<<<R as Rpc>::Reply as ReplyShape>::Payload<'a, <R as Rpc>::Response>>, Status>;

/// Results an `async fn` may have as handler of method `R`.
#[diagnostic::on_unimplemented(
    message = "an `async fn` cannot answer method `{R}` with `{Self}`",
    label = "not a reply of this method",
    note = "answer with `Result<M, E>` or `Result<Response<M>, E>`, where `M` is the reply message and \
            `E: Into<Status>`",
    note = "when the server streams, `M` is an `impl Stream<Item = Result<Message, E>> + Send`; to answer with \
            an iterator write a plain `fn`"
)]
pub trait AsyncReply<'a, R: Rpc, Shape, Form> {
    /// The result as the handler trait has it.
    #[expect(clippy::missing_errors_doc, reason = "it hands on the handler's own error")]
    fn into_reply(self) -> Outcome<'a, R>;
}

/// Results a plain `fn` may have as handler of method `R`.
#[diagnostic::on_unimplemented(
    message = "a blocking `fn` cannot answer method `{R}` with `{Self}`",
    label = "not a reply of this method",
    note = "answer with `Result<M, E>` or `Result<Response<M>, E>`, where `M` is the reply message and \
            `E: Into<Status>`",
    note = "when the server streams, `M` is an `impl Iterator<Item = Result<Message, E>> + Send`; to answer \
            with a `Stream` write an `async fn`"
)]
pub trait BlockingReply<'a, R: Rpc, Shape, Form> {
    /// The result as the handler trait has it.
    #[expect(clippy::missing_errors_doc, reason = "it hands on the handler's own error")]
    fn into_reply(self) -> Outcome<'a, R>;
}

fn one<M, E: Into<Status>>(result: Result<M, E>) -> Result<Response<M>, Status> {
    result.map(Response::new).map_err(Into::into)
}

fn stream<'a, S, M, F>(messages: S) -> ReplyStream<'a, M>
where
    S: Stream<Item = Result<M, F>> + Send + 'a,
    F: Into<Status>,
{
    Box::pin(messages.map(|item| item.map_err(Into::into)))
}

fn iterator<'a, S, M, F>(messages: S) -> ReplyStream<'a, M>
where
    S: Iterator<Item = Result<M, F>> + Send + 'a,
    M: 'a,
    F: Into<Status>,
{
    // Polled on scheduler threads only, so `next` may block: the method's `Execution` says so.
    Box::pin(tokio_stream::iter(messages.map(|item| item.map_err(Into::into))))
}

macro_rules! one_message {
    ($trait:ident) => {
        impl<'a, R, M, E> $trait<'a, R, One, Bare> for Result<M, E>
        where
            M: 'a,
            R: Rpc<Response = M, Reply = One>,
            E: Into<Status>,
        {
            fn into_reply(self) -> Outcome<'a, R> {
                one(self)
            }
        }

        impl<'a, R, M, E> $trait<'a, R, One, Wrapped> for Result<Response<M>, E>
        where
            M: 'a,
            R: Rpc<Response = M, Reply = One>,
            E: Into<Status>,
        {
            fn into_reply(self) -> Outcome<'a, R> {
                self.map_err(Into::into)
            }
        }
    };
}

one_message!(AsyncReply);
one_message!(BlockingReply);

macro_rules! many_messages {
    ($trait:ident, $source:ident, $adapt:ident) => {
        impl<'a, R, M, E, S, F> $trait<'a, R, Many, Bare> for Result<S, E>
        where
            R: Rpc<Response = M, Reply = Many>,
            M: 'a,
            E: Into<Status>,
            S: $source<Item = Result<M, F>> + Send + 'a,
            F: Into<Status>,
        {
            fn into_reply(self) -> Outcome<'a, R> {
                one(self.map($adapt))
            }
        }

        impl<'a, R, M, E, S, F> $trait<'a, R, Many, Wrapped> for Result<Response<S>, E>
        where
            R: Rpc<Response = M, Reply = Many>,
            M: 'a,
            E: Into<Status>,
            S: $source<Item = Result<M, F>> + Send + 'a,
            F: Into<Status>,
        {
            fn into_reply(self) -> Outcome<'a, R> {
                self.map(|response| response.map($adapt)).map_err(Into::into)
            }
        }
    };
}

many_messages!(AsyncReply, Stream, stream);
many_messages!(BlockingReply, Iterator, iterator);

/// Adapts the result of an `async fn`; `#[ambidex::service]` calls it.
#[expect(clippy::missing_errors_doc, reason = "it hands on the handler's own error")]
pub fn async_reply<'a, R: Rpc, T, Form>(result: T) -> Outcome<'a, R>
where
    T: AsyncReply<'a, R, R::Reply, Form>,
{
    result.into_reply()
}

/// Adapts the result of a plain `fn`; `#[ambidex::service]` calls it.
#[expect(clippy::missing_errors_doc, reason = "it hands on the handler's own error")]
pub fn blocking_reply<'a, R: Rpc, T, Form>(result: T) -> Outcome<'a, R>
where
    T: BlockingReply<'a, R, R::Reply, Form>,
{
    result.into_reply()
}
