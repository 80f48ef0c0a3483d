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
#[cfg(feature = "prometheus")]
mod collector;
#[cfg(feature = "opentelemetry")]
mod instruments;
mod meter;
mod metrics;
mod observer;
#[cfg(feature = "prometheus")]
mod scheduler_collector;
mod span;

use crate::call::Protocol;

#[cfg(feature = "prometheus")]
pub use collector::MetricsCollector;
pub(crate) use metrics::Connections;
pub use metrics::{Calls, Distribution, Metrics, Snapshot};
pub(crate) use observer::{End, Observation, Observer, Telemetry};
#[cfg(feature = "prometheus")]
pub use scheduler_collector::SchedulerCollector;

/// The target of the spans of calls.
const SPAN_TARGET: &str = "ambidex::call";

/// The target of the access log.
const ACCESS_TARGET: &str = "ambidex::access";

/// What OpenTelemetry calls a protocol. For REST routes and calls in the same process it has no name.
pub(crate) fn rpc_system(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Grpc | Protocol::GrpcWeb => "grpc",
        Protocol::Rpc => "connectrpc",
        Protocol::Rest => "rest",
        Protocol::Local => "local",
    }
}
