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

/// JSON without spaces, put on lines as the transcoder does it for people.
pub(super) fn pretty(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.resize(out.len() + 2 * depth, b' ');
    };
    for (at, &byte) in json.iter().enumerate() {
        if in_string {
            out.push(byte);
            in_string = is_escaped || byte != b'"';
            is_escaped = byte == b'\\' && !is_escaped;
            continue;
        }
        match byte {
            b'{' | b'[' => {
                out.push(byte);
                // What is empty stays on its line.
                if !json.get(at + 1).is_some_and(|next| matches!(next, b'}' | b']')) {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                if !matches!(json[at - 1], b'{' | b'[') {
                    depth -= 1;
                    line(&mut out, depth);
                }
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            _ => {
                in_string = byte == b'"';
                out.push(byte);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_for_people_is_what_everybody_prints() {
        let values = [
            serde_json::json!({"error": {"message": "a \"b\\\": {c}, [d]\\", "details": [{"a": [1, -2.5]}, {}], "e": []}}),
            serde_json::json!([]),
            serde_json::json!({"a": [[], [{}]], "b": "\\\""}),
        ];
        for value in values {
            let expected = serde_json::to_string_pretty(&value).expect("JSON");
            assert_eq!(String::from_utf8(pretty(value.to_string().as_bytes())).expect("UTF-8"), expected);
        }
    }

    #[test]
    fn what_json_reserves_is_escaped() {
        let mut json = Vec::new();
        push_string("a\"b\\c\n\u{1}é", &mut json);
        assert_eq!(String::from_utf8(json).expect("UTF-8"), "\"a\\\"b\\\\c\\n\\u0001é\"");
    }
}
