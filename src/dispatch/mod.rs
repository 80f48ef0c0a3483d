//! The one door between edges and handlers.
//!
//! Every call of every protocol passes here: the registry finds its method, the deadline and the count of
//! calls in flight are applied, the interceptors run, then the handler. The registry and the chain of
//! interceptors are put together once, at start-up, and frozen.

mod alarm;
mod at_once;
mod drain;
mod in_flight;
pub mod interceptor;
mod panic;
mod stream;
mod under_way;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::FixedState;
use tonic::Status;

use crate::call::{
    Call, Deadline, Entrance, HttpRoute, MethodSpec, RETRY_PUSHBACK_MS, ReplyCoding, ServerState, Share,
    Spread,
};
use crate::handler::Method;
use crate::scheduler::{Scheduler, Watched};
use crate::telemetry::{End, Observer, Refusals, Telemetry};
use at_once::Promptness;
pub(crate) use at_once::{is_at_once, nobody};
use drain::Drain;
use in_flight::InFlight;
use interceptor::{Behind, CallService, Interceptors};
use under_way::UnderWay;
pub(crate) use watch::Dispatched;
use watch::Watch;

/// The bounds every call is held to, whatever its protocol.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Calls under way at once, over all protocols together.
    pub(crate) in_flight_max: usize,
    /// The deadline of a call whose caller states none.
    pub(crate) timeout_default: Option<Duration>,
    /// The longest a caller may ask for; a longer wish is cut to it.
    pub(crate) timeout_max: Option<Duration>,
    /// How long a stream may be silent during a drain before it is ended.
    pub(crate) drain_silence: Duration,
    /// The largest reply message, as wire bytes, of a method that has no bound of its own.
    pub(crate) reply_max_bytes: usize,
}

/// A method that can be called: found by its path when the call is routed.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) spec: &'static MethodSpec,
    /// The longest a call may take.
    timeout: Option<Duration>,
    /// The largest request message, where the method has a bound of its own. How it is measured is its edge's business.
    pub(crate) request_max_bytes: Option<usize>,
    /// What replies over gRPC may be packed with, where the method has a choice of its own.
    pub(crate) grpc_compression: Option<Arc<[ReplyCoding]>>,
    /// The largest reply message, as wire bytes.
    reply_max_bytes: usize,
    service: CallService,
    watched: Watched,
    observer: Observer,
    promptness: Promptness,
    /// Whether a call comes to its function through nobody's hands.
    is_direct: bool,
    reads_metadata: bool,
    common: Arc<Common>,
}

/// What the methods of a server share.
#[derive(Debug)]
struct Common {
    limits: Limits,
    in_flight: InFlight,
    drain: Drain,
}

impl Route {
    /// Whether a call comes to its function as it is, through no interceptor.
    pub(crate) fn is_direct(&self) -> bool {
        self.is_direct
    }

    /// Whether somebody reads the metadata of its calls before a function asks its [`Context`](crate::call::Context).
    pub(crate) fn reads_metadata(&self) -> bool {
        self.reads_metadata
    }

    /// Whether an edge is to put the [`HttpRequest`](crate::call::HttpRequest) among a call's extensions.
    pub(crate) fn wants_request(&self) -> bool {
        // Whoever does not read metadata has no spans: off, it is one look for both.
        self.reads_metadata && self.observer.has_spans()
    }

    /// Whether it stands for every method of a service that was not written for us.
    pub(crate) fn is_mounted(&self) -> bool {
        self.spec.method() == MethodSpec::ANY
    }
}

/// The registry of methods with everything that runs before them. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Dispatcher(Arc<Registry>);

/// Methods by their paths, services by their names. Only we put any in, so how they are hashed need not be a secret.
type Routes = HashMap<&'static str, Spread<Route>, FixedState>;

#[derive(Debug)]
struct Registry {
    routes: Routes,
    /// Services of which nobody says what methods they have, by their names.
    mounted: Routes,
    common: Arc<Common>,
    entrance: Spread<Entrance>,
    refusals: Refusals,
}

/// When a caller may try again that was refused for the number of calls under way: about as long as most of
/// them take.
const REFUSAL_PUSHBACK_MS: u64 = 1_000;

/// What a caller is told who finds every place taken.
fn overloaded(message: &str) -> Status {
    let mut status = Status::resource_exhausted(message);
    status.metadata_mut().insert(RETRY_PUSHBACK_MS, REFUSAL_PUSHBACK_MS.into());
    status
}

/// What to do about a method that blocks on the runtime.
const ASYNC: &str = "make it `fn`, or wrap the call in run_blocking";

/// The same for one that is on scheduler threads already: what blocks is around it.
const AROUND_BLOCKING: &str = "the method itself runs elsewhere: make what blocks an `interceptor::blocking`, or wrap \
                               the call in run_blocking";

