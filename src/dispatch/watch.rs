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
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::StatusCode;
use tokio::time::Sleep;
use tonic::Status;

use super::at_once::is_at_once;
use super::drain::Drain;
use super::interceptor::CallService;
use super::panic::caught;
use super::stream::Streamed;
use super::{UnderWay, reply_too_large};
use crate::call::{
    Body, Call, CancelReason, Cancelled, Context, HttpResponse, MessageStream, MethodSpec, Reply,
    cancelled_status,
};
use crate::handler::ReplyFuture;
use crate::telemetry::{End, Observation};

/// What is watched besides the call's own work.
pub(super) struct Watch {
    context: Context,
    under_way: UnderWay,
    /// Boxed, since it moves from the future to the stream; absent where there is no deadline to pay for.
    deadline: Option<Pin<Box<Sleep>>>,
    over: bool,
    observed: Observation,
}

impl Watch {
    pub(super) fn new(context: Context, under_way: UnderWay, observed: Observation) -> Self {
        let deadline = context.deadline().map(|at| Box::pin(tokio::time::sleep_until(at.instant())));
        Self { context, under_way, deadline, over: false, observed }
    }

    /// Makes one poll of the call's own work, in its context: under the watchdog's eyes, and with its panics caught.
    pub(super) fn poll<T>(&self, poll: impl FnOnce() -> T) -> Result<T, Status> {
        let _inside = self.observed.enter();
        caught(self.method(), || self.context.scope(|| self.under_way.watched.during(poll)))
    }

    /// Drops what was held for the call, where it ran; a panic in that is logged and goes no further.
    pub(super) fn drop<T>(&self, held: T) -> Result<(), Status> {
        self.let_go(|| drop(held))
    }

    /// The same for what is dropped where it is.
    fn let_go(&self, drop: impl FnOnce()) -> Result<(), Status> {
        let _inside = self.observed.enter();
        caught(self.method(), || self.context.scope(drop))
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    pub(super) fn method(&self) -> &'static MethodSpec {
        self.context.method()
    }

    /// Hands on the call's place, for as long as a stream holds what its handler does.
    pub(super) fn hand_over(&mut self) -> UnderWay {
        self.under_way.hand_over()
    }

    /// The largest message it may reply with.
    pub(super) fn reply_max_bytes(&self) -> usize {
        self.under_way.reply_max_bytes
    }

