//! Putting a server together.

use std::any::Any;
use std::hash::Hash;
use std::sync::Arc;

use ambidex_schema::Schema;
use bytes::Bytes;
use tonic::Status;
use tower::{Layer, Service as TowerService};

use super::admin::{Admin, Facts};
use super::bound::{BoundServer, Listening};
use super::front::{Front, Http};
use super::lifespan::Hooks;
use super::readiness::Readiness;
use super::{Config, Error, Health, Listener, tenant};
use crate::call::{Call, ServerState};
use crate::dispatch::Dispatcher;
use crate::dispatch::interceptor::Interceptors;
use crate::google;
use crate::grpc::{GrpcEdge, Web};
use crate::handler::{MethodConfig, MethodConfigs, Methods, Service, Settings, TenantKey};
use crate::http::{HttpEdge, Rules, ShapeError, status_of_failed_call};
use crate::local::Local;
use crate::scheduler::{LaneConfig, Scheduler};
use crate::telemetry::{Metrics, Telemetry};

/// Serves services over gRPC and HTTP; made by [`Server::builder`].
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Begins a server without services and with every default.
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            services: Vec::new(),
            for_tonic: false,
            interceptors: Interceptors::default(),
            router: axum::Router::new(),
            http_layers: Vec::new(),
            address: None,
            listeners: Vec::new(),
            grpc_address: None,
            state: ServerState::default(),
            methods: Vec::new(),
            lanes: Vec::new(),
            tenant_key: None,
            http_rules: Rules::default(),
            shape_error: None,
            health: None,
            serves_health: false,
            reflection: false,
            descriptors: Vec::new(),
            admin: None,
            metrics: None,
            #[cfg(feature = "otlp")]
            otlp: None,
            hooks: Hooks::default(),
            config: Config::default(),
        }
    }
}

type Register = Box<dyn FnOnce(&mut Methods) -> Result<(), Error> + Send>;
type HttpLayer = Box<dyn FnOnce(axum::Router) -> axum::Router + Send>;

/// A service on its way into the server.
pub(super) struct Registration {
    pub(super) name: &'static str,
    pub(super) descriptors: &'static [u8],
    pub(super) register: Register,
}

impl Registration {
    pub(super) fn new<S: Service + Send + 'static>(service: S) -> Self {
        Self {
            name: S::NAME,
            descriptors: S::FILE_DESCRIPTOR_SET,
            register: Box::new(move |methods| {
                service.register(methods);
                Ok(())
            }),
        }
    }
}

/// A server that is being put together.
pub struct ServerBuilder {
    pub(super) services: Vec<Registration>,
    pub(super) for_tonic: bool,
    pub(super) interceptors: Interceptors,
    router: axum::Router,
    http_layers: Vec<HttpLayer>,
    /// Where `serve` and `bind` say.
    pub(super) address: Option<Listener>,
    pub(super) listeners: Vec<Listener>,
    pub(super) grpc_address: Option<Listener>,
    state: ServerState,
    pub(super) methods: Vec<(String, MethodConfig)>,
    pub(super) lanes: Vec<LaneConfig>,
    tenant_key: Option<TenantKey>,
    pub(super) http_rules: Rules,
    shape_error: Option<ShapeError>,
    pub(super) health: Option<Health>,
    pub(super) serves_health: bool,
    pub(super) reflection: bool,
    pub(super) descriptors: Vec<Bytes>,
    pub(super) admin: Option<Admin>,
    pub(super) metrics: Option<Metrics>,
    #[cfg(feature = "otlp")]
    pub(super) otlp: Option<crate::telemetry::Otlp>,
    pub(super) hooks: Hooks,
    pub(super) config: Config,
}

/// What every edge of one server shares.
struct Core {
    dispatcher: Dispatcher,
    schema: Schema,
    scheduler: Scheduler,
    readiness: Readiness,
}

