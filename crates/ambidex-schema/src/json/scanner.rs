//! JSON text as tokens, on demand.
//!
//! The scanner holds a position in text that is known to be UTF-8 and hands out what the decoder asks for:
//! the next byte that matters, a string, a number, a skipped value. It follows
//! [RFC 8259](https://www.rfc-editor.org/rfc/rfc8259) to the letter and refuses to know messages.

use std::borrow::Cow;

use super::error::{JsonError, JsonErrorKind};
use super::number::{Integer, number_length, parse_plain_double};
use super::plain_text::plain_length;
use crate::prepared::PreparedKey;
use crate::wire::{begin_length, end_length, put_varint};

#[derive(Debug, Clone)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    position: usize,
    limits: TokenLimits,
}

/// How long single tokens may be, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenLimits {
    pub(crate) string: usize,
    pub(crate) number: usize,
}

impl TokenLimits {
    pub(crate) const NONE: Self = Self { string: usize::MAX, number: usize::MAX };
}

/// A string token, still in the text it came from; its escapes have been checked, not replaced.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawString<'a> {
    text: &'a str,
    /// Where the opening quote stands.
    pub(crate) offset: usize,
    /// Where the closing quote stands.
    end: usize,
    escaped: bool,
}

impl<'a> Scanner<'a> {
    /// Checks the encoding of the whole text first, so that every slice of it is a `str` for free.
    pub(crate) fn new(json: &'a [u8], limits: TokenLimits) -> Result<Self, JsonError> {
        match std::str::from_utf8(json) {
            Ok(text) => Ok(Self { text, position: 0, limits }),
            Err(error) => {
                Err(JsonError::new(JsonErrorKind::Syntax, error.valid_up_to(), "the text is not valid UTF-8"))
            }
        }
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn seek(&mut self, position: usize) {
        self.position = position;
    }

    /// The next byte that is no white space, without consuming it; zero at the end of the text.
    #[inline]
    pub(crate) fn peek(&mut self) -> u8 {
        match self.text.as_bytes().get(self.position) {
            Some(&byte) if byte > b' ' => byte,
            _ => self.peek_past_space(),
        }
    }

    fn peek_past_space(&mut self) -> u8 {
        while let Some(&byte) = self.text.as_bytes().get(self.position) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return byte;
            }
            self.position += 1;
        }
        0
    }

    /// Consumes this byte if it comes next.
    ///
    /// Written with a branch on purpose: adding the comparison to the position, as in
    /// `self.position += usize::from(next)`, is compiled wrongly by rustc 1.95 where it is inlined with
    /// optimisation, and the byte is not consumed.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        if self.peek() != byte {
            return false;
        }
        self.position += 1;
        true
    }

    /// Consumes the byte that [`peek`](Self::peek) has just shown.
    #[inline]
    pub(crate) fn advance(&mut self) {
        self.position += 1;
    }

    /// Consumes a name, with its quotes and colon, if just that text comes next.
    ///
    /// `false` says little: the same name may be written with escapes, or with space before its colon.
    #[inline]
    pub(crate) fn take_key(&mut self, key: &PreparedKey) -> bool {
        let Some(rest) = self.text.as_bytes().get(self.position..) else { return false };
        let found = key.begins(rest);
        if found {
            self.position += key.len();
        }
        found
    }

    #[inline]
    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.take(byte) {
            return Ok(());
        }
        Err(self.syntax(format!("expected `{}`, found {}", byte as char, self.describe_next())))
    }

    /// Fails unless only white space is left.
    pub(crate) fn finish(&mut self) -> Result<(), JsonError> {
        self.peek();
        if self.position == self.text.len() {
            return Ok(());
        }
        Err(self.syntax("expected the end of the text, found more of it"))
    }

    /// Consumes `null`, `true` or `false` if it comes next.
    #[inline]
    pub(crate) fn take_word(&mut self, word: &str) -> bool {
        self.peek();
        let rest = &self.text.as_bytes()[self.position..];
        if !rest.starts_with(word.as_bytes()) {
            return false;
        }
        if rest.get(word.len()).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
            return false;
        }
        self.position += word.len();
        true
    }

    /// Consumes a number and returns its text.
    #[inline]
    pub(crate) fn number(&mut self) -> Result<&'a str, JsonError> {
        self.peek();
        let start = self.position;
        let length = number_length(&self.text.as_bytes()[start..])
            .ok_or_else(|| JsonError::new(JsonErrorKind::Syntax, start, "this is not a JSON number"))?;
        let end = start + length;
        if let Some(byte) = self.text.as_bytes().get(end)
            && (byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-' | b'_'))
        {
            return Err(JsonError::new(JsonErrorKind::Syntax, start, "this is not a JSON number"));
        }
        if length > self.limits.number {
            return Err(number_too_long(start, self.limits.number));
        }
        self.position = end;
        Ok(&self.text[start..end])
    }

    /// Consumes an integer in its usual spelling, which must come right here: up to eighteen digits.
    ///
    /// `None`, and nothing consumed, for every other spelling and for what is no integer.
    #[inline]
    pub(crate) fn plain_integer(&mut self) -> Option<Integer> {
        let rest = self.text.as_bytes().get(self.position..)?;
        let (integer, used) = Integer::parse_plain(rest)?;
        if !ends_a_number(rest.get(used)) {
            return None;
        }
        self.position += used;
        Some(integer)
    }

    /// Consumes a string that holds an integer in its usual spelling and nothing else.
    ///
    /// `None`, and nothing consumed, for every other string.
    #[inline]
    pub(crate) fn quoted_integer(&mut self) -> Option<Integer> {
        let rest = self.text.as_bytes().get(self.position + 1..)?;
        let (integer, used) = Integer::parse_plain(rest)?;
        if rest.get(used) != Some(&b'"') {
            return None;
        }
        self.position += used + 2;
        Some(integer)
    }

    /// Consumes a decimal fraction in its usual spelling, which must come right here, if a double holds its
    /// digits exactly.
    ///
    /// `None`, and nothing consumed, for every other number.
    #[inline]
    pub(crate) fn plain_double(&mut self) -> Option<f64> {
        let rest = self.text.as_bytes().get(self.position..)?;
        let (value, used) = parse_plain_double(rest)?;
        if !ends_a_number(rest.get(used)) {
            return None;
        }
        self.position += used;
        Some(value)
    }

    /// Consumes a string.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<RawString<'a>, JsonError> {
        if self.peek() != b'"' {
            return Err(self.syntax(format!("expected a string, found {}", self.describe_next())));
        }
        self.string_here()
    }

    /// Consumes the string whose opening quote [`peek`](Self::peek) has just shown.
    #[inline]
    pub(crate) fn string_here(&mut self) -> Result<RawString<'a>, JsonError> {
        let offset = self.position;
        let bytes = self.text.as_bytes();
        let mut at = offset + 1;
        let mut escaped = false;
        loop {
            at += plain_length(&bytes[at..]);
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at += check_escape(&bytes[at..])
                        .map_err(|message| JsonError::new(JsonErrorKind::Syntax, at, message))?;
                }
                Some(_) => {
                    let message = "a control character must be escaped";
                    return Err(JsonError::new(JsonErrorKind::Syntax, at, message));
                }
                None => {
                    let message = "the text ends inside a string";
                    return Err(JsonError::new(JsonErrorKind::Syntax, offset, message));
                }
            }
        }
        if at - offset > self.limits.string {
            let message = format!("the string is longer than {} bytes", self.limits.string);
            return Err(JsonError::new(JsonErrorKind::LimitExceeded, offset, message));
        }
        self.position = at + 1;
        Ok(RawString { text: self.text, offset, end: at, escaped })
    }

    /// Consumes any value without looking into it, but checking that it is JSON.
    ///
    /// Counts what it passes against the same limits as a value that is read.
    pub(crate) fn skip(&mut self, depth_left: usize, elements_left: &mut usize) -> Result<(), JsonError> {
        self.skip_and_tell(depth_left, elements_left, &mut |_, _, _| {})
    }

    /// As [`skip`](Self::skip), and tells of every member it passes: where its object starts, its name, and where its
    /// value starts.
    pub(crate) fn skip_and_tell(
        &mut self,
        depth_left: usize,
        elements_left: &mut usize,
        tell: &mut impl FnMut(usize, &RawString<'a>, usize),
    ) -> Result<(), JsonError> {
        match self.peek() {
            b'{' | b'[' if depth_left == 0 => {
                Err(JsonError::new(JsonErrorKind::LimitExceeded, self.position, "values nest too deeply"))
            }
            b'{' => {
                let start = self.position;
                self.position += 1;
                if self.take(b'}') {
                    return Ok(());
                }
                loop {
                    self.count_element(elements_left)?;
                    let name = self.string()?;
                    self.expect(b':')?;
                    self.peek();
                    tell(start, &name, self.position);
                    self.skip_and_tell(depth_left - 1, elements_left, tell)?;
                    if !self.take(b',') {
                        return self.expect(b'}');
                    }
                }
            }
            b'[' => {
                self.position += 1;
                if self.take(b']') {
                    return Ok(());
                }
                loop {
                    self.count_element(elements_left)?;
                    self.skip_and_tell(depth_left - 1, elements_left, tell)?;
                    if !self.take(b',') {
                        return self.expect(b']');
                    }
                }
            }
            b'"' => self.string().map(drop),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            _ => {
                if self.take_word("null") || self.take_word("true") || self.take_word("false") {
                    return Ok(());
                }
                Err(self.syntax(format!("expected a value, found {}", self.describe_next())))
            }
        }
    }

    /// Takes one from the number of members and elements that are left.
    #[inline]
    pub(crate) fn count_element(&self, elements_left: &mut usize) -> Result<(), JsonError> {
        match elements_left.checked_sub(1) {
            Some(left) => {
                *elements_left = left;
                Ok(())
            }
            None => Err(JsonError::new(
                JsonErrorKind::LimitExceeded,
                self.position,
                "the text has too many members and elements",
            )),
        }
    }

    /// An error about the text at the current position.
    #[cold]
    pub(crate) fn syntax(&self, message: impl Into<String>) -> JsonError {
        JsonError::new(JsonErrorKind::Syntax, self.position, message)
    }

    /// What comes next, in words.
    #[cold]
    pub(crate) fn describe_next(&self) -> &'static str {
        match self.text.as_bytes().get(self.position) {
            None => "the end of the text",
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b'"') => "a string",
            Some(b'-' | b'0'..=b'9') => "a number",
            Some(b't') if self.clone().take_word("true") => "a bool",
            Some(b'f') if self.clone().take_word("false") => "a bool",
            Some(b'n') if self.clone().take_word("null") => "null",
            Some(b'}') => "`}`",
            Some(b']') => "`]`",
            Some(b',') => "`,`",
            Some(b':') => "`:`",
            Some(_) => "something that is not JSON",
        }
    }

    /// Whether a value, of any type, comes next: decides between a wrong type and broken syntax.
    #[cold]
    pub(crate) fn value_comes_next(&self) -> bool {
        match self.text.as_bytes().get(self.position) {
            Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9') => true,
            Some(b't') => self.clone().take_word("true"),
            Some(b'f') => self.clone().take_word("false"),
            Some(b'n') => self.clone().take_word("null"),
            _ => false,
        }
    }
}

