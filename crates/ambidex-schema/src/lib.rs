//! What a service's descriptors know: messages, JSON, HTTP rules and routes. No runtime, no protocol.
//!
#![doc = include_str!("../README.md")]
//!
//! # Modules in reading order
//!
//! | Module | Owns |
//! |---|---|
//! | `schema` | [`Schema`]: descriptor sets loaded once, editions lowered, handles given out |
//! | `file_index` | [`FileIndex`]: which file declares what, for those who hand descriptors on |
//! | `features` | what protobuf editions change, resolved |
//! | `tables`, `name_index`, `prepared` | the compact tables behind every hot path |
//! | `message_type` | [`MessageType`] and [`FieldHandle`], the handles everything else is asked through |
//! | `wire` | the protobuf wire format, one record at a time; [`WireError`] |
//! | `encode_wire` | [`encode_wire`]: structs of prost as wire bytes |
//! | [`json`] | ProtoJSON ⇄ wire bytes, one pass each way |
//! | `scalar` | parsed scalars as wire bytes, the same for bodies and URLs |
//! | `path_template` | [`PathTemplate`]: the patterns of `google.api.http`, parsed |
//! | `route_table` | [`RouteTable`]: which route a method and a path belong to |
//! | `percent` | percent-encoding, strictly |
//! | `http_verb`, `http_rule` | [`http_bindings`]: rules read from options and checked against messages |
//! | `field_path` | [`FieldPath`]: dotted paths, and text bound to them |
//! | `steps` | the same paths for as long as a query parameter is bound |
//! | `query` | [`bind_query`]: query parameters as fields |
//! | `field_mask` | [`mask_from_json`]: which fields a PATCH body names |
//! | `response_mask` | [`ResponseMask`]: which fields of a reply are shown |

#![forbid(unsafe_code)]

mod encode_wire;
mod features;
mod field_mask;
mod field_path;
mod file_index;
mod http_rule;
mod http_verb;
pub mod json;
mod message_type;
mod name_index;
mod path_template;
mod percent;
mod prepared;
mod query;
mod response_mask;
mod route_table;
mod scalar;
mod schema;
mod steps;
mod tables;
mod wire;

pub use encode_wire::encode_wire;
pub use field_mask::mask_from_json;
pub use field_path::{BindError, BindErrorKind, FieldPath, FieldPathError};
pub use file_index::{DescriptorFile, FileIndex};
pub use http_rule::{
    BodyBinding, HttpBinding, HttpRuleError, HttpRuleProblem, http_bindings, http_bindings_of,
};
pub use http_verb::HttpVerb;
pub use json::{DecodeOptions, EncodeOptions, JsonError, JsonErrorKind};
pub use message_type::{FieldHandle, MessageType};
pub use path_template::{PathTemplate, Segment, TemplateError, Variable};
pub use prost_reflect::MethodDescriptor;
pub use query::{QueryOptions, bind_query};
pub use response_mask::{ResponseMask, ResponseMaskError};
pub use route_table::{Captures, Match, RouteConflict, RouteTable};
pub use schema::{Schema, SchemaBuilder, SchemaError};
pub use wire::{WireError, WireErrorKind};
