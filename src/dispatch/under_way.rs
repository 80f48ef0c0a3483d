//! A call that is under way: its hold on its method, and on one of the places that there are for calls.

use std::ops::Deref;

use super::Route;
use crate::call::{Share, Spread};

/// A call under way to a method. Its place is free again when this is dropped.
#[derive(Debug)]
pub(super) struct UnderWay {
    route: Share<Route>,
    has_place: bool,
}

impl UnderWay {
    /// Begins one, unless there are as many as may be.
    pub(super) fn begin(route: &Spread<Route>) -> Option<Self> {
        let has_place = route.common.in_flight.enter();
        has_place.then(|| Self { route: route.share(), has_place })
    }

    /// Hands its place to another hold on the same method.
    pub(super) fn hand_over(&mut self) -> Self {
        Self { route: self.route.clone(), has_place: std::mem::take(&mut self.has_place) }
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

#[cfg(test)]
mod tests {
    use super::super::{never, route_for_tests};
    use super::*;
    use crate::call::{MethodKind, MethodSpec};
    use crate::scheduler::{Scheduler, SchedulerConfig};

    static METHOD: MethodSpec = MethodSpec::new("a.B", "C", "/a.B/C", MethodKind::Unary);

    #[tokio::test]
    async fn a_place_is_given_back_once_by_whoever_has_it_last() {
        let scheduler = Scheduler::new(SchedulerConfig::default(), tokio::runtime::Handle::current());
        let route = route_for_tests(&METHOD, 2, &scheduler, never());
        let mut first = UnderWay::begin(&route).expect("a place");
        let second = UnderWay::begin(&route).expect("another");
        assert!(UnderWay::begin(&route).is_none(), "there are two");
        let handed_over = first.hand_over();
        first.give_back();
        drop(first);
        assert!(UnderWay::begin(&route).is_none(), "it is another's to give back");
        drop(handed_over);
        let third = UnderWay::begin(&route).expect("it is free again");
        assert!(UnderWay::begin(&route).is_none(), "and only once");
        drop((second, third));
        assert!(UnderWay::begin(&route).is_some());
    }
}
