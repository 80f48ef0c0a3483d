//! The two paths of wire → JSON against each other: pretty text never takes the fast one.

use ambidex_schema::{EncodeOptions, MessageType, WireError};

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
