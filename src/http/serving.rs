//! An answer over HTTP that is being made.
//!
//! A future by hand: most calls are answered at their first poll, and are then neither moved into what would keep them
//! for a second one nor make it large. From a kilobyte on the allocator is slow.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use http::{Request, Response};
use tonic::Status;

use super::answer_body::AnswerBody;
use super::exchange::Exchange;
use super::{Begun, Shared, websocket};
use crate::call::{Peer, Reply};
use crate::dispatch::Dispatched;

/// The answer to one request.
pub(crate) struct Serving {
    edge: Arc<Shared>,
    state: State,
}

enum State {
    /// Nothing is begun before the first poll.
    Asked(Request<Body>, Peer),
    /// The call is under way.
    Called(Dispatched, Exchange),
    /// What is rarer.
    Otherwise(Pin<Box<dyn Future<Output = Response<AnswerBody>> + Send>>),
    Answered,
}

impl Serving {
    pub(super) fn new(edge: Arc<Shared>, request: Request<Body>, peer: Peer) -> Self {
        Self { edge, state: State::Asked(request, peer) }
    }

    /// Begins, and goes as far as it goes at once.
    fn begin(&mut self, cx: &mut Context<'_>) -> Option<Response<AnswerBody>> {
        let State::Asked(request, peer) = &mut self.state else { return None };
        match self.edge.begin(request, peer.clone()) {
            Begun::Answered(response) => Some(response),
            Begun::WebSocket(asked) => {
                let (request, peer) = *asked;
                let opening = websocket::open(Arc::clone(&self.edge), request, peer);
                self.state = State::Otherwise(Box::pin(opening));
                None
            }
            Begun::Call(mut call, exchange) => match Pin::new(&mut call).poll(cx) {
                Poll::Ready(reply) => self.answer(exchange, reply, &mut call),
                Poll::Pending => {
                    self.state = State::Called(call, exchange);
                    None
                }
            },
        }
    }

    fn answer(
        &mut self,
        exchange: Exchange,
        reply: Result<Reply, Status>,
        call: &mut Dispatched,
    ) -> Option<Response<AnswerBody>> {
        match exchange.answer(reply, call, &self.edge) {
            Ok(response) => Some(response),
            Err(unanswered) => {
                let edge = Arc::clone(&self.edge);
                self.state = State::Otherwise(Box::pin(async move { unanswered.answer(&edge).await }));
                None
            }
        }
    }
}

impl Future for Serving {
    type Output = Response<AnswerBody>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response<AnswerBody>> {
        let this = &mut *self;
        match &mut this.state {
            State::Asked(..) => {
                if let Some(response) = this.begin(cx) {
                    this.state = State::Answered;
                    return Poll::Ready(response);
                }
                match this.state {
                    // It has not been polled as what it is now.
                    State::Otherwise(_) => self.poll(cx),
                    _ => Poll::Pending,
                }
            }
            State::Called(call, _) => {
                let reply = ready!(Pin::new(call).poll(cx));
                if let State::Called(mut call, exchange) = std::mem::replace(&mut this.state, State::Answered)
                    && let Some(response) = this.answer(exchange, reply, &mut call)
                {
                    return Poll::Ready(response);
                }
                self.poll(cx)
            }
            State::Otherwise(answer) => answer.as_mut().poll(cx),
            State::Answered => panic!("an answer that was given is asked for again"),
        }
    }
}
