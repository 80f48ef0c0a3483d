//! Reply messages in the form tonic frames, with our own trailing metadata after the last of them.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use tokio_stream::StreamExt;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use crate::call::{self, Body, MessageStream, Trailers};

/// The messages of a reply, then its trailers.
pub(super) struct Replies {
    messages: Messages,
    trailers: Trailers,
    message_max_bytes: usize,
}

/// A message within the bound. Checked before tonic sees it: tonic would drop what it has gathered so far.
fn within(message: Bytes, max_bytes: usize) -> Result<Bytes, Status> {
    if message.len() > max_bytes {
        let what = format!("a reply of {} bytes is more than the {max_bytes} allowed", message.len());
        return Err(Status::resource_exhausted(what));
    }
    Ok(message)
}

enum Messages {
    One(Bytes),
    First(Bytes, MessageStream),
    Many(MessageStream),
    Ended,
}

impl Replies {
    /// Begins a reply. A stream may wait this long for its first message: an error in its place is
    /// trailers-only, which it cannot be once the head is out.
    pub(super) async fn begin(
        body: Body,
        trailers: Trailers,
        wait: Duration,
        message_max_bytes: usize,
    ) -> Result<Self, Status> {
        let mut messages = match body {
            Body::Message(message) => {
                let messages = Messages::One(within(message, message_max_bytes)?);
                return Ok(Self { messages, trailers, message_max_bytes });
            }
            Body::Stream(messages) => messages,
        };
        let messages = match tokio::time::timeout(wait, messages.next()).await {
            Ok(Some(first)) => Messages::First(within(first?, message_max_bytes)?, messages),
            Ok(None) => Messages::Ended,
            Err(_) => Messages::Many(messages),
        };
        Ok(Self { messages, trailers, message_max_bytes })
    }

    /// tonic writes trailers from a status. An OK one with metadata as the last item is how a stream gets to
    /// say what is in them; without any, the end of the stream says the same for less.
    fn end(&mut self) -> Option<Result<Bytes, Status>> {
        let trailers = MetadataMap::from_headers(call::outgoing_metadata(self.trailers.take()));
        (!trailers.is_empty()).then(|| Err(Status::with_metadata(Code::Ok, "", trailers)))
    }
}

impl Stream for Replies {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = match &mut self.messages {
            Messages::One(message) => {
                let message = std::mem::take(message);
                self.messages = Messages::Ended;
                return Poll::Ready(Some(Ok(message)));
            }
            Messages::First(..) => match std::mem::replace(&mut self.messages, Messages::Ended) {
                Messages::First(first, rest) => {
                    self.messages = Messages::Many(rest);
                    return Poll::Ready(Some(Ok(first)));
                }
                _ => None,
            },
            Messages::Many(messages) => std::task::ready!(Pin::new(messages).poll_next(cx)),
            Messages::Ended => None,
        };
        match item.map(|message| message.and_then(|message| within(message, self.message_max_bytes))) {
            Some(Ok(message)) => Poll::Ready(Some(Ok(message))),
            Some(Err(status)) => {
                self.messages = Messages::Ended;
                Poll::Ready(Some(Err(status)))
            }
            None => {
                self.messages = Messages::Ended;
                Poll::Ready(self.end())
            }
        }
    }
}
