//! Owns the one bit "nobody wants this call any more", its reason, and everyone who asked to be told.
//!
//! Blocking code cannot be interrupted from outside, so it must be able to *look* (one atomic load, cheap
//! enough for an inner loop), to be *called back* (shut a socket down, interrupt a query), and async code must
//! be able to *await*. All three are served from one small list behind one lock. The handle refuses to know
//! what is being cancelled.
//!
//! The reason is written and the list taken under the same lock that registration holds. So a listener either
//! is in the list that `cancel` takes, or finds the reason already written: none is lost and none runs twice.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A cheap handle on the cancellation of one call; clones share it.
///
/// ```
/// use ambidex::call::{CancelReason, Cancellation};
///
/// let cancellation = Cancellation::new();
/// let (tell, told) = std::sync::mpsc::channel();
/// let _guard = cancellation.on_cancel(move |reason| tell.send(reason).expect("the test listens"));
///
/// assert!(cancellation.cancel(CancelReason::ClientGone));
/// assert_eq!(told.recv(), Ok(CancelReason::ClientGone));
/// assert!(!cancellation.cancel(CancelReason::Shutdown), "the first reason stands");
/// ```
#[derive(Clone, Default)]
pub struct Cancellation {
    shared: Arc<Shared>,
}

/// Why a call was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancelReason {
    /// The client closed its stream or its connection.
    ClientGone,
    /// The deadline passed while the call was at work.
    DeadlineExceeded,
    /// The server is shutting down and has stopped waiting.
    Shutdown,
    /// The program itself no longer wants the result.
    Requested,
}

impl Cancellation {
    /// A cancellation that has not happened.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels, and tells everyone who asked. Returns whether this was the first: later reasons change nothing.
    ///
    /// Callbacks run on this thread, one after the other, before the call returns. One that panics is logged
    /// and keeps nobody else from being told.
    pub fn cancel(&self, reason: CancelReason) -> bool {
        let told = {
            let mut listeners = self.shared.listeners();
            if self.is_cancelled() {
                return false;
            }
            self.shared.reason.store(encode(reason), Ordering::Release);
            std::mem::take(&mut listeners.slots)
        };
        told.into_iter().flatten().for_each(|listener| listener.tell(reason));
        true
    }

    /// Whether the call has been cancelled: one atomic load.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.shared.reason.load(Ordering::Acquire) != LIVE
    }

    /// Why the call was cancelled, or `None` while it has not been.
    pub fn reason(&self) -> Option<CancelReason> {
        decode(self.shared.reason.load(Ordering::Acquire))
    }

    /// Resolves once the call is cancelled.
    pub fn cancelled(&self) -> Cancelled {
        Cancelled { cancellation: self.clone(), slot: None }
    }

    /// Runs `callback` when the call is cancelled, or here and now if it already has been.
    ///
    /// Dropping the guard unregisters the callback. It does not wait for one that is being run by another
    /// thread at that moment.
    pub fn on_cancel(&self, callback: impl FnOnce(CancelReason) + Send + 'static) -> OnCancel {
        self.register(Listener::Callback(Box::new(callback)))
    }

    /// Whether two handles speak of the same call.
    pub fn ptr_eq(&self, other: &Cancellation) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Like [`on_cancel`](Self::on_cancel) for a listener that lives in an `Arc` anyway: no allocation.
    pub(crate) fn notify(&self, listener: Arc<dyn CancelListener>) -> OnCancel {
        self.register(Listener::Shared(listener))
    }

    fn register(&self, listener: Listener) -> OnCancel {
        let mut listeners = self.shared.listeners();
        match self.reason() {
            None => OnCancel { registered: Some((self.shared.clone(), listeners.insert(listener))) },
            Some(reason) => {
                drop(listeners);
                listener.tell(reason);
                OnCancel { registered: None }
            }
        }
    }
}

