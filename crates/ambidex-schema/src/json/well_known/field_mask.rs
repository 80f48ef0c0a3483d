//! `google.protobuf.FieldMask` as text: lowerCamel paths with commas between.
//!
//! A path is accepted only if it survives the way there and back, so that a mask means the same fields on
//! both sides. Whether it names a field is not asked: `*` is a path too.

use super::unrepresentable;
use crate::json::text::put_string;
use crate::wire::{Reader, WireError, WireErrorKind, WireValue, begin_length, end_length};

/// Tag of `FieldMask.paths`.
const PATHS: u8 = 1 << 3 | 2;

/// Appends the paths of a mask in lowerCamel text as fields of the message.
pub(crate) fn put_paths(text: &str, out: &mut Vec<u8>) -> Result<(), &'static str> {
    if text.is_empty() {
        return Ok(());
    }
    let before = out.len();
    for path in text.split(',') {
        out.push(PATHS);
        let mark = begin_length(out);
        if let Err(message) = put_snake(path, out) {
            out.truncate(before);
            return Err(message);
        }
        end_length(mark, out);
    }
    Ok(())
}

fn put_snake(path: &str, out: &mut Vec<u8>) -> Result<(), &'static str> {
    if path.is_empty() || path.split('.').any(str::is_empty) {
        return Err("a path of the field mask is empty");
    }
    for &byte in path.as_bytes() {
        match byte {
            b'A'..=b'Z' => out.extend_from_slice(&[b'_', byte.to_ascii_lowercase()]),
            b'_' => return Err("a field mask has names in lowerCamel, without underscores"),
            other => out.push(other),
        }
    }
    Ok(())
}

/// Appends one path in lowerCamel; fails where reading it back would give another path.
fn put_camel(path: &str, out: &mut String) -> Result<(), &'static str> {
    const BROKEN: &str = "a path of the field mask does not survive the way to lowerCamel and back";
    let mut after_underscore = false;
    for character in path.chars() {
        match character {
            'a'..='z' if after_underscore => out.push(character.to_ascii_uppercase()),
            _ if after_underscore => return Err(BROKEN),
            '_' => {}
            'A'..='Z' | ',' => return Err(BROKEN),
            other => out.push(other),
        }
        after_underscore = character == '_';
    }
    if after_underscore || path.is_empty() || path.split('.').any(str::is_empty) {
        return Err(BROKEN);
    }
    Ok(())
}

/// Appends an encoded mask as text in quotes.
pub(crate) fn put_mask(wire: &[u8], base: usize, out: &mut Vec<u8>) -> Result<(), WireError> {
    let mut text = String::new();
    let mut reader = Reader::new(wire, base);
    while let Some(record) = reader.next()? {
        let (1, WireValue::Bytes(path)) = (record.number, record.value) else { continue };
        let path = std::str::from_utf8(path).map_err(|_| {
            WireError::new(WireErrorKind::InvalidUtf8, record.offset, "the string is not valid UTF-8")
        })?;
        if !text.is_empty() {
            text.push(',');
        }
        put_camel(path, &mut text).map_err(|message| unrepresentable(record.offset, message))?;
    }
    put_string(&text, out);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn snake(path: &str) -> Result<String, &'static str> {
        let mut out = Vec::new();
        put_snake(path, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn camel(path: &str) -> Result<String, &'static str> {
        let mut out = String::new();
        put_camel(path, &mut out)?;
        Ok(out)
    }

    #[test]
    fn paths_change_their_case() {
        assert_eq!(snake("displayName.fooBar"), Ok("display_name.foo_bar".to_owned()));
        assert_eq!(camel("display_name.foo_bar"), Ok("displayName.fooBar".to_owned()));
    }

    #[test]
    fn names_that_do_not_survive_are_refused() {
        for path in ["fooBar", "foo__bar", "foo_3_bar", "foo_", "foo_.bar", "", "a..b", "a,b"] {
            assert!(camel(path).is_err(), "{path}");
        }
        for path in ["foo_bar", "", "a..b", ".a", "a."] {
            assert!(snake(path).is_err(), "{path}");
        }
    }

    #[test]
    fn an_empty_mask_has_no_paths() {
        let mut out = Vec::new();
        put_paths("", &mut out).unwrap();
        assert!(out.is_empty());
        assert!(put_paths("a,,b", &mut out).is_err());
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(path in "[a-zA-Z_0-9.,*é]{1,20}") {
            if let Ok(written) = camel(&path) {
                prop_assert_eq!(snake(&written), Ok(path));
            }
        }
    }
}
