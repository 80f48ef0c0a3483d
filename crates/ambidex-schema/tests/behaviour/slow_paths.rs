//! The fast paths against those that take everything: pretty text is never written by the fast one, and text that
//! begins with a space never read by it.

use ambidex_schema::{DecodeOptions, EncodeOptions, JsonError, MessageType, WireError};

/// Reads a message by the path that takes every spelling.
pub(crate) fn read_slowly(message: &MessageType, json: &[u8]) -> Result<Vec<u8>, JsonError> {
    let mut wire = Vec::new();
    message.json_to_wire(&[b" ", json].concat(), &DecodeOptions::default(), &mut wire)?;
    Ok(wire)
}

/// Writes a message by the path that takes everything, its text without the spaces that make it pretty.
pub(crate) fn write_slowly(
    message: &MessageType,
    wire: &[u8],
    options: &EncodeOptions,
) -> Result<Vec<u8>, WireError> {
    let mut json = Vec::new();
    message.wire_to_json(wire, &options.clone().with_pretty(true), &mut json)?;
    let (mut in_string, mut escaped) = (false, false);
    json.retain(|&byte| {
        let keep = in_string || !matches!(byte, b' ' | b'\n');
        in_string ^= byte == b'"' && !escaped;
        escaped = in_string && byte == b'\\' && !escaped;
        keep
    });
    Ok(json)
}