impl fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancellation").field("reason", &self.reason()).finish_non_exhaustive()
    }
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CancelReason::ClientGone => "the client has gone",
            CancelReason::DeadlineExceeded => "the deadline has passed",
            CancelReason::Shutdown => "the server is shutting down",
            CancelReason::Requested => "the result is no longer wanted",
        })
    }
}

/// Something shared that wants to hear of a cancellation without a closure of its own.
pub(crate) trait CancelListener: Send + Sync {
    fn cancelled(&self, reason: CancelReason);
}

/// Keeps a callback registered; see [`Cancellation::on_cancel`].
#[must_use = "dropping the guard unregisters the callback"]
pub struct OnCancel {
    registered: Option<(Arc<Shared>, usize)>,
}

impl Drop for OnCancel {
    fn drop(&mut self) {
        if let Some((shared, slot)) = self.registered.take() {
            // The listener is dropped after the lock is released: what it captured may have a destructor that
            // touches this very cancellation.
            let removed = shared.listeners().remove(slot);
            drop(removed);
        }
    }
}

impl fmt::Debug for OnCancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnCancel").field("registered", &self.registered.is_some()).finish()
    }
}

/// The future behind [`Cancellation::cancelled`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Cancelled {
    cancellation: Cancellation,
    slot: Option<usize>,
}

impl Future for Cancelled {
    type Output = CancelReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CancelReason> {
        let this = &mut *self;
        let mut listeners = this.cancellation.shared.listeners();
        if let Some(reason) = this.cancellation.reason() {
            return Poll::Ready(reason);
        }
        let replaced = match this.slot {
            Some(slot) => listeners.replace_waker(slot, cx.waker()),
            None => {
                this.slot = Some(listeners.insert(Listener::Waker(cx.waker().clone())));
                None
            }
        };
        drop(listeners);
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            let removed = self.cancellation.shared.listeners().remove(slot);
            drop(removed);
        }
    }
}

#[derive(Default)]
struct Shared {
    /// `LIVE`, or an encoded reason. Written once, under the lock of `listeners`; read anywhere.
    reason: AtomicU8,
    listeners: Mutex<Listeners>,
}

impl Shared {
    /// No foreign code runs under this lock but the cloning of a waker; should one panic, the list is whole.
    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A slab, so that registering and leaving are constant-time even on a cancellation that thousands watch.
///
/// A slot's number belongs to one guard until that guard gives it back, and after `cancel` took the slots no
/// more are handed out, so a number can never come to mean another's listener.
#[derive(Default)]
struct Listeners {
    slots: Vec<Option<Listener>>,
    free: Vec<usize>,
}

impl Listeners {
    fn insert(&mut self, listener: Listener) -> usize {
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = Some(listener);
                slot
            }
            None => {
                self.slots.push(Some(listener));
                self.slots.len() - 1
            }
        }
    }

    fn remove(&mut self, slot: usize) -> Option<Listener> {
        let removed = self.slots.get_mut(slot)?.take();
        self.free.push(slot);
        removed
    }

    fn replace_waker(&mut self, slot: usize, waker: &Waker) -> Option<Listener> {
        match &self.slots[slot] {
            Some(Listener::Waker(known)) if known.will_wake(waker) => None,
            _ => self.slots[slot].replace(Listener::Waker(waker.clone())),
        }
    }
}

enum Listener {
    Waker(Waker),
    Callback(Box<dyn FnOnce(CancelReason) + Send>),
    Shared(Arc<dyn CancelListener>),
}

impl Listener {
    fn tell(self, reason: CancelReason) {
        let told = catch_unwind(AssertUnwindSafe(|| match self {
            Listener::Waker(waker) => waker.wake(),
            Listener::Callback(callback) => callback(reason),
            Listener::Shared(listener) => listener.cancelled(reason),
        }));
        if let Err(panic) = told {
            tracing::error!(%reason, "a cancellation callback panicked");
            // A payload may panic in its own destructor, and nothing here could be told of it.
            std::mem::forget(panic);
        }
    }
}

