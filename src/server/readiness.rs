//! Whether the server wants calls: not before it has started up, and not from the moment it is told to stop.
//!
//! Its stages go only forwards, `starting → ready → stopping`, so that whoever moves it need not know who did before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Where a server is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Starting,
    Ready,
    Stopping,
}

const STARTING: u8 = 0;
const READY: u8 = 1;
const STOPPING: u8 = 2;

/// The stage of one server; every clone is the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Readiness(Arc<AtomicU8>);

impl Readiness {
    /// All that comes before the first call is done.
    pub(super) fn started(&self) {
        self.0.fetch_max(READY, Ordering::AcqRel);
    }

    /// The server was told to stop.
    pub(super) fn stopping(&self) {
        self.0.fetch_max(STOPPING, Ordering::AcqRel);
    }

    pub(super) fn stage(&self) -> Stage {
        match self.0.load(Ordering::Acquire) {
            STARTING => Stage::Starting,
            READY => Stage::Ready,
            _ => Stage::Stopping,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_stops_while_it_starts_is_never_ready() {
        let readiness = Readiness::default();
        assert_eq!(readiness.stage(), Stage::Starting);
        readiness.clone().stopping();
        readiness.started();
        assert_eq!(readiness.stage(), Stage::Stopping);
    }
}
