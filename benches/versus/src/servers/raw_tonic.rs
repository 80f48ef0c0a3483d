//! The service on tonic alone, as `tonic-prost-build` generates it.

use std::pin::Pin;

use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::Error;
use crate::messages::*;
use generated::versus_server::{Versus, VersusServer};

#[expect(
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    reason = "generated, by others and for crates that may show it"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/tonic/versus.v1.rs"));
}

pub(super) async fn serve() -> Result<(), Error> {
    let incoming = TcpIncoming::from(super::listen().await?).with_nodelay(Some(true));
    let service = VersusServer::new(Handlers);
    tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await?;
    Ok(())
}

type ResponseStream<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

struct Handlers;

#[tonic::async_trait]
impl Versus for Handlers {
    async fn hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloResponse>, Status> {
        Ok(Response::new(greet(request.into_inner())))
    }

    async fn hello_blocking(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<HelloResponse>, Status> {
        let response = tokio::task::spawn_blocking(move || greet(request.into_inner())).await;
        response.map(Response::new).map_err(|error| Status::internal(error.to_string()))
    }

    async fn wait(&self, request: Request<WaitRequest>) -> Result<Response<WaitResponse>, Status> {
        let response = tokio::task::spawn_blocking(move || wait(request.into_inner())).await;
        response.map(Response::new).map_err(|error| Status::internal(error.to_string()))
    }

    async fn count_waits(&self, _: Request<WaitRequest>) -> Result<Response<WaitResponse>, Status> {
        Ok(Response::new(count_waits()))
    }

    async fn place_order(&self, request: Request<Order>) -> Result<Response<Order>, Status> {
        Ok(Response::new(place(request.into_inner())))
    }

    async fn get_item(&self, request: Request<GetItemRequest>) -> Result<Response<OrderItem>, Status> {
        Ok(Response::new(get_item(request.into_inner())))
    }

    type StreamItemsStream = ResponseStream<OrderItem>;

    async fn stream_items(
        &self,
        request: Request<ListItemsRequest>,
    ) -> Result<Response<Self::StreamItemsStream>, Status> {
        let items = list_items(request.into_inner()).items;
        Ok(Response::new(Box::pin(tokio_stream::iter(items.into_iter().map(Ok)))))
    }

    type ChatStream = ResponseStream<HelloResponse>;

    async fn chat(
        &self,
        request: Request<tonic::Streaming<HelloRequest>>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        let answers = request.into_inner().map(|request| request.map(greet));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn list_items(
        &self,
        request: Request<ListItemsRequest>,
    ) -> Result<Response<ListItemsResponse>, Status> {
        Ok(Response::new(list_items(request.into_inner())))
    }
}
