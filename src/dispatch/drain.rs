//! What a drain means for streams: a call of one message ends by itself, a stream may not.
//!
//! A stream that has something to say is let finish, such as a download. One that is silent is most likely
//! waiting for what will not come any more, and would hold the server until the last moment: it ends with
//! UNAVAILABLE, which tells its caller to go to another server.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::call::{CancelReason, Cancellation, Cancelled};

/// The drain of a server; every clone is the same.
#[derive(Debug, Clone)]
pub(super) struct Drain {
    begun: Cancellation,
    over: Cancellation,
    silence: Duration,
}

impl Drain {
    pub(super) fn new(silence: Duration) -> Self {
        Self { begun: Cancellation::new(), over: Cancellation::new(), silence }
    }

    pub(super) fn begin(&self) {
        self.begun.cancel(CancelReason::Shutdown);
    }

    pub(super) fn end(&self) {
        self.over.cancel(CancelReason::Shutdown);
    }

    /// What tells one stream when to end.
    pub(super) fn watch(&self) -> StreamDrain {
        StreamDrain {
            begun: Box::pin(self.begun.cancelled()),
            over: Box::pin(self.over.cancelled()),
            silence: self.silence,
            silent_until: None,
        }
    }
}

/// Tells one stream when to end.
pub(super) struct StreamDrain {
    begun: Pin<Box<Cancelled>>,
    over: Pin<Box<Cancelled>>,
    silence: Duration,
    silent_until: Option<Pin<Box<Sleep>>>,
}

impl StreamDrain {
    /// The stream has spoken: it may be silent anew.
    pub(super) fn spoke(&mut self) {
        if let Some(sleep) = &mut self.silent_until {
            sleep.as_mut().reset(Instant::now() + self.silence);
        }
    }

    /// Whether the stream, which has nothing to say now, is to end. Polled only while that is so.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.silent_until.is_none() {
            std::task::ready!(self.begun.as_mut().poll(cx));
        }
        if self.over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let silence = self.silence;
        let sleep = self.silent_until.get_or_insert_with(|| Box::pin(tokio::time::sleep(silence)));
        sleep.as_mut().poll(cx)
    }
}
