//! What a server tells of its calls: metrics, spans and an access log, and the names of everything that others read.
//!
//! - [`Metrics`] counts calls, messages and connections, for whoever takes a [`Snapshot`].
//! - With the feature `prometheus`, `MetricsCollector` and `SchedulerCollector` bring the figures into a registry of
//!   prometheus-client.
//!
//! - With [`Config::call_spans`], each call is a span of [`tracing`] with the target `ambidex::call`, from its dispatch to
//!   the last message of its reply. What its handler logs, it logs there, on the runtime and on scheduler threads.
//! - With [`Config::access_log`], each call is a line when it has ended: an event with the target `ambidex::access`.
//! - Which trace a call belongs to, it knows without either: [`TraceContext`].
//!
//! [`Config::call_spans`]: crate::server::Config::call_spans
//! [`Config::access_log`]: crate::server::Config::access_log
//! [`TraceContext`]: crate::call::TraceContext
//!
//! All of it is off unless asked for, and then costs a look at a `None` a call. What each costs when it is on, and what
//! every figure is called, is on the page "Telemetry" of the documentation.

mod access_log;
mod build;
mod closings;
#[cfg(feature = "prometheus")]
mod collector;
#[cfg(any(feature = "opentelemetry", feature = "prometheus"))]
mod figures;
#[cfg(feature = "opentelemetry")]
mod instruments;
mod meter;
mod metrics;
mod observer;
#[cfg(feature = "otlp")]
mod otlp;
mod refusals;
#[cfg(feature = "opentelemetry")]
mod replay;
mod runtime;
#[cfg(feature = "prometheus")]
mod scheduler_collector;
mod span;

use crate::call::Protocol;

pub use build::Build;
pub use closings::ClosedConnections;
pub(crate) use closings::Closing;
#[cfg(feature = "prometheus")]
pub use collector::MetricsCollector;
pub(crate) use metrics::Connections;
pub use metrics::{Calls, Distribution, Metrics, Snapshot};
pub(crate) use observer::{End, Observation, Observer, Telemetry};
#[cfg(feature = "otlp")]
pub use otlp::{Otlp, OtlpError};
pub use refusals::RefusedRequests;
pub(crate) use refusals::{Door, Reason, Refusals, Refused};
pub use runtime::{Runtime, RuntimeWorker};
#[cfg(feature = "prometheus")]
pub use scheduler_collector::SchedulerCollector;

/// The target of the spans of calls.
const SPAN_TARGET: &str = "ambidex::call";

/// The target of the access log.
const ACCESS_TARGET: &str = "ambidex::access";

/// What OpenTelemetry calls a protocol. For REST routes and calls in the same process it has no name; gRPC-Web it would
/// call gRPC, but a series is what one method did over one protocol, and there are no two of one name.
pub(crate) fn rpc_system(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Grpc => "grpc",
        Protocol::GrpcWeb => "grpc_web",
        Protocol::Rpc => "connectrpc",
        Protocol::Rest => "rest",
        Protocol::Local => "local",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_protocols_share_a_series() {
        let names: std::collections::BTreeSet<_> = Protocol::ALL.map(rpc_system).into();
        assert_eq!(names.len(), Protocol::ALL.len());
        // A protocol is found by its number where it is counted.
        assert_eq!(Protocol::ALL.map(|protocol| protocol as usize), std::array::from_fn(|at| at));
    }
}
