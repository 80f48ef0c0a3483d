//! Dotted paths to fields, and text bound to them as wire bytes.
//!
//! Protobuf merges by concatenation, so binding `book.name` is appending a `book` that holds nothing but a
//! `name`: no message has to be decoded for it. Defaults are written explicitly, because what is bound may
//! have to override what stands before it. The one thing concatenation cannot override is a list, and the
//! paths of a `FieldMask` are one: bound twice, they add up.

use std::fmt;

use crate::json::number::{Integer, NumberError};
use crate::json::well_known::{duration, field_mask, put_seconds_and_nanos, timestamp};
use crate::message_type::{FieldHandle, MessageType};
use crate::scalar::{put_base64_decoded, put_enum, put_number};
use crate::steps::{Step, Steps};
use crate::tables::{EnumTable, FieldTable, Kind, MessageTable, Shape, Tables, WellKnown};
use crate::wire::{Reader, WireValue, begin_length, end_length, put_varint};

/// A resolved dotted path of fields, such as `book.name`.
///
/// Every field but the last is a singular message. Resolved by [`MessageType::field_path`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPath {
    /// Never empty.
    fields: Vec<FieldHandle>,
    /// The same by their places.
    steps: Steps,
}

/// Why text is no path of fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldPathError {
    /// A message on the way has no field of this name.
    #[error("{message} has no field `{name}`")]
    Unknown {
        /// Full name of the message.
        message: String,
        /// The name that was looked for.
        name: String,
    },
    /// The path goes on behind a field that has no fields of its own, or several values.
    #[error("`{name}` of {message} is not a singular message, so `{rest}` cannot follow it")]
    NotAMessage {
        /// Full name of the message that has the field.
        message: String,
        /// The field.
        name: String,
        /// What stands behind it.
        rest: String,
    },
    /// The path is longer than any message may nest.
    #[error("the path nests too deeply")]
    TooDeep,
}

/// Text that does not fit a field it is bound to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}`: {message}")]
pub struct BindError {
    name: String,
    kind: BindErrorKind,
    message: String,
}

/// The reasons a [`BindError`] can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindErrorKind {
    /// The text is no value of the field's type.
    InvalidValue,
    /// A malformed escape, or one that decodes to what is not UTF-8.
    BadEscape,
    /// There is no such parameter.
    Unknown,
    /// A singular field, or a oneof, is set twice.
    Duplicate,
    /// The field is a map, a message or a list of messages, which text cannot spell.
    Unbindable,
    /// More parameters than allowed.
    LimitExceeded,
}

impl BindError {
    pub(crate) fn new(kind: BindErrorKind, name: impl Into<String>, message: impl Into<String>) -> Self {
        Self { name: crate::json::shortened(&name.into()), kind, message: message.into() }
    }

    /// What is wrong with the text of a field or parameter.
    #[cold]
    pub(crate) fn of(name: &str, (kind, message): Refusal) -> Self {
        Self::new(kind, name, message)
    }

    /// The field or parameter, as it was written.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The reason, for code that decides on it.
    pub fn kind(&self) -> BindErrorKind {
        self.kind
    }

    /// What is wrong with it.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl MessageType {
    /// Resolves a dotted path of proto names or JSON names.
    ///
    /// # Errors
    ///
    /// When a name is unknown, or the path goes on behind a field that is no singular message.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let set = prost_reflect::DescriptorPool::global().encode_to_vec();
    /// # let schema = ambidex_schema::Schema::builder().add_file_descriptor_set(&set)?.build()?;
    /// let file = schema.message("google.protobuf.FileDescriptorProto").expect("part of the pool");
    /// let path = file.field_path("options.java_package")?;
    /// let mut wire = Vec::new();
    /// path.bind_str("com.example", &mut wire)?;
    /// assert_eq!(path.to_string(), "options.java_package");
    /// assert_eq!(wire, b"\x42\x0d\x0a\x0bcom.example");
    /// # Ok(())
    /// # }
    /// ```
    pub fn field_path(&self, path: &str) -> Result<FieldPath, FieldPathError> {
        Ok(self.kept(self.steps(path)?))
    }

    /// The same for as long as the path is needed now.
    pub(crate) fn steps(&self, path: &str) -> Result<Steps, FieldPathError> {
        Steps::resolve(self, path, |message, name| message.field_by_any_name(name.as_bytes()))
    }

    /// Resolves a dotted path of proto names, the only ones an HTTP rule may use.
    pub(crate) fn proto_field_path(&self, path: &str) -> Result<FieldPath, FieldPathError> {
        let steps = Steps::resolve(self, path, MessageTable::field_by_proto_name)?;
        Ok(self.kept(steps))
    }

    fn kept(&self, steps: Steps) -> FieldPath {
        FieldPath { fields: steps.iter().map(|step| step.handle(self.tables())).collect(), steps }
    }
}

impl FieldPath {
    /// The fields, outermost first.
    pub fn fields(&self) -> &[FieldHandle] {
        &self.fields
    }

    /// The field the path leads to.
    pub fn leaf(&self) -> &FieldHandle {
        self.fields.last().expect("a path has at least one field")
    }

    /// Appends wire bytes that set the field to the value which the text spells.
    ///
    /// Numbers, enum names and numbers, `true` and `false` in any case, base64 of both alphabets, and the
    /// JSON strings of timestamps, durations, field masks and wrappers are understood. For a list, one
    /// element is appended. On error `out` is as it was before.
    ///
    /// # Errors
    ///
    /// When the text is no value of the field's type, or the field is one that text cannot spell.
    pub fn bind_str(&self, value: &str, out: &mut Vec<u8>) -> Result<(), BindError> {
        let before = out.len();
        let tables = self.leaf().parent().tables();
        put_path(tables, self.steps.first.table(tables), &self.steps.behind, value, out).map_err(|refusal| {
            out.truncate(before);
            self.refused(refusal)
        })
    }

