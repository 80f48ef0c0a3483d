//! The HTTP edge, on axum: REST routes from `google.api.http` and RPC routes, over one mechanism.
//!
//! An [`Endpoint`](endpoint::Endpoint) is a method with one way to spell it in HTTP. A request is matched to
//! its endpoint, its path, query and body become wire bytes when the handler asks for them, and the reply's
//! wire bytes become JSON. Below this edge nobody knows that there was any.
//!
//! Matching by template is ours, since axum's routes cannot express `{name=shelves/*}` or `:verb`; axum
//! carries it as the fallback of a router, so a user's own routes and layers stand beside it.

mod chunks;
mod coded_body;
mod coding;
mod connect_get;
mod content;
mod endpoint;
mod envelopes;
mod error;
mod heads;
mod json_array;
mod json_text;
mod lines;
mod metadata;
mod reply;
mod request;
mod routes;
mod rules;
mod status;
mod stream_reply;
mod system;
mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ambidex_schema::{DecodeOptions, EncodeOptions, Schema};
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use tokio_util::task::TaskTracker;
use tonic::Status;

use crate::call::timeout::{parse_connect, parse_grpc, parse_server};
use crate::call::{self, Call, Head, Peer, Protocol};
use crate::dispatch::Dispatcher;
use content::{Encoding, StreamForm};
use endpoint::{Endpoint, ReplySpelling, RequestSpelling};
use heads::Heads;
pub(crate) use routes::RouteError;
use routes::{Found, Routes};
pub(crate) use rules::RulesError;
#[cfg(feature = "yaml")]
pub(crate) use rules::from_yaml;

/// The bounds and options of the edge.
#[derive(Debug, Clone)]
pub(crate) struct HttpConfig {
    /// The largest request body, and the largest message of a streamed one.
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
    /// Whether a body that says something else than the path is refused.
    pub(crate) refuse_contradictions: bool,
    /// Whether `fields` and `$fields` choose what of a reply is shown.
    pub(crate) response_masks: bool,
    /// Whether methods without a rule have a route all the same.
    pub(crate) rest_without_rule: bool,
    /// Whether a Connect client has to say that it is one.
    pub(crate) connect_require_header: bool,
    /// Whether replies are packed for clients that ask for it, and from which size on.
    pub(crate) compress_replies: bool,
    pub(crate) compress_min_bytes: usize,
    /// How often a silent stream of events or WebSocket says that it is there; zero for never.
    pub(crate) keep_alive: Duration,
    /// The field of a reply message that is the id of its event.
    pub(crate) sse_id_field: Option<String>,
    /// Origins of pages, other than the server's own, that may open a WebSocket.
    pub(crate) websocket_origins: Vec<String>,
}

/// Lets a user change how errors look on REST routes.
pub(crate) type ShapeError = Arc<dyn Fn(&Status, Response<Bytes>) -> Response<Bytes> + Send + Sync>;

/// Serves HTTP calls. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HttpEdge(Arc<Shared>);

struct Shared {
    dispatcher: Dispatcher,
    schema: Schema,
    config: HttpConfig,
    routes: Routes,
    shape_error: Option<ShapeError>,
    /// The WebSockets that are open: they outlive their connection's own task.
    websockets: TaskTracker,
}

impl HttpEdge {
    /// Puts together the routes of every method; `rules` go before those of the protos.
    ///
    /// # Errors
    ///
    /// When a method's descriptor is missing or its rules are wrong, and when two routes of different
    /// services cannot be told apart.
    pub(crate) fn new(
        dispatcher: Dispatcher,
        schema: Schema,
        config: HttpConfig,
        rules: &crate::google::api::Http,
        shape_error: Option<ShapeError>,
    ) -> Result<Self, RouteError> {
        let routes = Routes::new(&dispatcher, &schema, rules, &config)?;
        let websockets = TaskTracker::new();
        Ok(Self(Arc::new(Shared { dispatcher, schema, config, routes, shape_error, websockets })))
    }

    /// The WebSockets that are open.
    pub(crate) fn websockets(&self) -> TaskTracker {
        self.0.websockets.clone()
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
        let edge = &self.0;
        let is_head = *request.method() == Method::HEAD;
        if websocket::is_asked_for(&request) {
            return websocket::open(edge, request, peer).await;
        }
        let response = match edge.routes.find(request.method(), request.uri().path()) {
            Found::Endpoint { endpoint, captures } => edge.answer(endpoint, captures, request, peer).await,
            Found::OtherMethods(allowed) if request.method() == Method::OPTIONS => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = status::NO_CONTENT;
                if let Ok(allowed) = HeaderValue::try_from(allowed) {
                    response.headers_mut().insert(header::ALLOW, allowed);
                }
                response
            }
            Found::OtherMethods(allowed) => {
                edge.refuse(status::method_not_allowed(request.method(), &allowed))
            }
            Found::BadPath => edge.refuse(Status::invalid_argument(
                "the path has an escape that is no `%` and two hex digits, or is not UTF-8",
            )),
            Found::Nothing => {
                edge.refuse(Status::not_found(format!("there is nothing at {}", request.uri().path())))
            }
        };
        if is_head { without_body(response) } else { response }
    }
}

