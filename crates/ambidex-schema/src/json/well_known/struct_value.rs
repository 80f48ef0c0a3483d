//! `Struct`, `Value` and `ListValue`: any JSON, as a message.
//!
//! The field numbers are those of `google/protobuf/struct.proto`.

use super::unrepresentable;
use crate::json::decode::Decoder;
use crate::json::encode::Encoder;
use crate::json::encode_map::Entry;
use crate::json::error::JsonError;
use crate::json::number::parse_double;
use crate::json::text::put_double;
use crate::prepared::Tag;
use crate::tables::Kind;
use crate::wire::{Reader, Record, WireError, WireValue, begin_length, end_length};

/// Tag of `Struct.fields`, a map from string to `Value`.
pub(crate) const STRUCT_FIELDS: u8 = 1 << 3 | 2;
/// Tag of `ListValue.values`.
pub(crate) const LIST_VALUES: u8 = 1 << 3 | 2;

pub(crate) const VALUE_NULL: u8 = 1 << 3;
pub(crate) const VALUE_NUMBER: u8 = 2 << 3 | 1;
pub(crate) const VALUE_STRING: u8 = 3 << 3 | 2;
pub(crate) const VALUE_BOOL: u8 = 4 << 3;
pub(crate) const VALUE_STRUCT: u8 = 5 << 3 | 2;
pub(crate) const VALUE_LIST: u8 = 6 << 3 | 2;

impl Decoder<'_, '_> {
    /// Reads any JSON value as the fields of a `Value`, the message with this index.
    pub(super) fn value_fields(&mut self, index: u32) -> Result<(), JsonError> {
        match self.scanner.peek() {
            b'"' => {
                self.out.push(VALUE_STRING);
                self.scanner.string_here()?.put_delimited(self.out);
            }
            b'-' | b'0'..=b'9' => {
                let offset = self.scanner.position();
                let number = parse_double(self.scanner.number()?)
                    .map_err(|error| super::invalid(offset, error.message()))?;
                self.out.push(VALUE_NUMBER);
                self.out.extend_from_slice(&number.to_le_bytes());
            }
            b'{' => {
                self.out.push(VALUE_STRUCT);
                let mark = begin_length(self.out);
                self.struct_fields(index)?;
                end_length(mark, self.out);
            }
            b'[' => {
                self.out.push(VALUE_LIST);
                let mark = begin_length(self.out);
                self.list_values(index)?;
                end_length(mark, self.out);
            }
            _ if self.scanner.take_word("null") => self.out.extend_from_slice(&[VALUE_NULL, 0]),
            _ => {
                let value = self.scanner.take_word("true");
                if !value && !self.scanner.take_word("false") {
                    return Err(self.wrong_type("a value"));
                }
                self.out.extend_from_slice(&[VALUE_BOOL, value.into()]);
            }
        }
        Ok(())
    }

    /// Reads an object as the fields of a `Struct`.
    pub(super) fn struct_fields(&mut self, value: u32) -> Result<(), JsonError> {
        self.map(&Tag::of_byte(STRUCT_FIELDS), Kind::String, Kind::Message(value))
    }

    /// Reads an array as the fields of a `ListValue`.
    pub(super) fn list_values(&mut self, value: u32) -> Result<(), JsonError> {
        self.enter(b'[', "an array")?;
        if !self.scanner.take(b']') {
            for index in 0.. {
                self.scanner.count_element(&mut self.elements_left)?;
                self.out.push(LIST_VALUES);
                let mark = begin_length(self.out);
                self.value_fields(value).map_err(|error| error.in_element(index))?;
                end_length(mark, self.out);
                if !self.next_element()? {
                    break;
                }
            }
        }
        self.leave();
        Ok(())
    }
}

impl Encoder<'_, '_> {
    /// Writes a `Value`; one without a kind is written as `null`, which is what it was most likely meant as.
    pub(super) fn value_kind(&mut self, index: u32, wire: &[u8], base: usize) -> Result<(), WireError> {
        let mut kind: Option<Record<'_>> = None;
        // A struct or list that occurs twice in a row is merged, by concatenation.
        let mut merged: Vec<u8> = Vec::new();
        let mut reader = Reader::new(wire, base);
        while let Some(record) = reader.next()? {
            if !is_kind(&record) {
                continue;
            }
            match (kind.map(|earlier| (earlier.number, earlier.value)), record.value) {
                (Some((number, WireValue::Bytes(earlier))), WireValue::Bytes(later))
                    if number == record.number && matches!(record.number, 5 | 6) =>
                {
                    if merged.is_empty() {
                        merged.extend_from_slice(earlier);
                    }
                    merged.extend_from_slice(later);
                }
                _ => merged.clear(),
            }
            kind = Some(record);
        }
        match kind {
            Some(last) => self.kind(index, last, &merged),
            None => {
                self.out.extend_from_slice(b"null");
                Ok(())
            }
        }
    }

    /// Writes the kind of a `Value`; a struct or list from `merged`, if there is something in it.
    fn kind(&mut self, index: u32, record: Record<'_>, merged: &[u8]) -> Result<(), WireError> {
        let Record { number, value, offset } = record;
        let bytes_or_merged = |bytes| if merged.is_empty() { bytes } else { merged };
        match (number, value) {
            (1, WireValue::Varint(_)) => self.out.extend_from_slice(b"null"),
            (2, WireValue::Fixed64(bits)) => {
                let number = f64::from_bits(bits);
                if !number.is_finite() {
                    return Err(unrepresentable(offset, "a Value cannot hold NaN or an infinity"));
                }
                put_double(number, self.out);
            }
            (3, value @ WireValue::Bytes(_)) => self.scalar(Kind::String, value, offset)?,
            (4, value @ WireValue::Varint(_)) => self.scalar(Kind::Bool, value, offset)?,
            (5, WireValue::Bytes(bytes)) => self.struct_entries(index, bytes_or_merged(bytes), offset)?,
            (6, WireValue::Bytes(bytes)) => self.list_elements(index, bytes_or_merged(bytes), offset)?,
            _ => unreachable!("only records that are a kind of Value come here"),
        }
        Ok(())
    }

    pub(super) fn struct_entries(&mut self, value: u32, wire: &[u8], base: usize) -> Result<(), WireError> {
        let mut reader = Reader::new(wire, base);
        let mut entries = Vec::new();
        while let Some(record) = reader.next()? {
            if let (1, WireValue::Bytes(entry)) = (record.number, record.value) {
                entries.push(Entry::read(entry, record.offset, (Kind::String, Kind::Message(value)))?);
            }
        }
        self.map(&entries, Kind::Message(value))
    }

    pub(super) fn list_elements(&mut self, value: u32, wire: &[u8], base: usize) -> Result<(), WireError> {
        let mut first = true;
        self.begin(b'[', base)?;
        let mut reader = Reader::new(wire, base);
        while let Some(record) = reader.next()? {
            if let (1, WireValue::Bytes(bytes)) = (record.number, record.value) {
                self.separate(first);
                first = false;
                self.value_kind(value, bytes, record.offset)?;
            }
        }
        self.end(b']', first);
        Ok(())
    }
}

/// Whether a record is one of the members of the oneof that a `Value` is.
fn is_kind(record: &Record<'_>) -> bool {
    matches!(
        (record.number, record.value),
        (1 | 4, WireValue::Varint(_)) | (2, WireValue::Fixed64(_)) | (3 | 5 | 6, WireValue::Bytes(_))
    )
}