const LIVE: u8 = 0;

fn encode(reason: CancelReason) -> u8 {
    match reason {
        CancelReason::ClientGone => 1,
        CancelReason::DeadlineExceeded => 2,
        CancelReason::Shutdown => 3,
        CancelReason::Requested => 4,
    }
}

fn decode(code: u8) -> Option<CancelReason> {
    match code {
        LIVE => None,
        1 => Some(CancelReason::ClientGone),
        2 => Some(CancelReason::DeadlineExceeded),
        3 => Some(CancelReason::Shutdown),
        _ => Some(CancelReason::Requested),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn the_first_reason_stands() {
        let cancellation = Cancellation::new();
        assert_eq!(cancellation.reason(), None);
        assert!(cancellation.cancel(CancelReason::Shutdown));
        assert!(!cancellation.clone().cancel(CancelReason::ClientGone));
        assert_eq!(cancellation.reason(), Some(CancelReason::Shutdown));
    }

    #[test]
    fn every_reason_survives_its_code() {
        use CancelReason::*;
        for reason in [ClientGone, DeadlineExceeded, Shutdown, Requested] {
            assert_eq!(decode(encode(reason)), Some(reason));
        }
    }

    #[test]
    fn a_callback_registered_too_late_runs_at_once() {
        let cancellation = Cancellation::new();
        cancellation.cancel(CancelReason::ClientGone);
        let (tell, told) = std::sync::mpsc::channel();
        let _guard = cancellation.on_cancel(move |reason| tell.send(reason).expect("the test listens"));
        assert_eq!(told.try_recv(), Ok(CancelReason::ClientGone));
    }

    #[test]
    fn a_dropped_guard_takes_its_callback_along_and_no_other() {
        let cancellation = Cancellation::new();
        let calls = Arc::new(AtomicUsize::new(0));
        let count = |weight: usize| {
            let calls = calls.clone();
            cancellation.on_cancel(move |_| {
                calls.fetch_add(weight, Ordering::Relaxed);
            })
        };
        let first = count(1);
        let _second = count(10);
        drop(first);
        let _third = count(100);
        cancellation.cancel(CancelReason::Requested);
        assert_eq!(calls.load(Ordering::Relaxed), 110);
    }

    #[test]
    fn a_panicking_callback_harms_no_one() {
        let cancellation = Cancellation::new();
        let (tell, told) = std::sync::mpsc::channel();
        let _bad = cancellation.on_cancel(|_| panic!("on purpose"));
        let _good = cancellation.on_cancel(move |reason| tell.send(reason).expect("the test listens"));
        assert!(cancellation.cancel(CancelReason::ClientGone));
        assert_eq!(told.try_recv(), Ok(CancelReason::ClientGone));
    }

    #[test]
    fn a_callback_may_use_the_cancellation_it_hangs_on() {
        let cancellation = Cancellation::new();
        let inner = cancellation.clone();
        let _guard = cancellation.on_cancel(move |_| assert!(!inner.cancel(CancelReason::Requested)));
        assert!(cancellation.cancel(CancelReason::Shutdown));
    }

    #[tokio::test]
    async fn awaiting_resolves_when_another_task_cancels() {
        let cancellation = Cancellation::new();
        let waiting = tokio::spawn(cancellation.cancelled());
        tokio::task::yield_now().await;
        cancellation.cancel(CancelReason::ClientGone);
        assert_eq!(waiting.await.unwrap(), CancelReason::ClientGone);
    }

    #[test]
    fn a_dropped_wait_leaves_nothing_behind() {
        let cancellation = Cancellation::new();
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            let mut waiting = cancellation.cancelled();
            assert!(Pin::new(&mut waiting).poll(&mut context).is_pending());
            assert!(Pin::new(&mut waiting).poll(&mut context).is_pending());
        }
        assert_eq!(cancellation.shared.listeners().slots.len(), 1, "the one slot is used again and again");
    }
}
