//! What a server tells of its calls: metrics, and the names of everything that others read.
//!
//! - [`Metrics`] counts calls, messages and connections, for whoever takes a [`Snapshot`].
//! - With the feature `prometheus`, `MetricsCollector` and `SchedulerCollector` bring the figures into a registry of
//!   prometheus-client.
//!
//! All of it is off unless asked for, and then costs a look at a `None` a call. What each costs when it is on, and what
//! every figure is called, is on the page "Telemetry" of the documentation.

#[cfg(feature = "prometheus")]
mod collector;
mod meter;
mod metrics;
mod observer;
#[cfg(feature = "prometheus")]
mod scheduler_collector;

use crate::call::Protocol;

#[cfg(feature = "prometheus")]
pub use collector::MetricsCollector;
pub(crate) use metrics::Connections;
pub use metrics::{Calls, Distribution, Metrics, Snapshot};
pub(crate) use observer::{Observation, Observer, Telemetry};
#[cfg(feature = "prometheus")]
pub use scheduler_collector::SchedulerCollector;

/// What OpenTelemetry calls a protocol. For REST routes and calls in the same process it has no name.
pub(crate) fn rpc_system(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Grpc => "grpc",
        Protocol::Rpc => "connectrpc",
        Protocol::Rest => "rest",
        Protocol::Local => "local",
    }
}
