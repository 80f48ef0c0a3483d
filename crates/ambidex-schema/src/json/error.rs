//! Where and why JSON text does not fit a message.
//!
//! An error is built where it happens, knowing only a byte offset; fields and indexes are added as it
//! passes out through them, and line and column are counted last, so a call that succeeds pays for none of
//! it. The input is never echoed, except for single names, cut short.

use std::fmt::{self, Write as _};

/// Names from the input are quoted in messages up to this many characters.
const QUOTED_CHARACTERS_MAX: usize = 48;

/// Why JSON text cannot become a message.
///
/// Displays as `line 1, column 14: items[3].price: expected a number, found a string`.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonError {
    // Boxed, because results of every decoding step carry it and are almost always `Ok`.
    inner: Box<Inner>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    kind: JsonErrorKind,
    message: String,
    offset: usize,
    line: usize,
    column: usize,
    /// Innermost first.
    path: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(usize),
    Key(String),
}

/// The reasons a [`JsonError`] can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonErrorKind {
    /// The text is not JSON, or not UTF-8.
    Syntax,
    /// The text is JSON, but this value does not fit its field.
    InvalidValue,
    /// The message has no such field, or the enum no such name.
    UnknownField,
    /// A key, or a oneof, is set twice.
    Duplicate,
    /// An `Any` names a type that the schema does not hold.
    UnknownType,
    /// A limit of the options was exceeded.
    LimitExceeded,
}

impl JsonError {
    #[cold]
    pub(crate) fn new(kind: JsonErrorKind, offset: usize, message: impl Into<String>) -> Self {
        let inner = Inner { kind, message: message.into(), offset, line: 0, column: 0, path: Vec::new() };
        Self { inner: Box::new(inner) }
    }

    #[cold]
    pub(crate) fn in_field(mut self, name: &str) -> Self {
        self.inner.path.push(Step::Field(shortened(name)));
        self
    }

    #[cold]
    pub(crate) fn in_element(mut self, index: usize) -> Self {
        self.inner.path.push(Step::Index(index));
        self
    }

    #[cold]
    pub(crate) fn in_entry(mut self, key: &str) -> Self {
        self.inner.path.push(Step::Key(shortened(key)));
        self
    }

    /// Counts line and column, once the text is at hand again.
    #[cold]
    pub(crate) fn located(mut self, json: &[u8]) -> Self {
        let before = &json[..self.inner.offset.min(json.len())];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        self.inner.line = memchr::memchr_iter(b'\n', before).count() + 1;
        self.inner.column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
        self
    }

    /// The reason, for code that decides on it.
    pub fn kind(&self) -> JsonErrorKind {
        self.inner.kind
    }

    /// What is wrong, without place and path.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// Byte offset in the text, from zero.
    pub fn offset(&self) -> usize {
        self.inner.offset
    }

    /// Line, from one.
    pub fn line(&self) -> usize {
        self.inner.line
    }

    /// Column in characters, from one.
    pub fn column(&self) -> usize {
        self.inner.column
    }

    /// The field the error is about, such as `items[3].price`; empty where it is about the whole text.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for step in self.inner.path.iter().rev() {
            match step {
                Step::Field(name) if path.is_empty() => path.push_str(name),
                Step::Field(name) => {
                    path.push('.');
                    path.push_str(name);
                }
                Step::Index(index) => {
                    write!(path, "[{index}]").expect("writing to a string cannot fail");
                }
                Step::Key(key) => {
                    write!(path, "[{key:?}]").expect("writing to a string cannot fail");
                }
            }
        }
        path
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line(), self.column())?;
        if !self.inner.path.is_empty() {
            write!(f, "{}: ", self.path())?;
        }
        f.write_str(self.message())
    }
}

impl fmt::Debug for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonError({:?}, {self})", self.kind())
    }
}

impl std::error::Error for JsonError {}

/// A name from the input, short enough for a message.
pub(crate) fn shortened(name: &str) -> String {
    match name.char_indices().nth(QUOTED_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_says_line_column_and_path() {
        let json = b"{\n  \"items\": [{\"price\": \"x\"}]}";
        let error = JsonError::new(JsonErrorKind::InvalidValue, 24, "expected a number, found a string")
            .in_field("price")
            .in_element(3)
            .in_field("items")
            .located(json);
        assert_eq!(error.to_string(), "line 2, column 23: items[3].price: expected a number, found a string");
    }

    #[test]
    fn columns_count_characters_not_bytes() {
        let error = JsonError::new(JsonErrorKind::Syntax, "\"é\"".len(), "x").located("\"é\"".as_bytes());
        assert_eq!(error.column(), 4);
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(shortened(&"x".repeat(500)).chars().count(), QUOTED_CHARACTERS_MAX + 1);
    }
}
