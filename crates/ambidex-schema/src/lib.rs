//! Protobuf descriptors as compact tables.

mod features;
pub mod json;
mod message_type;
mod name_index;
mod scalar;
mod schema;
mod tables;
mod wire;

pub use json::{DecodeOptions, EncodeOptions, JsonError, JsonErrorKind};
pub use message_type::{FieldHandle, MessageType};
pub use schema::{Schema, SchemaBuilder, SchemaError};
pub use wire::{WireError, WireErrorKind};
