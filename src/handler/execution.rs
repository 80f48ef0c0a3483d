//! Where and how a method runs, known at compile time.

use std::time::Duration;

/// Where and how a method runs. Each method of a handler trait has one as an associated constant;
/// `#[ambidex::service]` sets it, and an implementation by hand may.
///
/// ```
/// use ambidex::Execution;
/// use std::time::Duration;
///
/// const PLACE_ORDER: Execution = Execution::BLOCKING.lane("database").timeout(Duration::from_secs(2));
/// assert!(PLACE_ORDER.is_blocking());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execution {
    blocking: bool,
    lane: Option<&'static str>,
    max_concurrency: Option<usize>,
    timeout: Option<Duration>,
    message_only: bool,
}

impl Execution {
    /// On the runtime: for code that awaits and never blocks. The default.
    pub const ASYNC: Self =
        Self { blocking: false, lane: None, max_concurrency: None, timeout: None, message_only: false };

    /// On a thread of the scheduler: for code that may block.
    pub const BLOCKING: Self = Self { blocking: true, ..Self::ASYNC };

    /// Queues with every other method of the lane `name` instead of by itself. For blocking methods.
    #[must_use]
    pub const fn lane(mut self, name: &'static str) -> Self {
        self.lane = Some(name);
        self
    }

    /// At most `calls` of the lane run at a time; more wait in its queue. For blocking methods.
    ///
    /// # Panics
    ///
    /// When `calls` is 0: no call could ever run.
    #[must_use]
    pub const fn max_concurrency(mut self, calls: usize) -> Self {
        assert!(calls > 0, "a lane that runs no call answers none");
        self.max_concurrency = Some(calls);
        self
    }

    /// Bounds every call, also those whose caller would wait longer.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Takes nothing of its request but the message, so that nothing else is made for it: the `Request` it is given has no
    /// metadata and no extensions, and [`RequestExt`](crate::RequestExt) finds no call there. Both are in reach by
    /// [`call::current`](crate::call::current) as ever.
    ///
    /// `#[ambidex::service]` says it of a function that takes the message itself.
    #[must_use]
    pub const fn message_only(mut self) -> Self {
        self.message_only = true;
        self
    }

    /// Whether it runs on a thread of the scheduler.
    pub const fn is_blocking(&self) -> bool {
        self.blocking
    }

    /// Whether it takes nothing of its request but the message.
    pub const fn is_message_only(&self) -> bool {
        self.message_only
    }

    /// The lane it shares, if not its own.
    pub const fn lane_name(&self) -> Option<&'static str> {
        self.lane
    }

    /// The most calls of its lane that run at a time.
    pub const fn max_concurrency_limit(&self) -> Option<usize> {
        self.max_concurrency
    }

    /// The longest a call may take.
    pub const fn timeout_limit(&self) -> Option<Duration> {
        self.timeout
    }
}

impl Default for Execution {
    fn default() -> Self {
        Self::ASYNC
    }
}
