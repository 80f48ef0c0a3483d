//! The way of a server's figures to a meter of OpenTelemetry.
//!
//! OpenTelemetry asks for each figure when it exports, one by one. The first question of an export takes a snapshot, which
//! answers the others, too: what is exported together belongs together, and costs one look. Histograms it does not ask for;
//! they are told what has been counted since the last export, before any question is answered.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};

use super::figures::{Figure, Kind, Label, OF_RUNTIME, OF_SCHEDULER, OF_SERVER, Value};
use super::replay::Told;
use super::{Metrics, Snapshot};

impl Metrics {
    /// Gives the figures to a meter of OpenTelemetry, too, which exports them. With the feature `opentelemetry`; only the
    /// first meter counts.
    ///
    /// They are those of `MetricsCollector`, by the same names with dots. Nothing of it is done while a call lasts: they
    /// are read when they are exported. Histograms have the same counts, buckets and sums; the least and the largest value
    /// of one are known no better than their bucket.
    pub fn export_to(&self, meter: &Meter) {
        if !self.begin_export() {
            return;
        }
        let source = Arc::new(Source { metrics: self.clone(), taken: Mutex::default() });
        source.give(meter, &OF_SERVER, |now| Some(now));
        source.give(meter, &OF_RUNTIME, |now| now.runtime.as_ref());
        source.give(meter, &OF_SCHEDULER, |now| now.scheduler.as_ref());
    }
}

/// Where instruments read.
struct Source {
    metrics: Metrics,
    taken: Mutex<Taken>,
}

/// The snapshot that was taken last.
#[derive(Default)]
struct Taken {
    now: Option<Arc<Snapshot>>,
    /// How many were taken.
    number: u64,
    histograms: Vec<CatchUp>,
}

/// Brings one histogram up to a snapshot.
type CatchUp = Box<dyn FnMut(&Snapshot) + Send>;

/// Finds what a figure is of.
type Part<S> = fn(&Snapshot) -> Option<&S>;

impl Source {
    fn give<S>(self: &Arc<Self>, meter: &Meter, figures: &'static [Figure<S>], part: Part<S>) {
        for figure in figures {
            let Figure { name, help, unit, .. } = *figure;
            match figure.kind {
                Kind::Count => {
                    let read = self.reader(figure, part, |value| match value {
                        Value::Count(count) => Some(count),
                        _ => None,
                    });
                    let counter = meter.u64_observable_counter(name).with_unit(unit).with_description(help);
                    counter.with_callback(read).build();
                }
                Kind::Seconds => {
                    let read = self.reader(figure, part, |value| match value {
                        Value::Seconds(seconds) => Some(seconds),
                        _ => None,
                    });
                    let counter = meter.f64_observable_counter(name).with_unit(unit).with_description(help);
                    counter.with_callback(read).build();
                }
                Kind::Level => {
                    let read = self.reader(figure, part, |value| match value {
                        Value::Level(level) => Some(level),
                        _ => None,
                    });
                    let level = meter.i64_observable_up_down_counter(name);
                    level.with_unit(unit).with_description(help).with_callback(read).build();
                }
                Kind::Share => {
                    let read = self.reader(figure, part, |value| match value {
                        Value::Share(share) if !share.is_nan() => Some(share),
                        _ => None,
                    });
                    let gauge = meter.f64_observable_gauge(name).with_unit(unit).with_description(help);
                    gauge.with_callback(read).build();
                }
                Kind::Spread(bounds) => {
                    let histogram = meter.f64_histogram(name).with_unit(unit).with_description(help);
                    let histogram = histogram.with_boundaries(bounds()).build();
                    let mut told: HashMap<Vec<KeyValue>, Told> = HashMap::new();
                    self.on_each_snapshot(Box::new(move |now| {
                        let Some(now) = part(now) else { return };
                        (figure.read)(now, &mut |labels, value| {
                            let Value::Spread(values) = value else { return };
                            let series = attributes(labels);
                            let record = |value| histogram.record(value, &series);
                            match told.get_mut(&series) {
                                Some(told) => told.catch_up(values, record),
                                None => {
                                    let mut first = Told::default();
                                    first.catch_up(values, record);
                                    told.insert(series, first);
                                }
                            }
                        });
                    }));
                }
            }
        }
    }

    /// What answers for one figure whenever it is exported.
    fn reader<S, T: 'static>(
        self: &Arc<Self>,
        figure: &'static Figure<S>,
        part: Part<S>,
        pick: fn(Value<'_>) -> Option<T>,
    ) -> impl Fn(&dyn AsyncInstrument<T>) + Send + Sync + 'static {
        let (source, seen) = (Arc::clone(self), AtomicU64::new(0));
        move |instrument| {
            let now = source.now(&seen);
            let Some(now) = part(&now) else { return };
            (figure.read)(now, &mut |labels, value| {
                if let Some(value) = pick(value) {
                    instrument.observe(value, &attributes(labels));
                }
            });
        }
    }

    fn on_each_snapshot(&self, catch_up: CatchUp) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).histograms.push(catch_up);
    }

    /// The snapshot of this export: a new one for who has seen the last one already.
    fn now(&self, seen: &AtomicU64) -> Arc<Snapshot> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let Taken { now, number, histograms } = &mut *taken;
        let now = match now {
            Some(now) if seen.load(Ordering::Relaxed) < *number => Arc::clone(now),
            _ => {
                let new = Arc::new(self.metrics.snapshot());
                histograms.iter_mut().for_each(|catch_up| catch_up(&new));
                *number += 1;
                *now = Some(Arc::clone(&new));
                new
            }
        };
        seen.store(*number, Ordering::Relaxed);
        now
    }
}

fn attributes(labels: &[Label<'_>]) -> Vec<KeyValue> {
    labels.iter().map(|(name, value)| KeyValue::new(*name, (*value).to_owned())).collect()
}
