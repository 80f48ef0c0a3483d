//! JSON text out: strings, numbers, base64.
//!
//! Pure functions that append; commas, braces and names are the encoder's business.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::double::{DOUBLE_MAX, write_double};
use super::plain_text::plain_length;

/// Appends bytes that should be UTF-8 as a string with its quotes. U+2028 and U+2029 may stand raw in JSON
/// and do.
///
/// The error is how many bytes were valid.
pub(crate) fn put_text(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), usize> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.valid_up_to())?;
    put_string(text, out);
    Ok(())
}

/// Appends a string with its quotes.
#[inline]
pub(crate) fn put_string(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    out.reserve(rest.len() + 2);
    out.push(b'"');
    loop {
        let plain = plain_length(rest);
        out.extend_from_slice(&rest[..plain]);
        let Some(&byte) = rest.get(plain) else { break };
        let (escape, length) = escape(byte);
        out.extend_from_slice(&escape[..length]);
        rest = &rest[plain + 1..];
    }
    out.push(b'"');
}

/// How a byte is written that cannot stand in a string as it is: a block, and how much of it counts.
pub(crate) fn escape(byte: u8) -> ([u8; 6], usize) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            return ([b'\\', b'u', b'0', b'0', high, low], 6);
        }
    };
    ([b'\\', short, 0, 0, 0, 0], 2)
}

/// A string with its quotes, for tables that are built once.
pub(crate) fn quoted(text: &str) -> Box<[u8]> {
    let mut out = Vec::new();
    put_string(text, &mut out);
    out.into_boxed_slice()
}

/// Appends an integer; in quotes where its type has 64 bits, which a JavaScript number would round.
#[inline]
pub(crate) fn put_integer<I: itoa::Integer>(value: I, quotes: bool, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value).as_bytes();
    if quotes {
        out.push(b'"');
        out.extend_from_slice(digits);
        out.push(b'"');
    } else {
        out.extend_from_slice(digits);
    }
}

/// Appends the shortest text that reads back as the same double.
pub(crate) fn put_double(value: f64, out: &mut Vec<u8>) {
    let mut room = [0; DOUBLE_MAX];
    let length = write_double(value, &mut room);
    out.extend_from_slice(&room[..length]);
}

/// Appends the shortest text that reads back as the same float.
pub(crate) fn put_float(value: f32, out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        put_double(value.into(), out);
    }
}

/// Appends padded standard base64 in quotes.
pub(crate) fn put_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    STANDARD.encode_slice(bytes, &mut out[start..]).expect("four bytes were reserved for every three");
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(&*quoted("a\u{1}\u{1f}\u{7f}\"\\\n"), "\"a\\u0001\\u001f\u{7f}\\\"\\\\\\n\"".as_bytes());
    }

    proptest! {
        #[test]
        fn strings_are_what_serde_json_writes(text: String) {
            prop_assert_eq!(quoted(&text).to_vec(), serde_json::to_vec(&text).unwrap());
        }

        #[test]
        fn base64_is_standard_and_padded(bytes: Vec<u8>) {
            let mut out = Vec::new();
            put_base64(&bytes, &mut out);
            prop_assert_eq!(out, format!("\"{}\"", STANDARD.encode(&bytes)).into_bytes());
        }
    }
}
