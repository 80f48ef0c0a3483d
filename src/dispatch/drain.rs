//! What a drain means for streams: a call of one message ends by itself, a stream may not.
//!
//! A stream that has something to say is let finish, such as a download. One that is silent is most likely
//! waiting for what will not come any more, and would hold the server until the last moment: it ends with
//! UNAVAILABLE, which tells its caller to go to another server. Silence counts only while somebody listens: a
//! slow reader is not the stream's fault.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::call::{CancelReason, Cancellation, Cancelled};

/// The drain of a server; every clone is the same.
#[derive(Debug, Clone)]
pub(super) struct Drain(Arc<Stages>);

#[derive(Debug)]
struct Stages {
    begun: Cancellation,
    over: Cancellation,
    silence: Duration,
}

impl Drain {
    pub(super) fn new(silence: Duration) -> Self {
        Self(Arc::new(Stages { begun: Cancellation::new(), over: Cancellation::new(), silence }))
    }

    pub(super) fn begin(&self) {
        self.0.begun.cancel(CancelReason::Shutdown);
    }

    pub(super) fn end(&self) {
        self.0.over.cancel(CancelReason::Shutdown);
    }

    /// Resolves when the drain is over: whatever is left is to end.
    pub(super) fn over(&self) -> Cancelled {
        self.0.over.cancelled()
    }

    /// What tells one stream when to end.
    pub(super) fn watch(&self) -> StreamDrain {
        StreamDrain {
            stages: Arc::clone(&self.0),
            begun: Box::pin(self.0.begun.cancelled()),
            over: Box::pin(self.over()),
            told: None,
            silent_until: None,
            spoke: false,
        }
    }
}

/// Tells one stream when to end.
pub(super) struct StreamDrain {
    stages: Arc<Stages>,
    begun: Pin<Box<Cancelled>>,
    over: Pin<Box<Cancelled>>,
    /// Who is told of both. While the same waits, neither need be asked again.
    told: Option<Waker>,
    silent_until: Option<Pin<Box<Sleep>>>,
    spoke: bool,
}

impl StreamDrain {
    /// The stream has spoken: it may be silent anew.
    pub(super) fn spoke(&mut self) {
        self.spoke = true;
    }

    /// Whether the drain is over for everyone.
    pub(super) fn is_over(&self) -> bool {
        self.stages.over.is_cancelled()
    }

    /// Whether the stream, which is listened to and has nothing to say, is to end.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_over() {
            return Poll::Ready(());
        }
        let is_told = self.told.as_ref().is_some_and(|told| told.will_wake(cx.waker()));
        if !is_told {
            self.told = None;
            if self.over.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
        }
        let silence = self.stages.silence;
        if let Some(sleep) = &mut self.silent_until {
            self.told.get_or_insert_with(|| cx.waker().clone());
            if std::mem::take(&mut self.spoke) {
                sleep.as_mut().reset(Instant::now() + silence);
            }
            return sleep.as_mut().poll(cx);
        }
        if is_told && !self.stages.begun.is_cancelled() {
            return Poll::Pending;
        }
        if self.begun.as_mut().poll(cx).is_pending() {
            self.told = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.spoke = false;
        self.silent_until.insert(Box::pin(tokio::time::sleep(silence))).as_mut().poll(cx)
    }
}
