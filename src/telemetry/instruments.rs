//! The way of a server's counts to a meter of OpenTelemetry, by the same conventions and with the same names.
//!
//! OpenTelemetry wants to be told of each duration itself; counts it asks for when it exports.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter};
use tonic::Code;

use super::span::is_fault_of_server;
use super::{Calls, Metrics, rpc_system};
use crate::call::{MethodSpec, Protocol, code_name};

/// What is told of each call.
#[derive(Debug)]
pub(super) struct Instruments {
    duration: Histogram<f64>,
}

impl Metrics {
    /// Gives the figures to a meter of OpenTelemetry, too, which exports them. With the feature `opentelemetry`; only the
    /// first meter counts.
    ///
    /// `rpc.server.call.duration` costs a look-up of OpenTelemetry's a call; `rpc.server.calls.started`,
    /// `rpc.server.active_calls`, `ambidex.server.connections.accepted` and `ambidex.server.connections.open` are read
    /// when they are exported.
    pub fn export_to(&self, meter: &Meter) {
        let bounds = super::meter::duration_bounds_seconds().collect();
        let duration = meter.f64_histogram("rpc.server.call.duration").with_unit("s").with_boundaries(bounds);
        let duration =
            duration.with_description("How long calls took, to the last message of a stream").build();
        if !self.export_by(Instruments { duration }) {
            return;
        }
        let metrics = self.clone();
        meter
            .u64_observable_counter("rpc.server.calls.started")
            .with_unit("{call}")
            .with_description("Calls that were started, refused ones included")
            .with_callback(move |observer| {
                for calls in metrics.snapshot().calls {
                    observer.observe(calls.started, &attributes_of(&calls));
                }
            })
            .build();
        let metrics = self.clone();
        meter
            .i64_observable_up_down_counter("rpc.server.active_calls")
            .with_unit("{call}")
            .with_description("Calls that have started and not ended")
            .with_callback(move |observer| {
                for calls in metrics.snapshot().calls {
                    observer.observe(calls.in_flight as i64, &attributes_of(&calls));
                }
            })
            .build();
        let metrics = self.clone();
        meter
            .u64_observable_counter("ambidex.server.connections.accepted")
            .with_unit("{connection}")
            .with_description("Connections accepted")
            .with_callback(move |observer| observer.observe(metrics.snapshot().connections_accepted, &[]))
            .build();
        let metrics = self.clone();
        meter
            .i64_observable_up_down_counter("ambidex.server.connections.open")
            .with_unit("{connection}")
            .with_description("Connections that are open, WebSockets included")
            .with_callback(move |observer| observer.observe(metrics.snapshot().connections_open as i64, &[]))
            .build();
    }
}

impl Instruments {
    pub(super) fn finish(&self, method: &'static MethodSpec, protocol: Protocol, code: Code, took: Duration) {
        let [method, system] = attributes(method, protocol);
        let code_attribute = KeyValue::new("rpc.response.status_code", code_name(code));
        let seconds = took.as_secs_f64();
        if is_fault_of_server(code) {
            let error = KeyValue::new("error.type", code_name(code));
            self.duration.record(seconds, &[method, system, code_attribute, error]);
        } else {
            self.duration.record(seconds, &[method, system, code_attribute]);
        }
    }
}

fn attributes_of(calls: &Calls) -> [KeyValue; 2] {
    attributes(calls.method, calls.protocol)
}

fn attributes(method: &'static MethodSpec, protocol: Protocol) -> [KeyValue; 2] {
    [KeyValue::new("rpc.method", method.full_name()), KeyValue::new("rpc.system.name", rpc_system(protocol))]
}
