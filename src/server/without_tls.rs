//! What stands for TLS where the feature is off: a value that nobody can have.

use std::io;
use std::time::Duration;

use super::listener::Serves;
use super::socket::Stream;
use crate::call::Peer;
use crate::scheduler::Scheduler;

/// There is none.
#[derive(Debug, Clone)]
pub(super) enum Tls {}

impl Tls {
    pub(super) async fn accept(
        &self,
        _: Stream,
        _: Peer,
        _: Serves,
        _: Duration,
    ) -> io::Result<(Stream, Peer)> {
        match *self {}
    }
}

/// Nothing is watched.
pub(super) struct Watching;

pub(super) fn watch(_: Vec<Tls>, _: Duration, _: &Scheduler) -> Watching {
    Watching
}
