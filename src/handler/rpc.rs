//! A method as a type: what generated code says about it and everything else derives from.

use std::pin::Pin;

use futures_core::Stream;
use prost::Message;
use tonic::Status;

use super::Streaming;
use crate::call::{Body, Context, MethodSpec};

/// A method as a type. Generated code has an empty struct per method that implements it.
pub trait Rpc: 'static {
    /// The request message.
    type Request: Message + Default + 'static;
    /// The reply message.
    type Response: Message + Default + 'static;
    /// What the handler is given: the request message, or [`Streaming`] of it.
    type Input: Input;
    /// Whether it answers with one message or many.
    type Reply: ReplyShape;
    /// Its names and kind.
    const SPEC: &'static MethodSpec;
}

/// What a handler can be given: a message, or a [`Streaming`] of messages.
pub trait Input: Sized + Send + 'static {
    /// Whether it is a stream.
    const STREAMS: bool;

    /// Makes it from the messages of a call. A message that does not stream has been read already.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT when the bytes are not the message's.
    fn from_body(body: Body, call: &Context) -> Result<Self, Status>;
}

impl<M: Message + Default + 'static> Input for M {
    const STREAMS: bool = false;

    fn from_body(body: Body, _call: &Context) -> Result<Self, Status> {
        match body {
            Body::Message(bytes) => super::decode(bytes),
            Body::Stream(_) => Err(Status::internal("the request was not read before it was decoded")),
        }
    }
}

impl<M: Message + Default + 'static> Input for Streaming<M> {
    const STREAMS: bool = true;

    fn from_body(body: Body, call: &Context) -> Result<Self, Status> {
        Ok(Self::of_call(body.into_stream(), call.clone()))
    }
}

/// [`One`] or [`Many`]: what a method's reply looks like inside its `Response`.
pub trait ReplyShape {
    /// The message, or a stream of messages that may borrow for `'a`.
    type Payload<'a, M: 'a>;
}

/// The method answers with one message.
#[derive(Debug, Clone, Copy)]
pub struct One;

/// The method answers with a stream of messages.
#[derive(Debug, Clone, Copy)]
pub struct Many;

/// The stream of a method that `#[ambidex::service]` adapted; it may borrow from the handler.
pub type ReplyStream<'a, M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send + 'a>>;

impl ReplyShape for One {
    type Payload<'a, M: 'a> = M;
}

impl ReplyShape for Many {
    type Payload<'a, M: 'a> = ReplyStream<'a, M>;
}