/// The same head, with the length of the body it would have had.
fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    if let Some(length) =
        http_body::Body::size_hint(&body).exact().filter(|_| !status::has_no_body(parts.status))
    {
        parts.headers.insert(header::CONTENT_LENGTH, length.into());
    }
    Response::from_parts(parts, Body::empty())
}

impl Shared {
    /// The answer to a request that is no call.
    fn refuse(&self, status: Status) -> Response<Body> {
        self.rest_error(status, Encoding::Json)
    }

    fn rest_error(&self, status: Status, encoding: Encoding) -> Response<Body> {
        let Some(shape) = &self.shape_error else {
            return error::aip_193(status, encoding, &self.schema).map(Body::from);
        };
        let response = error::aip_193(status.clone(), encoding, &self.schema);
        shape(&status, response).map(Body::from)
    }

    /// The answer to a call that failed, in the protocol of its endpoint and as its client reads it.
    fn failed(&self, endpoint: &Endpoint, heads: &Heads, status: Status) -> Response<Body> {
        if endpoint.protocol != Protocol::Rpc {
            let encoding = content::reply_encoding(heads).unwrap_or(Encoding::Json);
            return self.rest_error(status, encoding);
        }
        let kind = endpoint.route.spec.kind();
        match content::of_request(heads) {
            Some(content::BodyType::Envelopes(encoding))
                if kind.client_streams() || kind.server_streams() =>
            {
                stream_reply::failed_envelopes(status, encoding, self)
            }
            _ => error::connect(status, &self.schema).map(Body::from),
        }
    }

    async fn answer(
        self: &Arc<Self>,
        endpoint: &Arc<Endpoint>,
        captures: Vec<String>,
        request: Request<Body>,
        peer: Peer,
    ) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let heads = Heads::of(&parts.headers);
        let response = match self.call(endpoint, captures, &mut parts, &heads, body, peer).await {
            Ok(response) => response,
            Err(status) => self.failed(endpoint, &heads, status),
        };
        if !self.config.compress_replies || heads.accept_encoding.is_empty() {
            return response;
        }
        let ordered = endpoint.protocol == Protocol::Rpc;
        coded_body::pack(response, &heads.accept_encoding, ordered, self.config.compress_min_bytes)
    }

    async fn call(
        self: &Arc<Self>,
        endpoint: &Arc<Endpoint>,
        captures: Vec<String>,
        parts: &mut http::request::Parts,
        heads: &Heads,
        body: Body,
        peer: Peer,
    ) -> Result<Response<Body>, Status> {
        let query = parts.uri.query();
        let spelling = endpoint.negotiate(&parts.method, heads, query, &self.config)?;
        let head = self.head(endpoint, heads, peer)?;
        let target = request::Target {
            captures,
            uri: parts.uri.clone(),
            content_type: match spelling.request {
                RequestSpelling::Raw => heads.content_type.clone(),
                _ => None,
            },
        };
        let messages = request::messages(Arc::clone(endpoint), &spelling, target, body, Arc::clone(self));
        let metadata = call::incoming_metadata(std::mem::take(&mut parts.headers));
        let call = Call::new(head, metadata, messages).by(endpoint.seen.clone());
        let reply = self.dispatcher.call(&endpoint.route, call).await?;
        match spelling.reply {
            ReplySpelling::One(encoding) => reply::one(endpoint, encoding, &spelling.view, reply).await,
            ReplySpelling::Raw if endpoint.route.spec.kind().server_streams() => {
                stream_reply::raw(endpoint, reply).await
            }
            ReplySpelling::Raw => reply::raw(endpoint, reply).await,
            ReplySpelling::Stream(form) => {
                let last_event = heads.last_event_id.as_ref().filter(|_| form == StreamForm::Sse);
                stream_reply::many(endpoint, form, &spelling, last_event, reply, self).await
            }
        }
    }

    /// What the head of a request says of its call.
    fn head(&self, endpoint: &Endpoint, heads: &Heads, peer: Peer) -> Result<Head, Status> {
        let timeout = timeout(heads)?;
        Ok(Head {
            method: endpoint.route.spec,
            protocol: endpoint.protocol,
            peer,
            deadline: self.dispatcher.deadline(&endpoint.route, timeout),
            state: self.dispatcher.state(),
        })
    }
}

/// Who called, as the front of the port left it for axum's extractors and for us.
fn peer(extensions: &http::Extensions) -> Peer {
    let address = extensions.get::<ConnectInfo<SocketAddr>>();
    address.map_or(Peer::local(), |ConnectInfo(address)| Peer::socket(*address))
}

/// How long the caller waits: `connect-timeout-ms`, `grpc-timeout` as proxies send it, or `x-server-timeout`, which
/// is Google's for REST.
fn timeout(heads: &Heads) -> Result<Option<Duration>, Status> {
    let parsed = if let Some(value) = &heads.connect_timeout {
        parse_connect(value.as_bytes())
    } else if let Some(value) = &heads.grpc_timeout {
        parse_grpc(value.as_bytes())
    } else if let Some(value) = &heads.server_timeout {
        parse_server(value.as_bytes())
    } else {
        return Ok(None);
    };
    parsed.map(Some).map_err(|error| Status::invalid_argument(error.to_string()))
}
