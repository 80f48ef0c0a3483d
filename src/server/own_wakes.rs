//! A connection over HTTP/2 that wakes itself goes on at once.
//!
//! An answer that is made where its connection is polled wakes that connection: what is to be sent is news to it. A task
//! that is woken while it is polled goes behind all others, and a runtime with a thread at rest wakes it for the sake of
//! that task, in vain: with one call at a time that was most of what a call cost. So its wakes are taken down here while it
//! is polled, and it is polled again instead.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// How often a connection is polled in a row before others have their turn.
const ROUNDS: u32 = 4;

/// The wakes of one connection.
pub(super) struct OwnWakes {
    taken_down: Arc<TakenDown>,
    /// The same, as what is polled is given it.
    waker: Waker,
}

#[derive(Default)]
struct TakenDown(Mutex<State>);

#[derive(Default)]
struct State {
    is_polled: bool,
    /// Since it has been polled.
    woken: bool,
    /// The task's own.
    task: Option<Waker>,
}

impl TakenDown {
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Wake for TakenDown {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Woken outside of the lock: it is the runtime's code, and may do as it likes.
        let task = self.with(|state| match state.is_polled {
            true => {
                state.woken = true;
                None
            }
            false => state.task.clone(),
        });
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl OwnWakes {
    pub(super) fn new() -> Self {
        let taken_down = Arc::new(TakenDown::default());
        Self { waker: Arc::clone(&taken_down).into(), taken_down }
    }

    /// Polls a connection until it is ready, or waits for somebody else.
    pub(super) fn poll<C: Future>(
        &self,
        mut connection: Pin<&mut C>,
        cx: &mut Context<'_>,
    ) -> Poll<C::Output> {
        for _ in 0..ROUNDS {
            self.taken_down.with(|state| {
                state.is_polled = true;
                state.woken = false;
                if !state.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
                    state.task = Some(cx.waker().clone());
                }
            });
            let polled = connection.as_mut().poll(&mut Context::from_waker(&self.waker));
            let woken = self.taken_down.with(|state| {
                state.is_polled = false;
                state.woken
            });
            if polled.is_ready() || !woken {
                return polled;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A task that counts how often it was woken.
    #[derive(Default)]
    struct Counting(AtomicU32);

    impl Wake for Counting {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Polls a connection that wakes itself so often; how often it was polled, and its task woken.
    fn polled(wakes: u32) -> (u32, u32) {
        let task = Arc::new(Counting::default());
        let mut polls = 0;
        let mut connection = std::pin::pin!(std::future::poll_fn(|cx| {
            polls += 1;
            if polls <= wakes {
                cx.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        }));
        let own = OwnWakes::new();
        let waker = Arc::clone(&task).into();
        assert!(own.poll(connection.as_mut(), &mut Context::from_waker(&waker)).is_pending());
        (polls, task.0.load(Ordering::Relaxed))
    }

    #[test]
    fn who_wakes_itself_is_polled_again_but_not_for_ever() {
        assert_eq!(polled(0), (1, 0));
        assert_eq!(polled(1), (2, 0));
        assert_eq!(polled(ROUNDS - 1), (ROUNDS, 0));
        assert_eq!(polled(ROUNDS), (ROUNDS, 1), "the others have their turn");
        assert_eq!(polled(100), (ROUNDS, 1));
    }

    #[test]
    fn whoever_wakes_it_later_wakes_the_task_that_polled_it_last() {
        let tasks = [Arc::new(Counting::default()), Arc::new(Counting::default())];
        let mut kept = None;
        let mut connection = std::pin::pin!(std::future::poll_fn(|cx| {
            kept.get_or_insert_with(|| cx.waker().clone());
            Poll::<()>::Pending
        }));
        let own = OwnWakes::new();
        for task in &tasks {
            let waker = Arc::clone(task).into();
            assert!(own.poll(connection.as_mut(), &mut Context::from_waker(&waker)).is_pending());
        }
        kept.expect("it was polled").wake();
        assert_eq!(tasks.map(|task| task.0.load(Ordering::Relaxed)), [0, 1]);
    }

    #[test]
    fn who_is_ready_is_ready() {
        let own = OwnWakes::new();
        let ready = own.poll(std::pin::pin!(std::future::ready(7)), &mut Context::from_waker(Waker::noop()));
        assert_eq!(ready, Poll::Ready(7));
    }
}
