//! `grpc-web`, gRPC-Web's own client for browsers, on Node.js. What Connect's clients make of the same protocol is among
//! the wires of their own tests.

use crate::node::passes;

#[test]
fn bytes_and_base64() {
    passes("grpc_web.mjs");
}
