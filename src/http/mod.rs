//! The HTTP edge, on axum: REST routes from `google.api.http` and RPC routes, over one mechanism.
//!
//! An [`Endpoint`](endpoint::Endpoint) is a method with one way to spell it in HTTP. A request is matched to
//! its endpoint, its path, query and body become wire bytes when the handler asks for them, and the reply's
//! wire bytes become JSON. Below this edge nobody knows that there was any.
//!
//! Matching by template is ours, since axum's routes cannot express `{name=shelves/*}` or `:verb`; axum
//! carries it as the fallback of a router, so a user's own routes and layers stand beside it.

mod content;
mod endpoint;
mod error;
mod json_text;
mod metadata;
mod reply;
mod request;
mod request_body;
mod routes;
mod status;
mod stream_reply;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ambidex_schema::{DecodeOptions, EncodeOptions, Schema};
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use tonic::Status;

use crate::call::timeout::{CONNECT_TIMEOUT_MS, parse_connect, parse_grpc};
use crate::call::{self, Call, Head, Peer, Protocol};
use crate::dispatch::Dispatcher;
use endpoint::Endpoint;
pub(crate) use routes::RouteError;
use routes::{Found, Routes};

/// The bounds and options of the edge.
#[derive(Debug, Clone)]
pub(crate) struct HttpConfig {
    /// The largest request body, and the largest line of a streamed one.
    pub(crate) body_max_bytes: usize,
    /// The most bytes of a streamed reply that are gathered before they are sent.
    pub(crate) stream_chunk_max_bytes: usize,
    /// How long the head of a streamed reply waits for its first message.
    pub(crate) first_message_wait: Duration,
    pub(crate) json_in: DecodeOptions,
    pub(crate) json_out: EncodeOptions,
    /// Whether an escaped slash may separate segments where nothing else matches.
    pub(crate) split_escaped_slashes: bool,
    /// Whether query parameters that name no field are passed over rather than refused.
    pub(crate) ignore_unknown_query: bool,
}

/// Serves HTTP calls. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HttpEdge(Arc<Shared>);

struct Shared {
    dispatcher: Dispatcher,
    schema: Schema,
    config: HttpConfig,
    routes: Routes,
}

impl HttpEdge {
    /// Puts together the routes of every method.
    ///
    /// # Errors
    ///
    /// When a method's descriptor is missing or its rules are wrong, and when two routes of different
    /// services cannot be told apart.
    pub(crate) fn new(
        dispatcher: Dispatcher,
        schema: Schema,
        config: HttpConfig,
    ) -> Result<Self, RouteError> {
        let routes = Routes::new(&dispatcher, &schema, config.split_escaped_slashes)?;
        Ok(Self(Arc::new(Shared { dispatcher, schema, config, routes })))
    }

    /// The edge as axum serves it: everything no other route of the router takes.
    pub(crate) fn into_router(self, router: axum::Router) -> axum::Router {
        router.fallback(move |request: Request<Body>| {
            let peer = peer(request.extensions());
            self.clone().serve(request, peer)
        })
    }

    /// Answers one request.
    pub(crate) async fn serve(self, request: Request<Body>, peer: Peer) -> Response<Body> {
        let shared = &*self.0;
        match shared.routes.find(request.method(), request.uri().path()) {
            Found::Endpoint { endpoint, captures } => shared.answer(endpoint, captures, request, peer).await,
            Found::OtherMethods(allowed) if request.method() == Method::OPTIONS => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = status::NO_CONTENT;
                if let Ok(allowed) = HeaderValue::try_from(allowed) {
                    response.headers_mut().insert(header::ALLOW, allowed);
                }
                response
            }
            Found::OtherMethods(allowed) => {
                shared.refuse(status::method_not_allowed(request.method(), &allowed))
            }
            Found::BadPath => shared.refuse(Status::invalid_argument(
                "the path has an escape that is no `%` and two hex digits, or is not UTF-8",
            )),
            Found::Nothing => {
                shared.refuse(Status::not_found(format!("there is nothing at {}", request.uri().path())))
            }
        }
    }
}

impl Shared {
    /// The answer to a request that is no call.
    fn refuse(&self, status: Status) -> Response<Body> {
        error::aip_193(status, &self.schema)
    }

    /// The answer to a call that failed, in the protocol of its endpoint.
    fn failed(&self, endpoint: &Endpoint, status: Status) -> Response<Body> {
        match endpoint.protocol {
            Protocol::Rpc => error::connect(status),
            _ => error::aip_193(status, &self.schema),
        }
    }

    async fn answer(
        &self,
        endpoint: &Arc<Endpoint>,
        captures: Vec<String>,
        request: Request<Body>,
        peer: Peer,
    ) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let spelling = match endpoint.negotiate(&parts.headers) {
            Ok(spelling) => spelling,
            Err(status) => return self.failed(endpoint, status),
        };
        let timeout = match timeout(&parts.headers) {
            Ok(timeout) => timeout,
            Err(status) => return self.failed(endpoint, status),
        };
        let head = Head {
            method: endpoint.route.spec,
            protocol: endpoint.protocol,
            peer,
            deadline: self.dispatcher.deadline(&endpoint.route, timeout),
            state: self.dispatcher.state(),
        };
        let target = request::Target {
            captures,
            query: parts.uri.query().map(str::to_owned),
            content_type: parts.headers.get(header::CONTENT_TYPE).cloned(),
        };
        let messages =
            request::messages(Arc::clone(endpoint), spelling.request, target, body, self.config.clone());
        let call = Call::new(head, call::incoming_metadata(&parts.headers), messages);
        let reply = match self.dispatcher.call(&endpoint.route, call).await {
            Ok(reply) => reply,
            Err(status) => return self.failed(endpoint, status),
        };
        let response = match spelling.stream {
            None => reply::one(endpoint, spelling.reply, reply, &self.config).await,
            Some(form) => stream_reply::many(endpoint, form, reply, &self.config, &self.schema).await,
        };
        response.unwrap_or_else(|status| self.failed(endpoint, status))
    }
}

/// Who called, as the front of the port left it for axum's extractors and for us.
fn peer(extensions: &http::Extensions) -> Peer {
    let address = extensions.get::<ConnectInfo<SocketAddr>>();
    address.map_or(Peer::local(), |ConnectInfo(address)| Peer::socket(*address))
}

static CONNECT_TIMEOUT: HeaderName = HeaderName::from_static(CONNECT_TIMEOUT_MS);
static GRPC_TIMEOUT: HeaderName = HeaderName::from_static(call::timeout::GRPC_TIMEOUT);

/// How long the caller waits: `connect-timeout-ms`, or `grpc-timeout` as proxies send it.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let parsed = match (headers.get(&CONNECT_TIMEOUT), headers.get(&GRPC_TIMEOUT)) {
        (Some(value), _) => parse_connect(value.as_bytes()),
        (None, Some(value)) => parse_grpc(value.as_bytes()),
        (None, None) => return Ok(None),
    };
    parsed.map(Some).map_err(|error| Status::invalid_argument(error.to_string()))
}
