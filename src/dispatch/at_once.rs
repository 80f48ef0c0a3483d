//! Which methods answer at once, so that their calls need no task of their own.
//!
//! A connection that has read a call polls it once where it stands, with a waker that wakes nobody; what is not ready
//! then gets a task. Most async methods are, and the answers to all that came together leave together. A method that
//! waits or computes for long would only be polled twice, or hold up the other calls of its connection: from what was
//! seen of it, it is not polled at once for a number of calls, and then tried again.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

/// A poll of this length holds nobody up who would notice.
const PROMPT: Duration = Duration::from_micros(50);

/// One of this length was not only interrupted by the system.
const LONG: Duration = Duration::from_millis(20);

/// A larger reply takes its time on the way out.
const PROMPT_REPLY_BYTES: usize = 64 * 1024;

/// For so many calls a method that was not ready is not tried: one poll in vain among many costs nothing.
const PASSES_AFTER_PENDING: u32 = 64;

/// One that took longer than [`PROMPT`] is forgiven if so many prompt ones follow it before the next: a system that is busy
/// interrupts everyone, but not every time.
const FORGIVEN_AFTER: u32 = 8;

/// For so many calls one that was not forgiven is not tried, at first. It doubles each time, up to the most, and goes back
/// by one with each call that was prompt.
const PASSES_AFTER_SLOW: u32 = 16;

/// The most, and what follows a poll that was [`LONG`]: that harms others.
const PASSES_MAX: u32 = 1024;

/// What was seen of a method.
#[derive(Debug)]
pub(super) struct Promptness {
    /// Calls to go until it is tried again.
    passes: AtomicU32,
    /// What the last that was slow counted for, less those that were prompt since.
    slowness: AtomicU32,
    /// It blocks: its calls are never ready at once.
    never: bool,
}

/// Whoever is woken by it is nobody. It has a size, so that it has an address that is its own.
struct Nobody(#[expect(dead_code, reason = "it is there for its size")] u8);

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}

static NOBODY: LazyLock<Waker> = LazyLock::new(|| Arc::new(Nobody(0)).into());

/// The waker of polls by who would have to wait for the rest. Not the standard library's, which others have uses for,
/// and of which an optimised program has several.
pub(crate) fn nobody() -> &'static Waker {
    &NOBODY
}

/// Whether a future is polled by who would have to wait for it.
pub(crate) fn is_at_once(cx: &Context<'_>) -> bool {
    cx.waker().data() == NOBODY.data()
}

impl Promptness {
    pub(super) fn new(blocking: bool) -> Self {
        Self { passes: AtomicU32::new(0), slowness: AtomicU32::new(0), never: blocking }
    }

    /// Whether a call is polled at once.
    pub(super) fn is_tried(&self) -> bool {
        if self.never {
            return false;
        }
        let passes = self.passes.load(Ordering::Relaxed);
        if passes == 0 {
            return true;
        }
        // Two that count at the same time count once: the number is a measure, not a promise.
        self.passes.store(passes - 1, Ordering::Relaxed);
        false
    }

    /// What became of one that was.
    pub(super) fn learn(&self, reply_bytes: Option<usize>, took: Duration) {
        let is_large = reply_bytes.is_some_and(|bytes| bytes > PROMPT_REPLY_BYTES);
        let slowness = self.slowness.load(Ordering::Relaxed);
        let passes = if took > LONG || is_large {
            self.slowness.store(PASSES_MAX, Ordering::Relaxed);
            PASSES_MAX
        } else if took > PROMPT && slowness == 0 {
            self.slowness.store(FORGIVEN_AFTER, Ordering::Relaxed);
            return;
        } else if took > PROMPT {
            let passes = (2 * slowness).clamp(PASSES_AFTER_SLOW, PASSES_MAX);
            self.slowness.store(passes, Ordering::Relaxed);
            passes
        } else if reply_bytes.is_none() {
            PASSES_AFTER_PENDING
        } else {
            if slowness > 0 {
                self.slowness.store(slowness - 1, Ordering::Relaxed);
            }
            return;
        };
        self.passes.store(passes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_micros(1);

    fn passed(promptness: &Promptness) -> u32 {
        (0..).take_while(|_| !promptness.is_tried()).count() as u32
    }

    #[test]
    fn a_method_is_tried_until_it_waits_or_computes() {
        let promptness = Promptness::new(false);
        promptness.learn(Some(10), SHORT);
        assert!(promptness.is_tried() && promptness.is_tried());
        promptness.learn(None, SHORT);
        assert_eq!(passed(&promptness), PASSES_AFTER_PENDING);
        promptness.learn(Some(10), LONG * 2);
        assert_eq!(passed(&promptness), PASSES_MAX);
        promptness.learn(Some(PROMPT_REPLY_BYTES + 1), SHORT);
        assert_eq!(passed(&promptness), PASSES_MAX);
        assert!(promptness.is_tried());
    }

    #[test]
    fn one_that_was_interrupted_is_soon_forgiven_and_one_that_is_slow_is_not() {
        let promptness = Promptness::new(false);
        let some_are_prompt = |count| (0..count).for_each(|_| promptness.learn(Some(10), SHORT));
        for _ in 0..3 {
            promptness.learn(Some(10), PROMPT * 2);
            assert!(promptness.is_tried(), "once is nothing");
            some_are_prompt(FORGIVEN_AFTER);
        }
        promptness.learn(Some(10), PROMPT * 2);
        some_are_prompt(FORGIVEN_AFTER - 1);
        let mut expected = PASSES_AFTER_SLOW;
        for _ in 0..10 {
            promptness.learn(Some(10), PROMPT * 2);
            assert_eq!(passed(&promptness), expected);
            expected = (2 * expected).min(PASSES_MAX);
        }
    }

    #[test]
    fn nobody_is_told_from_others_who_are_nobody() {
        assert!(is_at_once(&Context::from_waker(nobody())));
        assert!(!is_at_once(&Context::from_waker(Waker::noop())));
        assert!(!is_at_once(&Context::from_waker(&Arc::new(Nobody(0)).into())));
    }

    #[test]
    fn a_method_that_blocks_never_is() {
        assert!(!Promptness::new(true).is_tried());
    }
}
