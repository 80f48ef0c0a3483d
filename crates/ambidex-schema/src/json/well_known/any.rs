//! `google.protobuf.Any`: a message of a type that its value names.
//!
//! `@type` may stand anywhere in the object, but the fields cannot be read before it is known. It usually
//! stands first; where it does not, the object is skipped through once to find it and then read. What is skipped may
//! hold more of the kind, so every `@type` that is passed is noted down: no text is skipped twice.

use std::collections::HashMap;

use super::unrepresentable;
use crate::json::decode::{Decoder, Extra};
use crate::json::encode::Encoder;
use crate::json::error::{JsonError, JsonErrorKind, shortened};
use crate::json::text::put_string;
use crate::tables::WellKnown;
use crate::wire::{Reader, WireError, WireErrorKind, WireValue, begin_length, end_length};

/// Tag of `Any.type_url`.
pub(crate) const TYPE_URL: u8 = 1 << 3 | 2;
/// Tag of `Any.value`.
pub(crate) const VALUE: u8 = 2 << 3 | 2;

/// What was learned of objects that were skipped through.
#[derive(Debug, Default)]
pub(crate) struct LateTypes {
    /// By where an object starts: where the value of its first `@type` does.
    by_object: HashMap<usize, usize>,
    /// Up to here all objects are known: one that is not among them has no `@type`.
    known_to: usize,
}

impl Decoder<'_, '_> {
    /// Reads an `Any`. An object without members is an `Any` that holds nothing.
    pub(super) fn any(&mut self) -> Result<(), JsonError> {
        let start = {
            self.scanner.peek();
            self.scanner.position()
        };
        let Some((type_url, offset)) = self.find_type()? else { return Ok(()) };
        let name = message_name(&type_url).ok_or_else(|| {
            unknown_type(offset, "a type URL ends with a slash and the full name of a message")
        })?;
        let tables = self.tables;
        let index = tables.message_index(name).ok_or_else(|| {
            unknown_type(offset, format!("the schema has no message `{}`", shortened(name)))
        })?;
        self.put_text(TYPE_URL, &type_url);
        self.out.push(VALUE);
        let mark = begin_length(self.out);
        self.scanner.seek(start);
        let table = tables.message(index);
        match table.well_known {
            WellKnown::No => self.plain_message(table, Extra::AnyType)?,
            // Some writers give `Empty` a value like the other well-known types, most do not.
            WellKnown::Empty => self.any_of_well_known(index, false)?,
            _ => self.any_of_well_known(index, true)?,
        }
        end_length(mark, self.out);
        Ok(())
    }

    /// The `@type` of the object that starts here, and where it stands; `None` where there are no members.
    fn find_type(&mut self) -> Result<Option<(String, usize)>, JsonError> {
        let start = self.scanner.position();
        let no_type = || JsonError::new(JsonErrorKind::InvalidValue, start, "an Any needs an @type");
        let elements_left = self.elements_left;
        self.enter(b'{', "an object")?;
        if self.scanner.take(b'}') {
            self.leave();
            return Ok(None);
        }
        if start < self.types.known_to {
            let value = *self.types.by_object.get(&start).ok_or_else(no_type)?;
            self.scanner.seek(value);
        } else {
            while self.key()?.content() != "@type" {
                self.skip_and_note()?;
                if !self.next_member()? {
                    return Err(no_type());
                }
            }
        }
        if self.scanner.peek() != b'"' {
            return Err(self.wrong_type("a type URL string").in_field("@type"));
        }
        let url = self.scanner.string()?;
        self.leave();
        // What was skipped is read again, and counts only once.
        self.elements_left = elements_left;
        Ok(Some((url.content().into_owned(), url.offset)))
    }

    /// Skips a value, and notes down the types of the objects in it.
    fn skip_and_note(&mut self) -> Result<(), JsonError> {
        let types = &mut self.types.by_object;
        self.scanner.skip_and_tell(
            self.depth_left,
            &mut self.elements_left,
            &mut |object, name, value| {
                if name.content() == "@type" {
                    types.entry(object).or_insert(value);
                }
            },
        )?;
        self.types.known_to = self.scanner.position();
        Ok(())
    }

