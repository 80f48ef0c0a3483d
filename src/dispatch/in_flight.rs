//! How many calls are under way, and the bound on it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts calls under way, over all protocols together.
#[derive(Debug)]
pub(super) struct InFlight {
    max: usize,
    count: AtomicUsize,
}

impl InFlight {
    pub(super) fn new(max: usize) -> Self {
        Self { max, count: AtomicUsize::new(0) }
    }

    /// Takes a place for one more call, unless the bound is reached.
    pub(super) fn enter(&self) -> bool {
        // The count may overshoot for an instant while refused calls back out; it never admits too many.
        let before = self.count.fetch_add(1, Ordering::Relaxed);
        if before >= self.max {
            self.leave();
        }
        before < self.max
    }

    /// Gives a place back.
    pub(super) fn leave(&self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_places_as_there_may_be() {
        let in_flight = InFlight::new(2);
        assert!(in_flight.enter() && in_flight.enter());
        assert!(!in_flight.enter() && !in_flight.enter());
        in_flight.leave();
        assert!(in_flight.enter());
        assert!(!in_flight.enter());
    }
}
