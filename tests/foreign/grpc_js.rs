//! `@grpc/grpc-js`, gRPC's own client for Node.js: each module `node/grpc_js_*.mjs` is one test here.

use crate::node::passes;

#[test]
fn calls_of_every_kind() {
    passes("grpc_js_kinds.mjs");
}

#[test]
fn metadata() {
    passes("grpc_js_metadata.mjs");
}

#[test]
fn errors() {
    passes("grpc_js_errors.mjs");
}

#[test]
fn deadlines_and_cancellation() {
    passes("grpc_js_endings.mjs");
}

#[test]
fn compression() {
    passes("grpc_js_compression.mjs");
}

#[test]
fn keep_alive() {
    passes("grpc_js_keep_alive.mjs");
}
