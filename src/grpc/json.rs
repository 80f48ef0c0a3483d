//! Messages in JSON, for clients of `application/grpc+json`: below this they are wire bytes like others.

use std::pin::Pin;
use std::task::{Context, Poll};

use ambidex_schema::{DecodeOptions, EncodeOptions, MessageType, Schema};
use bytes::Bytes;
use futures_core::Stream;
use tokio_stream::StreamExt;
use tonic::Status;

use crate::call::{self, Batch, Body, Filled, MessageSource, MessageStream, MethodSpec};

/// What is needed to read and write JSON.
#[derive(Debug, Clone)]
pub(crate) struct Json {
    pub(crate) schema: Schema,
    pub(crate) read: DecodeOptions,
    pub(crate) write: EncodeOptions,
}

/// The messages of one method.
pub(super) struct JsonMessages {
    input: MessageType,
    output: MessageType,
    read: DecodeOptions,
    write: EncodeOptions,
}

impl Json {
    /// The messages of a method.
    ///
    /// # Errors
    ///
    /// UNIMPLEMENTED for a method that nobody has described.
    pub(super) fn messages(&self, method: &MethodSpec) -> Result<JsonMessages, Status> {
        let unknown =
            || Status::unimplemented(format!("the messages of {method} are not known here, so not as JSON"));
        let service = self.schema.service(method.service()).ok_or_else(unknown)?;
        let descriptor =
            service.methods().find(|known| known.name() == method.method()).ok_or_else(unknown)?;
        let message = |name: &str| self.schema.message(name).ok_or_else(unknown);
        let (read, write) = (self.read.clone(), self.write.clone());
        let (input, output) =
            (message(descriptor.input().full_name())?, message(descriptor.output().full_name())?);
        Ok(JsonMessages { input, output, read, write })
    }
}

impl JsonMessages {
    /// Request messages as wire bytes, each when it is asked for.
    pub(super) fn requests(
        &self,
        messages: impl Stream<Item = Result<Bytes, Status>> + Send + 'static,
    ) -> Body {
        let (input, options) = (self.input.clone(), self.read.clone());
        Body::stream(messages.map(move |json| {
            let json = json?;
            let mut wire = Vec::with_capacity(json.len());
            let read = input.json_to_wire(&json, &options, &mut wire);
            read.map_err(|error| Status::invalid_argument(error.to_string()))?;
            Ok(wire.into())
        }))
    }

    /// Reply messages as JSON.
    pub(super) fn replies(self, body: Body) -> Result<Body, Status> {
        match body {
            Body::Message(wire) => self.reply(&wire).map(Body::Message),
            Body::Stream(messages) => Ok(self.reply_stream(messages)),
        }
    }

    fn reply_stream(self, messages: MessageStream) -> Body {
        Body::Stream(MessageStream::of(Box::pin(JsonReplies { messages, spelling: self })))
    }

    fn reply(&self, wire: &[u8]) -> Result<Bytes, Status> {
        let mut json = Vec::with_capacity(2 * wire.len());
        let written = self.output.wire_to_json(wire, &self.write, &mut json);
        written.map_err(|error| Status::internal(format!("the reply cannot be said in JSON: {error}")))?;
        Ok(json.into())
    }
}

/// The messages of a stream of replies, each as JSON.
struct JsonReplies {
    messages: MessageStream,
    spelling: JsonMessages,
}

impl Stream for JsonReplies {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { messages, spelling } = &mut *self;
        let wire = std::task::ready!(Pin::new(&mut *messages).poll_next(cx));
        Poll::Ready(wire.map(|wire| spelling.reply(&wire?).inspect_err(|status| messages.refuse(status))))
    }
}

impl MessageSource for JsonReplies {
    fn poll_batch(self: Pin<&mut Self>, cx: &mut Context<'_>, batch: &mut Batch) -> Filled {
        call::fill(self, cx, batch)
    }

    fn poll_message(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        self.poll_next(cx)
    }

    fn refuse(mut self: Pin<&mut Self>, status: &Status) {
        self.messages.refuse(status);
    }
}
