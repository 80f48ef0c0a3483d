//! A server on a port of the system's choice, stopped when the test is over.

use std::net::SocketAddr;

use ambidex::client::{Channel, Local};
use ambidex::server::{BoundServer, Config, ServerBuilder};
use ambidex::{Scheduler, Server};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::edge_service::EdgeService;
use super::edge_v1::EdgeServer;
use super::files_service::FilesService;
use super::files_v1::{FilesServer, UnruledServer};
use super::http_client::HttpClient;
use super::parity_service::ParityService;
use super::parity_v1::{ParityClient, ParityServer};

/// A server that runs until the test drops it.
pub struct Running {
    pub address: SocketAddr,
    pub grpc_address: SocketAddr,
    pub local: Local,
    pub scheduler: Scheduler,
    pub http: HttpClient,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<Result<(), ambidex::Error>>,
}

/// The service of the tests with every default.
pub async fn parity() -> Running {
    start(parity_builder()).await
}

/// The service of the tests with some defaults changed.
pub async fn parity_with(change: impl FnOnce(&mut Config)) -> Running {
    let mut config = Config::default();
    change(&mut config);
    start(parity_builder().config(config)).await
}

pub fn parity_builder() -> ServerBuilder {
    Server::builder().service(ParityServer::new(ParityService::default()))
}

/// The service of the tests of the HTTP edge, with every default.
pub fn edge_builder() -> ServerBuilder {
    Server::builder().service(EdgeServer::new(EdgeService))
}

/// The same with some defaults changed.
pub async fn edge_with(change: impl FnOnce(&mut Config)) -> Running {
    let mut config = Config::default();
    change(&mut config);
    start(edge_builder().config(config)).await
}

/// The services of raw bytes and versions, with every default.
pub fn files_builder() -> ServerBuilder {
    Server::builder().service(FilesServer::new(FilesService)).service(UnruledServer::new(FilesService))
}

pub async fn files() -> Running {
    start(files_builder()).await
}

/// The same with some defaults changed.
pub async fn files_with(change: impl FnOnce(&mut Config)) -> Running {
    let mut config = Config::default();
    change(&mut config);
    start(files_builder().config(config)).await
}

pub async fn start(builder: ServerBuilder) -> Running {
    run(builder.bind("127.0.0.1:0").await.expect("a port"))
}

pub fn run(bound: BoundServer) -> Running {
    let (stop, stopped) = oneshot::channel();
    let address = bound.address();
    Running {
        address,
        grpc_address: bound.grpc_address(),
        local: bound.local(),
        scheduler: bound.scheduler().clone(),
        http: HttpClient::new(address),
        stop: Some(stop),
        server: tokio::spawn(bound.serve_until(async {
            let _ = stopped.await;
        })),
    }
}

impl Running {
    pub async fn grpc(&self) -> ParityClient {
        let endpoint = format!("http://{}", self.grpc_address);
        ParityClient::connect(endpoint).await.expect("the server listens")
    }

    pub async fn channel(&self) -> Channel {
        Channel::connect(format!("http://{}", self.grpc_address)).await.expect("the server listens")
    }

    pub fn in_process(&self) -> ParityClient<Local> {
        ParityClient::new(self.local.clone())
    }

    /// Tells the server to stop, without waiting for it.
    pub fn tell_to_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until a server that was told to stop has drained.
    pub async fn stopped(mut self) -> Result<(), ambidex::Error> {
        self.tell_to_stop();
        self.server.await.expect("the server does not panic")
    }
}
