//! How many calls are under way, and the bound on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts calls under way, over all protocols together.
#[derive(Debug)]
pub(super) struct InFlight {
    max: usize,
    count: Arc<AtomicUsize>,
}

/// A call's place; given back on drop.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl InFlight {
    pub(super) fn new(max: usize) -> Self {
        Self { max, count: Arc::default() }
    }

    /// A place for one more call, or none at the bound.
    pub(super) fn enter(&self) -> Option<Place> {
        // The count may overshoot for an instant while refused calls back out; it never admits too many.
        let place = Place(Arc::clone(&self.count));
        let before = self.count.fetch_add(1, Ordering::Relaxed);
        (before < self.max).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_call_ends() {
        let in_flight = InFlight::new(2);
        let first = in_flight.enter().expect("a place");
        let _second = in_flight.enter().expect("a place");
        assert!(in_flight.enter().is_none());
        drop(first);
        assert!(in_flight.enter().is_some());
    }
}
