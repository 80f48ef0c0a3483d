//! The messages of a reply, under the same watch as the call before them.
//!
//! A stream is polled by whoever reads it. A reader who stalls polls nothing, so a deadline needs a clock of its
//! own: at the deadline a task takes the messages away, with the handler and the place in flight behind them.
//!
//! All that is done around a poll of the handler's stream is done once for as many messages as are there.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};

use tokio::task::AbortHandle;
use tokio::task::coop;
use tokio::time::Instant;
use tonic::Status;

use super::alarm::Alarm;
use super::at_once::is_at_once;
use super::drain::StreamDrain;
use super::panic::caught;
use super::watch::Watch;
use super::{UnderWay, reply_too_large};
use crate::call::{Batch, CancelReason, Context, Deadline, Filled, MessageSource, MessageStream};

/// A handler that always has a message ready would leave its thread of the runtime to nobody else. After so many it
/// lets others run: as many as a task of tokio may read before it has to.
const MESSAGES_IN_A_ROW: usize = 128;

/// The messages of a reply.
pub(super) struct Streamed {
    held: Hold,
    ended: bool,
    /// How it ended behind the messages that came last.
    end: Option<Option<Result<(), Status>>>,
    /// How many messages there were since the stream last had to wait.
    in_a_row: usize,
    /// The global end of a drain, and the silence before it.
    drained: StreamDrain,
    watch: Watch,
    /// The waker of all that the stream waits for.
    alarm: Alarm,
    /// It waits, and nothing need be asked before the alarm rings.
    waits: bool,
}

/// What a stream holds on to; not there while it is being polled, and gone once it has ended.
enum Hold {
    Alone(Option<Held>),
    /// With the clock that may take it away.
    WithClock(Arc<Mutex<Option<Held>>>, AbortHandle),
}

struct Held {
    messages: MessageStream,
    /// Its place among the calls under way.
    _place: UnderWay,
}

impl Hold {
    fn take(&mut self) -> Option<Held> {
        match self {
            Self::Alone(held) => held.take(),
            Self::WithClock(held, _) => held.lock().unwrap_or_else(PoisonError::into_inner).take(),
        }
    }
}

impl Streamed {
    pub(super) fn new(messages: MessageStream, mut watch: Watch) -> Self {
        let place = watch.hand_over();
        let context = watch.context();
        let held = Some(Held { messages, _place: place });
        let held = match context.deadline() {
            None => Hold::Alone(held),
            Some(_) => {
                let held = Arc::new(Mutex::new(held));
                let clock = start_clock(context, &held);
                Hold::WithClock(held, clock)
            }
        };
        let (drained, alarm) = (watch.drain().watch(), Alarm::new());
        Self { held, ended: false, end: None, in_a_row: 0, drained, watch, alarm, waits: false }
    }

    fn poll_held(&mut self, batch: &mut Batch) -> Filled {
        let mut cx = TaskContext::from_waker(self.alarm.waker());
        // The deadline and the drain first: a handler that always has a message ready must not outrun them.
        if let Poll::Ready(late) = self.watch.poll_deadline(&mut cx) {
            return Poll::Ready(Some(Err(late)));
        }
        if self.drained.is_over() {
            return Poll::Ready(Some(Err(self.watch.give_up(CancelReason::Shutdown))));
        }
        let before = batch.count();
        let watch = &self.watch;
        let mut poll =
            |held: &mut Held| watch.poll(|| Pin::new(&mut held.messages).poll_batch(&mut cx, batch));
        let polled = match &mut self.held {
            Hold::Alone(held) => held.as_mut().map(poll),
            Hold::WithClock(held, _) => {
                let lock = || held.lock().unwrap_or_else(PoisonError::into_inner);
                let mut taken = lock().take();
                let polled = taken.as_mut().map(&mut poll);
                *lock() = taken;
                // The clock found nothing to take away, if it rang meanwhile, and will not ring again.
                // Who has cancelled it before may go on without it.
                let is_late = |deadline: Deadline| deadline.instant() <= Instant::now();
                if watch.context().is_cancelled() && watch.context().deadline().is_some_and(is_late) {
                    let taken = lock().take();
                    let _ = watch.drop(taken);
                }
                polled
            }
        };
        match polled {
            // The clock has taken the messages a moment before our own timer fires.
            None => return Poll::Ready(Some(Err(self.watch.give_up(CancelReason::DeadlineExceeded)))),
            Some(Ok(Poll::Pending)) => {}
            Some(Ok(filled)) => return filled,
            Some(Err(panicked)) => {
                self.let_go();
                return Poll::Ready(Some(Err(panicked)));
            }
        }
        // It has spoken, and is asked again when that is sent.
        if batch.count() > before {
            return Poll::Pending;
        }
        std::task::ready!(self.drained.poll_end(&mut cx));
        Poll::Ready(Some(Err(self.watch.give_up(CancelReason::Shutdown))))
    }

