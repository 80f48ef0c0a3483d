//! A call under watch: its deadline, its context, its place in flight, and what happens when it is dropped.
//!
//! The states of a watched call are `running → { answered, streaming → ended }`. Its deadline may end it in
//! each state before the last, with DEADLINE_EXCEEDED; so may a drop, which means that the client left; and so
//! may the end of a drain. Each way the call's cancellation is set, so that code still running for it learns of
//! it. A call that has its answer, good or bad, is cancelled by nothing any more.
//!
//! A good answer may turn out to be one that the edge cannot send: too large, or not to be spelled. So a call is noted to
//! have ended well only when the edge lets go of it without a word.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use http::StatusCode;
use tokio::time::Sleep;
use tonic::Status;

use super::at_once::{Promptness, is_at_once};
use super::drain::Drain;
use super::in_flight::Place;
use super::panic::caught;
use super::stream::Streamed;
use crate::call::{
    Body, CancelReason, Cancelled, Context, HttpResponse, MessageStream, MethodSpec, Reply, Scoped,
    cancelled_status,
};
use crate::handler::ReplyFuture;
use crate::scheduler::Watched;
use crate::telemetry::{End, Observation};

/// What is watched besides the call's own work.
pub(super) struct Watch {
    context: Context,
    watched: Watched,
    /// Boxed, since it moves from the future to the stream; absent where there is no deadline to pay for.
    deadline: Option<Pin<Box<Sleep>>>,
    over: bool,
    observed: Observation,
}

impl Watch {
    pub(super) fn new(context: Context, watched: Watched, observed: Observation) -> Self {
        let deadline = context.deadline().map(|at| Box::pin(tokio::time::sleep_until(at.instant())));
        Self { context, watched, deadline, over: false, observed }
    }

    /// Makes one poll of the call's own work: under the watchdog's eyes, and with its panics caught.
    pub(super) fn poll<T>(&self, poll: impl FnOnce() -> T) -> Result<T, Status> {
        let _inside = self.observed.enter();
        caught(self.method(), || self.watched.during(poll))
    }

    /// Drops what was held for the call, where it ran; a panic in that is logged and goes no further.
    pub(super) fn drop<T>(&self, held: T) -> Result<(), Status> {
        let _inside = self.observed.enter();
        caught(self.method(), || drop(held))
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    pub(super) fn method(&self) -> &'static MethodSpec {
        self.context.method()
    }

    /// Ends the call although its work has not ended, and tells whoever runs for it.
    pub(super) fn give_up(&mut self, reason: CancelReason) -> Status {
        self.settle();
        self.context.cancellation().cancel(reason);
        cancelled_status(reason)
    }

    /// The call has its answer: a drop means nothing any more.
    pub(super) fn settle(&mut self) {
        self.over = true;
    }

    /// Messages of so many bytes each go out; nobody looks at them for nothing.
    pub(super) fn replies<L: Iterator<Item = usize>>(&mut self, lengths: impl FnOnce() -> L) {
        if self.observed.is_wanted() {
            lengths().for_each(|bytes| self.observed.reply(bytes));
        }
    }

    /// The call has ended well.
    pub(super) fn succeed(&mut self) {
        self.settle();
        self.observed.finish(&self.context, End::Well(None));
    }

    /// The call has its answer, a message of so many bytes; its handler may have chosen an HTTP status.
    fn answer(mut self, bytes: usize, chosen: Option<StatusCode>) -> State {
        self.settle();
        if !self.observed.is_wanted() {
            return State::Ended;
        }
        let (context, observed) = (self.context.clone(), std::mem::take(&mut self.observed));
        State::Answered(Answered { context, observed, bytes, chosen })
    }

    /// The call has failed: its trailing metadata go with the status, as there is no reply to carry them.
    pub(super) fn fail(&mut self, status: Status) -> Status {
        self.settle();
        self.observed.finish(&self.context, End::Failed(&status));
        self.with_trailers(status)
    }

    /// The same after the reply had begun.
    pub(super) fn break_off(&mut self, status: Status) -> Status {
        self.settle();
        self.observed.finish(&self.context, End::Broke(&status));
        self.with_trailers(status)
    }

    /// The same for a message that cannot be sent: its trailing metadata are the edge's already.
    pub(super) fn refuse(&mut self, status: &Status) {
        // Of a stream's reply the head may be out; one message is refused before it.
        let begun = self.method().kind().server_streams();
        let end = if begun { End::Broke(status) } else { End::Failed(status) };
        self.observed.finish(&self.context, end);
    }

    fn with_trailers(&self, mut status: Status) -> Status {
        for (name, value) in self.context.take_trailers().as_ref() {
            status.metadata_mut().as_mut().append(name.clone(), value.clone());
        }
        status
    }

    /// The status the call ends with although its work has not ended.
    pub(super) fn poll_deadline(&mut self, cx: &mut TaskContext<'_>) -> Poll<Status> {
        let Some(deadline) = &mut self.deadline else { return Poll::Pending };
        std::task::ready!(deadline.as_mut().poll(cx));
        Poll::Ready(self.give_up(CancelReason::DeadlineExceeded))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.over {
            let cancellation = self.context.cancellation();
            cancellation.cancel(CancelReason::ClientGone);
            // It may have been cancelled before, at a deadline that nobody was told of.
            let reason = cancellation.reason().unwrap_or(CancelReason::ClientGone);
            self.observed.finish(&self.context, End::Broke(&cancelled_status(reason)));
        }
    }
}

