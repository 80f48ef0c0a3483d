//! A call under watch: its deadline, its context, its place in flight, and what happens when it is dropped.
//!
//! The states of a watched call are `running → { replied, streaming → ended }`. Its deadline may end it in
//! each state before the last, with DEADLINE_EXCEEDED; so may a drop, which means that the client left.
//! Either way the call's cancellation is set, so that code still running for it learns of it.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::Sleep;
use tonic::Status;

use super::drain::{Drain, StreamDrain};
use super::in_flight::Place;
use super::panic::caught;
use crate::call::{Body, CancelReason, Context, MessageStream, MethodSpec, Reply, Scoped, cancelled_status};
use crate::handler::ReplyFuture;

/// What is watched besides the call's own work.
struct Watch {
    context: Context,
    /// Boxed, since it moves from the future to the stream; absent where there is no deadline to pay for.
    deadline: Option<Pin<Box<Sleep>>>,
    drain: Drain,
    over: bool,
    _place: Place,
}

impl Watch {
    fn new(context: Context, place: Place, drain: Drain) -> Self {
        let deadline = context.deadline().map(|at| Box::pin(tokio::time::sleep_until(at.instant())));
        Self { context, deadline, drain, over: false, _place: place }
    }

    /// Ends the call although its work has not ended, and tells whoever runs for it.
    fn give_up(&mut self, reason: CancelReason) -> Status {
        self.finish();
        self.context.cancellation().cancel(reason);
        cancelled_status(reason)
    }

    fn method(&self) -> &'static MethodSpec {
        self.context.method()
    }

    /// The call has its answer: a drop means nothing any more.
    fn finish(&mut self) {
        self.over = true;
    }

    /// The status the call ends with although its work has not ended.
    fn poll_end(&mut self, cx: &mut TaskContext<'_>) -> Poll<Status> {
        let Some(deadline) = &mut self.deadline else { return Poll::Pending };
        std::task::ready!(deadline.as_mut().poll(cx));
        Poll::Ready(self.give_up(CancelReason::DeadlineExceeded))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.over {
            self.context.cancellation().cancel(CancelReason::ClientGone);
        }
    }
}

/// A call that is being answered.
pub(crate) struct Dispatched {
    state: State,
}

enum State {
    Refused(&'static MethodSpec, Option<Status>),
    Running { work: Option<Scoped<ReplyFuture>>, watch: Option<Watch> },
}

impl Dispatched {
    pub(super) fn refused(method: &'static MethodSpec, status: Status) -> Self {
        Self { state: State::Refused(method, Some(status)) }
    }

    pub(super) fn new(work: ReplyFuture, context: Context, place: Place, drain: Drain) -> Self {
        let work = Some(Scoped::new(context.clone(), work));
        Self { state: State::Running { work, watch: Some(Watch::new(context, place, drain)) } }
    }
}

impl Future for Dispatched {
    type Output = Result<Reply, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let (work, watch) = match &mut self.state {
            State::Refused(method, status) => {
                let status = status.take();
                return Poll::Ready(Err(status.unwrap_or_else(|| polled_after_end(method))));
            }
            State::Running { work, watch } => (work, watch),
        };
        let running = work.as_mut().zip(watch.as_mut());
        let (future, watching) = running.expect("a future is not polled after it has ended");
        let result = match caught(watching.method(), || Pin::new(future).poll(cx)) {
            Ok(Poll::Ready(result)) => result,
            Ok(Poll::Pending) => Err(std::task::ready!(watching.poll_end(cx))),
            Err(panicked) => Err(panicked),
        };
        // Dropped before the caller sees the reply: what an interceptor or handler held is free by then.
        *work = None;
        let mut watch = watch.take().expect("checked above");
        Poll::Ready(result.map(|mut reply| {
            reply.body = match reply.body {
                Body::Message(message) => {
                    watch.finish();
                    Body::Message(message)
                }
                Body::Stream(messages) => {
                    let messages = Scoped::new(watch.context.clone(), messages);
                    Body::stream(Watched { messages: Some(messages), drain: watch.drain.watch(), watch })
                }
            };
            reply
        }))
    }
}

fn polled_after_end(method: &'static MethodSpec) -> Status {
    tracing::error!(method = method.full_name(), "a refused call was polled again");
    Status::internal("internal error")
}

/// The messages of a reply, under the same watch as the call before them.
struct Watched {
    messages: Option<Scoped<MessageStream>>,
    drain: StreamDrain,
    watch: Watch,
}

impl Stream for Watched {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        let Self { messages, drain, watch } = &mut *self;
        let Some(stream) = messages else { return Poll::Ready(None) };
        // The deadline first: a handler that always has a message ready must not outrun it.
        let item = match watch.poll_end(cx) {
            Poll::Ready(status) => Some(Err(status)),
            Poll::Pending => match caught(watch.method(), || Pin::new(stream).poll_next(cx)) {
                Ok(Poll::Ready(item)) => item,
                Ok(Poll::Pending) => {
                    std::task::ready!(drain.poll_end(cx));
                    Some(Err(watch.give_up(CancelReason::Shutdown)))
                }
                Err(panicked) => Some(Err(panicked)),
            },
        };
        drain.spoke();
        if !matches!(item, Some(Ok(_))) {
            watch.finish();
            *messages = None;
        }
        Poll::Ready(item)
    }
}
