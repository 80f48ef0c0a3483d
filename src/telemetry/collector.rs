//! The way of a server's figures into a registry of prometheus-client: their names as Prometheus spells them.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::figures::{ERROR_TYPE, Figure, Kind, Label, OF_RUNTIME, OF_SCHEDULER, OF_SERVER, Value};
use super::{Distribution, Metrics};

/// A server's figures, for a registry of [prometheus-client](prometheus_client): its calls, its connections, the
/// runtime and the [scheduler](super::SchedulerCollector). The page "Telemetry" of the documentation lists them.
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
        push(&mut encoder, &OF_SERVER, &now)?;
        if let Some(runtime) = &now.runtime {
            push(&mut encoder, &OF_RUNTIME, runtime)?;
        }
        match &now.scheduler {
            Some(scheduler) => push(&mut encoder, &OF_SCHEDULER, scheduler),
            None => Ok(()),
        }
    }
}

/// Encodes each figure of `now` as a family.
pub(super) fn push<S>(encoder: &mut DescriptorEncoder<'_>, figures: &[Figure<S>], now: &S) -> fmt::Result {
    for figure in figures {
        let unit = match figure.unit {
            "s" => Some(&Unit::Seconds),
            "By" => Some(&Unit::Bytes),
            // What is counted is in the name.
            _ => None,
        };
        let kind = match figure.kind {
            Kind::Count | Kind::Seconds => MetricType::Counter,
            Kind::Level | Kind::Share => MetricType::Gauge,
            Kind::Spread(_) => MetricType::Histogram,
        };
        let name = spelled(figure.name);
        let mut family = encoder.encode_descriptor(&name, figure.help, unit, kind)?;
        let mut all = Ok(());
        (figure.read)(now, &mut |labels, value| {
            let labels = named(labels);
            all = all.and_then(|()| push_value(family.encode_family(&labels)?, value));
        });
        all?;
    }
    Ok(())
}

/// A name as Prometheus spells it.
fn spelled(name: &str) -> String {
    name.replace('.', "_")
}

fn named<'a>(labels: &[Label<'a>]) -> Vec<(String, &'a str)> {
    let labels = labels.iter().filter(|(name, _)| *name != ERROR_TYPE);
    labels.map(|(name, value)| (spelled(name), *value)).collect()
}

fn push_value(metric: MetricEncoder<'_>, value: Value<'_>) -> fmt::Result {
    match value {
        Value::Count(count) => ConstCounter::new(count).encode(metric),
        Value::Seconds(seconds) => ConstCounter::new(seconds).encode(metric),
        Value::Level(level) => ConstGauge::new(level).encode(metric),
        Value::Share(share) => ConstGauge::new(share).encode(metric),
        Value::Spread(values) => push_histogram(metric, values),
    }
}

fn push_histogram(mut metric: MetricEncoder<'_>, values: &Distribution) -> fmt::Result {
    // The last bucket has no bound; in numbers, an infinite one.
    let buckets: Vec<_> =
        values.buckets().map(|(bound, count)| (bound.unwrap_or(f64::INFINITY), count)).collect();
    metric.encode_histogram::<NoLabelSet>(values.sum(), values.count(), &buckets, None)
}
