//! grpcio, the Python client on gRPC's C core: each module of `python/` is one test here.

use std::net::SocketAddr;

use crate::program::{self, Program, prints};
use crate::server;

static PYTHON: Program = Program::new("python3 with grpcio", &["./venv/bin/python", "python3"], |python| {
    let packages =
        "import grpc, grpc_status, grpc_tools, grpc_health.v1, grpc_reflection, google.rpc.error_details_pb2";
    prints(python, &["-c", packages]).is_some()
});

/// Runs the tests of a module against the server of all tests.
#[track_caller]
fn passes(module: &str) {
    passes_with(module, server::address());
}

/// Runs the tests of a module, and shows what it says where one fails. False where they were skipped.
#[track_caller]
pub fn passes_with(module: &str, address: SocketAddr) -> bool {
    let Some(mut python) = PYTHON.command() else { return false };
    let folder = program::root().join("tests/foreign/python");
    let output = python
        // Compiled modules would be left beside the sources.
        .args(["-B", "-m", "unittest", "--verbose", module])
        .current_dir(folder)
        .env("PARITY_ADDRESS", address.to_string())
        .output()
        .expect("python runs");
    assert!(output.status.success(), "{module}: {}", program::shown(&output));
    print!("{}", program::shown(&output));
    true
}

#[test]
fn calls_of_every_kind() {
    passes("test_kinds");
}

#[test]
fn metadata() {
    passes("test_metadata");
}

#[test]
fn errors() {
    passes("test_errors");
}

#[test]
fn bad_requests() {
    passes("test_bad_requests");
}

#[test]
fn deadlines() {
    passes("test_deadlines");
}

#[test]
fn cancellation() {
    passes("test_cancellation");
}

#[test]
fn compression() {
    passes("test_compression");
}

#[test]
fn reply_compression() {
    passes_with("test_reply_compression", server::compressing());
}

#[test]
fn load() {
    passes("test_load");
}

#[test]
fn asyncio() {
    passes("test_asyncio");
}

#[test]
fn reflection() {
    passes("test_reflection");
}

#[test]
fn reflection_v1() {
    passes("test_reflection_v1");
}
