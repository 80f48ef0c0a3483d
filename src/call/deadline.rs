//! Owns the moment by which a call must be answered.
//!
//! A deadline is an instant, not a duration: it is made once, at the edge that read the timeout, and every
//! layer below compares against the same moment however long the call has queued. It refuses to know who set
//! it and what happens when it passes; that is the business of whoever waits.

use std::time::Duration;

use tokio::time::Instant;

/// The moment by which a call must be answered.
///
/// It is measured on tokio's clock, so a test that pauses time moves deadlines along with everything else.
///
/// ```
/// use std::time::Duration;
/// use ambidex::call::Deadline;
///
/// let call = Deadline::after(Duration::from_secs(30));
/// let query = Deadline::after(Duration::from_secs(5));
/// assert_eq!(Deadline::earliest(Some(call), Some(query)), Some(query));
/// assert!(!query.has_passed());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline `timeout` from now. A timeout too long for the clock becomes one of some thirty years, never a panic.
    pub fn after(timeout: Duration) -> Self {
        let now = Instant::now();
        Self(now.checked_add(timeout).unwrap_or_else(|| now + FAR_AWAY))
    }

    /// The deadline at `instant`.
    pub fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// The moment itself, for timers.
    pub fn instant(&self) -> Instant {
        self.0
    }

    /// The time that is left; zero once the deadline has passed.
    pub fn remaining(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether the moment has come. A deadline that is exactly now has passed: no time is left to work in.
    pub fn has_passed(&self) -> bool {
        self.0 <= Instant::now()
    }

    /// The stricter of two optional deadlines; no deadline is the least strict of all.
    pub fn earliest(a: Option<Deadline>, b: Option<Deadline>) -> Option<Deadline> {
        match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

/// What a timeout beyond the clock's range is cut to. Thirty years outlives any process and leaves every
/// platform's clock room for further arithmetic.
const FAR_AWAY: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_beyond_the_clock_is_cut_instead_of_panicking() {
        let deadline = Deadline::after(Duration::MAX);
        assert!(deadline.remaining() > FAR_AWAY / 2);
    }

    #[test]
    fn a_deadline_that_is_exactly_now_has_passed() {
        let deadline = Deadline::after(Duration::ZERO);
        assert!(deadline.has_passed());
        assert_eq!(deadline.remaining(), Duration::ZERO);
    }

    #[test]
    fn the_earliest_of_two_is_the_stricter_and_none_is_no_limit() {
        let soon = Deadline::after(Duration::from_secs(1));
        let late = Deadline::after(Duration::from_secs(2));
        assert_eq!(Deadline::earliest(Some(late), Some(soon)), Some(soon));
        assert_eq!(Deadline::earliest(None, Some(late)), Some(late));
        assert_eq!(Deadline::earliest(Some(soon), None), Some(soon));
        assert_eq!(Deadline::earliest(None, None), None);
    }
}
