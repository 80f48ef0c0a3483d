//! The HTTP edge, on axum: REST routes from `google.api.http` and RPC routes, over one mechanism.
//!
//! An [`Endpoint`](endpoint::Endpoint) is a method with one way to spell it in HTTP. A request is matched to
//! its endpoint, its path, query and body become wire bytes when the handler asks for them, and the reply's
//! wire bytes become JSON. Below this edge nobody knows that there was any.
//!
//! Matching by template is ours, since axum's routes cannot express `{name=shelves/*}` or `:verb`; axum
//! carries it as the fallback of a router, so a user's own routes and layers stand beside it.

mod answer_body;
mod captures;
mod chunks;
mod coded_body;
mod coding;
mod connect_get;
mod content;
mod endpoint;
mod envelopes;
mod error;
mod exchange;
mod heads;
mod json_array;
mod json_text;
mod lines;
mod metadata;
mod origin;
mod refusal;
mod reply;
mod request;
mod routes;
mod rules;
mod serving;
mod status;
mod stream_reply;
mod system;
mod websocket;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ambidex_schema::{DecodeOptions, EncodeOptions, Schema};
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri, header};
use tonic::Status;

use crate::call::timeout::{parse_connect, parse_grpc, parse_server};
use crate::call::{Body as Messages, Call, Head, HttpRequest, Pace, Peer, Share, Spread};
use crate::dispatch::{Dispatched, Dispatcher};
pub(crate) use answer_body::AnswerBody;
use captures::Captures;
use endpoint::{Endpoint, RequestSpelling, Spelling};
use exchange::{Agreed, Exchange, RestError, Unanswered};
use heads::Heads;
pub(crate) use json_text::push_string as push_json_string;
pub(crate) use routes::RouteError;
use routes::{Found, Routes};
#[cfg(feature = "yaml")]
pub(crate) use rules::from_yaml;
pub(crate) use rules::{Rules, RulesError};
pub(crate) use serving::Serving;
pub use status::code_of_http_status;
pub(crate) use status::{of_code as status_of_code, of_failed_call as status_of_failed_call};
pub(crate) use websocket::{Held, WebSockets, is_asked_for as is_websocket};

/// The bounds and options of the edge.
#[derive(Debug, Clone)]
pub(crate) struct HttpConfig {
    /// The largest request body, and the largest message of a streamed one.
    pub(crate) body_max_bytes: usize,
    /// The longest path and query that are looked at.
    pub(crate) target_max_bytes: usize,
    /// How fast a body has to come that is one message.
    pub(crate) request_pace: Pace,
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
    /// Origins of pages, other than the server's own, that may call.
    pub(crate) origins: Vec<String>,
    /// Whether they may send their users' cookies.
    pub(crate) credentials: bool,
}

/// Lets a user change how errors look on REST routes.
pub(crate) type ShapeError = Arc<dyn Fn(&Status, Response<Bytes>) -> Response<Bytes> + Send + Sync>;

/// Serves HTTP calls. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HttpEdge(Spread<Shared>);

struct Shared {
    dispatcher: Dispatcher,
    schema: Schema,
    config: HttpConfig,
    routes: Routes,
    shape_error: Option<ShapeError>,
    /// The WebSockets that are open: they outlive their connection's own task.
    websockets: WebSockets,
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
        rules: &Rules,
        shape_error: Option<ShapeError>,
    ) -> Result<Self, RouteError> {
        let routes = Routes::new(&dispatcher, &schema, rules, &config)?;
        let websockets = WebSockets::default();
        Ok(Self(Spread::new(Shared { dispatcher, schema, config, routes, shape_error, websockets })))
    }

    /// The WebSockets that are open.
    pub(crate) fn websockets(&self) -> WebSockets {
        self.0.websockets.clone()
    }

    /// The edge as axum serves it: everything no other route of the router takes.
    pub(crate) fn into_router(self, router: axum::Router) -> axum::Router {
        router.fallback(move |request: Request<Body>| {
            let peer = peer(request.extensions());
            let serving = self.serve(request, peer);
            async move { serving.await.map(Body::from) }
        })
    }

    /// Answers one request.
    pub(crate) fn serve(&self, request: Request<Body>, peer: Peer) -> Serving {
        Serving::new(self.0.share(), request, peer)
    }
}

/// How far a request comes at once that has no answer yet.
#[expect(clippy::large_enum_variant, reason = "it is moved once, to where it waits")]
enum Begun {
    /// The call waits for something.
    Call(Dispatched, Exchange, Share<Endpoint>),
    /// The call has its reply, and that has more to come.
    Unanswered(Box<Unanswered>, Share<Endpoint>),
    WebSocket(Box<(Request<Body>, Peer)>),
}

