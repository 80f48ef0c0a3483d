//! Whether a stream has asked to be polled again.
//!
//! The task of a stream is woken for more than its messages: over HTTP/2 also when its client has made room, or what it
//! sent is out. A stream that waits need not be asked then. So it is polled with a waker of its own, which remembers that
//! it was used, and passes it on to the task.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use futures_util::task::AtomicWaker;

/// The waker of a stream.
pub(super) struct Alarm {
    bell: Arc<Bell>,
    waker: Waker,
}

struct Bell {
    rang: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rang.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl Alarm {
    pub(super) fn new() -> Self {
        let bell = Arc::new(Bell { rang: AtomicBool::new(false), task: AtomicWaker::new() });
        Self { waker: Waker::from(Arc::clone(&bell)), bell }
    }

    /// Forgets that it rang. From now on it wakes this task.
    pub(super) fn set(&self, cx: &Context<'_>) {
        self.bell.task.register(cx.waker());
        self.bell.rang.swap(false, Ordering::AcqRel);
    }

    /// Whether it rang since it was set.
    pub(super) fn rang(&self) -> bool {
        self.bell.rang.load(Ordering::Acquire)
    }

    /// The same; if not, it wakes this task when it does.
    pub(super) fn rang_or_wakes(&self, cx: &Context<'_>) -> bool {
        if self.rang() {
            return true;
        }
        self.bell.task.register(cx.waker());
        // Looked at again: one who rang in between found nobody to wake.
        self.rang()
    }

    /// What rings it.
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_came_last_is_woken_and_what_rang_is_remembered() {
        let tasks = [(); 2].map(|()| Arc::new(Woken(AtomicBool::new(false))));
        let wakers = tasks.clone().map(Waker::from);
        let [first, second] = wakers.each_ref().map(Context::from_waker);
        let woken = || tasks.each_ref().map(|task| task.0.swap(false, Ordering::Relaxed));
        let alarm = Alarm::new();
        alarm.set(&first);
        assert!(!alarm.rang() && !alarm.rang_or_wakes(&second));
        alarm.waker().wake_by_ref();
        assert_eq!(woken(), [false, true]);
        assert!(alarm.rang() && alarm.rang_or_wakes(&first));
        alarm.set(&first);
        assert!(!alarm.rang());
        alarm.waker().wake_by_ref();
        assert_eq!(woken(), [true, false]);
    }
}
