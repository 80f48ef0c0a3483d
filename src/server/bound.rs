//! A server that listens: serving, and the drain at its end.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::admin;
use super::config::LAST_WORDS;
use super::connections::{Entrance, Shared};
use super::front::Front;
use super::lifespan::{Hooks, Lifespan, Start, StopHooks};
use super::listener::{Address, Serves};
use super::readiness::Readiness;
use super::socket::Socket;
use super::{Config, Error, Health, Listener, connections, shutdown, tls};
use crate::call::Deadline;
use crate::http::WebSockets;
use crate::local::Local;
use crate::scheduler::{DrainOutcome, Scheduler};
use crate::telemetry::Connections;

/// A server that listens and does not accept yet.
pub struct BoundServer {
    listeners: Vec<Listening>,
    addresses: Vec<Address>,
    local: Local,
    scheduler: Scheduler,
    websockets: WebSockets,
    health: Option<Health>,
    readiness: Readiness,
    admin: Option<(Socket, axum::Router)>,
    connections: Connections,
    hooks: Hooks,
    config: Config,
}

/// A socket that listens, and what it serves.
pub(super) struct Listening {
    pub(super) address: Address,
    pub(super) entrance: Entrance,
}

impl Listening {
    /// Begins to listen as `listener` wishes, for the edges that it serves.
    pub(super) async fn open(listener: Listener, front: &Front, for_tonic: bool) -> Result<Self, Error> {
        let (name, serves, tls) = (listener.name(), listener.serves, listener.tls.clone());
        let front = match serves {
            Serves::All => front.clone(),
            Serves::Grpc => front.clone().without_http(),
            Serves::Http => front.clone().without_grpc(),
        };
        let open = async {
            let socket = Socket::open(listener).await?;
            let address = socket.address()?;
            Ok(Self { address, entrance: Entrance { socket, serves, tls, front, for_tonic } })
        };
        open.await.map_err(|source| Error::Listen { address: name, source })
    }
}

impl BoundServer {
    pub(super) fn new(
        listeners: Vec<Listening>,
        local: Local,
        scheduler: Scheduler,
        websockets: WebSockets,
        health: Option<Health>,
        config: Config,
    ) -> Self {
        let addresses = listeners.iter().map(|listening| listening.address.clone()).collect();
        let (readiness, connections) = (Readiness::default(), Connections::default());
        Self {
            listeners,
            addresses,
            local,
            scheduler,
            websockets,
            health,
            hooks: Hooks::default(),
            readiness,
            admin: None,
            connections,
            config,
        }
    }

    /// The same server, with what runs before its first call and after its last.
    pub(super) fn with_hooks(mut self, hooks: Hooks) -> Self {
        self.hooks = hooks;
        self
    }

