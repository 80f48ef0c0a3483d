//! The service on Ambidex: gRPC and HTTP on one port, the blocking method a plain `fn`.

use ambidex::Status;

use crate::Error;
use crate::messages::{HelloRequest, HelloResponse, Order, Versus, VersusServer, greet, place};

pub(super) async fn serve() -> Result<(), Error> {
    let service = VersusServer::new(Handlers);
    let server = ambidex::Server::builder().service(service).bind(super::LOOPBACK).await?;
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

    async fn place_order(&self, order: Order) -> Result<Order, Status> {
        Ok(place(order))
    }
}
