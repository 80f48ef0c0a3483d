//! The few lines of JSON that an HTTP reply has around its messages. Messages themselves are the schema's.

/// Appends `text` as a JSON string.
pub(crate) fn push_string(text: &str, json: &mut Vec<u8>) {
    json.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => json.extend_from_slice(b"\\\""),
            b'\\' => json.extend_from_slice(b"\\\\"),
            b'\n' => json.extend_from_slice(b"\\n"),
            b'\r' => json.extend_from_slice(b"\\r"),
            b'\t' => json.extend_from_slice(b"\\t"),
            0..0x20 => json.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => json.push(byte),
        }
    }
    json.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_reserves_is_escaped() {
        let mut json = Vec::new();
        push_string("a\"b\\c\n\u{1}é", &mut json);
        assert_eq!(String::from_utf8(json).expect("UTF-8"), "\"a\\\"b\\\\c\\n\\u0001é\"");
    }
}
