//! A timer for a task that is woken for other reasons all the time: it is asked only when it has rung.

use std::pin::Pin;
use std::task::Context;

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep};

/// A timer that is asked only when it has rung.
pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    set: bool,
}

impl Alarm {
    pub(super) fn at(time: Instant) -> Self {
        Self { sleep: Box::pin(tokio::time::sleep_until(time)), set: false }
    }

    /// Sets it anew.
    pub(super) fn reset(&mut self, time: Instant) {
        self.sleep.as_mut().reset(time);
        self.set = false;
    }

    /// Whether it rings; if not, the task that asks is woken when it does.
    pub(super) fn rings(&mut self, cx: &mut Context<'_>) -> bool {
        // Its waker is this task's, and stays.
        if self.set && !self.sleep.is_elapsed() {
            return false;
        }
        self.set = true;
        // Outside of the task's budget: a question that was put off would not be put again.
        Pin::new(&mut unconstrained(self.sleep.as_mut())).poll(cx).is_ready()
    }
}
