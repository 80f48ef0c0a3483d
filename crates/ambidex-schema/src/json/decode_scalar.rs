//! JSON → wire: single values that are no messages, and map keys.
//!
//! Everything here appends a value without its tag.

use std::borrow::Cow;

use super::decode::Decoder;
use super::error::{JsonError, JsonErrorKind, shortened};
use super::number::{Integer, NumberError};
use super::scanner::{RawString, number_too_long};
use crate::scalar::{put_base64_decoded, put_enum, put_integer, put_number};
use crate::tables::Kind;
use crate::wire::{begin_length, end_length};

impl Decoder<'_, '_> {
    /// Reads a scalar; `false`, and nothing appended, where it is an unknown enum value that is ignored.
    #[inline]
    pub(crate) fn scalar(&mut self, kind: Kind) -> Result<bool, JsonError> {
        match kind {
            Kind::String => self.string_value()?,
            Kind::Bytes => self.bytes_value()?,
            Kind::Bool => {
                let value = self.bool_value()?;
                self.out.push(value.into());
            }
            Kind::Enum(index) => return self.enum_value(index),
            number => self.number_value(number)?,
        }
        Ok(true)
    }

    fn string_value(&mut self) -> Result<(), JsonError> {
        if self.scanner.peek() != b'"' {
            return Err(self.wrong_type("a string"));
        }
        self.scanner.string_here()?.put_delimited(self.out);
        Ok(())
    }

    fn bytes_value(&mut self) -> Result<(), JsonError> {
        if self.scanner.peek() != b'"' {
            return Err(self.wrong_type("a base64 string"));
        }
        let string = self.scanner.string_here()?;
        let mark = begin_length(self.out);
        let decoded = match string.plain() {
            Some(plain) => put_base64_decoded(plain, self.out),
            None => put_base64_decoded(string.content().as_bytes(), self.out),
        };
        if !decoded {
            return Err(invalid(string.offset, "the string is not base64"));
        }
        end_length(mark, self.out);
        Ok(())
    }

    pub(crate) fn bool_value(&mut self) -> Result<bool, JsonError> {
        if self.scanner.take_word("true") {
            return Ok(true);
        }
        if self.scanner.take_word("false") {
            return Ok(false);
        }
        Err(self.wrong_type("a bool"))
    }

    /// Numbers may stand in quotes: the only way for some 64-bit integers, and allowed for all.
    #[inline]
    fn number_value(&mut self, kind: Kind) -> Result<(), JsonError> {
        let offset;
        let result = match (self.scanner.peek(), kind) {
            (b'-' | b'0'..=b'9', Kind::Double) => {
                if let Some(value) = self.scanner.plain_double() {
                    self.out.extend_from_slice(&value.to_le_bytes());
                    return Ok(());
                }
                offset = self.scanner.position();
                put_number(kind, self.scanner.number()?, self.out)
            }
            (b'-' | b'0'..=b'9', _) => {
                offset = self.scanner.position();
                match self.scanner.plain_integer() {
                    Some(integer) if kind != Kind::Float => put_integer(kind, integer, self.out),
                    _ => {
                        self.scanner.seek(offset);
                        put_number(kind, self.scanner.number()?, self.out)
                    }
                }
            }
            (b'"', _) => {
                offset = self.scanner.position();
                match self.scanner.quoted_integer() {
                    Some(integer) if !matches!(kind, Kind::Float | Kind::Double) => {
                        put_integer(kind, integer, self.out)
                    }
                    _ => {
                        self.scanner.seek(offset);
                        let string = self.scanner.string_here()?;
                        put_number(kind, &self.number_text(&string)?, self.out)
                    }
                }
            }
            _ => return Err(self.wrong_type("a number")),
        };
        result.map_err(|error| number_error(offset, error))
    }

    /// The content of a string that should be a number.
    fn number_text<'s>(&self, string: &RawString<'s>) -> Result<Cow<'s, str>, JsonError> {
        let text = string.content();
        if text.len() > self.options.max_number_bytes {
            return Err(number_too_long(string.offset, self.options.max_number_bytes));
        }
        Ok(text)
    }

    fn enum_value(&mut self, index: u32) -> Result<bool, JsonError> {
        let tables = self.tables;
        let table = tables.enumeration(index);
        let number = match self.scanner.peek() {
            b'"' => {
                let string = self.scanner.string_here()?;
                let number = match string.plain() {
                    Some(plain) => table.number(plain),
                    None => table.number(string.content().as_bytes()),
                };
                let Some(number) = number else {
                    let name = shortened(&string.content());
                    let message = format!("{} has no value `{name}`", table.full_name);
                    return self.unknown_enum_value(string.offset, message);
                };
                number
            }
            b'-' | b'0'..=b'9' => {
                let offset = self.scanner.position();
                let number = Integer::parse(self.scanner.number()?)
                    .and_then(Integer::to_i32)
                    .map_err(|error| number_error(offset, error))?;
                if table.closed && table.quoted_name(number).is_none() {
                    let message = format!("{} has no value with the number {number}", table.full_name);
                    return self.unknown_enum_value(offset, message);
                }
                number
            }
            b'n' if table.is_null_value && self.scanner.take_word("null") => 0,
            _ => return Err(self.wrong_type("the name or number of an enum value")),
        };
        put_enum(number, self.out);
        Ok(true)
    }

    fn unknown_enum_value(&self, offset: usize, message: String) -> Result<bool, JsonError> {
        if self.options.ignore_unknown_fields {
            return Ok(false);
        }
        Err(JsonError::new(JsonErrorKind::UnknownField, offset, message))
    }

    /// Appends a map key; JSON has only strings for them.
    pub(crate) fn map_key(&mut self, kind: Kind, key: &RawString<'_>) -> Result<(), JsonError> {
        if kind == Kind::String {
            key.put_delimited(self.out);
            return Ok(());
        }
        let text = self.number_text(key)?;
        if kind == Kind::Bool {
            if !matches!(&*text, "true" | "false") {
                return Err(invalid(key.offset, "the key is neither \"true\" nor \"false\""));
            }
            self.out.push((text == "true").into());
            return Ok(());
        }
        Integer::parse(&text)
            .and_then(|integer| put_integer(kind, integer, self.out))
            .map_err(|error| number_error(key.offset, error))
    }
}

#[cold]
pub(crate) fn invalid(offset: usize, message: impl Into<String>) -> JsonError {
    JsonError::new(JsonErrorKind::InvalidValue, offset, message)
}

#[cold]
fn number_error(offset: usize, error: NumberError) -> JsonError {
    invalid(offset, error.message())
}
