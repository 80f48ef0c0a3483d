//! An answer over HTTP that is being made.
//!
//! A future by hand: most calls are answered at their first poll, and are then neither moved into what would keep them
//! for a second one nor make it large. From a kilobyte on the allocator is slow.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use http::{Request, Response};

use super::answer_body::AnswerBody;
use super::endpoint::Endpoint;
use super::exchange::{Exchange, Unanswered};
use super::{Begun, Shared, websocket};
use crate::call::{Peer, Share};
use crate::dispatch::Dispatched;

/// The answer to one request.
pub(crate) struct Serving {
    edge: Share<Shared>,
    state: State,
}

enum State {
    /// Nothing is begun before the first poll.
    Asked(Request<Body>, Peer),
    /// The call is under way.
    Called(Dispatched, Exchange, Share<Endpoint>),
    /// What is rarer.
    Otherwise(Pin<Box<dyn Future<Output = Response<AnswerBody>> + Send>>),
    Answered,
}

impl Serving {
    pub(super) fn new(edge: Share<Shared>, request: Request<Body>, peer: Peer) -> Self {
        Self { edge, state: State::Asked(request, peer) }
    }

    /// What is left to do, when all that can be done at once is.
    #[inline(never)]
    fn wait(&mut self, begun: Begun) {
        self.state = match begun {
            Begun::Call(call, exchange, endpoint) => State::Called(call, exchange, endpoint),
            Begun::Unanswered(unanswered, endpoint) => self.answering(unanswered, endpoint),
            Begun::WebSocket(asked) => {
                let edge = self.edge.clone();
                State::Otherwise(Box::pin(async move {
                    let (request, peer) = *asked;
                    let (method, uri) = (request.method().clone(), request.uri().clone());
                    let answer = websocket::open(edge.clone(), request, peer.clone()).await;
                    edge.note(&method, uri.path(), &peer, &answer);
                    answer
                }))
            }
            Begun::Answered(response) => State::Otherwise(Box::pin(std::future::ready(response))),
        };
    }

    fn answering(&self, unanswered: Box<Unanswered>, endpoint: Share<Endpoint>) -> State {
        let edge = self.edge.clone();
        State::Otherwise(Box::pin(async move { unanswered.answer(&endpoint, &edge).await }))
    }
}

impl Future for Serving {
    type Output = Response<AnswerBody>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response<AnswerBody>> {
        let this = &mut *self;
        match &mut this.state {
            State::Asked(request, peer) => {
                let begun = this.edge.begin(&this.edge, request, peer.clone(), cx);
                if let Begun::Answered(response) = begun {
                    this.state = State::Answered;
                    return Poll::Ready(response);
                }
                this.wait(begun);
                match this.state {
                    // It has not been polled as what it is now.
                    State::Otherwise(_) => self.poll(cx),
                    _ => Poll::Pending,
                }
            }
            State::Called(call, ..) => {
                let reply = ready!(Pin::new(call).poll(cx));
                let called = std::mem::replace(&mut this.state, State::Answered);
                let State::Called(mut call, exchange, endpoint) = called else { return Poll::Pending };
                match exchange.answer(&endpoint, reply, &mut call, &this.edge) {
                    Ok(response) => Poll::Ready(response),
                    Err(unanswered) => {
                        this.state = this.answering(unanswered, endpoint);
                        self.poll(cx)
                    }
                }
            }
            State::Otherwise(answer) => answer.as_mut().poll(cx),
            State::Answered => panic!("an answer that was given is asked for again"),
        }
    }
}
