//! What those who run the server ask it, and not its callers: is it alive, is it ready, what does it do, what is it.
//!
//! On an address of its own it has its own connections, outside of every limit on calls, and answers until the last
//! call is: an overloaded server that cannot say so helps nobody. Below a path of the main port it is part of the
//! router, behind the application's own layers.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{HeaderValue, Response, header};
#[cfg(feature = "prometheus")]
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::Code;

use super::connections::{Entrance, Shared};
use super::front::{Front, Http};
use super::listener::Serves;
#[cfg(feature = "prometheus")]
use super::metrics_page;
use super::readiness::{Readiness, Stage};
use super::socket::Socket;
use super::{Config, Error, Health, connections, scheduler_json};
use crate::http::{push_json_string, status_of_code};
use crate::scheduler::Scheduler;
use crate::telemetry::{Build, Connections, Metrics, Refusals};

/// Where and what a server tells those who run it; given to
/// [`ServerBuilder::admin`](super::ServerBuilder::admin). Without one, nothing of it is served.
///
/// | path | what it says |
/// |---|---|
/// | `/livez` | 200 as long as the process answers |
/// | `/readyz` | 200 while the server wants calls; 503 before it has started, from the moment it is told to stop, and while its [`Health`] says that the server as a whole does not serve |
/// | `/buildinfo` | [`Build`] in JSON: name, version and revision, compiler, profile, target and features |
/// | `/scheduler` | [`Scheduler::snapshot`] in JSON, times in seconds |
/// | `/metrics` | with the feature `prometheus`: all that the server counts, as OpenMetrics text |
///
/// ```
/// use ambidex::server::Admin;
///
/// let admin = Admin::at("127.0.0.1:9901").build_info("bookshop", env!("CARGO_PKG_VERSION"));
/// let server = ambidex::Server::builder().admin(admin);
/// ```
///
/// It asks nobody who they are: give it an address that only those reach who may know.
#[derive(Debug, Clone)]
pub struct Admin {
    pub(super) place: Place,
    /// Nothing where the program's metrics may know.
    build: Option<Build>,
    #[cfg(feature = "prometheus")]
    own_metrics: Arc<Registry>,
}

/// Where its pages are.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Address(String),
    Prefix(String),
}

/// What there is to tell.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) readiness: Readiness,
    pub(super) health: Option<Health>,
    pub(super) scheduler: Scheduler,
    pub(super) metrics: Metrics,
}

impl Admin {
    /// On an address of its own, `127.0.0.1:9901` or `unix:/run/bookshop/admin.sock`. It answers from before the first start hook until after the last stop
    /// hook.
    pub fn at(address: impl Into<String>) -> Self {
        Self::new(Place::Address(address.into()))
    }

    /// Below a path of the HTTP port, `/admin`, before all other routes. It is reached as they are: through the layers
    /// of [`http_layer`](super::ServerBuilder::http_layer), which may ask who is there, and not by a new connection once
    /// the server drains.
    pub fn below(path: impl Into<String>) -> Self {
        Self::new(Place::Prefix(path.into()))
    }

    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            build: None,
            #[cfg(feature = "prometheus")]
            own_metrics: Arc::default(),
        }
    }

    /// The same somewhere else.
    pub(super) fn moved(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// What `/buildinfo` says the program is, in place of Ambidex itself.
    #[must_use]
    pub fn build_info(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        let build = self.build.get_or_insert_default();
        (build.name, build.version) = (name.into(), version.into());
        self
    }

    /// The same, and more of it: the revision of the sources, say.
    #[must_use]
    pub fn build(mut self, build: Build) -> Self {
        self.build = Some(build);
        self
    }

    /// Your own metrics, for `/metrics` to show beside the server's. With the feature `prometheus`.
    #[cfg(feature = "prometheus")]
    #[must_use]
    pub fn registry(mut self, registry: Registry) -> Self {
        self.own_metrics = Arc::new(registry);
        self
    }

    /// Its pages, with the address they have for their own; those that have none go into the router.
    ///
    /// # Errors
    ///
    /// When no path can be below the one that they want, or a route of the application is in the way.
    pub(super) fn place(self, facts: Facts, main: &mut Router) -> Result<Option<(String, Router)>, Error> {
        let place = self.place.clone();
        if let Some(build) = &self.build {
            facts.metrics.built_as(build.clone());
        }
        let pages = self.router(facts);
        match place {
            Place::Address(address) => Ok(Some((address, pages))),
            Place::Prefix(prefix) if is_path(&prefix) => {
                let own = std::mem::take(main);
                // axum says by a panic that two routes are one, and has no other way to ask.
                let nested = catch_unwind(AssertUnwindSafe(|| own.nest(&prefix, pages)));
                *main = nested.map_err(|panic| Error::AdminRoutes { why: said(&*panic), prefix })?;
                Ok(None)
            }
            Place::Prefix(prefix) => Err(Error::AdminPath(prefix)),
        }
    }

    fn router(self, facts: Facts) -> Router {
        let build = facts.metrics.snapshot().build;
        #[cfg(feature = "prometheus")]
        let metrics = metrics_page::router(facts.metrics, self.own_metrics);
        #[cfg(not(feature = "prometheus"))]
        let metrics = Router::new();
        let Facts { readiness, health, scheduler, .. } = facts;
        let build = json(|json| push_build(&build, json));
        metrics
            .route("/livez", get(|| async { answer(Code::Ok, TEXT, "alive\n") }))
            .route("/readyz", get(|| async move { ready(&readiness, health.as_ref()) }))
            .route("/buildinfo", get(|| async { answer(Code::Ok, JSON, build) }))
            .route(
                "/scheduler",
                get(|| async move {
                    let now = scheduler.snapshot();
                    answer(Code::Ok, JSON, json(|json| scheduler_json::push(&now, json)))
                }),
            )
    }
}

