//! What a port serves: gRPC, HTTP, or both told apart by content type.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::ConnectInfo;
use http::{Request, Response, header};
use http_body_util::Either;
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower::Service;

use super::linger::Lingering;
use crate::call::Peer;
use crate::grpc::{GrpcEdge, is_grpc};
use crate::http::{Held, HttpEdge, is_websocket};

/// What a port serves.
#[derive(Clone)]
pub(super) struct Front {
    grpc: Option<GrpcEdge>,
    http: Option<Http>,
}

/// How a port serves HTTP.
#[derive(Clone)]
pub(super) enum Http {
    /// Through a router, behind the user's own routes and layers.
    Router(axum::Router),
    /// Without one, where it would have nothing to do but pass everything on.
    Edge(HttpEdge),
}

pub(super) type FrontBody = Either<tonic::body::Body, axum::body::Body>;

impl Front {
    pub(super) fn both(grpc: GrpcEdge, http: Http) -> Self {
        Self { grpc: Some(grpc), http: Some(http) }
    }

    pub(super) fn grpc(grpc: GrpcEdge) -> Self {
        Self { grpc: Some(grpc), http: None }
    }

    pub(super) fn http(http: Http) -> Self {
        Self { grpc: None, http: Some(http) }
    }

    /// Answers one request of the connection from `peer`; what the connection holds goes with it where it becomes another.
    ///
    /// Boxed: a connection's task holds a future of this for every stream, and should not be as large as the largest
    /// edge.
    pub(super) fn serve(&self, request: Request<Incoming>, peer: &Peer, held: &Held) -> ResponseFuture {
        let version = request.version();
        let mut request = request.map(|body| Lingering::new(body, version));
        if is_websocket(&request) {
            request.extensions_mut().insert(held.clone());
        }
        let is_grpc = is_grpc(request.headers().get(header::CONTENT_TYPE));
        match (&self.grpc, &self.http) {
            (Some(grpc), http) if is_grpc || http.is_none() => {
                let response = grpc.clone().serve(request, peer.clone());
                Box::pin(Answer { response, into: |response: Response<_>| Ok(response.map(Either::Left)) })
            }
            (_, Some(Http::Edge(edge))) => {
                let request = request.map(axum::body::Body::new);
                let response = edge.clone().serve(request, peer.clone());
                Box::pin(Answer { response, into: |response: Response<_>| Ok(response.map(Either::Right)) })
            }
            (_, Some(Http::Router(http))) => {
                // Where axum's own extractors look for it, and our edge and whoever wants to know more.
                if let Some(address) = peer.address {
                    request.extensions_mut().insert(ConnectInfo(address));
                }
                request.extensions_mut().insert(peer.clone());
                let response = http.clone().call(request.map(axum::body::Body::new));
                let into =
                    |response: Result<Response<_>, _>| response.map(|response| response.map(Either::Right));
                Box::pin(Answer { response, into })
            }
            (_, None) => {
                Box::pin(std::future::ready(Ok(Response::new(Either::Right(axum::body::Body::empty())))))
            }
        }
    }
}

/// An answer that is being made.
pub(super) type ResponseFuture =
    Pin<Box<dyn Future<Output = Result<Response<FrontBody>, Infallible>> + Send>>;

pin_project! {
    /// An edge's answer, as this port's. An `async` block that awaited it would hold it twice.
    struct Answer<F, M> {
        #[pin]
        response: F,
        into: M,
    }
}

impl<F: Future, M, T> Future for Answer<F, M>
where
    M: FnMut(F::Output) -> T,
{
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.project();
        this.response.poll(cx).map(this.into)
    }
}