#[cold]
pub(crate) fn number_too_long(offset: usize, max: usize) -> JsonError {
    JsonError::new(JsonErrorKind::LimitExceeded, offset, format!("the number is longer than {max} bytes"))
}

/// Whether a number may end before this byte. What else could follow is left to the general path.
#[inline]
pub(crate) fn ends_a_number(next: Option<&u8>) -> bool {
    matches!(next, None | Some(b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'))
}

/// Strings up to this many bytes are copied as one block.
const COPIED_AT_ONCE: usize = 32;

impl<'a> RawString<'a> {
    /// Between the quotes, escapes and all.
    #[inline]
    fn raw(&self) -> &'a str {
        &self.text[self.offset + 1..self.end]
    }

    /// The bytes of the content where no escape has to be replaced, which is nearly always.
    #[inline]
    pub(crate) fn plain(&self) -> Option<&'a [u8]> {
        if self.escaped {
            return None;
        }
        Some(&self.text.as_bytes()[self.offset + 1..self.end])
    }

    /// The content with escapes replaced.
    #[inline]
    pub(crate) fn content(&self) -> Cow<'a, str> {
        if !self.escaped {
            return Cow::Borrowed(self.raw());
        }
        let mut bytes = Vec::with_capacity(self.raw().len());
        self.unescape_into(&mut bytes);
        Cow::Owned(String::from_utf8(bytes).expect("unescaping checked text yields UTF-8"))
    }

    /// Appends the content with its length before it, as protobuf has strings.
    #[inline]
    pub(crate) fn put_delimited(&self, out: &mut Vec<u8>) {
        let Some(plain) = self.plain() else {
            let mark = begin_length(out);
            self.unescape_into(out);
            return end_length(mark, out);
        };
        put_varint(plain.len() as u64, out);
        // The text goes on behind a short string, so a block of fixed size can be copied and the surplus
        // cut off, which spares a call to `memcpy`.
        let block = self.text.as_bytes()[self.offset + 1..].first_chunk::<COPIED_AT_ONCE>();
        match block.filter(|_| plain.len() <= COPIED_AT_ONCE) {
            Some(block) => {
                let end = out.len() + plain.len();
                out.extend_from_slice(block);
                out.truncate(end);
            }
            None => out.extend_from_slice(plain),
        }
    }

    /// Appends the content with escapes replaced.
    pub(crate) fn unescape_into(&self, out: &mut Vec<u8>) {
        let text = self.raw().as_bytes();
        let start = out.len();
        out.resize(start + text.len(), 0);
        let length = unescape(text, &mut out[start..]);
        out.truncate(start + length);
    }
}

