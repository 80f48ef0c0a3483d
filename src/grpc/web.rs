//! gRPC-Web, for browsers: tonic-web translates, and what it makes of a request is a gRPC call like others.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>: trailers are the last frame of the body, which may be
//! base64 as a whole, and any HTTP version will do.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use tonic::codegen::StdError;
use tonic_web::GrpcWebLayer;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt};

use super::{Data, GrpcEdge};
use crate::call::media_type::behind;
use crate::call::{Peer, Protocol};

/// Whether a request is gRPC-Web's by its content type: `application/grpc-web` or `application/grpc-web-text`, alone
/// or with `+proto`.
pub(crate) fn is_grpc_web(content_type: Option<&HeaderValue>) -> bool {
    canonical(content_type).is_some()
}

/// The only spellings of them that tonic-web knows: in small letters, and without parameters.
fn canonical(content_type: Option<&HeaderValue>) -> Option<&'static str> {
    let rest = behind(content_type?.as_bytes(), b"application/grpc-web")?;
    let (rest, canonical) = match behind(rest, b"-text") {
        Some(rest) => (rest, "application/grpc-web-text+proto"),
        None => (rest, "application/grpc-web+proto"),
    };
    let rest = behind(rest, b"+proto").unwrap_or(rest).trim_ascii_start();
    (rest.is_empty() || rest.starts_with(b";")).then_some(canonical)
}

/// Serves gRPC-Web, behind whatever layers an edge of HTTP has around it.
#[derive(Clone)]
pub(crate) struct Web(
    BoxCloneSyncService<Request<tonic::body::Body>, Response<tonic::body::Body>, Infallible>,
);

impl Web {
    /// Serves it without anything around.
    pub(crate) fn new(grpc: GrpcEdge) -> Self {
        Self(BoxCloneSyncService::new(GrpcWebLayer::new().layer(Calls(grpc))))
    }

    /// Wraps a layer around it, such as CORS.
    pub(crate) fn layer<L>(self, layer: L) -> Self
    where
        L: Layer<Self>,
        L::Service: Service<Request<tonic::body::Body>, Response = Response<tonic::body::Body>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        <L::Service as Service<Request<tonic::body::Body>>>::Future: Send + 'static,
    {
        Self(BoxCloneSyncService::new(layer.layer(self)))
    }

    /// Answers one request.
    pub(crate) fn serve<B>(self, request: Request<B>, peer: Peer) -> Answer
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<StdError> + Send,
    {
        let mut request = request.map(tonic::body::Body::new);
        if let Some(content_type) = canonical(request.headers().get(header::CONTENT_TYPE)) {
            request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        request.extensions_mut().insert(Caller(peer));
        Box::pin(self.0.oneshot(request))
    }
}

pub(crate) type Answer =
    Pin<Box<dyn Future<Output = Result<Response<tonic::body::Body>, Infallible>> + Send>>;

impl Service<Request<tonic::body::Body>> for Web {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Answer {
        Box::pin(self.0.call(request))
    }
}

/// Who calls, on its way through tonic-web.
#[derive(Clone)]
struct Caller(Peer);

/// The edge below tonic-web.
#[derive(Clone)]
struct Calls(GrpcEdge);

impl Service<Request<tonic::body::Body>> for Calls {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<tonic::body::Body>) -> Answer {
        let peer = request.extensions_mut().remove().map_or(Peer::local(), |Caller(peer)| peer);
        let answer = self.0.serve(request, peer, Protocol::GrpcWeb);
        Box::pin(async move {
            let response = answer.await;
            Ok(response
                .map(|body| tonic::body::Body::new(body.map_frame(|frame| frame.map_data(Data::into_bytes)))))
        })
    }
}
