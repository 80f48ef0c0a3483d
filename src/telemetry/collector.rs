//! The way of a server's counts into a registry of prometheus-client: names, labels, units.
//!
//! Names are those of OpenTelemetry's [conventions for RPC metrics](https://opentelemetry.io/docs/specs/semconv/rpc/rpc-metrics/)
//! as Prometheus spells them; what they have no word for begins with `ambidex_`. Labels are methods that are registered,
//! protocols and codes, so that no caller can add a series.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use tokio::runtime::RuntimeMetrics;

use super::{Calls, Distribution, Metrics, SchedulerCollector, rpc_system};
use crate::call::code_name;

/// A server's figures, for a registry of [prometheus-client](prometheus_client): its calls, its connections, the
/// runtime and the [scheduler](SchedulerCollector). The page "Telemetry" of the documentation lists them.
///
/// ```
/// use ambidex::telemetry::Metrics;
/// use prometheus_client::{encoding::text::encode, registry::Registry};
///
/// let metrics = Metrics::new();
/// let server = ambidex::Server::builder().metrics(metrics.clone());
///
/// let mut registry = Registry::default();
/// registry.register_collector(Box::new(metrics.collector()));
/// // What a handler of `/metrics` answers with.
/// let mut page = String::new();
/// encode(&mut page, &registry)?;
/// assert!(page.contains("ambidex_server_connections_open 0\n"));
/// # Ok::<_, std::fmt::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct MetricsCollector(Metrics);

impl Metrics {
    /// Collects these whenever a registry is scraped. With the feature `prometheus`.
    pub fn collector(&self) -> MetricsCollector {
        MetricsCollector(self.clone())
    }
}

impl Collector for MetricsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let now = self.0.snapshot();
        push_calls(&mut encoder, &now.calls)?;
        let help = "Connections that are open, WebSockets included";
        push_gauge(&mut encoder, "ambidex_server_connections_open", help, now.connections_open as i64)?;
        let help = "Connections accepted";
        push_counter(&mut encoder, "ambidex_server_connections_accepted", help, now.connections_accepted)?;
        if let Some(runtime) = self.0.runtime() {
            push_runtime(&mut encoder, &runtime)?;
        }
        match self.0.scheduler() {
            Some(scheduler) => SchedulerCollector::new(scheduler).encode(encoder),
            None => Ok(()),
        }
    }
}

fn push_calls(encoder: &mut DescriptorEncoder<'_>, calls: &[Calls]) -> fmt::Result {
    let (name, help) = ("rpc_server_calls_started", "Calls that were started, refused ones included");
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for calls in calls {
        ConstCounter::new(calls.started).encode(family.encode_family(&labels(calls))?)?;
    }
    let (name, help) = ("rpc_server_active_calls", "Calls that have started and not ended");
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for calls in calls {
        ConstGauge::new(calls.in_flight as i64).encode(family.encode_family(&labels(calls))?)?;
    }
    let (name, help) = ("rpc_server_call_duration", "How long calls took, to the last message of a stream");
    let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
    for calls in calls {
        for (code, durations) in &calls.finished {
            let [method, system] = labels(calls);
            let labels = [method, system, ("rpc_response_status_code", code_name(*code))];
            push_histogram(family.encode_family(&labels)?, durations)?;
        }
    }
    type Read = fn(&Calls) -> &Distribution;
    let sizes: [(&str, &str, Read); 2] = [
        ("rpc_server_request_size", "Sizes of request messages that handlers read", |calls| &calls.requests),
        ("rpc_server_response_size", "Sizes of reply messages", |calls| &calls.replies),
    ];
    for (name, help, read) in sizes {
        let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Bytes), MetricType::Histogram)?;
        for calls in calls {
            push_histogram(family.encode_family(&labels(calls))?, read(calls))?;
        }
    }
    Ok(())
}

fn labels(calls: &Calls) -> [(&'static str, &'static str); 2] {
    [("rpc_method", calls.method.full_name()), ("rpc_system_name", rpc_system(calls.protocol))]
}

fn push_histogram(mut metric: MetricEncoder<'_>, values: &Distribution) -> fmt::Result {
    // The last bucket has no bound; in numbers, an infinite one.
    let buckets: Vec<_> =
        values.buckets().map(|(bound, count)| (bound.unwrap_or(f64::INFINITY), count)).collect();
    metric.encode_histogram::<NoLabelSet>(values.sum(), values.count(), &buckets, None)
}

fn push_runtime(encoder: &mut DescriptorEncoder<'_>, runtime: &RuntimeMetrics) -> fmt::Result {
    let (workers, tasks) = (runtime.num_workers(), runtime.num_alive_tasks());
    let help = "Threads of the tokio runtime";
    push_gauge(encoder, "ambidex_runtime_workers", help, workers as i64)?;
    let help = "Tasks of the tokio runtime that have not ended";
    push_gauge(encoder, "ambidex_runtime_tasks_alive", help, tasks as i64)?;
    let help = "Tasks that wait in the queue that all threads of the runtime share";
    push_gauge(encoder, "ambidex_runtime_queue_depth", help, runtime.global_queue_depth() as i64)?;
    push_workers(encoder, runtime)
}

/// What tokio counts where the machine has atomics of 64 bits.
#[cfg(target_has_atomic = "64")]
fn push_workers(encoder: &mut DescriptorEncoder<'_>, runtime: &RuntimeMetrics) -> fmt::Result {
    let numbers: Vec<_> = (0..runtime.num_workers()).map(|worker| (worker, worker.to_string())).collect();
    let (name, help) = ("ambidex_runtime_worker_busy", "Time that the thread was at work");
    let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Counter)?;
    for (worker, number) in &numbers {
        let busy = runtime.worker_total_busy_duration(*worker).as_secs_f64();
        ConstCounter::new(busy).encode(family.encode_family(&[("worker", &**number)])?)?;
    }
    let (name, help) = ("ambidex_runtime_worker_parks", "Times that the thread had nothing to do");
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (worker, number) in &numbers {
        let parks = runtime.worker_park_count(*worker);
        ConstCounter::new(parks).encode(family.encode_family(&[("worker", &**number)])?)?;
    }
    Ok(())
}

#[cfg(not(target_has_atomic = "64"))]
fn push_workers(_: &mut DescriptorEncoder<'_>, _: &RuntimeMetrics) -> fmt::Result {
    Ok(())
}

fn push_gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: i64) -> fmt::Result {
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

fn push_counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    ConstCounter::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
}
