//! JSON → wire: single values that are no messages, and map keys.
//!
//! Everything here appends a value without its tag.

use super::decode::Decoder;
use super::error::{JsonError, JsonErrorKind, shortened};
use super::number::{Integer, NumberError};
use crate::scalar::{put_base64_decoded, put_enum, put_integer, put_number};
use crate::tables::Kind;
use crate::wire::{begin_length, end_length, put_varint};

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
        let string = self.scanner.string()?;
        match string.plain() {
            Some(text) => {
                put_varint(text.len() as u64, self.out);
                self.out.extend_from_slice(text.as_bytes());
            }
            None => {
                let mark = begin_length(self.out);
                string.unescape_into(self.out);
                end_length(mark, self.out);
            }
        }
        Ok(())
    }

    fn bytes_value(&mut self) -> Result<(), JsonError> {
        if self.scanner.peek() != b'"' {
            return Err(self.wrong_type("a base64 string"));
        }
        let string = self.scanner.string()?;
        let mark = begin_length(self.out);
        if !put_base64_decoded(string.content().as_bytes(), self.out) {
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
        match self.scanner.peek() {
            b'-' | b'0'..=b'9' => {
                let offset = self.scanner.position();
                let text = self.scanner.number()?;
                put_number(kind, text, self.out).map_err(|error| number_error(offset, error))
            }
            b'"' => {
                let string = self.scanner.string()?;
                put_number(kind, &string.content(), self.out)
                    .map_err(|error| number_error(string.offset, error))
            }
            _ => Err(self.wrong_type("a number")),
        }
    }

    fn enum_value(&mut self, index: u32) -> Result<bool, JsonError> {
        let tables = self.tables;
        let table = tables.enumeration(index);
        let number = match self.scanner.peek() {
            b'"' => {
                let string = self.scanner.string()?;
                let name = string.content();
                let Some(number) = table.number(name.as_bytes()) else {
                    let message = format!("{} has no value `{}`", table.full_name, shortened(&name));
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
    pub(crate) fn map_key(&mut self, kind: Kind, text: &str, offset: usize) -> Result<(), JsonError> {
        match kind {
            Kind::String => {
                put_varint(text.len() as u64, self.out);
                self.out.extend_from_slice(text.as_bytes());
                Ok(())
            }
            Kind::Bool => match text {
                "true" | "false" => {
                    self.out.push((text == "true").into());
                    Ok(())
                }
                _ => Err(invalid(offset, "the key is neither \"true\" nor \"false\"")),
            },
            number => Integer::parse(text)
                .and_then(|integer| put_integer(number, integer, self.out))
                .map_err(|error| number_error(offset, error)),
        }
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
