//! Health and drain as grpcio's health client sees them, on servers of their own that can be told what to say.

use std::net::SocketAddr;
use std::sync::Arc;

use ambidex::Server;
use ambidex::server::{Config, Health};
use axum::Router;
use axum::extract::Path;
use axum::routing::post;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::grpcio::passes_with;
use crate::parity_service::ParityService;
use crate::parity_v1::ParityServer;

/// A server that a client can stop, `POST /stop`, and have say what it likes of a service, `POST
/// /serving/parity.v1.Parity/false`.
fn obedient(runtime: &Runtime) -> (SocketAddr, JoinHandle<Result<(), ambidex::Error>>) {
    let health = Health::new();
    let stop = Arc::new(Notify::new());
    let stopped = Arc::clone(&stop);
    let told = health.clone();
    let router = Router::new().route("/stop", post(async move || stop.notify_one())).route(
        "/serving/{service}/{serving}",
        post(async move |Path((service, serving)): Path<(String, bool)>| told.set_serving(service, serving)),
    );
    let mut config = Config::default();
    config.drain_quiet_ms = 1_000;
    let builder = Server::builder()
        .service(ParityServer::new(ParityService::default()))
        .health(health)
        .router(router)
        .config(config);
    let server = runtime.block_on(builder.bind("127.0.0.1:0")).expect("a port");
    let address = server.address();
    (address, runtime.spawn(server.serve_until(async move { stopped.notified().await })))
}

#[test]
fn asked_and_watched() {
    let runtime = Runtime::new().expect("a runtime");
    let (address, _) = obedient(&runtime);
    passes_with("test_health", address);
}

#[test]
fn a_drain_in_good_order() {
    let runtime = Runtime::new().expect("a runtime");
    let (address, server) = obedient(&runtime);
    if passes_with("test_drain", address) {
        let ended = runtime.block_on(server).expect("the server does not panic");
        ended.expect("nothing was cut off");
    }
}
