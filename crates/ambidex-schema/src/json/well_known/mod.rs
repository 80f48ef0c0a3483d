//! The messages that ProtoJSON spells in a way of their own, one file each.
//!
//! The files with text formats (`timestamp`, `duration`, `field_mask`) are pure functions between text and
//! values, which paths and queries use too; here they are joined to the decoder and the encoder.

pub(crate) mod any;
pub(crate) mod duration;
pub(crate) mod field_mask;
pub(crate) mod struct_value;
pub(crate) mod timestamp;
mod wrappers;

use std::borrow::Cow;

use super::decode::Decoder;
use super::decode_scalar::invalid;
use super::encode::Encoder;
use super::error::JsonError;
use crate::scalar::put_enum;
use crate::tables::WellKnown;
use crate::wire::{Reader, WireError, WireErrorKind, WireValue, put_varint};

impl<'a> Decoder<'a, '_> {
    /// Reads a special message and appends its bytes, without tag or length.
    pub(crate) fn well_known(&mut self, index: u32, special: WellKnown) -> Result<(), JsonError> {
        match special {
            WellKnown::Timestamp => {
                let (offset, text) = self.text_of("a timestamp string")?;
                let (seconds, nanos) =
                    timestamp::parse(text.as_bytes()).map_err(|message| invalid(offset, message))?;
                put_seconds_and_nanos(seconds, nanos, self.out);
                Ok(())
            }
            WellKnown::Duration => {
                let (offset, text) = self.text_of("a duration string")?;
                let (seconds, nanos) =
                    duration::parse(text.as_bytes()).map_err(|message| invalid(offset, message))?;
                put_seconds_and_nanos(seconds, nanos, self.out);
                Ok(())
            }
            WellKnown::FieldMask => {
                let (offset, text) = self.text_of("a field mask string")?;
                field_mask::put_paths(&text, self.out).map_err(|message| invalid(offset, message))
            }
            WellKnown::Wrapper(kind) => self.wrapper(kind),
            WellKnown::Any => self.any(),
            WellKnown::Value => self.value_fields(index),
            WellKnown::Struct { value } => self.struct_fields(value),
            WellKnown::ListValue { value } => self.list_values(value),
            WellKnown::No | WellKnown::Empty => unreachable!("these are read as plain messages"),
        }
    }

    fn text_of(&mut self, expected: &str) -> Result<(usize, Cow<'a, str>), JsonError> {
        if self.scanner.peek() != b'"' {
            return Err(self.wrong_type(expected));
        }
        let string = self.scanner.string()?;
        Ok((string.offset, string.content()))
    }
}

impl Encoder<'_, '_> {
    /// Writes the JSON of a special message.
    pub(crate) fn well_known(
        &mut self,
        index: u32,
        special: WellKnown,
        wire: &[u8],
        base: usize,
    ) -> Result<(), WireError> {
        match special {
            WellKnown::Timestamp => {
                let (seconds, nanos) = seconds_and_nanos(wire, base)?;
                self.text_of_32(base, |room| timestamp::write(seconds, nanos, room))
            }
            WellKnown::Duration => {
                let (seconds, nanos) = seconds_and_nanos(wire, base)?;
                self.text_of_32(base, |room| duration::write(seconds, nanos, room))
            }
            WellKnown::FieldMask => field_mask::put_mask(wire, base, self.out),
            WellKnown::Wrapper(kind) => self.wrapper(wire, base, kind),
            WellKnown::Any => self.any(wire, base),
            WellKnown::Value => self.value_kind(index, wire, base),
            WellKnown::Struct { value } => self.struct_entries(value, wire, base),
            WellKnown::ListValue { value } => self.list_elements(value, wire, base),
            WellKnown::No | WellKnown::Empty => unreachable!("these are written as plain messages"),
        }
    }

    fn text_of_32(
        &mut self,
        base: usize,
        write: impl FnOnce(&mut [u8; 32]) -> Result<usize, &'static str>,
    ) -> Result<(), WireError> {
        let mut room = [0; 32];
        let length = write(&mut room).map_err(|message| unrepresentable(base, message))?;
        self.out.extend_from_slice(&room[..length]);
        Ok(())
    }
}

/// Appends the two fields that `Timestamp` and `Duration` share.
///
/// Zeros are written too: where a path or query value is appended behind a body, its zero nanos have to
/// override the body's.
pub(crate) fn put_seconds_and_nanos(seconds: i64, nanos: i32, out: &mut Vec<u8>) {
    out.push(0x08);
    put_varint(seconds as u64, out);
    out.push(0x10);
    put_enum(nanos, out);
}

fn seconds_and_nanos(wire: &[u8], base: usize) -> Result<(i64, i32), WireError> {
    let (mut seconds, mut nanos) = (0, 0);
    let mut reader = Reader::new(wire, base);
    while let Some(record) = reader.next()? {
        match (record.number, record.value) {
            (1, WireValue::Varint(value)) => seconds = value as i64,
            (2, WireValue::Varint(value)) => nanos = value as i32,
            _ => {}
        }
    }
    Ok((seconds, nanos))
}

#[cold]
pub(crate) fn unrepresentable(offset: usize, message: impl Into<String>) -> WireError {
    WireError::new(WireErrorKind::Unrepresentable, offset, message)
}
