//! gRPC's health service, `grpc.health.v1.Health`, for load balancers and orchestrators.
//!
//! It is a service like others: over gRPC, Connect and WebSockets, behind the same interceptors and limits. It waits
//! for nobody. When the server is told to stop, all of it is NOT_SERVING before the first connection is.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use crate::handler::Service;
use pb::health_check_response::ServingStatus;
use pb::{HealthCheckRequest, HealthCheckResponse};

mod pb {
    #![allow(
        missing_docs,
        dead_code,
        unreachable_pub,
        reason = "generated from a proto that documents itself"
    )]
    #![allow(clippy::all, reason = "the same")]
    include!(concat!(env!("OUT_DIR"), "/grpc.health.v1.rs"));
}

/// The name of the server as a whole.
const SERVER: &str = "";

/// What a server says of its health; given to [`ServerBuilder::health`](super::ServerBuilder::health). Every clone
/// speaks of the same server.
///
/// The server and each of its services are SERVING once its start hooks are done, until it is told to stop.
///
/// ```
/// use ambidex::server::Health;
///
/// let health = Health::new();
/// let server = ambidex::Server::builder().health(health.clone());
/// // The database is gone: tell the balancer, and it will ask the others.
/// health.set_serving("bookshop.v1.Bookshop", false);
/// ```
#[derive(Debug, Clone)]
pub struct Health(Arc<watch::Sender<State>>);

#[derive(Debug, Default, Clone)]
struct State {
    serving: BTreeMap<String, bool>,
    /// Nothing serves any more, whatever is said of it.
    stopped: bool,
    /// Nothing serves yet.
    starting: bool,
}

impl State {
    fn of(&self, service: &str) -> Option<ServingStatus> {
        let serving = *self.serving.get(service)?;
        Some(if serving && !self.stopped && !self.starting {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        })
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Health {
    /// A server that serves, and knows no services yet.
    pub fn new() -> Self {
        let state = State { serving: BTreeMap::from([(SERVER.to_owned(), true)]), ..State::default() };
        Self(Arc::new(watch::Sender::new(state)))
    }

    /// Says whether a service takes calls, by its full name; the empty name is the server as a whole. Nothing follows
    /// from it but what is answered to those who ask.
    pub fn set_serving(&self, service: impl Into<String>, serving: bool) {
        let service = service.into();
        self.0.send_modify(|state| {
            state.serving.insert(service, serving);
        });
    }

    /// A service is there; what was said of it before holds.
    pub(super) fn knows(&self, service: &str) {
        self.0.send_modify(|state| {
            state.serving.entry(service.to_owned()).or_insert(true);
        });
    }

    /// Whether the server as a whole takes calls.
    pub(super) fn serves(&self) -> bool {
        self.0.borrow().of(SERVER) == Some(ServingStatus::Serving)
    }

    /// Whether the server's start hooks have yet to run.
    pub(super) fn starting(&self, starting: bool) {
        self.0.send_modify(|state| state.starting = starting);
    }

    pub(super) fn stop(&self) {
        self.0.send_modify(|state| state.stopped = true);
    }

    pub(super) fn service(&self) -> impl Service + Send + 'static + use<> {
        pb::HealthServer::new(self.clone())
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[ambidex_macros::service]
impl pb::Health for Health {
    async fn check(&self, request: HealthCheckRequest) -> Result<HealthCheckResponse, Status> {
        let status = self.0.borrow().of(&request.service);
        status
            .map(answer)
            .ok_or_else(|| Status::not_found(format!("there is no service {:?}", request.service)))
    }

    async fn watch(
        &self,
        request: HealthCheckRequest,
    ) -> Result<impl Stream<Item = Result<HealthCheckResponse, Status>>, Status> {
        let states = WatchStream::new(self.0.subscribe());
        let mut last = None;
        Ok(states.filter_map(move |state| {
            let status = state.of(&request.service).unwrap_or(ServingStatus::ServiceUnknown);
            (last.replace(status) != Some(status)).then(|| Ok(answer(status)))
        }))
    }
}
