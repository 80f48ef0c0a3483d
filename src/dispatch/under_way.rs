//! A call that is under way: its hold on its method, and on one of the places that there are for calls.

use std::ops::Deref;
use std::sync::Arc;

use super::Route;

/// A call under way to a method. Its place is free again when this is dropped.
#[derive(Debug)]
pub(super) struct UnderWay {
    route: Arc<Route>,
    has_place: bool,
}

impl UnderWay {
    /// Begins one, unless there are as many as may be.
    pub(super) fn begin(route: &Arc<Route>) -> Option<Self> {
        let has_place = route.common.in_flight.enter();
        has_place.then(|| Self { route: Arc::clone(route), has_place })
    }

    /// Hands its place to another hold on the same method.
    pub(super) fn hand_over(&mut self) -> Self {
        Self { route: Arc::clone(&self.route), has_place: std::mem::take(&mut self.has_place) }
    }

    /// Gives its place back.
    pub(super) fn give_back(&mut self) {
        if std::mem::take(&mut self.has_place) {
            self.route.common.in_flight.leave();
        }
    }
}

impl Deref for UnderWay {
    type Target = Route;

    fn deref(&self) -> &Route {
        &self.route
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.give_back();
    }
}
