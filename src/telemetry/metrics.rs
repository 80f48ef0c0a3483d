//! What a server counts, and the plain numbers that anybody may take of it.

#[cfg(feature = "opentelemetry")]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tonic::Code;

use super::closings::{Closing, ClosingCounts};
use super::meter::MethodMeters;
use super::refusals::RefusalCounts;
use super::{Build, ClosedConnections, RefusedRequests, Runtime};
use crate::call::{MethodSpec, Protocol};
use crate::scheduler::{self, Scheduler};

/// What a server counts of its calls and connections; given to
/// [`ServerBuilder::metrics`](crate::server::ServerBuilder::metrics). Every clone counts the same server; given to a
/// second one, it counts the calls of that.
///
/// Without one, nothing is counted. With the feature `prometheus`, `Metrics::collector` brings the figures into a
/// registry, and the [`Admin`](crate::server::Admin) pages show them without being asked to.
///
/// ```
/// use ambidex::telemetry::Metrics;
///
/// let metrics = Metrics::new();
/// let server = ambidex::Server::builder().metrics(metrics.clone());
/// // Now or later, anywhere:
/// for calls in metrics.snapshot().calls {
///     println!("{} over {}: {} in flight", calls.method, calls.protocol.as_str(), calls.in_flight);
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    server: Mutex<Server>,
    build: Mutex<Build>,
    connections: Connections,
    refusals: RefusalCounts,
    /// Whether a meter of OpenTelemetry has them.
    #[cfg(feature = "opentelemetry")]
    exported: AtomicBool,
}

/// What there is to read from: nothing, until there is a server.
#[derive(Debug, Clone, Default)]
struct Server {
    methods: Vec<Arc<MethodMeters>>,
    scheduler: Option<Scheduler>,
    runtime: Option<tokio::runtime::Handle>,
}

impl Metrics {
    /// Counts that stand at nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says which build of which program this is, for a server whose [`Admin`](crate::server::Admin) does not.
    pub fn built_as(&self, build: Build) {
        *self.0.build.lock().unwrap_or_else(PoisonError::into_inner) = build;
    }

    /// The counts at this moment.
    pub fn snapshot(&self) -> Snapshot {
        let Server { methods, scheduler, runtime } = self.server().clone();
        let connections = &self.0.connections.0;
        // In this order: one that comes and goes in between is not open for less than nothing.
        let closed = connections.closed.load(Ordering::Relaxed);
        let accepted = connections.accepted.load(Ordering::Relaxed);
        Snapshot {
            calls: methods.iter().flat_map(|method| method.read()).collect(),
            connections_accepted: accepted,
            connections_open: accepted.saturating_sub(closed),
            build: self.0.build.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            closed_connections: connections.closings.read(),
            refused_requests: self.0.refusals.read(),
            runtime: runtime.map(|runtime| Runtime::read(&runtime.metrics())),
            scheduler: scheduler.map(|scheduler| scheduler.snapshot()),
        }
    }

    /// Counts this server from now on.
    pub(crate) fn of(&self, scheduler: &Scheduler) {
        let runtime = tokio::runtime::Handle::current();
        *self.server() =
            Server { methods: Vec::new(), scheduler: Some(scheduler.clone()), runtime: Some(runtime) };
    }

    pub(super) fn register(&self, method: &'static MethodSpec) -> Arc<MethodMeters> {
        let meters = Arc::new(MethodMeters::new(method));
        self.server().methods.push(Arc::clone(&meters));
        meters
    }

    pub(crate) fn connections(&self) -> &Connections {
        &self.0.connections
    }

    pub(super) fn refusals(&self) -> &RefusalCounts {
        &self.0.refusals
    }

    /// Gives them to a meter of OpenTelemetry; false if another has them already.
    #[cfg(feature = "opentelemetry")]
    pub(super) fn begin_export(&self) -> bool {
        !self.0.exported.swap(true, Ordering::Relaxed)
    }

    fn server(&self) -> MutexGuard<'_, Server> {
        self.0.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a server has counted at one moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Snapshot {
    /// Which build of which program counts.
    pub build: Build,
    /// Each method over each protocol that it was called over.
    pub calls: Vec<Calls>,
    /// Connections accepted since the start, on all ports but the admin's.
    pub connections_accepted: u64,
    /// Those of them that are open, WebSockets included.
    pub connections_open: u64,
    /// Those that the server ended because of what their client did, by the reason.
    pub closed_connections: Vec<ClosedConnections>,
    /// Requests that were refused before they were calls, by the reason.
    pub refused_requests: Vec<RefusedRequests>,
    /// The tokio runtime; none before there is a server.
    pub runtime: Option<Runtime>,
    /// The scheduler of blocking code; none before there is a server.
    pub scheduler: Option<scheduler::Snapshot>,
}

/// What was counted of one method over one protocol.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Calls {
    /// The method.
    pub method: &'static MethodSpec,
    /// The protocol.
    pub protocol: Protocol,
    /// Calls that were started, refused ones included.
    pub started: u64,
    /// Those of them that have not ended: the last message of a stream is out when its call has.
    pub in_flight: u64,
    /// How many seconds the calls took that ended, by the code they ended with.
    pub finished: Vec<(Code, Distribution)>,
    /// The bytes of each request message that a handler has read, as protobuf.
    pub requests: Distribution,
    /// The bytes of each reply message, as protobuf.
    pub replies: Distribution,
}

/// Many values of one kind, counted in buckets.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    bounds: Vec<f64>,
    counts: Vec<u64>,
    sum: f64,
}

impl Distribution {
    pub(super) fn new(bounds: Vec<f64>, counts: Vec<u64>, sum: f64) -> Self {
        Self { bounds, counts, sum }
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The upper bound of each bucket but the last, which has none.
    #[cfg(any(feature = "opentelemetry", feature = "prometheus"))]
    pub(super) fn bounds(&self) -> &[f64] {
        &self.bounds
    }

    /// Their sum.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Each bucket's upper bound, and how many were at most that and above the one before. The last has no bound.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<f64>, u64)> {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        bounds.zip(self.counts.iter().copied())
    }
}

/// Times in seconds.
impl From<&scheduler::Histogram> for Distribution {
    fn from(times: &scheduler::Histogram) -> Self {
        let bounds = times.buckets().filter_map(|(bound, _)| bound).map(|bound| bound.as_secs_f64());
        let counts = times.buckets().map(|(_, count)| count);
        Self::new(bounds.collect(), counts.collect(), times.sum().as_secs_f64())
    }
}

/// Counts connections as they come and go.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connections(Arc<ConnectionCounts>);

#[derive(Debug, Default)]
struct ConnectionCounts {
    accepted: AtomicU64,
    closed: AtomicU64,
    closings: ClosingCounts,
}

impl Connections {
    /// One has come; it goes when this is dropped.
    pub(crate) fn accepted(&self) -> OpenConnection {
        self.0.accepted.fetch_add(1, Ordering::Relaxed);
        OpenConnection(Arc::clone(&self.0))
    }

    /// One has to end, for this reason.
    pub(crate) fn has_to_end(&self, why: Closing) {
        self.0.closings.add(why);
    }
}

/// A connection that is counted as open.
#[derive(Debug)]
pub(crate) struct OpenConnection(Arc<ConnectionCounts>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Ordering::Relaxed);
    }
}
