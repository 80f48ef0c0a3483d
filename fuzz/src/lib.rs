//! What the fuzzers share: the tests' own service behind the whole HTTP edge, without a socket.
//!
//! A panic anywhere ends the fuzzer, also where the edge would have caught it: libfuzzer's hook runs first.

use std::cell::OnceCell;
use std::time::Duration;

use ambidex::Server;
use ambidex::server::Config;
use axum::Router;
use edge_service::EdgeService;
use edge_v1::EdgeServer;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

#[path = "../../tests/support/edge_service.rs"]
mod edge_service;

mod edge_v1 {
    #![allow(missing_docs, dead_code, reason = "the tests' own protos")]
    ambidex::include_proto!("edge.v1");
}

/// A connection that is silent for so long hangs.
const HANGS_AFTER: Duration = Duration::from_secs(5);

thread_local! {
    static SERVER: OnceCell<(Runtime, Router)> = const { OnceCell::new() };
}

/// Runs work on the one runtime, with the router of the one server.
pub fn with_router<F: Future>(work: impl FnOnce(Router) -> F) -> F::Output {
    SERVER.with(|server| {
        let (runtime, router) = server.get_or_init(start);
        runtime.block_on(work(router.clone()))
    })
}

fn start() -> (Runtime, Router) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut config = Config::default();
    // Every option that reads more of a request.
    config.response_masks = true;
    config.refuse_contradicting_bodies = true;
    config.split_escaped_slashes = true;
    config.rest_routes_without_rule = true;
    config.compress_min_bytes = 16;
    config.body_max_bytes = 64 * 1024;
    config.first_message_wait_ms = 1;
    config.sse_id_field = Some("id".to_owned());
    let router = runtime.block_on(async {
        let builder = Server::builder().config(config).service(EdgeServer::new(EdgeService));
        builder.into_router().expect("the tests' own service fits together")
    });
    (runtime, router)
}

/// What the server answers to all of `bytes`, up to the end of the connection.
pub fn converse(bytes: &[u8]) -> Vec<u8> {
    with_router(|router| async move {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let served = tokio::spawn(async move {
            let service = TowerToHyperService::new(router);
            let mut http = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new()).http1_only();
            // All is sent at once, and the end of it is not that nobody listens.
            http.http1().half_close(true);
            let _ = http.serve_connection_with_upgrades(TokioIo::new(server), service).await;
        });
        let mut answer = Vec::new();
        let talk = async {
            let _ = client.write_all(bytes).await;
            let _ = client.shutdown().await;
            let _ = client.read_to_end(&mut answer).await;
        };
        tokio::time::timeout(HANGS_AFTER, talk).await.expect("a connection that was closed ends");
        served.await.expect("nothing panics");
        answer
    })
}