    /// The same server, which says by this whether it wants calls.
    pub(super) fn with_readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = readiness;
        self
    }

    /// The same server, whose connections are counted there.
    pub(super) fn counting(mut self, connections: Connections) -> Self {
        self.connections = connections;
        self
    }

    /// The same server, which has its admin pages on an address of their own.
    pub(super) async fn with_admin(mut self, address: String, pages: axum::Router) -> Result<Self, Error> {
        let socket = Socket::open(Listener::at(&address)).await;
        let socket = socket.map_err(|source| Error::Listen { address, source })?;
        self.admin = Some((socket, pages));
        Ok(self)
    }

    /// Where it listens: the address it was bound to, or, if that is no address of TCP, that of the first listener
    /// that has one.
    ///
    /// # Panics
    ///
    /// When it listens on Unix sockets alone: [`addresses`](Self::addresses) knows those, too.
    pub fn address(&self) -> SocketAddr {
        self.tcp(|_| true).expect("a server with a listener on TCP; `addresses` has the others")
    }

    /// Where it listens for gRPC: the same address, or, if that serves only HTTP, that of the first listener that
    /// serves gRPC.
    ///
    /// # Panics
    ///
    /// As [`address`](Self::address) does.
    pub fn grpc_address(&self) -> SocketAddr {
        self.tcp(|serves| serves != Serves::Http).unwrap_or_else(|| self.address())
    }

    /// Where each listener listens: first the one that the server was bound to, then those that were added, in their
    /// order, and last that of [`grpc_address`](super::ServerBuilder::grpc_address).
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    fn tcp(&self, fits: impl Fn(Serves) -> bool) -> Option<SocketAddr> {
        self.listeners
            .iter()
            .filter(|listening| fits(listening.entrance.serves))
            .find_map(|it| it.address.as_tcp())
    }

    /// Where its [`Admin`](super::Admin) pages are, if they have an address of TCP of their own.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(|(socket, _)| socket.address().ok()?.as_tcp())
    }

    /// The same server in-process: its handlers, interceptors and limits.
    pub fn local(&self) -> Local {
        self.local.clone()
    }

    /// The scheduler that runs the blocking handlers.
    pub fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// Serves until SIGTERM or Ctrl-C, then drains. A second one of either ends the process at once, with the exit code
    /// 128 and the signal's number: who sends it does not want to wait. For another end, see
    /// [`serve_until`](Self::serve_until), which knows no signals.
    ///
    /// # Errors
    ///
    /// When calls or blocking jobs had to be cut off at the end of the drain, or a hook failed.
    pub async fn serve(self) -> Result<(), Error> {
        let (first, second) = shutdown::signals()?;
        tokio::select! {
            served = self.serve_until(first) => served,
            never = second => match never {},
        }
    }

    /// Runs the start hooks, serves until `stop` resolves, drains, and runs the stop hooks.
    ///
    /// # Errors
    ///
    /// When calls or blocking jobs had to be cut off at the end of the drain, or a hook failed.
    pub async fn serve_until(self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let server = self.lifespan();
        let Self { listeners, mut addresses, local, scheduler, websockets, health, hooks, .. } = self;
        let Self { readiness, admin, connections: counted, config, .. } = self;
        // Until this future ends, however it does.
        let _admin = admin.map(|(socket, pages)| admin::Serving::start(socket, pages, &config));
        // However this future ends, its connections do.
        let _cut_off = CutOff(websockets.clone());
        let mut stop = std::pin::pin!(stop);
        let (stop_hooks, start) = hooks.start(&server, stop.as_mut()).await;
        let failed = match start {
            Start::Done => None,
            Start::Stopped => Some(Vec::new()),
            Start::Failed(error) => Some(vec![Error::StartHook(error)]),
        };
        if let Some(mut errors) = failed {
            readiness.stopping();
            let jobs = scheduler.drain(Deadline::after(config.drain_timeout())).await;
            errors.extend(drain_timeout(0, jobs, addresses.swap_remove(0)));
            errors.extend(ended_by(stop_hooks, server, &config).await);
            return Error::all(errors);
        }
        if let Some(health) = &health {
            health.starting(false);
        }
        let (tell, told) = watch::channel(false);
        let places = connections::Places::new(config.connections_max);
        let certificates = listeners.iter().filter_map(|listening| listening.entrance.tls.clone()).collect();
        let _watched = tls::watch(certificates, config.tls_reload_interval(), &scheduler);
        let config = Arc::new(config);
        let refusals = local.dispatcher().refusals().clone();
        let shared = Shared { config: Arc::clone(&config), places, counted, refusals, stop: told };
        let mut accepting = Vec::new();
        for Listening { entrance, .. } in listeners {
            accepting.push(tokio::spawn(connections::accept(entrance, shared.clone())));
        }
        readiness.started();
        stop.await;
        readiness.stopping();
        if let Some(health) = health {
            health.stop();
        }
        tokio::time::sleep(config.drain_quiet()).await;
        tell.send_replace(true);
        local.dispatcher().begin_drain();
        let deadline = Deadline::after(config.drain_timeout());
        let mut open = Vec::new();
        for accept in accepting {
            open.extend(accept.await);
        }
        for open in &mut open {
            ended(open, deadline).await;
        }
        // They have left their connections' own tasks, but each is a connection all the same.
        let _ = tokio::time::timeout_at(deadline.instant(), websockets.closed()).await;
        // All of them are counted before one is told.
        let cut = open.iter_mut().map(left).sum::<usize>() + websockets.count();
        if cut > 0 {
            // Streams can still be told why they end; whatever else is open is cut off.
            local.dispatcher().end_drain();
            let last_words = Deadline::after(LAST_WORDS);
            for open in &mut open {
                ended(open, last_words).await;
                open.shutdown().await;
            }
            let _ = tokio::time::timeout_at(last_words.instant(), websockets.closed()).await;
        }
        // Last, since calls in flight may still have been offloading. What runs for a client that has left, or for nobody, is
        // on no connection, and is cut off all the same.
        let jobs = scheduler.drain(deadline).await;
        let mut errors: Vec<_> = drain_timeout(cut, jobs, addresses.swap_remove(0)).into_iter().collect();
        errors.extend(ended_by(stop_hooks, server, &config).await);
        Error::all(errors)
    }

    /// The server as its hooks see it.
    fn lifespan(&self) -> Lifespan {
        Lifespan {
            address: self.tcp(|_| true),
            grpc_address: self.tcp(|serves| serves != Serves::Http),
            addresses: self.addresses.clone(),
            local: self.local(),
            state: self.local.dispatcher().state(),
            scheduler: self.scheduler.clone(),
        }
    }
}

/// Runs the stop hooks of a server whose scheduler has closed: those that block have one of their own.
async fn ended_by(hooks: StopHooks, mut server: Lifespan, config: &Config) -> Vec<Error> {
    if hooks.is_empty() {
        return Vec::new();
    }
    server.scheduler = Scheduler::new(config.scheduler.clone(), tokio::runtime::Handle::current());
    let failed = hooks.stop(&server, config.stop_hook_timeout()).await;
    failed.into_iter().map(Error::StopHook).collect()
}

/// What a drain had to cut off, if it had to.
fn drain_timeout(connections: usize, jobs: DrainOutcome, address: Address) -> Option<Error> {
    let DrainOutcome { left_running, shed, left_open, .. } = jobs;
    // Of those that have begun, the ones without a thread: some of them may be in line for one.
    let shed = shed.max(left_open.saturating_sub(left_running));
    let is_clean = connections == 0 && left_running == 0 && shed == 0;
    (!is_clean).then_some(Error::DrainTimeout { connections, left_running, shed, address })
}

/// Cuts off the WebSockets that are left: nobody else would.
struct CutOff(WebSockets);

impl Drop for CutOff {
    fn drop(&mut self) {
        self.0.cut_off();
    }
}

/// Waits for every connection to end, or for the deadline.
async fn ended(open: &mut JoinSet<()>, deadline: Deadline) {
    let ended = async { while open.join_next().await.is_some() {} };
    let _ = tokio::time::timeout_at(deadline.instant(), ended).await;
}

/// How many connections have not ended.
fn left(open: &mut JoinSet<()>) -> usize {
    while open.try_join_next().is_some() {}
    open.len()
}

impl std::fmt::Debug for BoundServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BoundServer").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}
