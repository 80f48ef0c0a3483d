//! What the targets share: the message types, and how bytes choose among them and the options.

use std::sync::LazyLock;

use ambidex_schema::{DecodeOptions, EncodeOptions, MessageType, Schema};
use prost_reflect::{DynamicMessage, MessageDescriptor};

#[allow(clippy::unwrap_used, reason = "a file of the tests, which lives by their rules")]
#[path = "../../tests/behaviour/generator.rs"]
mod generator;

#[allow(dead_code, reason = "a file of the tests, which use more of it")]
#[path = "../../tests/behaviour/oracle_faults.rs"]
mod oracle_faults;

#[path = "../../tests/behaviour/slow_paths.rs"]
mod slow_paths;

/// The types that are fuzzed: one with a field of every kind, proto2, and what ProtoJSON treats specially.
const TYPES: [&str; 13] = [
    "test.v1.Rich",
    "test.v1.Legacy",
    "google.protobuf.Any",
    "google.protobuf.Timestamp",
    "google.protobuf.Duration",
    "google.protobuf.FieldMask",
    "google.protobuf.Struct",
    "google.protobuf.Value",
    "google.protobuf.ListValue",
    "google.protobuf.DoubleValue",
    "google.protobuf.Int64Value",
    "google.protobuf.BytesValue",
    "google.protobuf.Empty",
];

static MESSAGES: LazyLock<Vec<MessageType>> = LazyLock::new(|| {
    let set = include_bytes!(concat!(env!("OUT_DIR"), "/protos.bin"));
    let schema = Schema::builder()
        .add_file_descriptor_set(set)
        .and_then(|builder| builder.build())
        .expect("the protos of the tests are sound");
    TYPES.iter().filter_map(|name| schema.message(name)).collect()
});

/// An arbitrary message of the richest type, out of arbitrary bytes.
pub fn arbitrary(bytes: &[u8]) -> DynamicMessage {
    generator::message(&mut generator::Entropy::new(bytes), &rich().descriptor())
}

/// The first type: the one with a field of every kind.
pub fn rich() -> &'static MessageType {
    &MESSAGES[0]
}

/// What the first byte chooses: often the richest type.
pub fn message_type(choice: u8) -> &'static MessageType {
    MESSAGES.get(usize::from(choice) % 20).unwrap_or(&MESSAGES[0])
}

/// Options for writing, a bit each.
pub fn encode_options(choice: u8) -> EncodeOptions {
    EncodeOptions::default()
        .with_original_field_names(choice & 1 != 0)
        .with_emit_unset_fields(choice & 2 != 0)
        .with_enums_as_numbers(choice & 4 != 0)
        .with_pretty(choice & 8 != 0)
}

/// JSON → wire, as the default options have it.
pub fn read(message: &MessageType, json: &[u8]) -> Result<Vec<u8>, ambidex_schema::JsonError> {
    let mut wire = Vec::new();
    message.json_to_wire(json, &DecodeOptions::default(), &mut wire)?;
    Ok(wire)
}

/// wire → JSON.
pub fn write(
    message: &MessageType,
    wire: &[u8],
    options: &EncodeOptions,
) -> Result<Vec<u8>, ambidex_schema::WireError> {
    let mut json = Vec::new();
    message.wire_to_json(wire, options, &mut json)?;
    Ok(json)
}

/// JSON → wire by the path that takes every spelling.
pub fn read_slowly(message: &MessageType, json: &[u8]) -> Result<Vec<u8>, ambidex_schema::JsonError> {
    slow_paths::read_slowly(message, json)
}

/// wire → JSON by the path that takes everything.
pub fn write_slowly(
    message: &MessageType,
    wire: &[u8],
    options: &EncodeOptions,
) -> Result<Vec<u8>, ambidex_schema::WireError> {
    slow_paths::write_slowly(message, wire, options)
}

/// The text as a JSON value of serde_json.
///
/// # Panics
///
/// When it is none.
pub fn value(json: &[u8]) -> serde_json::Value {
    serde_json::from_slice(json).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(json)))
}

/// What prost-reflect makes of wire bytes; `None` where it refuses them.
pub fn oracle_decode(message: &MessageDescriptor, wire: &[u8]) -> Option<DynamicMessage> {
    DynamicMessage::decode(message.clone(), wire).ok()
}

/// What prost-reflect reads in JSON, or why it refuses it.
pub fn oracle_read(message: &MessageDescriptor, json: &[u8]) -> Result<DynamicMessage, String> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let read =
        DynamicMessage::deserialize(message.clone(), &mut reader).map_err(|error| error.to_string())?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(read)
}

/// What prost-reflect writes; `None` where it refuses to.
pub fn oracle_write(message: &DynamicMessage) -> Option<serde_json::Value> {
    // Through text: as a value, a float would be widened to a double with other digits.
    Some(value(&serde_json::to_vec(message).ok()?))
}

/// What the oracle is known to get wrong with wire bytes that we write.
pub fn oracle_misreads(wire: &[u8]) -> bool {
    oracle_faults::oracle_mistakes_a_map(&rich().descriptor(), wire)
}

/// Why the oracle does not write a message.
pub fn oracle_refusal(message: &DynamicMessage) -> String {
    serde_json::to_vec(message).err().map(|error| error.to_string()).unwrap_or_default()
}

/// Whether the oracle is known to refuse, though it can be written, a message that it refuses with these words:
/// wrong wire types in an `Any`, where they are unknown fields, and an `Any` that holds nothing.
pub fn oracle_is_wrong_to_refuse(refusal: &str) -> bool {
    ["invalid wire type", "unsupported type url ''"].iter().any(|words| refusal.contains(words))
}

/// What the oracle is known to write though it cannot be written.
pub fn oracle_mends(error: &ambidex_schema::WireError) -> bool {
    oracle_faults::oracle_mends(error)
}