/// A call that is being answered.
pub(crate) struct Dispatched {
    method: &'static MethodSpec,
    state: State,
}

enum State {
    Refused(Status),
    Running(Running),
    /// It has one message for an answer, and somebody notes how that ends.
    Answered(Answered),
    Ended,
}

/// A call that has ended well, unless the edge has another word for it.
struct Answered {
    context: Context,
    observed: Observation,
    bytes: usize,
    chosen: Option<StatusCode>,
}

impl Drop for Answered {
    fn drop(&mut self) {
        if self.observed.is_wanted() {
            self.observed.reply(self.bytes);
            self.observed.finish(&self.context, End::Well(self.chosen));
        }
    }
}

struct Running {
    watch: Watch,
    work: Scoped<ReplyFuture>,
    place: Place,
    drain: Drain,
    /// The end of the drain, once the call has to wait for anything: nobody else pays for being told.
    over: Option<Cancelled>,
    promptness: Arc<Promptness>,
}

impl Dispatched {
    pub(super) fn refused(method: &'static MethodSpec, status: Status) -> Self {
        Self { method, state: State::Refused(status) }
    }

    pub(super) fn new(
        work: ReplyFuture,
        watch: Watch,
        place: Place,
        drain: Drain,
        promptness: Arc<Promptness>,
    ) -> Self {
        let method = watch.method();
        let work = Scoped::new(watch.context().clone(), work);
        let running = Running { watch, work, place, drain, over: None, promptness };
        Self { method, state: State::Running(running) }
    }

    /// The message it answered with cannot be sent: this is how the call has ended for its caller.
    pub(crate) fn refuse(&mut self, status: &Status) {
        if let State::Answered(Answered { context, observed, .. }) = &mut self.state {
            observed.finish(context, End::Failed(status));
        }
    }
}

impl Running {
    /// The first poll may come from whoever would have to wait for the rest.
    fn poll_at_once(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<Reply, Status>> {
        if !self.promptness.is_tried() {
            return Poll::Pending;
        }
        let began = Instant::now();
        let polled = self.poll(cx);
        let reply_bytes = match &polled {
            Poll::Pending => None,
            Poll::Ready(Ok(Reply { body: Body::Message(message), .. })) => Some(message.len()),
            Poll::Ready(_) => Some(0),
        };
        self.promptness.learn(reply_bytes, began.elapsed());
        polled
    }

    fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<Reply, Status>> {
        let Self { watch, work, drain, over, .. } = self;
        match watch.poll(|| Pin::new(work).poll(cx)) {
            Ok(Poll::Ready(result)) => return Poll::Ready(result),
            Ok(Poll::Pending) => {}
            Err(panicked) => return Poll::Ready(Err(panicked)),
        }
        if let Poll::Ready(late) = watch.poll_deadline(cx) {
            return Poll::Ready(Err(late));
        }
        std::task::ready!(Pin::new(over.get_or_insert_with(|| drain.over())).poll(cx));
        Poll::Ready(Err(watch.give_up(CancelReason::Shutdown)))
    }

    /// What the caller gets. The work is dropped first: what an interceptor or handler held is free by then.
    fn end(self, result: Result<Reply, Status>) -> (Result<Reply, Status>, State) {
        let Self { mut watch, work, place, drain, .. } = self;
        let dropped = watch.drop(work);
        let mut reply = match result.and_then(|reply| dropped.map(|()| reply)) {
            Err(status) => return (Err(watch.fail(status)), State::Ended),
            Ok(reply) => reply,
        };
        let state = match reply.body {
            Body::Message(ref message) => {
                let chosen = reply.extensions.get::<HttpResponse>();
                watch.answer(message.len(), chosen.and_then(HttpResponse::status))
            }
            Body::Stream(messages) => {
                let streamed = Streamed::new(messages, watch, place, &drain);
                reply.body = Body::Stream(MessageStream::of(Box::pin(streamed)));
                State::Ended
            }
        };
        (Ok(reply), state)
    }
}

impl Future for Dispatched {
    type Output = Result<Reply, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let result = match &mut self.state {
            State::Running(running) if is_at_once(cx) => std::task::ready!(running.poll_at_once(cx)),
            State::Running(running) => std::task::ready!(running.poll(cx)),
            _ => Err(Status::internal("internal error")),
        };
        Poll::Ready(match std::mem::replace(&mut self.state, State::Ended) {
            State::Running(running) => {
                let (result, state) = running.end(result);
                self.state = state;
                result
            }
            State::Refused(status) => Err(status),
            State::Answered(_) | State::Ended => {
                tracing::error!(method = self.method.full_name(), "a call that has ended was polled again");
                result
            }
        })
    }
}

impl Drop for Dispatched {
    fn drop(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Ended);
        // A destructor that panics must not take the connection's task with it.
        let _ = caught(self.method, || drop(state));
    }
}
