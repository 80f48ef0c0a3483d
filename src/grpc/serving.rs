//! A request that is being answered, as small as it can be: one is made for every call, and from a kilobyte on the
//! allocator is slow.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
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
    New {
        edge: Share<Shared>,
        head: Parts,
        /// Until the call takes it.
        body: Option<B>,
        peer: Peer,
        protocol: Protocol,
    },
    Calling(Dispatched, Answer),
    Beginning(Beginning),
    Answered,
}

/// A stream that may be waiting for its first message: the rarer ways are boxed.
type Beginning = Pin<Box<dyn Future<Output = Response<ReplyBody>> + Send>>;

/// How a call is answered once its handler has.
pub(super) struct Answer {
    pub(super) format: Format,
    pub(super) json: Option<Box<JsonMessages>>,
    pub(super) framing: Framing,
    pub(super) first_message_wait: Duration,
}

impl<B> Serving<B> {
    #[inline]
    pub(super) fn new(edge: Share<Shared>, request: Request<B>, peer: Peer, protocol: Protocol) -> Self {
        let (head, body) = request.into_parts();
        Self(State::New { edge, head, body: Some(body), peer, protocol })
    }
}

impl<B> Serving<B>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<StdError> + Send,
{
    /// Makes a new response the answer once that is there. A response is large: so it is made where it is wanted. Most
    /// calls are answered at their first poll, and are not kept for a second.
    pub(crate) fn poll_answer(
        &mut self,
        response: &mut Response<ReplyBody>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        match &mut self.0 {
            State::New { edge, head, body, peer, protocol } => {
                let body = body.take().expect("it is taken with the state");
                let begun = edge.begin(head, body, peer.clone(), *protocol, cx);
                let (mut call, answer) = match begun {
                    Ok(begun) => begun,
                    Err(refused) => {
                        *response = *refused;
                        return self.answered();
                    }
                };
                match Pin::new(&mut call).poll(cx) {
                    Poll::Ready(reply) => self.reply(answer, reply, call, response, cx),
                    Poll::Pending => {
                        self.0 = State::Calling(call, answer);
                        Poll::Pending
                    }
                }
            }
            State::Calling(call, _) => {
                let reply = ready!(Pin::new(call).poll(cx));
                match std::mem::replace(&mut self.0, State::Answered) {
                    State::Calling(call, answer) => self.reply(answer, reply, call, response, cx),
                    _ => unreachable!("it was looked at just now"),
                }
            }
            State::Beginning(beginning) => {
                *response = ready!(beginning.as_mut().poll(cx));
                self.answered()
            }
            State::Answered => panic!("an answer was polled after it was given"),
        }
    }

    /// Answers with what the call came to.
    fn reply(
        &mut self,
        answer: Answer,
        reply: Result<Reply, Status>,
        mut call: Dispatched,
        response: &mut Response<ReplyBody>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let begun = match reply {
            Ok(reply) => answer.begin(reply, response).inspect_err(|status| call.refuse(status)),
            Err(status) => Err(status),
        };
        match begun {
            Ok(None) => {}
            Ok(Some(mut beginning)) => {
                let Poll::Ready(begun) = beginning.as_mut().poll(cx) else {
                    self.0 = State::Beginning(beginning);
                    return Poll::Pending;
                };
                *response = begun;
            }
            Err(status) => *response = status.into_http(),
        }
        self.answered()
    }

    fn answered(&mut self) -> Poll<()> {
        self.0 = State::Answered;
        Poll::Ready(())
    }
}

impl<B> Future for Serving<B>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<StdError> + Send,
{
    type Output = Response<ReplyBody>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut response = Response::default();
        self.poll_answer(&mut response, cx).map(|()| response)
    }
}

impl Answer {
    /// Makes a new response the answer; a stream's is waited for.
    fn begin(self, reply: Reply, response: &mut Response<ReplyBody>) -> Result<Option<Beginning>, Status> {
        let Reply { metadata, body, mut trailers, extensions } = reply;
        let Self { format, json, mut framing, first_message_wait } = self;
        framing.coding = framing.coding.filter(|_| !call::is_sent_as_it_is(&extensions));
        let body = match json {
            None => body,
            Some(json) => json.replies(body).map_err(|status| trailers.along_with(status))?,
        };
        let headers = call::outgoing_metadata(metadata);
        Ok(match body {
            Body::Message(message) => {
                let body = ReplyBody::one(message, trailers, framing);
                respond(response, headers, body, format, framing.coding);
                None
            }
            Body::Stream(messages) => Some(Box::pin(async move {
                match ReplyBody::many(messages, trailers, first_message_wait, framing).await {
                    Ok(body) => {
                        let mut response = Response::default();
                        respond(&mut response, headers, body, format, framing.coding);
                        response
                    }
                    Err(status) => status.into_http(),
                }
            })),
        })
    }
}
