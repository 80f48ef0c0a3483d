//! What runs once: before a server takes its first call, and after its last.
//!
//! Hooks are added to a [`ServerBuilder`] with [`on_start`] and [`on_stop`]. Start hooks run one after another in the
//! order they were added, when the server listens already and accepts nothing yet: whoever connects waits. Stop hooks
//! run in the opposite order after the drain, when no call is left.
//!
//! A start hook that fails ends the server, and so does the signal to stop while one runs. Stop hooks that were added
//! before it run then, as what they clean up is there; those added after it do not. So add a stop hook right behind
//! the start hook that it belongs to.
//!
//! ```
//! use ambidex::lifespan;
//!
//! fn migrate() -> Result<(), std::io::Error> {
//!     Ok(()) // may block: it runs on a scheduler thread
//! }
//!
//! let server = ambidex::Server::builder()
//!     .on_start("migrate the database", lifespan::blocking(|_| migrate()))
//!     .on_start("register", |server| async move {
//!         println!("others find us at {}", server.address());
//!         Ok::<_, std::io::Error>(())
//!     })
//!     .on_stop("deregister", |_| async { Ok::<_, std::io::Error>(()) });
//! ```
//!
//! Only a server that listens has a beginning and an end: [`local`] and [`into_router`] run no hooks.
//!
//! [`ServerBuilder`]: crate::server::ServerBuilder
//! [`on_start`]: crate::server::ServerBuilder::on_start
//! [`on_stop`]: crate::server::ServerBuilder::on_stop
//! [`local`]: crate::server::ServerBuilder::local
//! [`into_router`]: crate::server::ServerBuilder::into_router

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::Duration;

use futures_util::FutureExt;

use super::{Address, ServerBuilder};
use crate::call::ServerState;
use crate::local::Local;
use crate::scheduler::{Job, RunError, Scheduler};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A hook that is running.
pub type HookFuture = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// The server as its hooks see it.
#[derive(Debug, Clone)]
pub struct Lifespan {
    pub(super) address: Option<SocketAddr>,
    pub(super) grpc_address: Option<SocketAddr>,
    pub(super) addresses: Vec<Address>,
    pub(super) local: Local,
    pub(super) state: ServerState,
    pub(super) scheduler: Scheduler,
}

impl Lifespan {
    /// Where the server listens, as [`BoundServer::address`](super::BoundServer::address) says it.
    ///
    /// # Panics
    ///
    /// When it listens on Unix sockets alone.
    pub fn address(&self) -> SocketAddr {
        self.address.expect("a server with a listener on TCP; `addresses` has the others")
    }

    /// Where it listens for gRPC: the same address, unless gRPC has a port of its own.
    ///
    /// # Panics
    ///
    /// As [`address`](Self::address) does.
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc_address.unwrap_or_else(|| self.address())
    }

    /// Where each of its listeners listens.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The server in-process, to call it before others do: the transport of a generated client. After the drain it
    /// answers no more than a server that has stopped.
    pub fn local(&self) -> Local {
        self.local.clone()
    }

    /// A value the server was given with [`ServerBuilder::state`](crate::server::ServerBuilder::state).
    pub fn state<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.state.get()
    }

    /// A scheduler that runs blocking code: the server's, and after the drain, when that has closed, one of its own.
    pub fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }
}

/// A hook from a plain function that may block. It runs on a scheduler thread.
///
/// ```
/// use ambidex::lifespan;
///
/// let server = ambidex::Server::builder()
///     .on_stop("say goodbye", lifespan::blocking(|_| std::fs::write("goodbye.txt", "It was nice.")));
/// ```
pub fn blocking<F, E>(function: F) -> impl FnOnce(Lifespan) -> HookFuture + Send + 'static
where
    F: FnOnce(Lifespan) -> Result<(), E> + Send + 'static,
    E: Into<BoxError> + Send + 'static,
{
    |server: Lifespan| -> HookFuture {
        let scheduler = server.scheduler.clone();
        Box::pin(async move {
            let job = Job::new("lifespan").lane(scheduler.lane("lifespan"));
            match scheduler.run_blocking_job(job, move || function(server)).await {
                Ok(result) => result.map_err(Into::into),
                // As a hook that is not blocking would.
                Err(RunError::Panicked { message }) => {
                    std::panic::resume_unwind(Box::new(message.to_string()))
                }
                Err(error) => Err(error.into()),
            }
        })
    }
}

/// A hook that did not do what it is there for.
#[derive(Debug)]
pub struct HookError {
    hook: String,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Failed(BoxError),
    Panicked(String),
    TimedOut(Duration),
}

impl HookError {
    /// The name of the hook, as it was added.
    pub fn hook(&self) -> &str {
        &self.hook
    }
}

impl fmt::Display for HookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ", self.hook)?;
        match &self.why {
            Why::Failed(error) => write!(f, "failed: {error}"),
            Why::Panicked(message) => write!(f, "panicked: {message}"),
            Why::TimedOut(after) => write!(f, "was not done after {} ms", after.as_millis()),
        }
    }
}

