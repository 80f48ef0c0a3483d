//! The gRPC edge: from an HTTP/2 request to a [`Call`] and from a [`Reply`](call::Reply) to frames and trailers.
//!
//! Statuses and metadata are tonic's; the framing is ours, as a message is its own bytes here: one that lies in one
//! chunk is not copied on its way in, and one of its own not on its way out. It is written to
//! [gRPC's PROTOCOL-HTTP2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). Our own client is on tonic's
//! channel.

mod bytes_codec;
pub(crate) mod client;
mod data;
mod json;
mod messages;
mod mounted;
mod reply_body;
mod serving;
mod web;

use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body::Body as HttpBody;
use tonic::Status;
use tonic::codegen::StdError;

use crate::call::media_type::behind;
use crate::call::timeout::parse_grpc;
use crate::call::{
    self, Body, Call, Head, HttpRequest, MethodKind, Pace, Peer, Protocol, ReplyCoding, Spread,
};
use crate::coding::Coding;
use crate::dispatch::{Dispatched, Dispatcher};
use crate::telemetry::{self, Door, Reason};
use messages::Messages;
use reply_body::Framing;
use serving::Answer;
pub(crate) use serving::Serving;

pub(crate) use data::Data;
pub(crate) use json::Json;
pub(crate) use mounted::Mounted;
pub use mounted::{CallExtensions, TonicService};
pub(crate) use reply_body::ReplyBody;
pub(crate) use web::{Web, is_grpc_web};

/// The bounds of the edge.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// The largest request message, decompressed.
    pub(crate) request_message_max_bytes: usize,
    /// How fast a request has to come that is one message.
    pub(crate) request_pace: Pace,
    /// How long the head of a server stream waits for its first message.
    pub(crate) first_message_wait: Duration,
    /// What replies may be packed with: the first that a caller accepts.
    pub(crate) compression: Arc<[ReplyCoding]>,
    /// A smaller message of a reply is not.
    pub(crate) packed_min_bytes: usize,
}

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// Serves gRPC calls. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct GrpcEdge(Spread<Shared>);

#[derive(Debug)]
struct Shared {
    dispatcher: Dispatcher,
    limits: Limits,
    json: Json,
}

