//! The server that is called: the tests' own services with every default, health and reflection, on a port of the system's choice.

use std::net::SocketAddr;
use std::sync::OnceLock;

use ambidex::Server;
use ambidex::server::{Config, Health, ReplyCoding};
use tokio::runtime::Runtime;

use crate::edge_service::EdgeService;
use crate::edge_v1::EdgeServer;
use crate::parity_service::ParityService;
use crate::parity_v1::ParityServer;

/// Where it listens. One server takes the calls of all tests: that it goes on after each is part of what they
/// test.
pub fn address() -> SocketAddr {
    static SERVER: OnceLock<(Runtime, SocketAddr)> = OnceLock::new();
    SERVER.get_or_init(|| serves(Config::default())).1
}

/// Where one listens that compresses replies over gRPC, however small, for whoever can unpack them.
pub fn compressing() -> SocketAddr {
    static SERVER: OnceLock<(Runtime, SocketAddr)> = OnceLock::new();
    let start = || {
        let mut config = Config::default();
        config.grpc_compression = vec![ReplyCoding::Zstd, ReplyCoding::Gzip];
        config.compress_min_bytes = 0;
        serves(config)
    };
    SERVER.get_or_init(start).1
}

fn serves(config: Config) -> (Runtime, SocketAddr) {
    let runtime = Runtime::new().expect("a runtime");
    let builder = Server::builder()
        .service(ParityServer::new(ParityService::default()))
        .service(EdgeServer::new(EdgeService))
        .health(Health::new())
        .reflection()
        .config(config);
    let server = runtime.block_on(builder.bind("127.0.0.1:0")).expect("a port");
    let address = server.address();
    // It has no end of its own: the test process takes it along.
    runtime.spawn(server.serve_until(std::future::pending()));
    (runtime, address)
}