    #[cold]
    fn refused(&self, refusal: Refusal) -> BindError {
        BindError::of(&self.to_string(), refusal)
    }

    /// The fields by their places.
    #[inline]
    pub(crate) fn steps(&self) -> &Steps {
        &self.steps
    }

    /// The value that holds in an encoded message: the last one. None where the field is not set, or the bytes are
    /// no message.
    pub(crate) fn last_value<'w>(&self, wire: &'w [u8]) -> Option<WireValue<'w>> {
        fn last<'w>(steps: &[FieldHandle], wire: &'w [u8]) -> Option<WireValue<'w>> {
            let (step, inner) = steps.split_first()?;
            let mut reader = Reader::new(wire, 0);
            let mut found = None;
            while let Ok(Some(record)) = reader.next() {
                if record.number != step.number() {
                    continue;
                }
                found = match (inner, record.value.bytes()) {
                    ([], _) => Some(record.value),
                    (_, Some(bytes)) => last(inner, bytes).or(found),
                    (_, None) => found,
                };
            }
            found
        }
        last(&self.fields, wire)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.fields.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            f.write_str(step.name())?;
        }
        Ok(())
    }
}

/// What is wrong with text, without the name that it was given for.
pub(crate) type Refusal = (BindErrorKind, String);

/// Appends a field: the value that the text spells, or what leads to the fields behind it. On error `out` is left as far
/// as it came.
#[inline]
pub(crate) fn put_path(
    tables: &Tables,
    field: &FieldTable,
    behind: &[Step],
    text: &str,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    match behind {
        [] => put_leaf(tables, field, text, out),
        [inner, behind @ ..] => put_outer(tables, field, inner.table(tables), behind, text, out),
    }
}

/// Appends a message that holds nothing but a field.
#[inline(never)]
fn put_outer(
    tables: &Tables,
    field: &FieldTable,
    inner: &FieldTable,
    behind: &[Step],
    text: &str,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    field.tag.put(out);
    let mark = match field.kind {
        Kind::Group(_) => None,
        _ => Some(begin_length(out)),
    };
    put_path(tables, inner, behind, text, out)?;
    match mark {
        Some(mark) => end_length(mark, out),
        None => put_varint(field.element_tag() + 1, out),
    }
    Ok(())
}

fn put_leaf(tables: &Tables, field: &FieldTable, text: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
    match field.kind {
        Kind::Message(_) | Kind::Group(_) if !field.is_text_bindable(tables) => Err(unbindable(field)),
        Kind::Message(index) => {
            field.put_element_tag(out);
            put_well_known(tables, index, text, out)
        }
        kind => {
            field.put_element_tag(out);
            put_scalar(tables, kind, text, out)
        }
    }
}

#[inline(never)]
fn put_well_known(tables: &Tables, index: u32, text: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let mark = begin_length(out);
    match tables.message(index).well_known {
        WellKnown::Timestamp => {
            let (seconds, nanos) = timestamp::parse(text.as_bytes()).map_err(invalid)?;
            put_seconds_and_nanos(seconds, nanos, out);
        }
        WellKnown::Duration => {
            let (seconds, nanos) = duration::parse(text.as_bytes()).map_err(invalid)?;
            put_seconds_and_nanos(seconds, nanos, out);
        }
        WellKnown::FieldMask => field_mask::put_paths(text, out).map_err(invalid)?,
        WellKnown::Wrapper(kind) => {
            out.push(1 << 3 | kind.wire_type());
            put_scalar(tables, kind, text, out)?;
        }
        _ => unreachable!("other messages are not bindable"),
    }
    end_length(mark, out);
    Ok(())
}

#[inline(always)]
fn put_scalar(tables: &Tables, kind: Kind, text: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
    match kind {
        Kind::String => {
            put_varint(text.len() as u64, out);
            out.extend_from_slice(text.as_bytes());
        }
        Kind::Bytes => {
            let mark = begin_length(out);
            if !put_base64_decoded(text.as_bytes(), out) {
                return Err(invalid("expected base64"));
            }
            end_length(mark, out);
        }
        // Clients in Python send `False`.
        Kind::Bool if text.eq_ignore_ascii_case("true") => out.push(1),
        Kind::Bool if text.eq_ignore_ascii_case("false") => out.push(0),
        Kind::Bool => return Err(invalid("expected true or false")),
        Kind::Enum(index) => put_enum_text(tables.enumeration(index), text, out)?,
        number => put_number(number, text, out).map_err(|error| match error {
            NumberError::NotANumber => invalid("expected a number"),
            other => invalid(other.message()),
        })?,
    }
    Ok(())
}

#[inline(never)]
fn put_enum_text(table: &EnumTable, text: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let by_number = || Integer::parse(text).and_then(Integer::to_i32).ok();
    let known = |number: &i32| !table.closed || table.quoted_name(*number).is_some();
    match table.number(text.as_bytes()).or_else(|| by_number().filter(known)) {
        Some(number) => put_enum(number, out),
        None => return Err(invalid(format!("{} has no value of this name or number", table.full_name))),
    }
    Ok(())
}

#[cold]
fn invalid(message: impl Into<String>) -> Refusal {
    (BindErrorKind::InvalidValue, message.into())
}

#[cold]
fn unbindable(field: &FieldTable) -> Refusal {
    let what = match field.shape {
        Shape::Map { .. } => "a map",
        Shape::List { .. } => "a list of messages",
        _ => "a message",
    };
    (BindErrorKind::Unbindable, format!("{what} cannot be written in a path or a query"))
}