    /// Reads `{"@type": …, "value": …}`, in any order.
    fn any_of_well_known(&mut self, index: u32, value_required: bool) -> Result<(), JsonError> {
        self.enter(b'{', "an object")?;
        let start = self.scanner.position();
        let (mut has_type, mut has_value) = (false, false);
        loop {
            let key = self.key()?;
            let name = key.content();
            let twice = match &*name {
                "@type" => {
                    self.skip()?;
                    std::mem::replace(&mut has_type, true)
                }
                "value" => {
                    self.message(index).map_err(|error| error.in_field("value"))?;
                    std::mem::replace(&mut has_value, true)
                }
                _ if self.options.ignore_unknown_fields => {
                    self.skip()?;
                    false
                }
                _ => {
                    let message = "an Any of a well-known type has only @type and value";
                    let error = JsonError::new(JsonErrorKind::UnknownField, key.offset, message);
                    return Err(error.in_field(&name));
                }
            };
            if twice {
                let message = "the field is given twice";
                return Err(JsonError::new(JsonErrorKind::Duplicate, key.offset, message).in_field(&name));
            }
            if !self.next_member()? {
                break;
            }
        }
        self.leave();
        if value_required && !has_value {
            let message = "an Any of a well-known type needs a value";
            return Err(JsonError::new(JsonErrorKind::InvalidValue, start, message));
        }
        Ok(())
    }
}

impl Encoder<'_, '_> {
    /// Writes an `Any`; one that holds nothing is written as `{}`.
    pub(super) fn any(&mut self, wire: &[u8], base: usize) -> Result<(), WireError> {
        let (mut type_url, mut value): (&[u8], &[u8]) = (b"", b"");
        let (mut type_offset, mut value_offset) = (base, base);
        let mut reader = Reader::new(wire, base);
        while let Some(record) = reader.next()? {
            match (record.number, record.value) {
                (1, WireValue::Bytes(bytes)) => (type_url, type_offset) = (bytes, record.offset),
                (2, WireValue::Bytes(bytes)) => (value, value_offset) = (bytes, record.offset),
                _ => {}
            }
        }
        if type_url.is_empty() {
            if !value.is_empty() {
                return Err(unrepresentable(base, "an Any with a value needs a type URL"));
            }
            self.out.extend_from_slice(b"{}");
            return Ok(());
        }
        let type_url = std::str::from_utf8(type_url).map_err(|_| {
            WireError::new(WireErrorKind::InvalidUtf8, type_offset, "the string is not valid UTF-8")
        })?;
        let name = message_name(type_url).ok_or_else(|| {
            let message = "a type URL ends with a slash and the full name of a message";
            WireError::new(WireErrorKind::UnknownType, type_offset, message)
        })?;
        let tables = self.tables;
        let index = tables.message_index(name).ok_or_else(|| {
            let message = format!("the schema has no message `{}`", shortened(name));
            WireError::new(WireErrorKind::UnknownType, type_offset, message)
        })?;
        self.begin(b'{', base)?;
        self.separate(true);
        self.put_key(b"\"@type\":");
        put_string(type_url, self.out);
        let table = tables.message(index);
        match table.well_known {
            WellKnown::No | WellKnown::Empty => {
                self.fields(table, value, value_offset, false)?;
            }
            special => {
                self.separate(false);
                self.put_key(b"\"value\":");
                self.well_known(index, special, value, value_offset)?;
            }
        }
        self.end(b'}', false);
        Ok(())
    }
}

/// What stands behind the last slash; `None` where there is no slash or nothing behind it.
pub(crate) fn message_name(type_url: &str) -> Option<&str> {
    let (_, name) = type_url.rsplit_once('/')?;
    (!name.is_empty()).then_some(name)
}

#[cold]
fn unknown_type(offset: usize, message: impl Into<String>) -> JsonError {
    JsonError::new(JsonErrorKind::UnknownType, offset, message).in_field("@type")
}
