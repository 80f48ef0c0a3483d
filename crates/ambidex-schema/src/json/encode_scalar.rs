//! wire → JSON: single values that are no messages.

use super::encode::{Encoder, other_wire_type};
use super::text::{put_base64, put_double, put_float, put_integer, put_text};
use crate::tables::Kind;
use crate::wire::{WireError, WireErrorKind, WireValue, unzigzag};

impl Encoder<'_, '_> {
    /// Writes a scalar. 32-bit kinds take the low half of a varint, as every protobuf reader does.
    #[inline]
    pub(crate) fn scalar(
        &mut self,
        kind: Kind,
        value: WireValue<'_>,
        offset: usize,
    ) -> Result<(), WireError> {
        match (kind, value) {
            (Kind::String, WireValue::Bytes(bytes)) => {
                put_text(bytes, self.out).map_err(|valid| invalid_utf8(offset + valid))?;
            }
            (Kind::Bytes, WireValue::Bytes(bytes)) => put_base64(bytes, self.out),
            (Kind::Int32, WireValue::Varint(value)) => put_integer(value as i32, false, self.out),
            (Kind::Int64, WireValue::Varint(value)) => put_integer(value as i64, true, self.out),
            (Kind::Uint32, WireValue::Varint(value)) => put_integer(value as u32, false, self.out),
            (Kind::Uint64, WireValue::Varint(value)) => put_integer(value, true, self.out),
            (Kind::Sint32, WireValue::Varint(value)) => {
                put_integer(unzigzag(u64::from(value as u32)) as i32, false, self.out);
            }
            (Kind::Sint64, WireValue::Varint(value)) => put_integer(unzigzag(value), true, self.out),
            (Kind::Bool, WireValue::Varint(value)) => self.put_bool(value != 0),
            (Kind::Enum(index), WireValue::Varint(value)) => self.put_enum(index, value as i32),
            (Kind::Fixed32, WireValue::Fixed32(value)) => put_integer(value, false, self.out),
            (Kind::Sfixed32, WireValue::Fixed32(value)) => put_integer(value as i32, false, self.out),
            (Kind::Float, WireValue::Fixed32(bits)) => put_float(f32::from_bits(bits), self.out),
            (Kind::Fixed64, WireValue::Fixed64(value)) => put_integer(value, true, self.out),
            (Kind::Sfixed64, WireValue::Fixed64(value)) => put_integer(value as i64, true, self.out),
            (Kind::Double, WireValue::Fixed64(bits)) => put_double(f64::from_bits(bits), self.out),
            _ => return Err(other_wire_type(offset)),
        }
        Ok(())
    }

    /// Writes what a scalar without presence means when it is absent.
    pub(crate) fn default_scalar(&mut self, kind: Kind) {
        let text: &[u8] = match kind {
            Kind::Double | Kind::Float => b"0.0",
            Kind::Int32 | Kind::Uint32 | Kind::Sint32 | Kind::Fixed32 | Kind::Sfixed32 => b"0",
            Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => b"\"0\"",
            Kind::Bool => b"false",
            Kind::String | Kind::Bytes => b"\"\"",
            Kind::Enum(index) => return self.put_enum(index, self.tables.enumeration(index).default),
            Kind::Message(_) | Kind::Group(_) => unreachable!("messages have presence"),
        };
        self.out.extend_from_slice(text);
    }

    pub(crate) fn put_bool(&mut self, value: bool) {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// Numbers without a name are written as numbers, so that they survive.
    fn put_enum(&mut self, index: u32, number: i32) {
        let table = self.tables.enumeration(index);
        if table.is_null_value {
            return self.out.extend_from_slice(b"null");
        }
        match table.quoted_name(number) {
            Some(name) if !self.options.enums_as_numbers => self.out.extend_from_slice(name),
            _ => put_integer(number, false, self.out),
        }
    }
}

#[cold]
pub(crate) fn invalid_utf8(offset: usize) -> WireError {
    WireError::new(WireErrorKind::InvalidUtf8, offset, "the string is not valid UTF-8")
}
