//! The service on Ambidex: gRPC and HTTP on one port, the blocking method a plain `fn`.

use ambidex::{Status, Stream, Streaming};
use tokio_stream::StreamExt as _;

use crate::Error;
use crate::messages::*;
use crate::telemetry::Mode;

pub(super) async fn serve(threads: Option<usize>, mode: Mode) -> Result<(), Error> {
    let service = VersusServer::new(Handlers);
    let mut config = ambidex::server::Config::default();
    if let Some(threads) = threads {
        config.scheduler.threads_max = threads;
        config.scheduler.threads_hard_max = threads;
    }
    let builder = mode.configure(ambidex::Server::builder(), config);
    let server = builder.service(service).bind(super::LOOPBACK).await?;
    super::announce(server.address())?;
    server.serve().await?;
    Ok(())
}

struct Handlers;

#[ambidex::service]
impl Versus for Handlers {
    async fn hello(&self, request: HelloRequest) -> Result<HelloResponse, Status> {
        Ok(greet(request))
    }

    fn hello_blocking(&self, request: HelloRequest) -> Result<HelloResponse, Status> {
        Ok(greet(request))
    }

    fn wait(&self, request: WaitRequest) -> Result<WaitResponse, Status> {
        Ok(wait(request))
    }

    async fn count_waits(&self, _: WaitRequest) -> Result<WaitResponse, Status> {
        Ok(count_waits())
    }

    async fn place_order(&self, order: Order) -> Result<Order, Status> {
        Ok(place(order))
    }

    async fn get_item(&self, request: GetItemRequest) -> Result<OrderItem, Status> {
        Ok(get_item(request))
    }

    async fn stream_items(
        &self,
        request: ListItemsRequest,
    ) -> Result<impl Stream<Item = Result<OrderItem, Status>>, Status> {
        Ok(tokio_stream::iter(list_items(request).items.into_iter().map(Ok)))
    }

    async fn chat(
        &self,
        request: Streaming<HelloRequest>,
    ) -> Result<impl Stream<Item = Result<HelloResponse, Status>>, Status> {
        Ok(request.map(|request| request.map(greet)))
    }

    async fn list_items(&self, request: ListItemsRequest) -> Result<ListItemsResponse, Status> {
        Ok(list_items(request))
    }
}
