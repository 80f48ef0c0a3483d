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
        };
    }

    fn answering(&self, unanswered: Box<Unanswered>, endpoint: Share<Endpoint>) -> State {
        let edge = self.edge.clone();
        State::Otherwise(Box::pin(async move { unanswered.answer(&endpoint, &edge).await }))
    }

    /// Makes a new response the answer once that is there. A response is large: so it is made where it is wanted.
    pub(crate) fn poll_answer(
        &mut self,
        response: &mut Response<AnswerBody>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            match &mut self.state {
                State::Asked(request, peer) => {
                    let begun = self.edge.begin(&self.edge, request, peer.clone(), response, cx);
                    let Some(begun) = begun else { break };
                    self.wait(begun);
                    // What is otherwise has not been polled as what it is now.
                    if !matches!(self.state, State::Otherwise(_)) {
                        return Poll::Pending;
                    }
                }
                State::Called(call, ..) => {
                    let reply = ready!(Pin::new(call).poll(cx));
                    let called = std::mem::replace(&mut self.state, State::Answered);
                    let State::Called(mut call, exchange, endpoint) = called else {
                        unreachable!("it was looked at just now")
                    };
                    match exchange.answer(response, &endpoint, reply, &mut call, &self.edge) {
                        Ok(()) => break,
                        Err(unanswered) => self.state = self.answering(unanswered, endpoint),
                    }
                }
                State::Otherwise(answer) => {
                    *response = ready!(answer.as_mut().poll(cx));
                    break;
                }
                State::Answered => panic!("an answer that was given is asked for again"),
            }
        }
        self.state = State::Answered;
        Poll::Ready(())
    }
}

impl Future for Serving {
    type Output = Response<AnswerBody>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response<AnswerBody>> {
        let mut response = Response::default();
        self.poll_answer(&mut response, cx).map(|()| response)
    }
}