    pub(super) fn drain(&self) -> &Drain {
        &self.under_way.common.drain
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

    /// The call has failed: its trailing metadata go with the status, as there is no reply to carry them.
    fn fail(&mut self, status: &mut Status) {
        self.settle();
        self.observed.finish(&self.context, End::Failed(status));
        self.add_trailers(status);
    }

    /// The same after the reply had begun.
    pub(super) fn break_off(&mut self, mut status: Status) -> Status {
        self.settle();
        self.observed.finish(&self.context, End::Broke(&status));
        self.add_trailers(&mut status);
        status
    }

    /// The same for a message that cannot be sent: its trailing metadata are the edge's already.
    pub(super) fn refuse(&mut self, status: &Status) {
        // Of a stream's reply the head may be out; one message is refused before it.
        let begun = self.method().kind().server_streams();
        let end = if begun { End::Broke(status) } else { End::Failed(status) };
        self.observed.finish(&self.context, end);
    }

    fn add_trailers(&self, status: &mut Status) {
        let Some(trailers) = self.context.take_trailers() else { return };
        for (name, value) in (*trailers).as_ref() {
            status.metadata_mut().as_mut().append(name.clone(), value.clone());
        }
    }

    /// The status the call ends with although its work has not ended.
    pub(super) fn poll_deadline(&mut self, cx: &mut TaskContext<'_>) -> Poll<Status> {
        let Some(deadline) = &mut self.deadline else { return Poll::Pending };
        std::task::ready!(deadline.as_mut().poll(cx));
        Poll::Ready(self.give_up(CancelReason::DeadlineExceeded))
    }

    /// Nobody waits for the call any more: whoever runs for it is told, if it has not ended.
    fn leave(&mut self) {
        if !std::mem::replace(&mut self.over, true) {
            let cancellation = self.context.cancellation();
            cancellation.cancel(CancelReason::ClientGone);
            // It may have been cancelled before, at a deadline that nobody was told of.
            let reason = cancellation.reason().unwrap_or(CancelReason::ClientGone);
            self.observed.finish(&self.context, End::Broke(&cancelled_status(reason)));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A call that is being answered.
///
/// Most are answered at their first poll, so nothing of it is moved from one state to the next.
pub(crate) struct Dispatched {
    method: &'static MethodSpec,
    stage: Stage,
    /// Nothing for a call that was refused, and once a stream has it.
    watch: Option<Watch>,
    work: Option<Work>,
    /// The end of the drain, once the call has to wait for anything: nobody else pays for being told.
    over: Option<Cancelled>,
}

/// A call's work. It is begun at the first poll, in the call's context and under the same eyes: what is done for it before,
/// such as to decode its message, may take its time and may panic as all of it may.
enum Work {
    Asked(Call),
    Running(ReplyFuture),
}

impl Work {
    fn poll(
        work: &mut Option<Self>,
        service: &CallService,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<Reply, Status>> {
        if let Some(Self::Running(running)) = work {
            return running.as_mut().poll(cx);
        }
        let Some(Self::Asked(call)) = work.take() else {
            return Poll::Ready(Err(Status::internal("internal error")));
        };
        let mut running = service.invoke(call);
        let polled = running.as_mut().poll(cx);
        *work = Some(Self::Running(running));
        polled
    }
}

enum Stage {
    Refused(Status),
    Running,
    /// It has ended well, with one message of so many bytes, unless the edge has another word for it. Somebody notes how
    /// that ends; the handler may have chosen an HTTP status.
    Answered {
        bytes: usize,
        chosen: Option<StatusCode>,
    },
    Ended,
}

impl Dispatched {
    pub(super) fn refused(method: &'static MethodSpec, status: Status) -> Self {
        Self { method, stage: Stage::Refused(status), watch: None, work: None, over: None }
    }

    pub(super) fn new(watch: Watch, call: Call) -> Self {
        Self {
            method: watch.method(),
            stage: Stage::Running,
            watch: Some(watch),
            work: Some(Work::Asked(call)),
            over: None,
        }
    }

    /// The message it answered with cannot be sent: this is how the call has ended for its caller.
    pub(crate) fn refuse(&mut self, status: &Status) {
        if let (Stage::Answered { .. }, Some(watch)) = (&self.stage, &mut self.watch) {
            watch.observed.finish(&watch.context, End::Failed(status));
        }
    }

    /// The first poll may come from whoever would have to wait for the rest.
    fn poll_at_once(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<Reply, Status>> {
        if !self.watch.as_ref().is_some_and(|watch| watch.under_way.promptness.is_tried()) {
            return Poll::Pending;
        }
        let began = Instant::now();
        let polled = self.poll_work(cx);
        let reply_bytes = match &polled {
            Poll::Pending => None,
            Poll::Ready(Ok(Reply { body: Body::Message(message), .. })) => Some(message.len()),
            Poll::Ready(_) => Some(0),
        };
        if let Some(watch) = &self.watch {
            watch.under_way.promptness.learn(reply_bytes, began.elapsed());
        }
        polled
    }

    fn poll_work(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<Reply, Status>> {
        let Some(watch) = &mut self.watch else {
            return Poll::Ready(Err(Status::internal("internal error")));
        };
        match watch.poll(|| Work::poll(&mut self.work, &watch.under_way.service, cx)) {
            Ok(Poll::Ready(result)) => return Poll::Ready(result),
            Ok(Poll::Pending) => {}
            Err(panicked) => return Poll::Ready(Err(panicked)),
        }
        if let Poll::Ready(late) = watch.poll_deadline(cx) {
            return Poll::Ready(Err(late));
        }
        let over = self.over.get_or_insert_with(|| watch.under_way.common.drain.over());
        std::task::ready!(Pin::new(over).poll(cx));
        Poll::Ready(Err(watch.give_up(CancelReason::Shutdown)))
    }

    /// Makes of the result what the caller gets. The work is dropped first: what an interceptor or handler held is free by
    /// then.
    fn end(&mut self, result: &mut Result<Reply, Status>) {
        self.stage = Stage::Ended;
        let Some(mut watch) = self.watch.take() else { return };
        if let Err(panicked) = watch.let_go(|| self.work = None)
            && result.is_ok()
        {
            *result = Err(panicked);
        }
        if let Ok(Reply { body: Body::Message(message), trailers, .. }) = result
            && message.len() > watch.reply_max_bytes()
        {
            let large = reply_too_large(message.len(), watch.reply_max_bytes());
            *result = Err(trailers.along_with(large));
        }
        let reply = match result {
            Ok(reply) => reply,
            Err(status) => {
                watch.fail(status);
                // Nobody else may hold what interceptors left for the handler.
                let _ = caught(self.method, || drop(watch));
                return;
            }
        };
        match &mut reply.body {
            Body::Message(message) => {
                watch.settle();
                if watch.observed.is_wanted() {
                    let chosen = reply.extensions.get::<HttpResponse>().and_then(HttpResponse::status);
                    self.stage = Stage::Answered { bytes: message.len(), chosen };
                    watch.under_way.give_back();
                    self.watch = Some(watch);
                }
            }
            body @ Body::Stream(_) => {
                let messages = std::mem::replace(body, Body::Message(Bytes::new())).into_stream();
                *body = Body::Stream(MessageStream::of(Box::pin(Streamed::new(messages, watch))));
            }
        }
    }

    /// What somebody is told who asks in another stage than that of a call under way.
    fn otherwise(&mut self) -> Status {
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Refused(status) => status,
            _ => {
                tracing::error!(method = self.method.full_name(), "a call that has ended was polled again");
                Status::internal("internal error")
            }
        }
    }
}

impl Future for Dispatched {
    type Output = Result<Reply, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        if !matches!(self.stage, Stage::Running) {
            return Poll::Ready(Err(self.otherwise()));
        }
        let mut polled = if is_at_once(cx) { self.poll_at_once(cx) } else { self.poll_work(cx) };
        if let Poll::Ready(result) = &mut polled {
            self.end(result);
        }
        polled
    }
}

impl Drop for Dispatched {
    fn drop(&mut self) {
        match self.stage {
            // A destructor that panics must not take the connection's task with it. The work is told first, and the place
            // is free when all that the work held is.
            Stage::Running => {
                let Some(mut watch) = self.watch.take() else { return };
                let _ = caught(self.method, || watch.leave());
                let _ = watch.let_go(|| self.work = None);
                let _ = caught(self.method, || drop(watch));
            }
            Stage::Answered { bytes, chosen } => {
                let Some(mut watch) = self.watch.take() else { return };
                let _ = caught(self.method, || {
                    if watch.observed.is_wanted() {
                        watch.observed.reply(bytes);
                        watch.observed.finish(&watch.context, End::Well(chosen));
                    }
                    drop(watch);
                });
            }
            Stage::Refused(_) | Stage::Ended => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Waker;

    use tonic::Code;
    use tonic::metadata::MetadataMap;

    use super::super::route_for_tests;
    use super::*;
    use crate::call::{self, Entrance, Head, MethodKind, Peer, Protocol};
    use crate::scheduler::{Scheduler, SchedulerConfig};

    static METHOD: MethodSpec = MethodSpec::new("a.B", "C", "/a.B/C", MethodKind::Unary);

    /// A call of a method that does this.
    fn call(handler: impl Fn() -> ReplyFuture + Send + Sync + 'static) -> Dispatched {
        let scheduler = Scheduler::new(SchedulerConfig::default(), tokio::runtime::Handle::current());
        let route = route_for_tests(&METHOD, 1, &scheduler, Arc::new(move |_| handler()));
        let (protocol, peer, entrance) = (Protocol::Local, Peer::local(), Entrance::nowhere());
        let head = Head { method: &METHOD, protocol, peer, deadline: None, entrance };
        let call = Call::new(head, MetadataMap::new(), Body::Message(Bytes::new()));
        let under_way = UnderWay::begin(&route).expect("a place");
        Dispatched::new(Watch::new(call.context().clone(), under_way, Observation::default()), call)
    }

    fn is_current() -> bool {
        call::current().is_some_and(|call| call.method().full_name() == METHOD.full_name())
    }

    /// Says something when it is dropped.
    struct Held<F: Fn() -> bool>(std::sync::mpsc::Sender<bool>, F);

    impl<F: Fn() -> bool> Drop for Held<F> {
        fn drop(&mut self) {
            self.0.send(self.1()).expect("the test listens");
        }
    }

    /// Polls once what waits for ever.
    fn poll_once(call: &mut Dispatched) {
        assert!(Pin::new(call).poll(&mut TaskContext::from_waker(Waker::noop())).is_pending());
    }

    #[tokio::test]
    async fn a_call_that_panics_before_it_is_a_future_fails_alone() {
        let call = call(|| panic!("the test asked for it"));
        assert_eq!(call.await.expect_err("it panicked").code(), Code::Internal);
    }

    #[tokio::test]
    async fn a_call_is_begun_polled_and_dropped_in_its_context_and_not_before_it_is_polled() {
        let (tell, told) = std::sync::mpsc::channel();
        let mut waits = call(move || {
            let tell = tell.clone();
            tell.send(is_current()).expect("the test listens");
            Box::pin(async move {
                tell.send(is_current()).expect("the test listens");
                let _held = Held(tell, is_current);
                std::future::pending().await
            })
        });
        assert!(told.try_recv().is_err());
        poll_once(&mut waits);
        drop(waits);
        assert_eq!(told.iter().collect::<Vec<_>>(), [true, true, true]);
        assert!(call::current().is_none());
    }

    #[tokio::test]
    async fn who_leaves_is_known_before_what_the_call_held_is_dropped() {
        let (tell, told) = std::sync::mpsc::channel();
        let mut waits = call(move || {
            let call = call::current().expect("a call");
            let held = Held(tell.clone(), move || call.is_cancelled());
            Box::pin(async move {
                let _held = held;
                std::future::pending().await
            })
        });
        poll_once(&mut waits);
        let context = waits.watch.as_ref().expect("it runs").context().clone();
        drop(waits);
        assert_eq!(told.recv(), Ok(true));
        assert_eq!(context.cancellation().reason(), Some(CancelReason::ClientGone));
    }

    /// What interceptors left for the handler, and does not go quietly.
    #[derive(Clone)]
    struct Loud;

    impl Drop for Loud {
        fn drop(&mut self) {
            panic!("the test asked for it");
        }
    }

    #[tokio::test]
    async fn a_destructor_that_panics_takes_nobody_with_it() {
        let keep = || {
            let mut values = tonic::Extensions::default();
            values.insert(Loud);
            call::current().expect("a call").keep_values(values);
        };
        let failed = call(move || {
            keep();
            Box::pin(async { Err(Status::not_found("nothing")) })
        });
        assert_eq!(failed.await.expect_err("it fails").code(), Code::NotFound);
        let mut left = call(move || {
            keep();
            Box::pin(std::future::pending())
        });
        poll_once(&mut left);
        drop(left);
    }
}