/// Writes what stands between the quotes of a string, its escapes, which were checked, replaced; returns how long that
/// is. It is never longer than the text.
pub(crate) fn unescape(mut text: &[u8], room: &mut [u8]) -> usize {
    let mut length = 0;
    let mut put = |bytes: &[u8]| {
        room[length..length + bytes.len()].copy_from_slice(bytes);
        length += bytes.len();
    };
    while let Some(backslash) = memchr::memchr(b'\\', text) {
        put(&text[..backslash]);
        text = &text[backslash..];
        let (character, used) = replaced(text);
        put(character.encode_utf8(&mut [0; 4]).as_bytes());
        text = &text[used..];
    }
    put(text);
    length
}

/// Checks the escape at the front and returns its length; a surrogate pair is one escape.
pub(crate) fn check_escape(bytes: &[u8]) -> Result<usize, &'static str> {
    match bytes.get(1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
        Some(b'u') => {
            let unit = code_unit(bytes).ok_or("a \\u escape takes four hexadecimal digits")?;
            match unit {
                0xd800..=0xdbff => match code_unit(&bytes[6..]) {
                    Some(0xdc00..=0xdfff) => Ok(12),
                    _ => Err("a high surrogate without its low surrogate"),
                },
                0xdc00..=0xdfff => Err("a low surrogate without its high surrogate"),
                _ => Ok(6),
            }
        }
        _ => Err("this escape is not one of JSON's"),
    }
}

