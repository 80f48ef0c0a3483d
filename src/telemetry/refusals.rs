//! What is refused before it is a call: counted, and a line of the access log.
//!
//! A request that names no method, or cannot be read as one's, has nothing that a call is counted by. Its edge says at
//! which door it stood and why it was sent away; both are few, whoever comes.

use std::sync::atomic::{AtomicU64, Ordering};

use super::access_log::{self, name_of};
use super::{ACCESS_TARGET, Metrics};
use crate::call::Peer;

/// Which edge refuses. What is refused over HTTP may have wanted to be REST, Connect or a WebSocket: nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Grpc,
    GrpcWeb,
    Http,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// There is no such method or path.
    NotFound,
    /// The path is there, but not with this method of HTTP.
    MethodNotAllowed,
    /// The body is of a type, or packed in a way, that is not read.
    MediaType,
    /// The client takes no type that could be answered with.
    NotAcceptable,
    /// A page of a foreign origin may not ask this.
    Origin,
    /// What does not end, or is over a bound of heads.
    HeadTooLarge,
    /// gRPC over a version of HTTP that has no trailers.
    HttpVersion,
    /// A path, timeout, query or head that is wrong in itself.
    Malformed,
}

impl Door {
    const ALL: [Self; 3] = [Self::Grpc, Self::GrpcWeb, Self::Http];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::GrpcWeb => "grpc_web",
            Self::Http => "http",
        }
    }
}

impl Reason {
    const ALL: [Self; 8] = [
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::MediaType,
        Self::NotAcceptable,
        Self::Origin,
        Self::HeadTooLarge,
        Self::HttpVersion,
        Self::Malformed,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::MediaType => "media_type",
            Self::NotAcceptable => "not_acceptable",
            Self::Origin => "origin",
            Self::HeadTooLarge => "head_too_large",
            Self::HttpVersion => "http_version",
            Self::Malformed => "malformed",
        }
    }
}

/// Requests that were refused before they were calls, at one edge and for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedRequests {
    /// `grpc`, `grpc_web` or `http`.
    pub protocol: &'static str,
    /// `not_found`, `malformed`, and so on.
    pub reason: &'static str,
    /// How many there were.
    pub count: u64,
}

/// How many requests were refused.
#[derive(Debug, Default)]
pub(super) struct RefusalCounts([[AtomicU64; Reason::ALL.len()]; Door::ALL.len()]);

impl RefusalCounts {
    fn add(&self, door: Door, reason: Reason) {
        self.0[door as usize][reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Those that there were.
    pub(super) fn read(&self) -> Vec<RefusedRequests> {
        let each = Door::ALL.into_iter().flat_map(|door| Reason::ALL.map(|reason| (door, reason)));
        let counted = each.map(|(door, reason)| RefusedRequests {
            protocol: door.as_str(),
            reason: reason.as_str(),
            count: self.0[door as usize][reason as usize].load(Ordering::Relaxed),
        });
        counted.filter(|refused| refused.count > 0).collect()
    }
}

/// A request that is refused, as far as it could be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused<'a> {
    pub(crate) door: Door,
    pub(crate) reason: Reason,
    pub(crate) target: Option<(&'a http::Method, &'a str)>,
    pub(crate) peer: &'a Peer,
}

/// Notes what is refused before it is a call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusals {
    metrics: Option<Metrics>,
    access_log: bool,
}

impl Refusals {
    pub(super) fn new(metrics: Option<Metrics>, access_log: bool) -> Self {
        Self { metrics, access_log }
    }

    #[cold]
    pub(crate) fn note(&self, refused: Refused<'_>) {
        let Refused { door, reason, target, peer } = refused;
        if let Some(metrics) = &self.metrics {
            metrics.refusals().add(door, reason);
        }
        if self.access_log && access_log::is_read() {
            tracing::info!(
                target: ACCESS_TARGET,
                protocol = door.as_str(),
                reason = reason.as_str(),
                http_method = target.map(|(method, _)| method.as_str()),
                path = target.map(|(_, path)| path),
                peer = name_of(peer),
                "request refused"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_door_and_reason_is_a_series_of_its_own() {
        let counts = RefusalCounts::default();
        for door in Door::ALL {
            Reason::ALL.into_iter().for_each(|reason| counts.add(door, reason));
        }
        let read = counts.read();
        let names: std::collections::BTreeSet<_> = read.iter().map(|it| (it.protocol, it.reason)).collect();
        assert_eq!(names.len(), Door::ALL.len() * Reason::ALL.len());
        assert!(read.iter().all(|refused| refused.count == 1));
    }
}
