//! The messages that transcoding is measured with: structs by prost, serde implementations by pbjson.

/// The generated messages.
#[allow(missing_docs, clippy::allow_attributes_without_reason, reason = "generated code")]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/bench.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/bench.v1.serde.rs"));
}

/// The encoded descriptors of the messages and of what they import.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bench.bin"));