impl Dispatcher {
    /// Freezes the methods behind their interceptors.
    pub(crate) fn new(
        methods: Vec<Method>,
        interceptors: &Interceptors,
        limits: Limits,
        scheduler: &Scheduler,
        state: ServerState,
        telemetry: &Telemetry,
    ) -> Self {
        let in_flight = InFlight::new(limits.in_flight_max);
        let drain = Drain::new(limits.drain_silence);
        let common = Arc::new(Common { limits, in_flight, drain });
        let handlers = methods.iter().map(|method| Behind {
            method: method.spec,
            service: CallService::new(Arc::clone(&method.handler)),
        });
        let chains = interceptors.around(handlers.collect());
        let routes = methods.into_iter().zip(chains).map(|(method, chain)| {
            let Method { spec, blocking, reads_metadata, timeout, message_limits, .. } = method;
            let grpc_compression = method.grpc_compression;
            let advice = if blocking { AROUND_BLOCKING } else { ASYNC };
            let is_direct = !interceptors.has_any(spec);
            Spread::new(Route {
                spec,
                timeout,
                request_max_bytes: message_limits.request_max_bytes,
                grpc_compression,
                reply_max_bytes: message_limits.reply_max_bytes.unwrap_or(common.limits.reply_max_bytes),
                service: chain.service,
                watched: scheduler.watch_with_advice(spec.full_name(), advice),
                observer: telemetry.observer(spec),
                promptness: Promptness::new(blocking),
                is_direct,
                reads_metadata: reads_metadata || !is_direct || telemetry.spans,
                common: Arc::clone(&common),
            })
        });
        let (mounted, routes): (Vec<_>, Vec<_>) = routes.partition(|route| route.is_mounted());
        let routes = routes.into_iter().map(|route| (route.spec.path(), route)).collect();
        let mounted = mounted.into_iter().map(|route| (route.spec.service(), route)).collect();
        let entrance = Spread::new(Entrance { state, http_route: None });
        Self(Arc::new(Registry { routes, mounted, common, entrance, refusals: telemetry.refusals() }))
    }

    /// The method at `/package.Service/Method`.
    pub(crate) fn route(&self, path: &str) -> Option<&Spread<Route>> {
        self.0.routes.get(path)
    }

    /// The method at that path over gRPC, where a whole service may have one route.
    pub(crate) fn grpc_route(&self, path: &str) -> Option<&Spread<Route>> {
        self.route(path).or_else(|| {
            let (service, _) = path.strip_prefix('/')?.split_once('/')?;
            self.0.mounted.get(service)
        })
    }

    /// Every method there is, in no order.
    pub(crate) fn routes(&self) -> impl Iterator<Item = &Spread<Route>> {
        self.0.routes.values()
    }

    /// The values every call can reach.
    pub(crate) fn state(&self) -> ServerState {
        self.0.entrance.state.clone()
    }

    /// Where calls come in by no HTTP binding.
    pub(crate) fn entrance(&self) -> Share<Entrance> {
        self.0.entrance.share()
    }

    /// Where calls come in by this one.
    pub(crate) fn entrance_by(&self, http_route: HttpRoute) -> Spread<Entrance> {
        Spread::new(Entrance { state: self.state(), http_route: Some(http_route) })
    }

    /// Who notes what an edge refuses before it is a call.
    pub(crate) fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    /// The deadline of a call to `route` whose caller asked for `timeout`.
    pub(crate) fn deadline(&self, route: &Route, timeout: Option<Duration>) -> Option<Deadline> {
        let limits = &self.0.common.limits;
        let bounds = [timeout.or(limits.timeout_default), limits.timeout_max, route.timeout];
        bounds.into_iter().flatten().min().map(Deadline::after)
    }

    /// Begins the drain: streams that fall silent end with UNAVAILABLE. Every other call goes on.
    pub(crate) fn begin_drain(&self) {
        self.0.common.drain.begin();
    }

    /// Ends the drain: so does every stream that is left.
    pub(crate) fn end_drain(&self) {
        self.0.common.drain.end();
    }

    /// Calls a method. The future ends at the call's deadline at the latest, and a stream it replies with
    /// does too; dropping either gives the call up.
    pub(crate) fn call(&self, route: &Spread<Route>, mut call: Call) -> Dispatched {
        let mut observed = route.observer.begin(&mut call);
        let Some(under_way) = UnderWay::begin(route) else {
            let status = overloaded("the server has as many calls under way as it takes; try again later");
            observed.finish(call.context(), End::Failed(&status));
            return Dispatched::refused(route.spec, status);
        };
        Dispatched::new(Watch::new(call.context().clone(), under_way, observed), call)
    }
}

/// A reply message over its bound. Every wire's replies pass here, and so the bound is the same on each.
#[cold]
fn reply_too_large(length: usize, max_bytes: usize) -> Status {
    Status::resource_exhausted(format!("a reply of {length} bytes is more than the {max_bytes} allowed"))
}

/// A method, and nothing around it.
#[cfg(test)]
fn route_for_tests(
    spec: &'static MethodSpec,
    in_flight_max: usize,
    scheduler: &Scheduler,
    handler: crate::handler::Handler,
) -> Spread<Route> {
    let drain_silence = Duration::ZERO;
    let reply_max_bytes = 1_000;
    let limits =
        Limits { in_flight_max, timeout_default: None, timeout_max: None, drain_silence, reply_max_bytes };
    let method = Method {
        spec,
        blocking: false,
        reads_metadata: true,
        timeout: None,
        message_limits: crate::handler::MessageLimits::default(),
        grpc_compression: None,
        handler,
    };
    let (state, telemetry) = (ServerState::default(), Telemetry::default());
    let dispatcher =
        Dispatcher::new(vec![method], &Interceptors::default(), limits, scheduler, state, &telemetry);
    dispatcher.route(spec.path()).expect("the method is registered").clone()
}

/// A handler that never answers.
#[cfg(test)]
fn never() -> crate::handler::Handler {
    Arc::new(|_| Box::pin(std::future::pending()))
}
