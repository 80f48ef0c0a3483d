//! The messages of Google's common protos that handlers meet, and their descriptors.

/// The descriptors, encoded: every server knows them, so that error details can be shown as JSON.
pub(crate) const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/google.bin"));

/// `google.api`: raw HTTP bodies and the types of annotations.
pub mod api {
    #![allow(missing_docs, clippy::all, reason = "generated from protos that document themselves")]
    include!(concat!(env!("OUT_DIR"), "/google.api.rs"));
}

/// `google.rpc`: the types of error details, tonic's own.
pub mod rpc {
    pub use tonic_types::pb::*;
}