impl std::error::Error for HookError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.why {
            Why::Failed(error) => Some(error.as_ref()),
            Why::Panicked(_) | Why::TimedOut(_) => None,
        }
    }
}

impl ServerBuilder {
    /// Runs `hook` when the server listens and before it accepts a call; further ones after it, in their order. Its
    /// name is for the error when it fails, which ends the server. See [`lifespan`](self) for hooks that block.
    ///
    /// ```
    /// let server = ambidex::Server::builder().on_start("warm up", |server| async move {
    ///     // let shop = BookshopClient::new(server.local());
    ///     println!("about to serve on {}", server.address());
    ///     Ok::<_, std::io::Error>(())
    /// });
    /// ```
    #[must_use]
    pub fn on_start<F, Fut, E>(mut self, name: impl Into<String>, hook: F) -> Self
    where
        F: FnOnce(Lifespan) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.hooks.on_start(name.into(), hook);
        self
    }

    /// Runs `hook` after the drain, when no call is left; those added before it after it. It may take
    /// [`Config::stop_hook_timeout_ms`](super::Config::stop_hook_timeout_ms). When it fails the others still run, and serving ends with an error that names
    /// it.
    #[must_use]
    pub fn on_stop<F, Fut, E>(mut self, name: impl Into<String>, hook: F) -> Self
    where
        F: FnOnce(Lifespan) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.hooks.on_stop(name.into(), hook);
        self
    }
}

/// A hook with its type erased.
struct Hook {
    name: String,
    begin: Box<dyn FnOnce(Lifespan) -> HookFuture + Send>,
}

impl Hook {
    fn new<F, Fut, E>(name: String, function: F) -> Self
    where
        F: FnOnce(Lifespan) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        // The function itself may panic too, before there is a future.
        let begin =
            |server| -> HookFuture { Box::pin(async move { function(server).await.map_err(Into::into) }) };
        Self { name, begin: Box::new(begin) }
    }

    async fn run(self, server: Lifespan, timeout: Option<Duration>) -> Result<(), HookError> {
        // Nothing is observed after a panic: the future is dropped.
        let work = AssertUnwindSafe((self.begin)(server)).catch_unwind();
        let done = match timeout {
            None => work.await,
            Some(after) => match tokio::time::timeout(after, work).await {
                Ok(done) => done,
                Err(_) => return Err(HookError { hook: self.name, why: Why::TimedOut(after) }),
            },
        };
        let why = match done {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => Why::Failed(error),
            Err(panic) => Why::Panicked(message(panic.as_ref())),
        };
        Err(HookError { hook: self.name, why })
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|&text| text.to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}

/// The hooks of a server, both kinds in the order they were added.
#[derive(Default)]
pub(super) struct Hooks(Vec<(When, Hook)>);

enum When {
    Start,
    Stop,
}

/// How the start hooks ended.
pub(super) enum Start {
    Done,
    /// The server was told to stop meanwhile.
    Stopped,
    Failed(HookError),
}

impl Hooks {
    pub(super) fn on_start<F, Fut, E>(&mut self, name: String, function: F)
    where
        F: FnOnce(Lifespan) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.0.push((When::Start, Hook::new(name, function)));
    }

    pub(super) fn on_stop<F, Fut, E>(&mut self, name: String, function: F)
    where
        F: FnOnce(Lifespan) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.0.push((When::Stop, Hook::new(name, function)));
    }

    /// A stop hook that runs behind all others.
    #[cfg(feature = "otlp")]
    pub(super) fn on_last_stop<F, Fut, E>(&mut self, name: &str, function: F)
    where
        F: FnOnce(Lifespan) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.0.insert(0, (When::Stop, Hook::new(name.to_owned(), function)));
    }

    /// Runs the start hooks, one after another. What comes back with the outcome are the stop hooks to run.
    pub(super) async fn start(
        self,
        server: &Lifespan,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> (StopHooks, Start) {
        let mut stop_hooks = StopHooks(Vec::new());
        for (when, hook) in self.0 {
            if matches!(when, When::Stop) {
                stop_hooks.0.push(hook);
                continue;
            }
            tracing::debug!(hook = hook.name, "a start hook begins");
            let outcome = tokio::select! {
                done = hook.run(server.clone(), None) => done.err().map(Start::Failed),
                () = stop.as_mut() => Some(Start::Stopped),
            };
            if let Some(outcome) = outcome {
                return (stop_hooks, outcome);
            }
        }
        (stop_hooks, Start::Done)
    }
}

/// The stop hooks of a server that has started, or has come so far.
pub(super) struct StopHooks(Vec<Hook>);

impl StopHooks {
    /// Runs them, the last one added first. One that fails, or is not done in time, does not keep the others from it.
    pub(super) async fn stop(self, server: &Lifespan, timeout: Duration) -> Vec<HookError> {
        let mut failed = Vec::new();
        for hook in self.0.into_iter().rev() {
            tracing::debug!(hook = hook.name, "a stop hook begins");
            failed.extend(hook.run(server.clone(), Some(timeout)).await.err());
        }
        failed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
