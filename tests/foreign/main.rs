//! Clients written by others call the tests' own services: grpcio (Python), grpc-js, grpc-web, Connect's for
//! Node.js and browsers, `buf curl` and curl.
//!
//! Our own client shares our reading of the protocols, mistakes included; these do not. They run as child
//! processes against one server in this process, and every answer is checked, theirs to print and ours to give.
//!
//! `tests/foreign/install.sh` installs the clients. Tests of one that is missing are skipped, and say so; where
//! `CI` is set they fail instead, as a test that never runs proves nothing (`AMBIDEX_REQUIRE_FOREIGN` says 1 or 0
//! over it).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so best by panicking where it stands")]
#![allow(unreachable_pub, reason = "modules of one binary, and generated code that is public by nature")]

#[path = "../support/edge_service.rs"]
mod edge_service;
#[path = "../support/parity_service.rs"]
mod parity_service;

/// The generated code of the service that every protocol has.
mod parity_v1 {
    #![allow(missing_docs, reason = "the tests' own protos")]
    #![allow(dead_code, reason = "our own client is not among those that call here")]
    ambidex::include_proto!("parity.v1");
}

/// The generated code of the HTTP edge's.
mod edge_v1 {
    #![allow(missing_docs, reason = "the tests' own protos")]
    #![allow(dead_code, reason = "our own client is not among those that call here")]
    ambidex::include_proto!("edge.v1");
}

mod node;
mod program;
mod server;
#[cfg(target_os = "linux")]
mod server_process;

mod buf;
mod connect;
mod curl;
mod grpc_js;
mod grpc_web;
mod grpcio;
#[cfg(target_os = "linux")]
mod haproxy;
mod health;

mod grpc_by_hand;
mod http_streams;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod nginx;
mod raw_bodies;
mod refusals;
mod rest;
#[cfg(target_os = "linux")]
mod restarts;
mod rpc_routes;