    /// How it ends at a message that is larger than it may be. Whoever still runs for it learns that nobody wants more.
    #[cold]
    fn too_large(&mut self, length: usize) -> Filled {
        self.watch.context().cancellation().cancel(CancelReason::Requested);
        Poll::Ready(Some(Err(reply_too_large(length, self.watch.reply_max_bytes()))))
    }

    /// Ends it, and says how.
    fn end(&mut self, end: Option<Result<(), Status>>) -> Filled {
        self.ended = true;
        self.watch.settle();
        self.let_go();
        // Where a stream has one message, its reader may yet find that it cannot be sent.
        if end.is_none() && self.watch.method().kind().server_streams() {
            self.watch.succeed();
        }
        Poll::Ready(end.map(|failed| failed.map_err(|status| self.watch.break_off(status))))
    }

    /// Drops what the stream holds; a panic of the handler's destructors is logged and ends there.
    fn let_go(&mut self) {
        if let Hold::WithClock(_, clock) = &self.held {
            clock.abort();
        }
        let held = self.held.take();
        let _ = self.watch.drop(held);
    }
}

/// Cancels the call at its deadline and takes its messages away, whether or not anybody polls them.
fn start_clock(context: &Context, held: &Arc<Mutex<Option<Held>>>) -> AbortHandle {
    let (context, held) = (context.clone(), Arc::downgrade(held));
    let clock = tokio::spawn(async move {
        let Some(deadline) = context.deadline() else { return };
        tokio::time::sleep_until(deadline.instant()).await;
        context.cancellation().cancel(CancelReason::DeadlineExceeded);
        let taken =
            held.upgrade().and_then(|held| held.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _ = caught(context.method(), || context.scope(|| drop(taken)));
    });
    clock.abort_handle()
}

/// Has the task polled again once others were.
fn let_others_run(cx: &mut TaskContext<'_>) {
    let yielded = std::pin::pin!(tokio::task::yield_now()).poll(cx);
    debug_assert!(yielded.is_pending(), "it is woken later");
}

impl MessageSource for Streamed {
    fn poll_batch(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>, batch: &mut Batch) -> Filled {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(end) = self.end.take() {
            return self.end(end);
        }
        // A connection that polls a call where it stands would have to wait for all that its handler does.
        if is_at_once(cx) {
            return Poll::Pending;
        }
        if self.in_a_row >= MESSAGES_IN_A_ROW {
            self.in_a_row = 0;
            let_others_run(cx);
            return Poll::Pending;
        }
        // The task's budget is for all that it does, such as what it reads from a socket.
        if !coop::has_budget_remaining() {
            drop(std::task::ready!(coop::poll_proceed(cx)));
        }
        if self.waits && !self.alarm.rang_or_wakes(cx) {
            return Poll::Pending;
        }
        self.alarm.set(cx);
        let (count, bytes) = (batch.count(), batch.gathered_bytes());
        batch.hold_to(self.watch.reply_max_bytes());
        let mut filled = self.poll_held(batch);
        if let Some(length) = batch.take_too_large() {
            filled = self.too_large(length);
        }
        let came = batch.count() - count;
        self.waits = filled.is_pending() && came == 0;
        batch.say_more_soon(filled.is_pending() && came > 0 && self.alarm.rang());
        if came > 0 {
            if let Poll::Ready(spent) = coop::poll_proceed(cx) {
                spent.made_progress();
            }
            self.drained.spoke();
            self.watch.replies(|| batch.lengths_since(bytes));
        }
        self.in_a_row = if filled.is_pending() { 0 } else { self.in_a_row + came };
        let filled = std::task::ready!(filled);
        if let Some(Ok(())) = filled {
            return Poll::Ready(filled);
        }
        // What came before an end may yet not be sendable: who finds that says so before he asks for the end.
        if came > 0 {
            self.end = Some(filled);
            self.let_go();
            return Poll::Ready(Some(Ok(())));
        }
        self.end(filled)
    }

    fn refuse(mut self: Pin<&mut Self>, status: &Status) {
        // Whoever still runs for it learns that nobody wants more.
        if !std::mem::replace(&mut self.ended, true) {
            let _ = self.watch.give_up(CancelReason::Requested);
        }
        self.let_go();
        self.watch.refuse(status);
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        if self.ended {
            self.watch.succeed();
        }
        self.let_go();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

    use bytes::Bytes;
    use futures_core::Stream;
    use tokio_stream::StreamExt;
    use tonic::Code;

    use super::super::{never, route_for_tests};
    use super::*;
    use crate::call::{Body, Bounds, Entrance, MethodKind, MethodSpec, Peer, Protocol};
    use crate::scheduler::{Scheduler, SchedulerConfig};
    use crate::telemetry::Observation;

    static METHOD: MethodSpec = MethodSpec::new("a.B", "C", "/a.B/C", MethodKind::ServerStreaming);

    fn context(deadline: Option<Deadline>) -> Context {
        let (protocol, peer, entrance) = (Protocol::Local, Peer::local(), Entrance::nowhere());
        let head = crate::call::Head { method: &METHOD, protocol, peer, deadline, entrance };
        Context::new(head, http::HeaderMap::new())
    }

    fn streamed(
        context: Context,
        messages: impl Stream<Item = Result<Bytes, Status>> + Send + 'static,
    ) -> Streamed {
        let scheduler = Scheduler::new(SchedulerConfig::default(), tokio::runtime::Handle::current());
        let route = route_for_tests(&METHOD, 1, &scheduler, never());
        let under_way = UnderWay::begin(&route).expect("a place");
        let watch = Watch::new(context, under_way, Observation::default());
        Streamed::new(Body::stream(messages).into_stream(), watch)
    }

    /// What a reader gets at a time: so many messages, and the end if that is known by then.
    async fn read(streamed: &mut Streamed) -> (usize, Option<Option<Code>>) {
        let mut batch =
            Batch::new(Bounds { bytes_max: 10_000, alone_min_bytes: 10_000, message_max_bytes: 10_000 });
        std::future::poll_fn(|cx| {
            let filled = Pin::new(&mut *streamed).poll_batch(cx, &mut batch);
            match filled {
                Poll::Pending if batch.count() == 0 => Poll::Pending,
                Poll::Pending | Poll::Ready(Some(Ok(()))) => Poll::Ready((batch.count(), None)),
                Poll::Ready(None) => Poll::Ready((batch.count(), Some(None))),
                Poll::Ready(Some(Err(status))) => Poll::Ready((batch.count(), Some(Some(status.code())))),
            }
        })
        .await
    }

    fn message() -> Result<Bytes, Status> {
        Ok(Bytes::from_static(b"m"))
    }

    /// However it is asked for: in batches or one by one. What came before it arrives.
    #[tokio::test]
    async fn a_message_over_its_bound_ends_the_stream() {
        let bound = 1_000;
        let lengths = [bound, 1, bound + 1, 1];
        let messages = || tokio_stream::iter(lengths.map(|length| Ok(Bytes::from(vec![b'm'; length]))));
        let context = context(None);
        let mut at_once = streamed(context.clone(), messages());
        assert_eq!(read(&mut at_once).await, (2, None));
        assert_eq!(read(&mut at_once).await, (0, Some(Some(Code::ResourceExhausted))));
        assert_eq!(read(&mut at_once).await, (0, Some(None)));
        assert!(context.is_cancelled(), "whoever runs for it learns that nobody wants more");
        let streamed = Box::pin(streamed(self::context(None), messages()));
        let items: Vec<_> = MessageStream::of(streamed).collect().await;
        let [Ok(_), Ok(_), Err(status)] = &items[..] else { panic!("{items:?}") };
        assert_eq!(status.message(), "a reply of 1001 bytes is more than the 1000 allowed");
    }

    /// Tells when it is dropped.
    struct Gone(Arc<AtomicBool>);

    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_handler_that_is_always_ready_lets_others_run() {
        const MESSAGES: usize = 10_000;
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&turns);
        let others = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        // Not tokio's: it spends nothing of the task's budget.
        let mut endless = streamed(context(None), futures_util::stream::repeat_with(message));
        let mut messages = 0;
        while messages < MESSAGES {
            let (came, end) = read(&mut endless).await;
            assert_eq!(end, None);
            messages += came;
        }
        others.abort();
        let turns = turns.load(Ordering::Relaxed);
        assert!(turns >= MESSAGES / (2 * MESSAGES_IN_A_ROW), "{turns} turns");
    }

    #[tokio::test]
    async fn a_handler_that_cancels_its_own_call_may_still_speak() {
        for deadline in [None, Some(Deadline::after(Duration::from_secs(600)))] {
            let call = context(deadline);
            let cancellation = call.cancellation().clone();
            let last_words = tokio_stream::iter(0..2).then(move |_| {
                cancellation.cancel(CancelReason::Requested);
                async {
                    tokio::task::yield_now().await;
                    message()
                }
            });
            let mut stream = streamed(call, last_words);
            let mut messages = 0;
            loop {
                let (came, end) = read(&mut stream).await;
                messages += came;
                if let Some(end) = end {
                    assert_eq!((messages, end), (2, None));
                    break;
                }
            }
        }
    }

    /// Polled for nothing, it does not ask its handler; woken, it does.
    #[tokio::test]
    async fn a_stream_that_waits_is_asked_when_it_has_asked_for_it() {
        let (asked, waker) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(None)));
        let (counted, kept) = (Arc::clone(&asked), Arc::clone(&waker));
        let mut waiting = streamed(
            context(None),
            futures_util::stream::poll_fn(move |cx| {
                *kept.lock().expect("no panic") = Some(cx.waker().clone());
                if counted.fetch_add(1, Ordering::Relaxed) == 0 { Poll::Pending } else { Poll::Ready(None) }
            }),
        );
        let mut batch = Batch::of_one();
        for _ in 0..3 {
            let filled =
                std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut waiting).poll_batch(cx, &mut batch)));
            assert!(filled.await.is_pending());
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        let waker = waker.lock().expect("no panic").take().expect("it was asked");
        tokio::spawn(async move { waker.wake() });
        assert_eq!(read(&mut waiting).await, (0, Some(None)), "the reader is woken");
    }

    #[tokio::test]
    async fn it_is_known_whether_a_stream_only_lets_others_run() {
        for (yields, more_soon) in [(true, true), (false, false)] {
            let mut messages = [message()].into_iter();
            let mut speaking = streamed(
                context(None),
                futures_util::stream::poll_fn(move |cx| match messages.next() {
                    Some(message) => Poll::Ready(Some(message)),
                    None => {
                        if yields {
                            cx.waker().wake_by_ref();
                        }
                        Poll::Pending
                    }
                }),
            );
            let bounds = Bounds { bytes_max: 100, alone_min_bytes: 100, message_max_bytes: 100 };
            let mut batch = Batch::new(bounds);
            let filled =
                std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut speaking).poll_batch(cx, &mut batch)));
            assert!(filled.await.is_pending());
            assert_eq!((batch.count(), batch.is_more_soon()), (1, more_soon));
        }
    }

    #[tokio::test]
    async fn messages_before_a_panic_are_not_lost_with_it() {
        let mut made = 0;
        let mut panicking = streamed(
            context(None),
            futures_util::stream::repeat_with(move || {
                made += 1;
                assert!(made < 4, "the test asked for it");
                message()
            }),
        );
        assert_eq!(read(&mut panicking).await, (3, None));
        assert_eq!(read(&mut panicking).await, (0, Some(Some(Code::Internal))));
        assert_eq!(read(&mut panicking).await, (0, Some(None)));
    }

    /// The reader may find that the last message cannot be sent, and says so before it asks for more.
    #[tokio::test]
    async fn an_end_behind_messages_is_told_when_it_is_asked_for() {
        let gone = Arc::new(AtomicBool::new(false));
        let held = Gone(Arc::clone(&gone));
        let (mut messages, ending) = ([message()].into_iter(), context(None));
        let stream = futures_util::stream::poll_fn(move |_| {
            let _held = &held;
            Poll::Ready(messages.next())
        });
        let mut ending = (streamed(ending.clone(), stream), ending);
        assert_eq!(read(&mut ending.0).await, (1, None));
        assert!(gone.load(Ordering::Relaxed), "what the handler held is free at once");
        Pin::new(&mut ending.0).refuse(&Status::resource_exhausted("too large"));
        assert_eq!(ending.1.cancellation().reason(), Some(CancelReason::Requested));
        assert_eq!(read(&mut ending.0).await, (0, Some(None)));
    }

    /// The clock of the stream and the poll of its reader are due at the same time.
    #[tokio::test(start_paused = true)]
    async fn a_stream_polled_just_as_its_deadline_passes_ends_once() {
        const TIMEOUT: Duration = Duration::from_secs(1);
        for reader_waits in [false, true] {
            let deadline = Deadline::after(TIMEOUT);
            let gone = Arc::new(AtomicBool::new(false));
            let held = Gone(Arc::clone(&gone));
            let mut silent = streamed(
                context(Some(deadline)),
                futures_util::stream::poll_fn(move |_| {
                    let _held = &held;
                    Poll::Pending
                }),
            );
            if !reader_waits {
                tokio::time::sleep_until(deadline.instant()).await;
            }
            assert_eq!(read(&mut silent).await, (0, Some(Some(Code::DeadlineExceeded))));
            assert!(gone.load(Ordering::Relaxed), "the handler's stream is gone by then");
            assert_eq!(read(&mut silent).await, (0, Some(None)));
        }
    }

    /// The clock rings while the handler is at a message: it finds nothing to take away, and does not ring again.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_deadline_that_passes_while_a_message_is_made_takes_the_stream_right_after() {
        let late = context(Some(Deadline::after(Duration::from_millis(20))));
        let gone = Arc::new(AtomicBool::new(false));
        let (held, cancelled) = (Gone(Arc::clone(&gone)), late.clone());
        let mut slow = streamed(
            late,
            futures_util::stream::poll_fn(move |_| {
                let _held = &held;
                // On the thread of the test, while the clock has one of its own.
                while !cancelled.is_cancelled() {
                    std::hint::spin_loop();
                }
                Poll::Ready(Some(message()))
            }),
        );
        let mut batch =
            Batch::new(Bounds { bytes_max: 1, alone_min_bytes: 10_000, message_max_bytes: 10_000 });
        let filled =
            std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut slow).poll_batch(cx, &mut batch))).await;
        // Where the machine is so busy that it was late before it began, there is no message.
        let is_made = matches!(filled, Poll::Ready(Some(Ok(()))));
        assert_eq!(batch.count(), usize::from(is_made));
        if is_made {
            assert!(gone.load(Ordering::Relaxed), "nobody has to poll it again for that");
        }
        if !matches!(filled, Poll::Ready(Some(Err(_)))) {
            assert_eq!(read(&mut slow).await, (0, Some(Some(Code::DeadlineExceeded))));
        }
        assert_eq!(read(&mut slow).await, (0, Some(None)));
    }
}