#[cold]
fn asked_for_websocket(request: &mut Request<Body>, peer: Peer) -> Begun {
    Begun::WebSocket(Box::new((std::mem::take(request), peer)))
}

/// The answer to who asks what there is.
fn allows(methods: &str) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::empty());
    *response.status_mut() = status::NO_CONTENT;
    if let Ok(methods) = HeaderValue::try_from(methods) {
        response.headers_mut().insert(header::ALLOW, methods);
    }
    response
}

/// The same head, with the length of the body it would have had.
fn without_body(response: Response<AnswerBody>) -> Response<AnswerBody> {
    let (mut parts, body) = response.into_parts();
    if let Some(length) =
        http_body::Body::size_hint(&body).exact().filter(|_| !status::has_no_body(parts.status))
    {
        parts.headers.insert(header::CONTENT_LENGTH, length.into());
    }
    Response::from_parts(parts, AnswerBody::empty())
}

impl Shared {
    /// The answer to a request that is no call.
    #[cold]
    fn refuse(&self, status: Status, heads: &Heads<'_>, uri: &Uri) -> Response<AnswerBody> {
        self.rest_error(status, RestError::of(heads, uri.query(), &self.config))
    }

    fn rest_error(&self, status: Status, form: RestError) -> Response<AnswerBody> {
        let Some(shape) = &self.shape_error else {
            return error::aip_193(status, form, &self.schema).map(AnswerBody::from);
        };
        let response = error::aip_193(status.clone(), form, &self.schema);
        shape(&status, response).map(AnswerBody::from)
    }

    /// The answer to a request whose target is too long to be looked at.
    #[cold]
    fn refuse_target(&self, request: &Request<Body>, peer: &Peer) -> Response<AnswerBody> {
        let status = status::target_too_long(self.config.target_max_bytes);
        let answer = self.refuse(status, &Heads::of(request.headers()), request.uri());
        let answer = if request.method() == Method::HEAD { without_body(answer) } else { answer };
        self.noted(request, peer, answer)
    }

    /// The answer to a request that no endpoint takes.
    #[cold]
    fn answer_for_nobody(
        &self,
        found: Found<'_>,
        request: &Request<Body>,
        heads: &Heads<'_>,
        peer: &Peer,
    ) -> Response<AnswerBody> {
        let (method, uri) = (request.method(), request.uri());
        let answer = match found {
            Found::OtherMethods(allowed) if method == Method::OPTIONS => allows(&allowed),
            // Of the server itself (RFC 9110, section 9.3.7).
            Found::Nothing if method == Method::OPTIONS && uri.path() == "*" => {
                allows(&self.routes.methods())
            }
            Found::OtherMethods(allowed) => {
                self.refuse(status::method_not_allowed(method, &allowed), heads, uri)
            }
            Found::BadPath => {
                let message = "the path has an escape that is no `%` and two hex digits, or is not UTF-8";
                self.refuse(Status::invalid_argument(message), heads, uri)
            }
            Found::Nothing | Found::Endpoint(_) => {
                self.refuse(Status::not_found(format!("there is nothing at {}", uri.path())), heads, uri)
            }
        };
        let answer = if method == Method::HEAD { without_body(answer) } else { answer };
        self.noted(request, peer, answer)
    }

    /// The answer to a request for a call that does not begin.
    #[cold]
    fn not_begun(
        &self,
        status: Status,
        exchange: &Exchange,
        request: &Request<Body>,
        peer: &Peer,
    ) -> Response<AnswerBody> {
        self.noted(request, peer, exchange.failed(status, self))
    }

