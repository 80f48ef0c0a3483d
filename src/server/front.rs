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

/// What a port serves.
#[derive(Clone)]
pub(super) struct Front {
    grpc: Option<GrpcEdge>,
    http: Option<axum::Router>,
}

pub(super) type FrontBody = Either<tonic::body::Body, axum::body::Body>;

impl Front {
    pub(super) fn both(grpc: GrpcEdge, http: axum::Router) -> Self {
        Self { grpc: Some(grpc), http: Some(http) }
    }

    pub(super) fn grpc(grpc: GrpcEdge) -> Self {
        Self { grpc: Some(grpc), http: None }
    }

    pub(super) fn http(http: axum::Router) -> Self {
        Self { grpc: None, http: Some(http) }
    }

    /// Answers one request of the connection from `peer`.
    pub(super) async fn serve(
        self,
        mut request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<Response<FrontBody>, Infallible> {
        let is_grpc = is_grpc(request.headers().get(header::CONTENT_TYPE));
        match (self.grpc, self.http) {
            (Some(grpc), http) if is_grpc || http.is_none() => {
                let response = grpc.serve(request, Peer::socket(peer)).await;
                Ok(response.map(Either::Left))
            }
            (_, Some(mut http)) => {
                // Where axum's own extractors look for it, and our edge.
                request.extensions_mut().insert(ConnectInfo(peer));
                Ok(http.call(request).await?.map(Either::Right))
            }
            (_, None) => Ok(Response::new(Either::Right(axum::body::Body::empty()))),
        }
    }
}
