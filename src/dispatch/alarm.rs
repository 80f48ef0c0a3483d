//! Whether a stream has asked to be polled again.
//!
//! The task of a stream is woken for more than its messages: over HTTP/2 also when its client has made room, or what it
//! sent is out. A stream that waits need not be asked then. So it is polled with a waker of its own, which remembers that
//! it was used, and passes it on to the task.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Wake, Waker};

use parts::{AtomicBool, TaskWaker};

/// What is model-checked with it, or loom's in its place.
mod parts {
    #[cfg(not(all(test, ambidex_loom)))]
    pub(super) use futures_util::task::AtomicWaker as TaskWaker;
    #[cfg(all(test, ambidex_loom))]
    pub(super) use loom::sync::atomic::AtomicBool;
    #[cfg(not(all(test, ambidex_loom)))]
    pub(super) use std::sync::atomic::AtomicBool;

    #[cfg(all(test, ambidex_loom))]
    pub(super) struct TaskWaker(loom::future::AtomicWaker);

    #[cfg(all(test, ambidex_loom))]
    impl TaskWaker {
        pub(super) fn new() -> Self {
            Self(loom::future::AtomicWaker::new())
        }

        pub(super) fn register(&self, waker: &std::task::Waker) {
            self.0.register_by_ref(waker);
        }

        pub(super) fn wake(&self) {
            self.0.wake();
        }
    }
}

/// The waker of a stream.
pub(super) struct Alarm {
    bell: Arc<Bell>,
    waker: Waker,
}

struct Bell {
    rang: AtomicBool,
    task: TaskWaker,
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
        let bell = Arc::new(Bell { rang: AtomicBool::new(false), task: TaskWaker::new() });
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

/// Every interleaving of who rings and who waits. Run with
/// `RUSTFLAGS="--cfg ambidex_loom" cargo test --lib --release loom_`.
#[cfg(test)]
#[cfg(ambidex_loom)]
mod loom_tests {
    use std::task::Poll;

    use super::*;

    #[test]
    fn loom_who_waits_for_what_rings_gets_to_know_of_it() {
        loom::model(|| {
            let alarm = Alarm::new();
            let there = Arc::new(AtomicBool::new(false));
            let ringer = {
                let (there, bell) = (Arc::clone(&there), alarm.waker().clone());
                loom::thread::spawn(move || {
                    there.store(true, Ordering::Relaxed);
                    bell.wake_by_ref();
                })
            };
            let mut waits = false;
            loom::future::block_on(std::future::poll_fn(|cx| {
                if std::mem::replace(&mut waits, true) && !alarm.rang_or_wakes(cx) {
                    return Poll::Pending;
                }
                alarm.set(cx);
                if there.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
            }));
            ringer.join().unwrap();
        });
    }
}

#[cfg(test)]
#[cfg(not(ambidex_loom))]
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