    /// Finds out what a request is, and if it is a call, begins it. Makes a new response the answer, if it is there; else
    /// says how far it has come.
    ///
    /// What a call is made of is moved to its place in one step: most of what a short call costs here is copies otherwise.
    fn begin(
        &self,
        held: &Share<Self>,
        request: &mut Request<Body>,
        peer: Peer,
        response: &mut Response<AnswerBody>,
        cx: &mut std::task::Context<'_>,
    ) -> Option<Begun> {
        if request.uri().path_and_query().is_some_and(|it| it.as_str().len() > self.config.target_max_bytes) {
            *response = self.refuse_target(request, &peer);
            return None;
        }
        let mut heads = Heads::default();
        heads.read(request.headers());
        if heads.ask_for_websocket(request.method()) {
            return Some(asked_for_websocket(request, peer));
        }
        let is_head = *request.method() == Method::HEAD;
        let mut captures = ambidex_schema::Captures::default();
        let endpoint = match self.routes.find(request.method(), request.uri().path(), &mut captures) {
            Found::Endpoint(endpoint) => endpoint,
            other => {
                *response = self.answer_for_nobody(other, request, &heads, &peer);
                return None;
            }
        };
        let mut exchange = Exchange::new(endpoint, &heads, is_head, &self.config);
        let agreed = match self.agree(endpoint, request, &heads, &peer) {
            Ok(agreed) => exchange.agreed.insert(agreed),
            Err(status) => {
                let exchange = exchange.disagreed(request.uri().query(), &self.config);
                *response = self.not_begun(status, &exchange, request, &peer);
                return None;
            }
        };
        let timeout = match timeout(&heads) {
            Ok(timeout) => timeout,
            Err(status) => {
                *response = self.not_begun(status, &exchange, request, &peer);
                return None;
            }
        };
        let told = endpoint
            .route
            .wants_request()
            .then(|| HttpRequest::of(request.method(), request.uri(), request.version(), request.headers()));
        let at_once = request::at_once(endpoint, &agreed.spelling, &captures, request, &self.config);
        let messages = match at_once {
            Some(messages) => {
                drop(captures);
                messages
            }
            None => {
                let kept = Captures::of(&captures, request.uri().path());
                drop(captures);
                self.messages(held, endpoint, &agreed.spelling, kept, request)
            }
        };
        let headers = std::mem::take(request.headers_mut());
        let head = self.head(endpoint, timeout, peer);
        let mut call = Call::of_request(head, headers, endpoint.route.reads_metadata(), messages);
        if let Some(told) = told {
            call.extensions.insert(told);
        }
        let mut call = self.dispatcher.call(&endpoint.route, call);
        match Pin::new(&mut call).poll(cx) {
            Poll::Ready(reply) => {
                let unanswered = exchange.answer(response, endpoint, reply, &mut call, self).err()?;
                Some(Begun::Unanswered(unanswered, endpoint.share()))
            }
            Poll::Pending => Some(Begun::Call(call, exchange, endpoint.share())),
        }
    }

    /// The messages of a request that are made when its handler asks for them.
    #[inline(never)]
    fn messages(
        &self,
        held: &Share<Self>,
        endpoint: &Spread<Endpoint>,
        spelling: &Spelling,
        captures: Captures,
        request: &mut Request<Body>,
    ) -> Messages {
        let is_raw = spelling.request == RequestSpelling::Raw;
        let content_type = is_raw.then(|| request.headers().get(header::CONTENT_TYPE).cloned()).flatten();
        let target = request::Target { captures, uri: std::mem::take(request.uri_mut()), content_type };
        let body = std::mem::take(request.body_mut());
        request::messages(endpoint.share(), spelling, target, body, held.clone())
    }

    /// What a request and its answer are spelled like.
    fn agree(
        &self,
        endpoint: &Endpoint,
        request: &Request<Body>,
        heads: &Heads<'_>,
        peer: &Peer,
    ) -> Result<Agreed, Status> {
        let (method, uri) = (request.method(), request.uri());
        origin::check_form(method, heads, uri, &self.config.origins, peer.tls)?;
        let spelling = endpoint.negotiate(method, heads, uri.query(), &self.config)?;
        Ok(Agreed { spelling, last_event: stream_reply::last_event(heads) })
    }

    /// The head of a call to an endpoint.
    fn head(&self, endpoint: &Endpoint, timeout: Option<Duration>, peer: Peer) -> Head {
        Head {
            method: endpoint.route.spec,
            protocol: endpoint.protocol,
            peer,
            deadline: self.dispatcher.deadline(&endpoint.route, timeout),
            entrance: endpoint.entrance.share(),
        }
    }
}

/// Who called, as the front of the port left it for us, or axum for its own extractors where it serves the router.
fn peer(extensions: &http::Extensions) -> Peer {
    if let Some(peer) = extensions.get::<Peer>() {
        return peer.clone();
    }
    let address = extensions.get::<ConnectInfo<SocketAddr>>();
    address.map_or(Peer::local(), |ConnectInfo(address)| Peer::socket(*address))
}

/// How long the caller waits: `connect-timeout-ms`, `grpc-timeout` as proxies send it, or `x-server-timeout`, which
/// is Google's for REST.
#[inline]
fn timeout(heads: &Heads<'_>) -> Result<Option<Duration>, Status> {
    match (heads.connect_timeout, heads.grpc_timeout, heads.server_timeout) {
        (None, None, None) => Ok(None),
        _ => stated_timeout(heads),
    }
}

#[inline(never)]
fn stated_timeout(heads: &Heads<'_>) -> Result<Option<Duration>, Status> {
    let parsed = if let Some(value) = heads.connect_timeout {
        parse_connect(value.as_bytes())
    } else if let Some(value) = heads.grpc_timeout {
        parse_grpc(value.as_bytes())
    } else if let Some(value) = heads.server_timeout {
        parse_server(value.as_bytes())
    } else {
        return Ok(None);
    };
    parsed.map(Some).map_err(|error| Status::invalid_argument(error.to_string()))
}