/// The code unit of a `\uXXXX` at the front.
fn code_unit(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | (*digit as char).to_digit(16)?))
}

/// The character an escape stands for, and how many bytes it takes. The escape has been checked.
fn replaced(bytes: &[u8]) -> (char, usize) {
    const CHECKED: &str = "the scanner checked this escape";
    match bytes[1] {
        b'b' => ('\u{8}', 2),
        b'f' => ('\u{c}', 2),
        b'n' => ('\n', 2),
        b'r' => ('\r', 2),
        b't' => ('\t', 2),
        b'u' => {
            let unit = code_unit(bytes).expect(CHECKED);
            if let 0xd800..=0xdbff = unit {
                let low = code_unit(&bytes[6..]).expect(CHECKED);
                let character = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                return (char::from_u32(character).expect(CHECKED), 12);
            }
            (char::from_u32(unit).expect(CHECKED), 6)
        }
        itself => (itself as char, 2),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn skip(json: &str) -> Result<(), JsonError> {
        let mut scanner = Scanner::new(json.as_bytes(), TokenLimits::NONE)?;
        scanner.skip(100, &mut 1000)?;
        scanner.finish()
    }

    fn string(json: &str) -> Result<String, JsonError> {
        Ok(Scanner::new(json.as_bytes(), TokenLimits::NONE)?.string()?.content().into_owned())
    }

    #[test]
    fn escapes_are_replaced() {
        assert_eq!(string(r#""a\"\\\/\b\f\n\r\tA\ud83d\ude00z""#).unwrap(), "a\"\\/\u{8}\u{c}\n\r\tA😀z");
    }

    #[test]
    fn lone_surrogates_and_bad_escapes_are_refused() {
        for json in [
            r#""\ud83d""#,
            r#""\ude00""#,
            r#""\ud83dA""#,
            r#""\ud83d\ud83d""#,
            r#""\u12""#,
            r#""\u12g4""#,
            r#""\x41""#,
            r#""\"#,
            "\"\n\"",
            "\"",
        ] {
            assert!(string(json).is_err(), "{json}");
        }
    }

    #[test]
    fn only_json_is_skipped() {
        for json in ["[]", "{}", " [1, {\"a\": [null, true, false, -1.5e3, \"x\"]} ] ", "0", "\"\""] {
            assert!(skip(json).is_ok(), "{json}");
        }
        for json in [
            "",
            "[1,]",
            "{,}",
            "{\"a\":1,}",
            "[1 2]",
            "{\"a\" 1}",
            "{a:1}",
            "tru",
            "nulll",
            "01",
            "1.",
            "+1",
            "'a'",
            "[",
            "{\"a\":",
            "1 1",
            "NaN",
            "Infinity",
            "// x\n1",
        ] {
            assert!(skip(json).is_err(), "{json}");
        }
    }

    #[test]
    fn skipping_is_bounded_in_depth_and_elements() {
        let deep = "[".repeat(101) + &"]".repeat(101);
        assert_eq!(skip(&deep).unwrap_err().kind(), JsonErrorKind::LimitExceeded);
        let long = format!("[{}1]", "1,".repeat(1000));
        assert_eq!(skip(&long).unwrap_err().kind(), JsonErrorKind::LimitExceeded);
    }

    proptest! {
        #[test]
        fn strings_read_as_serde_json_reads_them(text: String) {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(string(&json).unwrap(), text);
        }

        #[test]
        fn skipping_agrees_with_serde_json(json in r#"[\[\]{},:"0-9a\\ .eE+-]{0,12}"#) {
            let expected = serde_json::from_str::<serde_json::Value>(&json);
            // serde_json refuses numbers beyond a double, which are still JSON.
            let huge = expected.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
            prop_assert!(huge || skip(&json).is_ok() == expected.is_ok());
        }
    }
}
