//! Reply messages in the form tonic frames, with our own trailing metadata after the last of them.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use tonic::{Code, Status};

use crate::call::{Body, MessageStream, Trailers};

/// The messages of a reply, then its trailers.
pub(super) struct Replies {
    messages: Messages,
    trailers: Trailers,
}

enum Messages {
    One(Bytes),
    Many(MessageStream),
    Ended,
}

impl Replies {
    pub(super) fn new(body: Body, trailers: Trailers) -> Self {
        let messages = match body {
            Body::Message(message) => Messages::One(message),
            Body::Stream(messages) => Messages::Many(messages),
        };
        Self { messages, trailers }
    }

    /// tonic writes trailers from a status. An OK one with metadata as the last item is how a stream gets to
    /// say what is in them; without any, the end of the stream says the same for less.
    fn end(&mut self) -> Option<Result<Bytes, Status>> {
        let trailers = self.trailers.take();
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
            Messages::Many(messages) => std::task::ready!(Pin::new(messages).poll_next(cx)),
            Messages::Ended => None,
        };
        match item {
            Some(Ok(message)) => Poll::Ready(Some(Ok(message))),
            Some(Err(mut status)) => {
                self.messages = Messages::Ended;
                for entry in self.trailers.take().into_headers() {
                    if let (Some(name), value) = entry {
                        status.metadata_mut().as_mut().insert(name, value);
                    }
                }
                Poll::Ready(Some(Err(status)))
            }
            None => {
                self.messages = Messages::Ended;
                Poll::Ready(self.end())
            }
        }
    }
}