/// What is known of the build; the list of features is one.
fn push_build(build: &Build, json: &mut Vec<u8>) {
    for (key, value) in build.said() {
        json.push(if json.is_empty() { b'{' } else { b',' });
        push_json_string(key, json);
        json.push(b':');
        match key {
            "revision" if build.revision.is_none() => json.extend_from_slice(b"null"),
            "features" => {
                json.push(b'[');
                for (at, feature) in build.features.iter().enumerate() {
                    if at > 0 {
                        json.push(b',');
                    }
                    push_json_string(feature, json);
                }
                json.push(b']');
            }
            _ => push_json_string(&value, json),
        }
    }
    json.push(b'}');
}

/// What a panic says.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a route is there already").to_owned()
}

/// Whether there can be paths below a path: segments of plain characters, each behind a slash.
fn is_path(prefix: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let is_segment = |segment: &str| !segment.is_empty() && segment.chars().all(is_plain);
    prefix.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_segment))
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

fn json(push: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut json = Vec::new();
    push(&mut json);
    json.push(b'\n');
    json
}

pub(super) fn answer(code: Code, content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status_of_code(code);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    // What was true a second ago is no answer.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn ready(readiness: &Readiness, health: Option<&Health>) -> Response<Body> {
    match readiness.stage() {
        Stage::Starting => answer(Code::Unavailable, TEXT, "starting\n"),
        Stage::Stopping => answer(Code::Unavailable, TEXT, "stopping\n"),
        Stage::Ready if health.is_some_and(|health| !health.serves()) => {
            answer(Code::Unavailable, TEXT, "not serving\n")
        }
        Stage::Ready => answer(Code::Ok, TEXT, "ready\n"),
    }
}

/// Connections to the admin address at once: a handful of probes and scrapers, each of which may keep some open.
const CONNECTIONS_MAX: usize = 64;

/// The admin address while it answers; dropped, it ends with all its connections.
pub(super) struct Serving {
    accepting: JoinHandle<tokio::task::JoinSet<()>>,
    /// Never told to stop: it is the last to go.
    _tell: watch::Sender<bool>,
}

impl Serving {
    pub(super) fn start(socket: Socket, router: Router, config: &Config) -> Self {
        let (tell, told) = watch::channel(false);
        let front = Front::http(Http::Router(router));
        let entrance = Entrance { socket, serves: Serves::Http, tls: None, front, for_tonic: false };
        let shared = Shared {
            config: Arc::new(config.clone()),
            places: connections::Places::new(CONNECTIONS_MAX),
            counted: Connections::default(),
            refusals: Refusals::default(),
            stop: told,
        };
        let accepting = tokio::spawn(connections::accept(entrance, shared));
        Self { accepting, _tell: tell }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
