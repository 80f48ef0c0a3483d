//! The messages of a reply, under the same watch as the call before them.
//!
//! A stream is polled by whoever reads it. A reader who stalls polls nothing, so a deadline needs a clock of its
//! own: at the deadline a task takes the messages away, with the handler and the place in flight behind them.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use futures_core::Stream;
use tokio::task::AbortHandle;
use tonic::Status;

use super::at_once::is_at_once;
use super::drain::{Drain, StreamDrain};
use super::in_flight::Place;
use super::panic::caught;
use super::watch::Watch;
use crate::call::{CancelReason, Context, MessageStream, Messages, Scoped};

/// The messages of a reply.
pub(super) struct Streamed {
    held: Arc<Mutex<Option<Held>>>,
    ended: bool,
    /// The global end of a drain, and the silence before it.
    drained: StreamDrain,
    drain: Drain,
    clock: Option<AbortHandle>,
    watch: Watch,
}

/// What a stream holds on to; not there while it is being polled, and gone once it has ended.
struct Held {
    messages: Scoped<MessageStream>,
    _place: Place,
}

impl Streamed {
    pub(super) fn new(messages: MessageStream, watch: Watch, place: Place, drain: &Drain) -> Self {
        let messages = Scoped::new(watch.context().clone(), messages);
        let held = Arc::new(Mutex::new(Some(Held { messages, _place: place })));
        let clock = watch.context().deadline().is_some().then(|| start_clock(watch.context(), &held));
        Self { held, ended: false, drained: drain.watch(), drain: drain.clone(), clock, watch }
    }

    fn take(&self) -> Option<Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, held: Held) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
        // The clock found nothing to take away, if it rang meanwhile, and will not ring again.
        if self.clock.is_some() && self.watch.context().is_cancelled() {
            let _ = self.watch.drop(self.take());
        }
    }

    fn poll_item(&mut self, cx: &mut TaskContext<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        // The deadline and the drain first: a handler that always has a message ready must not outrun them.
        if let Poll::Ready(late) = self.watch.poll_deadline(cx) {
            return Poll::Ready(Some(Err(late)));
        }
        if self.drain.is_over() {
            return Poll::Ready(Some(Err(self.watch.give_up(CancelReason::Shutdown))));
        }
        // Without messages before the end, the clock has taken them a moment before our own timer fires.
        let Some(mut held) = self.take() else { return Poll::Pending };
        match self.watch.poll(|| Pin::new(&mut held.messages).poll_next(cx)) {
            Ok(Poll::Ready(item)) => {
                self.put(held);
                return Poll::Ready(item);
            }
            Ok(Poll::Pending) => self.put(held),
            Err(panicked) => {
                let _ = self.watch.drop(held);
                return Poll::Ready(Some(Err(panicked)));
            }
        }
        std::task::ready!(self.drained.poll_end(cx));
        Poll::Ready(Some(Err(self.watch.give_up(CancelReason::Shutdown))))
    }

    /// Drops what the stream holds; a panic of the handler's destructors is logged and ends there.
    fn let_go(&mut self) {
        let held = self.take();
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
        let _ = caught(context.method(), || drop(taken));
    });
    clock.abort_handle()
}

impl Stream for Streamed {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        // A connection that polls a call where it stands would have to wait for all that its handler does.
        if is_at_once(cx) {
            return Poll::Pending;
        }
        // A handler that always has a message ready would leave its thread of the runtime to nobody else: each counts
        // against the task's budget, as what is read from a socket does.
        let turn = std::task::ready!(tokio::task::coop::poll_proceed(cx));
        let item = std::task::ready!(self.poll_item(cx));
        turn.made_progress();
        self.drained.spoke();
        Poll::Ready(match item {
            Some(Ok(message)) => {
                self.watch.reply(&message);
                Some(Ok(message))
            }
            end => {
                self.ended = true;
                self.watch.settle();
                self.let_go();
                // Where a stream has one message, its reader may yet find that it cannot be sent.
                if end.is_none() && self.watch.method().kind().server_streams() {
                    self.watch.succeed();
                }
                end.map(|failed| failed.map_err(|status| self.watch.break_off(status)))
            }
        })
    }
}

impl Messages for Streamed {
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
        if let Some(clock) = &self.clock {
            clock.abort();
        }
        self.let_go();
    }
}
