//! What a port serves: gRPC, HTTP, or both told apart by content type.

use std::convert::Infallible;

use axum::extract::ConnectInfo;
use http::{Request, Response, header};
use http_body_util::Either;
use hyper::body::Incoming;
use std::net::SocketAddr;
use tower::Service;

use crate::call::Peer;
use crate::grpc::{GrpcEdge, is_grpc};
use crate::http::HttpEdge;

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

    /// Answers one request of the connection from `peer`.
    pub(super) async fn serve(
        self,
        mut request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<Response<FrontBody>, Infallible> {
        let is_grpc = is_grpc(request.headers().get(header::CONTENT_TYPE));
        // Boxed: a connection's task holds a future of this for every stream, and should not be as large as the
        // largest edge.
        match (self.grpc, self.http) {
            (Some(grpc), http) if is_grpc || http.is_none() => {
                let response = Box::pin(grpc.serve(request, Peer::socket(peer))).await;
                Ok(response.map(Either::Left))
            }
            (_, Some(Http::Edge(edge))) => {
                let request = request.map(axum::body::Body::new);
                let response = Box::pin(edge.serve(request, Peer::socket(peer))).await;
                Ok(response.map(Either::Right))
            }
            (_, Some(Http::Router(mut http))) => {
                // Where axum's own extractors look for it, and our edge.
                request.extensions_mut().insert(ConnectInfo(peer));
                Ok(http.call(request).await?.map(Either::Right))
            }
            (_, None) => Ok(Response::new(Either::Right(axum::body::Body::empty()))),
        }
    }
}
