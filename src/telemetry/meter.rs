//! What is counted of the calls of one method over one protocol.
//!
//! Recording is a few relaxed additions on numbers that were found when the method was registered: no lock, no look-up.
//! A count is made when its first call comes, so that a method which nobody calls over a protocol costs nothing, and a
//! code that no call ends with is no series.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tonic::Code;

use super::metrics::{Calls, Distribution};
use crate::call::{CountMessages, MethodSpec, Protocol};

/// Bounds of the buckets of a call's duration: those that OpenTelemetry advises, from 5 ms to 10 s, with finer ones
/// below, where most calls are, and two above for streams.
const DURATION_BOUNDS_NANOS: [u64; 21] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    75_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    750_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    7_500_000_000,
    10_000_000_000,
    60_000_000_000,
    600_000_000_000,
];

/// Bounds of the buckets of a message's size, in bytes: each four times the one before.
const SIZE_BOUNDS_BYTES: [u64; 10] =
    [64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216];

const DURATION_BUCKETS: usize = DURATION_BOUNDS_NANOS.len() + 1;
const SIZE_BUCKETS: usize = SIZE_BOUNDS_BYTES.len() + 1;

/// Durations are summed in units of so many nanoseconds: in nanoseconds, ten thousand streams would run over within
/// weeks, and in microseconds short calls would be counted badly.
const DURATION_UNIT_NANOS: u64 = 64;

/// From OK to UNAUTHENTICATED.
const CODES: usize = 17;

/// How many there were in each bucket, and what they came to.
#[derive(Debug)]
struct Buckets<const N: usize> {
    counts: [AtomicU64; N],
    sum: AtomicU64,
}

impl<const N: usize> Buckets<N> {
    const fn new() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; N], sum: AtomicU64::new(0) }
    }

    fn record(&self, bounds: &[u64], value: u64, worth: u64) {
        let bucket = bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(worth, Ordering::Relaxed);
    }

    /// What was recorded; `unit` is what one of the bounds' and one of the sum's units is worth.
    fn read(&self, bounds: &[u64], unit: (f64, f64)) -> Distribution {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let bounds = bounds.iter().map(|bound| *bound as f64 / unit.0).collect();
        Distribution::new(bounds, counts, self.sum.load(Ordering::Relaxed) as f64 / unit.1)
    }
}

/// The bounds of the buckets of a call's duration, in seconds.
#[cfg(any(feature = "opentelemetry", feature = "prometheus"))]
pub(super) fn duration_bounds_seconds() -> Vec<f64> {
    DURATION_BOUNDS_NANOS.iter().map(|nanos| *nanos as f64 / 1e9).collect()
}

/// The bounds of the buckets of a message's size, in bytes.
#[cfg(any(feature = "opentelemetry", feature = "prometheus"))]
pub(super) fn size_bounds_bytes() -> Vec<f64> {
    SIZE_BOUNDS_BYTES.iter().map(|bytes| *bytes as f64).collect()
}

/// What is counted of one method over one protocol.
#[derive(Debug)]
pub(super) struct Meter {
    method: &'static MethodSpec,
    protocol: Protocol,
    started: AtomicU64,
    /// How long the calls took that ended with each code.
    finished: [OnceLock<Box<Buckets<DURATION_BUCKETS>>>; CODES],
    requests: Buckets<SIZE_BUCKETS>,
    replies: Buckets<SIZE_BUCKETS>,
}

impl Meter {
    fn new(method: &'static MethodSpec, protocol: Protocol) -> Self {
        Self {
            method,
            protocol,
            started: AtomicU64::new(0),
            finished: [const { OnceLock::new() }; CODES],
            requests: Buckets::new(),
            replies: Buckets::new(),
        }
    }

    pub(super) fn start(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn finish(&self, code: Code, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let buckets = self.finished[code as usize].get_or_init(|| Box::new(Buckets::new()));
        buckets.record(&DURATION_BOUNDS_NANOS, nanos, nanos / DURATION_UNIT_NANOS);
    }

    pub(super) fn reply(&self, bytes: usize) {
        self.replies.record(&SIZE_BOUNDS_BYTES, bytes as u64, bytes as u64);
    }

    fn read(&self) -> Calls {
        let seconds = (1e9, 1e9 / DURATION_UNIT_NANOS as f64);
        let finished = self.finished.iter().enumerate().filter_map(|(code, buckets)| {
            let durations = buckets.get()?.read(&DURATION_BOUNDS_NANOS, seconds);
            Some((Code::from(code as i32), durations))
        });
        // What has ended is read first: a call that ends meanwhile is still in flight, and none is twice.
        let finished: Vec<_> = finished.collect();
        let ended: u64 = finished.iter().map(|(_, durations)| durations.count()).sum();
        let started = self.started.load(Ordering::Relaxed);
        Calls {
            method: self.method,
            protocol: self.protocol,
            started,
            in_flight: started.saturating_sub(ended),
            finished,
            requests: self.requests.read(&SIZE_BOUNDS_BYTES, (1.0, 1.0)),
            replies: self.replies.read(&SIZE_BOUNDS_BYTES, (1.0, 1.0)),
        }
    }
}

impl CountMessages for Meter {
    fn message(&self, bytes: usize) {
        self.requests.record(&SIZE_BOUNDS_BYTES, bytes as u64, bytes as u64);
    }
}

/// What is counted of one method.
#[derive(Debug)]
pub(super) struct MethodMeters {
    method: &'static MethodSpec,
    by_protocol: [OnceLock<Arc<Meter>>; Protocol::ALL.len()],
}

impl MethodMeters {
    pub(super) fn new(method: &'static MethodSpec) -> Self {
        Self { method, by_protocol: [const { OnceLock::new() }; Protocol::ALL.len()] }
    }

    pub(super) fn over(&self, protocol: Protocol) -> &Arc<Meter> {
        self.by_protocol[protocol as usize].get_or_init(|| Arc::new(Meter::new(self.method, protocol)))
    }

    /// The protocols it was called over.
    pub(super) fn read(&self) -> impl Iterator<Item = Calls> {
        self.by_protocol.iter().filter_map(OnceLock::get).map(|meter| meter.read())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_read_in_seconds_and_bytes() {
        static METHOD: MethodSpec = MethodSpec::new("a.B", "C", "/a.B/C", crate::call::MethodKind::Unary);
        let meter = Meter::new(&METHOD, Protocol::Grpc);
        let micros = Duration::from_micros;
        for took in [micros(100), micros(101), micros(64_000), Duration::from_secs(1000)] {
            meter.start();
            meter.finish(Code::NotFound, took);
        }
        meter.start();
        meter.message(64);
        meter.message(65);
        meter.reply(100_000_000);
        let calls = meter.read();
        assert_eq!((calls.started, calls.in_flight), (5, 1));
        let [(Code::NotFound, durations)] = &calls.finished[..] else { panic!("one code: {calls:?}") };
        let buckets: Vec<_> = durations.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!(buckets, [(Some(0.0001), 1), (Some(0.00025), 1), (Some(0.075), 1), (None, 1)]);
        assert!((durations.sum() - 1000.0642).abs() < 1e-4, "{}", durations.sum());
        let sizes: Vec<_> = calls.requests.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!(sizes, [(Some(64.0), 1), (Some(256.0), 1)]);
        assert_eq!((calls.requests.count(), calls.requests.sum()), (2, 129.0));
        assert_eq!(calls.replies.buckets().last(), Some((None, 1)));
    }
}
