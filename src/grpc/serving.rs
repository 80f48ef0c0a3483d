//! A request that is being answered, as small as it can be: one is made for every call, and from a kilobyte on the
//! allocator is slow.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tonic::Status;
use tonic::codegen::StdError;

use super::json::JsonMessages;
use super::reply_body::{Framing, ReplyBody};
use super::{Format, Shared, respond};
use crate::call::{self, Body, Peer, Protocol, Reply, Share};
use crate::dispatch::Dispatched;

/// The answer to one request.
pub(crate) struct Serving<B>(State<B>);

enum State<B> {
    New(Share<Shared>, Request<B>, Peer, Protocol),
    Calling(Dispatched, Answer),
    /// A stream that may be waiting for its first message: the rarer ways are boxed.
    Beginning(Pin<Box<dyn Future<Output = Response<ReplyBody>> + Send>>),
    Answered,
}

/// How a call is answered once its handler has.
pub(super) struct Answer {
    pub(super) format: Format,
    pub(super) json: Option<Box<JsonMessages>>,
    pub(super) framing: Framing,
    pub(super) first_message_wait: Duration,
}

impl<B> Serving<B> {
    pub(super) fn new(edge: Share<Shared>, request: Request<B>, peer: Peer, protocol: Protocol) -> Self {
        Self(State::New(edge, request, peer, protocol))
    }
}

impl<B> Future for Serving<B>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<StdError> + Send,
{
    type Output = Response<ReplyBody>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut self.0 {
                State::Calling(call, _) => {
                    let reply = std::task::ready!(Pin::new(call).poll(cx));
                    let State::Calling(mut call, answer) = std::mem::replace(&mut self.0, State::Answered)
                    else {
                        continue;
                    };
                    let begun =
                        reply.and_then(|reply| answer.begin(reply).inspect_err(|status| call.refuse(status)));
                    match begun {
                        Ok(Begun::Answered(response)) => return Poll::Ready(response),
                        Ok(Begun::Waiting(response)) => self.0 = State::Beginning(response),
                        Err(status) => return Poll::Ready(status.into_http()),
                    }
                }
                State::Beginning(response) => {
                    let response = std::task::ready!(response.as_mut().poll(cx));
                    self.0 = State::Answered;
                    return Poll::Ready(response);
                }
                state => match std::mem::replace(state, State::Answered) {
                    State::New(edge, request, peer, protocol) => {
                        match edge.begin(request, peer, protocol, cx) {
                            Ok((call, answer)) => self.0 = State::Calling(call, answer),
                            Err(refused) => return Poll::Ready(*refused),
                        }
                    }
                    _ => panic!("an answer was polled after it was given"),
                },
            }
        }
    }
}

enum Begun {
    Answered(Response<ReplyBody>),
    Waiting(Pin<Box<dyn Future<Output = Response<ReplyBody>> + Send>>),
}

impl Answer {
    fn begin(self, reply: Reply) -> Result<Begun, Status> {
        let Reply { metadata, body, mut trailers, extensions } = reply;
        let Self { format, json, mut framing, first_message_wait } = self;
        framing.coding = framing.coding.filter(|_| !call::is_sent_as_it_is(&extensions));
        let body = match json {
            None => body,
            Some(json) => json.replies(body).map_err(|status| trailers.along_with(status))?,
        };
        let head = move |body| respond(call::outgoing_metadata(metadata), body, format, framing.coding);
        Ok(match body {
            Body::Message(message) => Begun::Answered(head(ReplyBody::one(message, trailers, framing))),
            Body::Stream(messages) => Begun::Waiting(Box::pin(async move {
                match ReplyBody::many(messages, trailers, first_message_wait, framing).await {
                    Ok(body) => head(body),
                    Err(status) => status.into_http(),
                }
            })),
        })
    }
}
