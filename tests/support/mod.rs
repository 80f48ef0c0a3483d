//! What the tests share: the service they call, a server to call it on, and a client for each wire.

pub mod allocations;
pub mod captured;
pub mod certificates;
pub mod dialed;
pub mod edge_service;
pub mod envelopes;
pub mod every_kind;
pub mod files_service;
pub mod folder;
pub mod frames;
pub mod grpc_web;
pub mod http_client;
pub mod parity_service;
pub mod running;
pub mod socket;
pub mod wires;

/// The generated code of the tests' own service.
pub mod parity_v1 {
    #![allow(missing_docs, reason = "the tests' own protos")]
    ambidex::include_proto!("parity.v1");
}

/// The generated code of the service that tests of the HTTP edge call.
pub mod edge_v1 {
    #![allow(missing_docs, reason = "the tests' own protos")]
    ambidex::include_proto!("edge.v1");
}

/// The generated code of the services of raw bytes and versions.
pub mod files_v1 {
    #![allow(missing_docs, reason = "the tests' own protos")]
    ambidex::include_proto!("files.v1");
}

/// The generated code of gRPC's server reflection.
pub mod reflection_v1 {
    #![allow(missing_docs, reason = "made from a proto that documents itself")]
    #![allow(dead_code, clippy::enum_variant_names, reason = "the names are the protocol's")]
    ambidex::include_proto!("grpc.reflection.v1");
}
