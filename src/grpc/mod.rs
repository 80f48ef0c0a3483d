//! The gRPC edge, on tonic: from an HTTP/2 request to a [`Call`] and from a [`Reply`] to frames and trailers.
//!
//! tonic does the framing, the compression and the spelling of statuses; this edge says what a message is
//! (its own bytes) and keeps to the protocol where a call begins: content type, timeout, metadata. It is
//! written to [gRPC's PROTOCOL-HTTP2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).

mod bytes_codec;
pub(crate) mod client;
mod replies;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body::Body as HttpBody;
use tonic::codec::{CompressionEncoding, EnabledCompressionEncodings, Streaming};
use tonic::metadata::MetadataMap;
use tonic::server::StreamingService;
use tonic::{Request, Response, Status};

use crate::call::timeout::parse_grpc;
use crate::call::{self, Body, Call, Head, MethodKind, Peer, Protocol};
use crate::dispatch::{Dispatcher, Route};
use bytes_codec::BytesCodec;
use replies::Replies;

/// The bounds of the edge.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// The largest request message, decompressed.
    pub(crate) request_message_max_bytes: usize,
    /// How long the head of a server stream waits for its first message.
    pub(crate) first_message_wait: Duration,
    /// The largest reply message.
    pub(crate) reply_message_max_bytes: usize,
}

static GRPC_TIMEOUT: HeaderName = HeaderName::from_static(call::timeout::GRPC_TIMEOUT);
static GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// Serves gRPC calls.
#[derive(Debug, Clone)]
pub(crate) struct GrpcEdge {
    dispatcher: Dispatcher,
    limits: Limits,
}

/// Whether a request is gRPC's by its content type: `application/grpc`, alone or with a `+` suffix.
pub(crate) fn is_grpc(content_type: Option<&HeaderValue>) -> bool {
    let rest = content_type.and_then(|value| value.as_bytes().strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+") || rest.starts_with(b";"))
}

impl GrpcEdge {
    pub(crate) fn new(dispatcher: Dispatcher, limits: Limits) -> Self {
        Self { dispatcher, limits }
    }

    /// Answers one request. Every error is a gRPC status; only what is not gRPC at all gets an HTTP one.
    pub(crate) async fn serve<B>(
        self,
        request: http::Request<B>,
        peer: Peer,
    ) -> http::Response<tonic::body::Body>
    where
        B: HttpBody + Send + 'static,
        B::Error: Into<tonic::codegen::StdError> + Send,
    {
        if request.method() != http::Method::POST || !is_grpc(request.headers().get(header::CONTENT_TYPE)) {
            return not_grpc(request.method());
        }
        if request.version() < http::Version::HTTP_2 {
            // Without trailers a success and a late failure would look alike.
            let mut response = http::Response::new(tonic::body::Body::empty());
            *response.status_mut() = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
            return response;
        }
        let Some(route) = self.dispatcher.route(request.uri().path()) else {
            let path = request.uri().path();
            return Status::unimplemented(format!("there is no method {path}")).into_http();
        };
        let route = Arc::clone(route);
        let timeout = match request.headers().get(&GRPC_TIMEOUT) {
            None => None,
            Some(value) => match parse_grpc(value.as_bytes()) {
                Ok(timeout) => Some(timeout),
                Err(error) => return Status::invalid_argument(error.to_string()).into_http(),
            },
        };
        let head = Head {
            method: route.spec,
            protocol: Protocol::Grpc,
            peer,
            deadline: self.dispatcher.deadline(&route, timeout),
            state: self.dispatcher.state(),
        };
        let first_message_wait = match route.spec.kind() {
            MethodKind::ServerStreaming => self.limits.first_message_wait,
            // The caller may be waiting for our head before it sends what our first message answers.
            _ => Duration::ZERO,
        };
        let sent_in = request.headers().get(&GRPC_ENCODING).and_then(|encoding| encoding.to_str().ok());
        let reply_encodings = reply_encodings(sent_in);
        let codec = BytesCodec::server(route.spec.kind());
        let service = Serve {
            dispatcher: self.dispatcher,
            route,
            head: Some(head),
            first_message_wait,
            reply_message_max_bytes: self.limits.reply_message_max_bytes,
        };
        tonic::server::Grpc::new(codec)
            .apply_compression_config(encodings(), reply_encodings)
            .max_decoding_message_size(self.limits.request_message_max_bytes)
            .streaming(service, request)
            .await
    }
}

const ENCODINGS: [(&str, CompressionEncoding); 3] = [
    ("gzip", CompressionEncoding::Gzip),
    ("deflate", CompressionEncoding::Deflate),
    ("zstd", CompressionEncoding::Zstd),
];

/// The encodings we read.
fn encodings() -> EnabledCompressionEncodings {
    let mut encodings = EnabledCompressionEncodings::default();
    for (_, encoding) in ENCODINGS {
        encodings.enable(encoding);
    }
    encodings
}

/// The encoding we answer in: the one the caller compresses with itself, if it does. Most clients accept gzip
/// whether or not it is worth its CPU to them; one that sends it has decided.
fn reply_encodings(sent_in: Option<&str>) -> EnabledCompressionEncodings {
    let mut encodings = EnabledCompressionEncodings::default();
    if let Some((_, encoding)) = ENCODINGS.into_iter().find(|(name, _)| Some(*name) == sent_in) {
        encodings.enable(encoding);
    }
    encodings
}

/// The answer to a request that is not gRPC's, on a port that speaks only gRPC.
fn not_grpc(method: &http::Method) -> http::Response<tonic::body::Body> {
    let mut response = http::Response::new(tonic::body::Body::empty());
    if method == http::Method::POST {
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        response.headers_mut().insert("accept-post", HeaderValue::from_static("application/grpc"));
    } else {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

/// One call, in the form tonic's server wants: all kinds are streams of bytes to it.
struct Serve {
    dispatcher: Dispatcher,
    route: Arc<Route>,
    head: Option<Head>,
    first_message_wait: Duration,
    reply_message_max_bytes: usize,
}

impl StreamingService<Bytes> for Serve {
    type Response = Bytes;
    type ResponseStream = Replies;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Replies>, Status>> + Send>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let head = self.head.take().expect("tonic calls the service once");
        let (metadata, _, messages) = request.into_parts();
        let call = Call::new(
            head,
            call::incoming_metadata(metadata.into_headers()),
            Body::stream(Incoming(messages)),
        );
        let reply = self.dispatcher.call(&self.route, call);
        let (wait, message_max_bytes) = (self.first_message_wait, self.reply_message_max_bytes);
        Box::pin(async move {
            let reply = reply.await?;
            let replies = Replies::begin(reply.body, reply.trailers, wait, message_max_bytes).await?;
            let metadata = MetadataMap::from_headers(call::outgoing_metadata(reply.metadata));
            Ok(Response::from_parts(metadata, replies, reply.extensions))
        })
    }
}

/// Request messages as tonic reads them, with the code the protocol has for an oversized one.
struct Incoming(Streaming<Bytes>);

impl futures_core::Stream for Incoming {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = std::task::ready!(Pin::new(&mut self.0).poll_next(cx));
        Poll::Ready(item.map(|message| message.map_err(oversize_is_resource_exhausted)))
    }
}

/// tonic says OUT_OF_RANGE of a message over its limit; every other gRPC implementation says
/// RESOURCE_EXHAUSTED, and so do our other edges.
fn oversize_is_resource_exhausted(status: Status) -> Status {
    if status.code() == tonic::Code::OutOfRange {
        return Status::resource_exhausted(status.message());
    }
    status
}
