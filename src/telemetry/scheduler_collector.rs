//! The figures of a scheduler alone, for a registry of prometheus-client.
//!
//! Nothing is counted for this: a scrape takes the snapshot that anybody may take.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::collector::push;
use super::figures::OF_SCHEDULER;
use crate::scheduler::Scheduler;

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

impl Collector for SchedulerCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        push(&mut encoder, &OF_SCHEDULER, &self.0.snapshot())
    }
}
