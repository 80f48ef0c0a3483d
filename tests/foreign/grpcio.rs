//! grpcio, the Python client on gRPC's C core: each module of `python/` is one test here.

use crate::program::{self, Program, prints};
use crate::server;

static PYTHON: Program = Program::new("python3 with grpcio", &["./venv/bin/python", "python3"], |python| {
    prints(python, &["-c", "import grpc, grpc_status, grpc_tools, google.rpc.error_details_pb2"]).is_some()
});

/// Runs the tests of a module, and shows what it says where one fails.
#[track_caller]
fn passes(module: &str) {
    let Some(mut python) = PYTHON.command() else { return };
    let folder = program::root().join("tests/foreign/python");
    let output = python
        // Compiled modules would be left beside the sources.
        .args(["-B", "-m", "unittest", "--verbose", module])
        .current_dir(folder)
        .env("PARITY_ADDRESS", server::address().to_string())
        .output()
        .expect("python runs");
    assert!(output.status.success(), "{module}: {}", program::shown(&output));
    print!("{}", program::shown(&output));
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
fn load() {
    passes("test_load");
}

#[test]
fn asyncio() {
    passes("test_asyncio");
}
