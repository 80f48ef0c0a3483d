//! The names of the scheduler's metrics, and the way from its snapshot to a registry of them.
//!
//! Nothing is counted for this: a scrape takes the snapshot that anybody may take.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::scheduler::{Histogram, LaneSnapshot, Scheduler, Snapshot};

/// The scheduler's figures, for a registry of [prometheus-client](prometheus_client). What to read from them stands in
/// the guide "async fn or fn?".
///
/// All names begin with `ambidex_scheduler_`. Figures of a lane have a label `lane`.
///
/// ```
/// use ambidex::scheduler::{Scheduler, SchedulerConfig};
/// use ambidex::telemetry::SchedulerCollector;
/// use prometheus_client::{encoding::text::encode, registry::Registry};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), std::fmt::Error> {
/// let scheduler = Scheduler::new(SchedulerConfig::default(), tokio::runtime::Handle::current());
/// let mut registry = Registry::default();
/// registry.register_collector(Box::new(SchedulerCollector::new(scheduler.clone())));
///
/// // What a handler of `/metrics` answers with, as one of `ServerBuilder::router`'s routes.
/// scheduler.run_blocking(|| ()).await.expect("it runs");
/// let mut page = String::new();
/// encode(&mut page, &registry)?;
/// assert!(page.contains("ambidex_scheduler_jobs_completed_total{lane=\"run_blocking\"} 1\n"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SchedulerCollector(Scheduler);

impl SchedulerCollector {
    /// Collects from this scheduler whenever the registry is scraped.
    pub fn new(scheduler: Scheduler) -> Self {
        Self(scheduler)
    }
}

/// A metric: its name, its help, and where it is read from.
type Metric<F, T> = (&'static str, &'static str, fn(&F) -> T);

/// Figures of the whole, as they are now.
const GAUGES: [Metric<Snapshot, usize>; 7] = [
    ("ambidex_scheduler_threads", "Threads that exist or are being started", |now| now.threads),
    ("ambidex_scheduler_threads_idle", "Threads parked without work", |now| now.idle),
    ("ambidex_scheduler_jobs_running", "Jobs that hold a thread", |now| now.running),
    ("ambidex_scheduler_jobs_waiting", "Jobs whose thread waits in block_on", |now| now.waiting),
    ("ambidex_scheduler_jobs_orphaned", "Jobs that hold a thread although nobody waits for them", |now| {
        now.orphaned
    }),
    ("ambidex_scheduler_jobs_queued", "Jobs in line", |now| now.queued),
    ("ambidex_scheduler_streams_open", "Streams and futures that have begun and not ended", |now| now.open),
];

/// Figures of the whole since the start.
const COUNTERS: [Metric<Snapshot, u64>; 6] = [
    ("ambidex_scheduler_threads_started", "Threads started", |now| now.totals.threads_started),
    ("ambidex_scheduler_spawn_failures", "Threads that the system refused", |now| now.totals.spawn_failures),
    ("ambidex_scheduler_compensations", "Threads started to stand in for one that waits", |now| {
        now.totals.compensations
    }),
    ("ambidex_scheduler_stalls", "Threads started because nothing completed", |now| now.totals.stalls),
    ("ambidex_scheduler_panics", "Jobs that panicked", |now| now.totals.panics),
    ("ambidex_scheduler_wakes", "Threads woken or started for the queue", |now| now.totals.wakes),
];

/// Figures of a lane as they are now.
const LANE_GAUGES: [Metric<LaneSnapshot, f64>; 4] = [
    ("ambidex_scheduler_lane_depth", "Jobs of the lane in line", |lane| lane.depth as f64),
    ("ambidex_scheduler_lane_running", "Jobs of the lane that hold a thread", |lane| lane.running as f64),
    ("ambidex_scheduler_lane_overloaded", "Whether the lane cannot carry its load", |lane| {
        f64::from(u8::from(lane.overloaded))
    }),
    ("ambidex_scheduler_lane_cpu_share", "Share of their time that jobs of the lane compute", |lane| {
        lane.cpu_share.unwrap_or(f64::NAN)
    }),
];

type ReadTimes = fn(&LaneSnapshot) -> &Histogram;

/// How long jobs of a lane took.
const LANE_TIMES: [(&str, &str, ReadTimes); 3] = [
    ("ambidex_scheduler_queue_time", "How long jobs waited that ran", |lane| &lane.queue_time),
    ("ambidex_scheduler_run_time", "How long jobs ran", |lane| &lane.run_time),
    ("ambidex_scheduler_cpu_time", "How long jobs computed, of a sample", |lane| &lane.cpu_time),
];

impl Collector for SchedulerCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let now = self.0.snapshot();
        for (name, help, read) in GAUGES {
            let metric = ConstGauge::new(read(&now) as i64);
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)?;
        }
        for (name, help, read) in COUNTERS {
            let metric = ConstCounter::new(read(&now));
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)?;
        }
        for (name, help, read) in LANE_GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for lane in &now.lanes {
                ConstGauge::new(read(lane)).encode(family.encode_family(&[("lane", &*lane.name)])?)?;
            }
        }
        for (name, help, read) in LANE_TIMES {
            let unit = Some(&Unit::Seconds);
            let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Histogram)?;
            for lane in &now.lanes {
                let times = read(lane);
                // The last bucket has no bound; in numbers, an infinite one.
                let bound = |bound: Option<std::time::Duration>| {
                    bound.map_or(f64::INFINITY, |bound| bound.as_secs_f64())
                };
                let buckets: Vec<_> = times.buckets().map(|(upto, count)| (bound(upto), count)).collect();
                let labels = [("lane", &*lane.name)];
                let mut metric = family.encode_family(&labels)?;
                metric.encode_histogram::<NoLabelSet>(
                    times.sum().as_secs_f64(),
                    times.count(),
                    &buckets,
                    None,
                )?;
            }
        }
        lane_counter(
            &mut encoder,
            &now,
            "ambidex_scheduler_jobs_completed",
            "Jobs that ran to their end",
            |lane| lane.completed,
        )?;
        let help = "Jobs that never ran, by the reason";
        let mut family =
            encoder.encode_descriptor("ambidex_scheduler_jobs_refused", help, None, MetricType::Counter)?;
        for lane in &now.lanes {
            for (reason, count) in lane.refused.by_reason() {
                let labels = [("lane", &*lane.name), ("reason", reason)];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        let (help, unit) = ("Time that jobs ran whose caller was gone by the end", Some(&Unit::Seconds));
        let mut family =
            encoder.encode_descriptor("ambidex_scheduler_wasted", help, unit, MetricType::Counter)?;
        for lane in &now.lanes {
            let labels = [("lane", &*lane.name)];
            let metric = family.encode_family(&labels)?;
            ConstCounter::new(lane.wasted.as_secs_f64()).encode(metric)?;
        }
        let help = "Polls of async code that held a runtime thread for too long";
        let mut family =
            encoder.encode_descriptor("ambidex_scheduler_blocked_polls", help, None, MetricType::Counter)?;
        for seen in &now.blocked_polls {
            ConstCounter::new(seen.count).encode(family.encode_family(&[("method", &*seen.name)])?)?;
        }
        Ok(())
    }
}

fn lane_counter(
    encoder: &mut DescriptorEncoder<'_>,
    now: &Snapshot,
    name: &str,
    help: &str,
    read: fn(&LaneSnapshot) -> u64,
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for lane in &now.lanes {
        ConstCounter::new(read(lane)).encode(family.encode_family(&[("lane", &*lane.name)])?)?;
    }
    Ok(())
}