/// Whether a request is gRPC's by its content type: `application/grpc`, alone or with a `+` suffix, known or not.
pub(crate) fn is_grpc(content_type: Option<&HeaderValue>) -> bool {
    let rest = content_type.and_then(|value| behind(value.as_bytes(), b"application/grpc"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+") || rest.starts_with(b";"))
}

impl GrpcEdge {
    pub(crate) fn new(dispatcher: Dispatcher, limits: Limits, json: Json) -> Self {
        Self(Spread::new(Shared { dispatcher, limits, json }))
    }

    /// Answers one request. Every error is a gRPC status; only what is not gRPC at all gets an HTTP one.
    pub(crate) fn serve<B>(&self, request: http::Request<B>, peer: Peer, protocol: Protocol) -> Serving<B> {
        Serving::new(self.0.share(), request, peer, protocol)
    }
}

impl Shared {
    /// Begins a call, of which nothing is awaited.
    fn begin<B>(
        &self,
        head: &mut http::request::Parts,
        body: B,
        peer: Peer,
        protocol: Protocol,
        cx: &mut Context<'_>,
    ) -> Result<(Dispatched, Answer), Refused>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<StdError> + Send,
    {
        let Self { dispatcher, limits, json } = self;
        let heads = Heads::of(&head.headers);
        let format = heads.format.filter(|_| head.method == http::Method::POST);
        let note = |reason, refused| self.note(head, &peer, protocol, reason, refused);
        let Some(format) = format else {
            let reason = match head.method == http::Method::POST {
                true => Reason::MediaType,
                false => Reason::MethodNotAllowed,
            };
            return Err(note(reason, Box::new(not_grpc(&head.method))));
        };
        if head.version < http::Version::HTTP_2 && protocol == Protocol::Grpc {
            // Without trailers a success and a late failure would look alike.
            let mut response = http::Response::new(ReplyBody::default());
            *response.status_mut() = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
            return Err(note(Reason::HttpVersion, Box::new(response)));
        }
        let Some(route) = dispatcher.grpc_route(head.uri.path()) else {
            let path = head.uri.path();
            let unknown = refused(Status::unimplemented(format!("there is no method {path}")));
            return Err(note(Reason::NotFound, unknown));
        };
        let (timeout, coding) = heads.read().map_err(|(reason, refused)| note(reason, refused))?;
        let json = match format {
            Format::Proto => None,
            Format::Json => {
                let messages = json.messages(route.spec);
                Some(Box::new(messages.map_err(|status| note(Reason::MediaType, refused(status)))?))
            }
        };
        let request_max_bytes = route.request_max_bytes.unwrap_or(limits.request_message_max_bytes);
        let choices = route.grpc_compression.as_ref().unwrap_or(&limits.compression);
        let framing = Framing {
            coding: heads.reply_coding(coding, choices),
            packed_min_bytes: limits.packed_min_bytes,
        };
        let first_message_wait = match route.spec.kind() {
            MethodKind::ServerStreaming => limits.first_message_wait,
            // The caller may be waiting for our head before it sends what our first message answers.
            _ => Duration::ZERO,
        };
        let call_head = Head {
            method: route.spec,
            protocol,
            peer,
            deadline: dispatcher.deadline(route, timeout),
            entrance: dispatcher.entrance(),
        };
        let mut messages = Messages::new(body, coding, request_max_bytes);
        let is_unary = !route.spec.kind().client_streams();
        let only = if is_unary && json.is_none() { messages.poll_only(cx) } else { None };
        let body = match (only, &json) {
            (Some(message), _) => Body::Message(message),
            (None, None) if is_unary => Body::stream(messages.paced(limits.request_pace)),
            (None, None) => Body::stream(messages),
            (None, Some(json)) if is_unary => json.requests(messages.paced(limits.request_pace)),
            (None, Some(json)) => json.requests(messages),
        };
        let told = route.wants_request();
        let told = told.then(|| HttpRequest::of(&head.method, &head.uri, head.version, &head.headers));
        let headers = std::mem::take(&mut head.headers);
        let mut call = Call::of_request(call_head, headers, route.reads_metadata(), body);
        if let Some(told) = told {
            call.extensions.insert(told);
        }
        if route.is_mounted() {
            call.extensions.insert(std::mem::take(&mut head.uri));
        }
        let answer = Answer { format, json, framing, first_message_wait };
        Ok((dispatcher.call(route, call), answer))
    }

    /// Notes that a request is refused with this answer.
    #[cold]
    fn note(
        &self,
        head: &http::request::Parts,
        peer: &Peer,
        protocol: Protocol,
        reason: Reason,
        answer: Refused,
    ) -> Refused {
        let door = if protocol == Protocol::GrpcWeb { Door::GrpcWeb } else { Door::Grpc };
        let target = Some((&head.method, head.uri.path()));
        self.dispatcher.refusals().note(telemetry::Refused { door, reason, target, peer });
        answer
    }
}

/// A call that is refused before it is one.
fn refused(status: Status) -> Refused {
    Box::new(status.into_http())
}

/// Makes a new response one with these headers and this body.
fn respond(
    response: &mut http::Response<ReplyBody>,
    mut headers: HeaderMap,
    body: ReplyBody,
    format: Format,
    coding: Option<Coding>,
) {
    let content_type = match format {
        Format::Proto => "application/grpc",
        Format::Json => "application/grpc+json",
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(coding) = coding {
        headers.insert(GRPC_ENCODING, coding.header_value());
        // Who unpacks may pack, too, if it knows with what. Others need not be told with every reply.
        headers.insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static(ENCODINGS));
    }
    *response.headers_mut() = headers;
    *response.body_mut() = body;
}

/// The encodings we read and write, as a header spells them.
const ENCODINGS: &str = "gzip,deflate,zstd,identity";

fn coding(name: &[u8]) -> Option<Coding> {
    [Coding::Gzip, Coding::Deflate, Coding::Zstd].into_iter().find(|coding| coding.name().as_bytes() == name)
}

/// What messages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Proto,
    Json,
}

impl Format {
    /// What a content type says; nothing for one that is not gRPC's, or of a format nobody here knows.
    fn of(content_type: &HeaderValue) -> Option<Self> {
        let rest = behind(content_type.as_bytes(), b"application/grpc")?;
        let (format, _parameters) =
            rest.split_at(rest.iter().position(|byte| *byte == b';').unwrap_or(rest.len()));
        let format = format.trim_ascii_end();
        if format.is_empty() || format.eq_ignore_ascii_case(b"+proto") {
            return Some(Self::Proto);
        }
        format.eq_ignore_ascii_case(b"+json").then_some(Self::Json)
    }
}

/// What the headers of a request say to the edge, found in one pass over them.
#[derive(Default)]
struct Heads {
    format: Option<Format>,
    timeout: Option<HeaderValue>,
    encoding: Option<HeaderValue>,
    accept_encoding: Option<HeaderValue>,
}

/// A response that is made before there is a call.
type Refused = Box<http::Response<ReplyBody>>;

impl Heads {
    fn of(headers: &HeaderMap) -> Self {
        let mut heads = Self::default();
        for (name, value) in headers {
            match name.as_str() {
                "content-type" => heads.format = Format::of(value),
                call::timeout::GRPC_TIMEOUT => heads.timeout = Some(value.clone()),
                "grpc-encoding" => heads.encoding = Some(value.clone()),
                "grpc-accept-encoding" => heads.accept_encoding = Some(value.clone()),
                _ => {}
            }
        }
        heads
    }

    /// How long the caller waits, and what its messages are packed with.
    fn read(&self) -> Result<(Option<Duration>, Option<Coding>), (Reason, Refused)> {
        let timeout = match self.timeout.as_ref().map(|value| parse_grpc(value.as_bytes())).transpose() {
            Ok(timeout) => timeout,
            Err(error) => {
                let status = Status::invalid_argument(error.to_string());
                return Err((Reason::Malformed, refused(status)));
            }
        };
        let Some(name) = self.encoding.as_ref().filter(|name| *name != "identity") else {
            return Ok((timeout, None));
        };
        match coding(name.as_bytes()) {
            Some(coding) => Ok((timeout, Some(coding))),
            None => {
                let what = format!("the encodings read here are {ENCODINGS}; grpc-encoding says {name:?}");
                let mut refused = Status::unimplemented(what).into_http();
                refused.headers_mut().insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static(ENCODINGS));
                Err((Reason::MediaType, Box::new(refused)))
            }
        }
    }

    /// The encoding we answer in: the first of these that the caller takes.
    fn reply_coding(&self, sent_in: Option<Coding>, choices: &[ReplyCoding]) -> Option<Coding> {
        let accepted = self.accept_encoding.as_ref()?;
        choices.iter().find_map(|choice| {
            let coding = match choice {
                ReplyCoding::Mirror => sent_in?,
                ReplyCoding::Gzip => Coding::Gzip,
                ReplyCoding::Deflate => Coding::Deflate,
                ReplyCoding::Zstd => Coding::Zstd,
            };
            let mut accepted = accepted.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            accepted.any(|name| name == coding.name().as_bytes()).then_some(coding)
        })
    }
}

/// The answer to a request that is not gRPC's, on a port that speaks only gRPC.
fn not_grpc(method: &http::Method) -> http::Response<ReplyBody> {
    let mut response = http::Response::new(ReplyBody::default());
    if method == http::Method::POST {
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        response.headers_mut().insert("accept-post", HeaderValue::from_static("application/grpc"));
    } else {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

/// tonic's client says OUT_OF_RANGE of a message over its limit; every other gRPC implementation says
/// RESOURCE_EXHAUSTED, and so do our other edges.
fn oversize_is_resource_exhausted(status: Status) -> Status {
    if status.code() == tonic::Code::OutOfRange {
        return Status::resource_exhausted(status.message());
    }
    status
}