impl ServerBuilder {
    /// Adds a service: a generated server around your handler.
    #[must_use]
    pub fn service<S: Service + Send + 'static>(mut self, service: S) -> Self {
        self.services.push(Registration::new(service));
        self
    }

    /// Merges your own axum routes. They win over the services' routes. A fallback of the router is not served:
    /// what no route takes is the services'.
    ///
    /// # Panics
    ///
    /// As axum's `merge` does, when a path was in a router that was added before.
    #[must_use]
    pub fn router(mut self, router: axum::Router) -> Self {
        self.router = self.router.merge(router);
        self
    }

    /// Wraps a tower layer (from tower-http, say) around everything that is served as HTTP, your own routes
    /// included. The last one added sees a request first, as in axum. gRPC calls pass it by: what concerns
    /// every call is an [`interceptor`](Self::interceptor).
    #[must_use]
    pub fn http_layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<axum::routing::Route> + Clone + Send + Sync + 'static,
        L::Service: TowerService<axum::extract::Request> + Clone + Send + Sync + 'static,
        <L::Service as TowerService<axum::extract::Request>>::Response:
            axum::response::IntoResponse + 'static,
        <L::Service as TowerService<axum::extract::Request>>::Error: Into<std::convert::Infallible> + 'static,
        <L::Service as TowerService<axum::extract::Request>>::Future: Send + 'static,
    {
        self.http_layers.push(Box::new(move |router| router.layer(layer)));
        self
    }

    /// Keeps a value that every call can reach by its type, with [`Context::state`](crate::call::Context::state).
    #[must_use]
    pub fn state<T: Any + Send + Sync>(mut self, value: T) -> Self {
        self.state = self.state.with(value);
        self
    }

    /// Says how a method runs (`bookshop.v1.Bookshop/PlaceOrder`), or every method of a service
    /// (`bookshop.v1.Bookshop`): over what its code says, and below what [`Config::methods`] says. Said twice of the
    /// same name, the later holds, setting by setting; what is said of a method holds over what is said of its service.
    /// A name that nobody has is an error at start-up.
    #[must_use]
    pub fn method(mut self, name: impl Into<String>, config: MethodConfig) -> Self {
        self.methods.push((name.into(), config));
        self
    }

    /// Sets up a lane of blocking methods, unless [`SchedulerConfig::lanes`] does: its weight, a bound, how
    /// much it matters. A method that shares no lane has one of its own, by its full name.
    ///
    /// ```
    /// use ambidex::scheduler::LaneConfig;
    ///
    /// let server = ambidex::Server::builder()
    ///     .lane(LaneConfig::new("database").max_concurrency(16))
    ///     .lane(LaneConfig::new("bookshop.v1.Bookshop/PlaceOrder").weight(4));
    /// ```
    ///
    /// [`SchedulerConfig::lanes`]: crate::scheduler::SchedulerConfig::lanes
    #[must_use]
    pub fn lane(mut self, lane: LaneConfig) -> Self {
        self.lanes.push(lane);
        self
    }

    /// Says on whose behalf a call to a blocking method is made, so that one who floods a lane waits behind their
    /// own calls. Asked after the interceptors, so it may use what they found out; `None` is nobody's.
    ///
    /// Where callers are told apart by a header, [`Config::tenant_metadata`] does without code.
    ///
    /// How much a single call matters, an interceptor may say by putting a [`Criticality`] among its extensions.
    ///
    /// ```
    /// use ambidex::call::Call;
    ///
    /// let server = ambidex::Server::builder().tenant_key(|call: &Call| {
    ///     call.metadata.get("x-account").map(|account| account.as_encoded_bytes().to_vec())
    /// });
    /// ```
    ///
    /// [`Criticality`]: crate::scheduler::Criticality
    #[must_use]
    pub fn tenant_key<K: Hash>(mut self, key: impl Fn(&Call) -> Option<K> + Send + Sync + 'static) -> Self {
        self.tenant_key = Some(Arc::new(move |call| key(call).map(|key| tenant::hash_of(&key))));
        self
    }

    /// Answers those who ask by `grpc.health.v1.Health` whether the server, and each of its services, takes calls. From
    /// the moment it is told to stop it does not, and goes on for [`Config::drain_quiet_ms`] so that they notice.
    #[must_use]
    pub fn health(mut self, health: Health) -> Self {
        self.health = Some(health);
        self
    }

    /// Tells those who ask by `grpc.reflection.v1.ServerReflection`, or by its older `v1alpha`, which services are here
    /// and how their messages look: for grpcurl, `buf curl` and the like. Whoever can call the server can ask; an
    /// [`interceptor`](Self::interceptor) may say no, as to any call.
    #[must_use]
    pub fn reflection(mut self) -> Self {
        self.reflection = true;
        self
    }

    /// Adds an encoded `FileDescriptorSet` that no service brings: of one that is served by other means, or of messages
    /// that travel in `Any`. JSON can spell them then, and [`reflection`](Self::reflection) tells of them; the services
    /// that the set declares are among those it lists.
    #[must_use]
    pub fn descriptors(mut self, set: impl Into<Bytes>) -> Self {
        self.descriptors.push(set.into());
        self
    }

    /// Answers those who run the server: whether it is alive and ready, and what it does. On an address of its own, or
    /// below a path of the HTTP port; see [`Admin`].
    #[must_use]
    pub fn admin(mut self, admin: Admin) -> Self {
        self.admin = Some(admin);
        self
    }

    /// Counts calls, messages and connections, for a registry of metrics or whoever looks. With the feature `prometheus`
    /// an [`admin`](Self::admin) counts without it.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Changes how errors look on REST routes: `shape` gets the status, and the response that it would be. On RPC
    /// routes and over gRPC the protocol says how an error looks.
    ///
    /// ```
    /// let server = ambidex::Server::builder().rest_errors(|status, response| {
    ///     response.map(|_| format!("{{\"oops\":{}}}", status.code() as i32).into())
    /// });
    /// ```
    #[must_use]
    pub fn rest_errors(
        mut self,
        shape: impl Fn(&Status, http::Response<Bytes>) -> http::Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.shape_error = Some(Arc::new(shape));
        self
    }

    /// Replaces the limits and options.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Serves on `address`, which is `host:port`, `unix:/path` or a [`Listener`], unless [`Config::address`] or
    /// [`Config::listeners`] says where else, until SIGTERM or Ctrl-C, then drains:
    /// stops accepting, lets calls in flight end within the drain timeout, runs the stop hooks, and returns. `Ok` means
    /// that nothing was cut off and nothing failed: a `main` that returns the result exits with 0 then, and with 1
    /// otherwise. A second signal [ends the process](BoundServer::serve) at once.
    ///
    /// # Errors
    ///
    /// When the server cannot start, had to cut calls off at the end of the drain, or a hook failed.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn serve(self, address: impl Into<Listener>) -> Result<(), Error> {
        self.bind(address).await?.serve().await
    }

    /// The same on the listeners that were added with [`listen`](Self::listen) or are in [`Config`].
    ///
    /// # Errors
    ///
    /// As [`serve`](Self::serve), and when no listener was added.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn serve_all(self) -> Result<(), Error> {
        self.bind_all().await?.serve().await
    }

    /// Listens on `address` (port 0 lets the system choose), and on the listeners that were added, without accepting yet.
    ///
    /// # Errors
    ///
    /// When the server cannot start.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn bind(mut self, address: impl Into<Listener>) -> Result<BoundServer, Error> {
        self.address = Some(address.into());
        self.bind_all().await
    }

    /// Listens on the listeners that were added with [`listen`](Self::listen) or are in [`Config`], without accepting yet.
    ///
    /// # Errors
    ///
    /// When the server cannot start, and when no listener was added.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn bind_all(mut self) -> Result<BoundServer, Error> {
        let core = self.core()?;
        #[cfg(feature = "config")]
        self.print_if_wanted();
        let admin = self.admin_router(&core)?;
        let grpc =
            GrpcEdge::new(core.dispatcher.clone(), self.config.grpc(), self.config.grpc_json(&core.schema));
        let web = self.web(&grpc)?;
        let http = self.http_edge(&core)?;
        let websockets = http.websockets();
        let is_bare = self.http_layers.is_empty() && !self.router.has_routes() && self.config.cors.is_none();
        let http = if is_bare { Http::Edge(http) } else { Http::Router(self.layered(http)?) };
        let front = Front::all(grpc, web, http);
        let mut listening = Vec::new();
        for listener in self.places()? {
            listening.push(Listening::open(listener, &front, self.for_tonic).await?);
        }
        if listening.is_empty() {
            return Err(Error::NoListener);
        }
        let local = Local::new(core.dispatcher);
        if let Some(health) = &self.health {
            health.starting(true);
        }
        let bound = BoundServer::new(listening, local, core.scheduler, websockets, self.health, self.config);
        let counted = self.metrics.as_ref().map(Metrics::connections).cloned();
        let bound =
            bound.with_readiness(core.readiness).counting(counted.unwrap_or_default()).with_hooks(self.hooks);
        match admin {
            Some((address, router)) => bound.with_admin(address, router).await,
            None => Ok(bound),
        }
    }

    /// What is noted of this server's calls.
    fn telemetry_of(&mut self, scheduler: &Scheduler) -> Telemetry {
        #[cfg(feature = "otlp")]
        self.begin_otlp();
        if cfg!(feature = "prometheus") && self.admin.is_some() && self.config.metrics {
            self.metrics.get_or_insert_default();
        }
        if let Some(metrics) = &self.metrics {
            metrics.of(scheduler);
        }
        Telemetry {
            metrics: self.metrics.clone(),
            spans: self.config.call_spans,
            access_log: self.config.access_log,
            http_status_of: Some(status_of_failed_call),
        }
    }

    /// The admin's pages with the address they have for their own; those that have none go into the router.
    fn admin_router(&mut self, core: &Core) -> Result<Option<(String, axum::Router)>, Error> {
        let Some(admin) = self.admin.take() else { return Ok(None) };
        let facts = Facts {
            readiness: core.readiness.clone(),
            health: self.health.clone(),
            scheduler: core.scheduler.clone(),
            metrics: self.metrics.clone().unwrap_or_default(),
        };
        admin.place(facts, &mut self.router)
    }

    /// The server's HTTP routes, with yours and every layer around them, as a router of axum: for tests that need no
    /// socket, and for applications that listen themselves. gRPC is not part of it, and nobody drains it. Admin pages are
    /// below a path of it, or not at all.
    ///
    /// ```no_run
    /// # async fn example<S: ambidex::Service + Send + 'static>(service: S) -> Result<(), Box<dyn std::error::Error>> {
    /// use tower::ServiceExt;
    ///
    /// let router = ambidex::Server::builder().service(service).into_router()?;
    /// let request = http::Request::get("/v1/books/1").body(axum::body::Body::empty())?;
    /// let response = router.oneshot(request).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the services, their routes and the configuration do not fit together, and when the admin pages are to have
    /// an address of their own.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn into_router(mut self) -> Result<axum::Router, Error> {
        let core = self.core()?;
        if let Some((address, _)) = self.admin_router(&core)? {
            return Err(Error::AdminAddress(address));
        }
        let http = self.http_edge(&core)?;
        // Nobody starts it up, and nobody stops it.
        core.readiness.started();
        self.layered(http)
    }

    /// The edge below the user's own routes and layers.
    fn layered(&mut self, http: HttpEdge) -> Result<axum::Router, Error> {
        let router = http.into_router(std::mem::take(&mut self.router));
        let router = self.http_layers.drain(..).fold(router, |router, layer| layer(router));
        // Outermost: a browser's question is not the application's to answer.
        Ok(match &self.config.cors {
            Some(cors) => router.layer(cors.layer()?),
            None => router,
        })
    }

    /// gRPC-Web, behind the same answers to browsers' questions as HTTP.
    fn web(&self, grpc: &GrpcEdge) -> Result<Option<Web>, Error> {
        if !self.config.grpc_web {
            return Ok(None);
        }
        let web = Web::new(grpc.clone());
        Ok(Some(match &self.config.cors {
            Some(cors) => web.layer(cors.layer()?),
            None => web,
        }))
    }

    fn http_edge(&mut self, core: &Core) -> Result<HttpEdge, Error> {
        let (dispatcher, schema) = (core.dispatcher.clone(), core.schema.clone());
        let shape_error = self.shape_error.take();
        Ok(HttpEdge::new(dispatcher, schema, self.config.http(), &self.http_rules, shape_error)?)
    }

    /// The server without sockets, for calls in the same process: the transport of a generated client.
    ///
    /// ```no_run
    /// # fn example<S: ambidex::Service + Send + 'static>(service: S) -> Result<(), ambidex::Error> {
    /// let local = ambidex::Server::builder().service(service).local()?;
    /// // let shop = BookshopClient::new(local);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the services do not fit together.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn local(mut self) -> Result<Local, Error> {
        let core = self.core()?;
        // The routes are nobody's here, but a wrong one should fail the test before it fails the server.
        self.http_edge(&core)?;
        Ok(Local::new(core.dispatcher))
    }

    fn core(&mut self) -> Result<Core, Error> {
        self.settle()?;
        if let Some(health) = self.health.as_ref().filter(|_| self.serves_health) {
            self.services.iter().for_each(|service| health.knows(service.name));
            self.services.push(Registration::new(health.service()));
        }
        self.add_reflection()?;
        let scheduler = Scheduler::new(self.config.scheduler.clone(), tokio::runtime::Handle::current());
        let mut said = MethodConfigs::default();
        self.config.methods.iter().for_each(|(name, config)| said.add(name, config.clone()));
        let lanes = self.config.scheduler.lanes.clone();
        let configured = self.config.tenant_metadata.as_deref().map(tenant::by_metadata).transpose()?;
        let settings = Settings { methods: said, lanes, tenant_key: self.tenant_key.take().or(configured) };
        let mut methods = Methods::new(scheduler.clone(), settings);
        // Handlers send error details, and REST shows them as JSON, whether or not a service names their types.
        let mut schema = Schema::builder().add_file_descriptor_set(google::FILE_DESCRIPTOR_SET)?;
        for set in &self.descriptors {
            schema = schema.add_file_descriptor_set(set)?;
        }
        let mut names = std::collections::HashSet::new();
        for Registration { name, descriptors, register } in std::mem::take(&mut self.services) {
            if !names.insert(name) {
                return Err(Error::DuplicateService(name));
            }
            schema = schema.add_file_descriptor_set(descriptors)?;
            register(&mut methods)?;
        }
        let state = std::mem::take(&mut self.state).with(scheduler.clone());
        let methods = methods.into_methods().map_err(Error::UnknownMethods)?;
        let strangers = self.interceptors.strangers(methods.iter().map(|method| method.spec));
        if !strangers.is_empty() {
            return Err(Error::UnknownMethods(strangers));
        }
        let limits = self.config.dispatch();
        let telemetry = self.telemetry_of(&scheduler);
        let dispatcher = Dispatcher::new(methods, &self.interceptors, limits, &scheduler, state, &telemetry);
        let readiness = Readiness::default();
        Ok(Core { dispatcher, schema: schema.build()?, scheduler, readiness })
    }
}

impl std::fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("services", &self.services.iter().map(|service| service.name).collect::<Vec<_>>())
            .field("interceptors", &self.interceptors.len())
            .field("listeners", &self.listeners)
            .field("grpc_address", &self.grpc_address)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
