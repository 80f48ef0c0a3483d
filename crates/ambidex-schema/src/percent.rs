//! Percent-encoding, strictly: what a URL spells is decoded once, and a malformed escape is an error.
//!
//! `percent-encoding`'s decoder passes malformed escapes through, which would let `%zz` reach a handler; so
//! escapes are checked here, before they are left to it or while they are decoded.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use smallvec::SmallVec;

/// The text has a `%` without two hexadecimal digits behind it, or decodes to what is not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadEscape;

/// Whether there are escapes. Fails where a `%` is not followed by two hexadecimal digits.
pub(crate) fn check(text: &str) -> Result<bool, BadEscape> {
    let bytes = text.as_bytes();
    let mut has_escapes = false;
    for percent in memchr::memchr_iter(b'%', bytes) {
        match bytes.get(percent + 1..percent + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => has_escapes = true,
            _ => return Err(BadEscape),
        }
    }
    Ok(has_escapes)
}

/// Decodes every escape.
pub(crate) fn decode(text: &str) -> Result<Cow<'_, str>, BadEscape> {
    // Most of a URL is what it says.
    if memchr::memchr(b'%', text.as_bytes()).is_none() {
        return Ok(Cow::Borrowed(text));
    }
    check(text)?;
    percent_decode_str(text).decode_utf8().map_err(|_| BadEscape)
}

/// Where decoded text is put: most fits, and then nothing is allocated.
pub(crate) type Room = SmallVec<[u8; 64]>;

/// Decodes what a form or a query says: every escape, and `+`, which is a space.
pub(crate) fn decode_form<'r>(text: &str, room: &'r mut Room) -> Result<&'r str, BadEscape> {
    room.clear();
    room.extend_from_slice(text.as_bytes());
    put_spaces(room);
    if let Some(first) = memchr::memchr(b'%', room) {
        let length = unescape(room, first)?;
        room.truncate(length);
    }
    std::str::from_utf8(room).map_err(|_| BadEscape)
}

/// Makes each `+` a space.
pub(crate) fn put_spaces(text: &mut [u8]) {
    for byte in text {
        // Without a branch, which several bytes at once would need.
        *byte = if *byte == b'+' { b' ' } else { *byte };
    }
}

/// Decodes escapes in place, the first of which is at `at`; returns how long the text is then.
fn unescape(text: &mut [u8], mut at: usize) -> Result<usize, BadEscape> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16)).ok_or(BadEscape);
    let mut length = at;
    while let Some(&byte) = text.get(at) {
        text[length] = if byte == b'%' {
            let value = digit(text.get(at + 1))? << 4 | digit(text.get(at + 2))?;
            at += 2;
            value as u8
        } else {
            byte
        };
        length += 1;
        at += 1;
    }
    Ok(length)
}

/// Decodes every escape but that of the slash: a value of several segments must keep telling a slash that
/// separates from one that was escaped.
pub(crate) fn decode_keeping_slashes(text: &str) -> Result<Cow<'_, str>, BadEscape> {
    decode_but(text, |byte| byte == b'/')
}

/// Decodes every escape but those of what RFC 6570 reserves, the slash among it.
pub(crate) fn decode_keeping_reserved(text: &str) -> Result<Cow<'_, str>, BadEscape> {
    decode_but(text, |byte| b":/?#[]@!$&'()*+,;=".contains(&byte))
}

/// Decodes every escape but those of bytes that are to be kept as they stand.
fn decode_but(text: &str, is_kept: impl Fn(u8) -> bool) -> Result<Cow<'_, str>, BadEscape> {
    let mut kept = escapes(text).filter(|(_, byte)| is_kept(*byte)).peekable();
    if kept.peek().is_none() {
        return decode(text);
    }
    let mut decoded = String::with_capacity(text.len());
    let mut start = 0;
    for (escape, _) in kept {
        decoded.push_str(&decode(&text[start..escape])?);
        decoded.push_str(&text[escape..escape + 3]);
        start = escape + 3;
    }
    decoded.push_str(&decode(&text[start..])?);
    Ok(Cow::Owned(decoded))
}

/// Turns escaped slashes into slashes and leaves every other escape alone; `None` where there are none.
pub(crate) fn unescape_slashes(text: &str) -> Option<String> {
    escaped_slashes(text).next()?;
    Some(text.replace("%2F", "/").replace("%2f", "/"))
}

fn escaped_slashes(text: &str) -> impl Iterator<Item = usize> + '_ {
    escapes(text).filter(|(_, byte)| *byte == b'/').map(|(at, _)| at)
}

/// Where escapes stand, and which byte each is; those that are none are left out.
fn escapes(text: &str) -> impl Iterator<Item = (usize, u8)> + '_ {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    memchr::memchr_iter(b'%', text.as_bytes()).filter_map(move |at| {
        let [high, low] = text.as_bytes().get(at + 1..at + 3)? else { return None };
        Some((at, (digit(*high)? << 4 | digit(*low)?) as u8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_escapes_are_errors() {
        for text in ["%", "%2", "%zz", "a%2", "%2g", "%%20"] {
            assert_eq!(decode(text), Err(BadEscape), "{text}");
        }
        assert_eq!(decode("%ff"), Err(BadEscape));
    }

    #[test]
    fn everything_else_is_decoded() {
        assert_eq!(decode("a%20b%2Fc%C3%A9"), Ok("a b/cé".into()));
        assert_eq!(decode("plain"), Ok(Cow::Borrowed("plain")));
    }

    #[test]
    fn in_a_query_a_plus_is_a_space() {
        let mut room = Room::new();
        assert_eq!(decode_form("a+b%2Bc%C3%A9", &mut room), Ok("a b+cé"));
        assert_eq!(decode_form("+%20+", &mut room), Ok("   "), "what was there before is gone");
        let long = "%41+".repeat(100);
        assert_eq!(decode_form(&long, &mut room), Ok(&*"A ".repeat(100)));
        for text in ["%", "%2", "%zz", "a%2", "%2+", "%+2", "%%20", "%ff", "%é"] {
            assert_eq!(decode_form(text, &mut room), Err(BadEscape), "{text}");
        }
    }

    #[test]
    fn slashes_can_be_kept() {
        assert_eq!(decode_keeping_slashes("a%2Fb/c%20d%2fe"), Ok("a%2Fb/c d%2fe".into()));
        assert_eq!(decode_keeping_slashes("a%zz%2F"), Err(BadEscape));
        // An escaped percent sign is decoded once, not twice.
        assert_eq!(decode_keeping_slashes("%252F"), Ok("%2F".into()));
    }

    #[test]
    fn what_is_reserved_can_be_kept() {
        let reserved = "%3A%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2B%2C%3B%3D";
        assert_eq!(decode_keeping_reserved(reserved), Ok(reserved.into()));
        assert_eq!(decode_keeping_reserved("a%3ab%20c%C3%A9/%2Fd%7E"), Ok("a%3ab cé/%2Fd~".into()));
        assert_eq!(decode_keeping_reserved("a%3A%zz"), Err(BadEscape));
        assert_eq!(decode_keeping_reserved("%3A%ff"), Err(BadEscape));
    }

    #[test]
    fn slashes_can_be_unescaped_alone() {
        assert_eq!(unescape_slashes("a%2Fb%20c%2fd"), Some("a/b%20c/d".to_owned()));
        assert_eq!(unescape_slashes("a%20b"), None);
    }
}
