//! wire → JSON: what a caller sees of it, and the path that takes everything.
//!
//! Members are written in the order of field numbers. Encoders write fields in that order too, so
//! [`encode_fast`](super::encode_fast) writes values as it meets them. Wire bytes may also be out of order,
//! interleaved, or hold singular fields and map keys several times, or values of another wire type than their
//! field's, which are unknown fields. The first such surprise, at whatever depth, abandons the whole run, and the
//! one here starts that expects it everywhere: every message gathers its records, sorts and merges them, and writes
//! then. Falling back message by message would double the work at every level of nesting; this doubles it once.
//!
//! Messages and lists are in `encode_any_order`, single values in `encode_scalar`, maps in `encode_map`, special
//! messages in `well_known`.

use super::encode_fast::encode_fast;
use super::options::{DEPTH_CEILING, EncodeOptions};
use crate::message_type::{FieldHandle, MessageType};
use crate::tables::{FieldTable, Kind, Shape, Tables, WellKnown};
use crate::wire::{WireError, WireErrorKind, WireValue};

impl MessageType {
    /// Appends the JSON of an encoded message.
    ///
    /// Members come in the order of field numbers, map entries in the order of the wire. On error `out` is
    /// as it was before.
    ///
    /// # Errors
    ///
    /// When the bytes are not a message of this type, hold a value that ProtoJSON cannot write, or nest too
    /// deeply.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let set = prost_reflect::DescriptorPool::global().encode_to_vec();
    /// # let schema = ambidex_schema::Schema::builder().add_file_descriptor_set(&set)?.build()?;
    /// let timestamp = schema.message("google.protobuf.Timestamp").expect("a well-known type");
    /// let mut json = Vec::new();
    /// timestamp.wire_to_json(&[0x08, 1], &Default::default(), &mut json)?;
    /// assert_eq!(json, br#""1970-01-01T00:00:01Z""#);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wire_to_json(
        &self,
        wire: &[u8],
        options: &EncodeOptions,
        out: &mut Vec<u8>,
    ) -> Result<(), WireError> {
        let fast = encode_fast(self.tables(), options, wire, out, |fast| fast.message(self.index(), wire));
        if fast.is_some() {
            return Ok(());
        }
        encode(self.tables(), options, out, |encoder| encoder.message(self.index(), wire, 0))
    }

    /// Appends the JSON of one field of an encoded message.
    ///
    /// This is what an HTTP rule with `response_body` asks for. A field that is absent is written as its
    /// default (`0`, `""`, `[]`, `{}`) where it has no presence, and as `null` where it has: the same `null`
    /// that [`json_to_wire_field`](Self::json_to_wire_field) reads as absent.
    ///
    /// # Errors
    ///
    /// As [`wire_to_json`](Self::wire_to_json).
    ///
    /// # Panics
    ///
    /// When the field is not one of this message.
    pub fn wire_to_json_field(
        &self,
        field: &FieldHandle,
        wire: &[u8],
        options: &EncodeOptions,
        out: &mut Vec<u8>,
    ) -> Result<(), WireError> {
        assert_eq!(field.parent().index(), self.index(), "the field belongs to another message");
        let (table, index) = (self.table(), field.index());
        let fast = encode_fast(self.tables(), options, wire, out, |fast| fast.one_field(table, index, wire));
        if fast.is_some() {
            return Ok(());
        }
        encode(self.tables(), options, out, |encoder| encoder.one_field(table, index, wire))
    }
}

#[cold]
fn encode<'a>(
    tables: &'a Tables,
    options: &'a EncodeOptions,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Encoder<'a, '_>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let before = out.len();
    let level_max = options.max_depth.min(DEPTH_CEILING);
    let result = write(&mut Encoder { tables, options, level_max, level: 0, out });
    if result.is_err() {
        out.truncate(before);
    }
    result
}

/// One run.
pub(crate) struct Encoder<'a, 'o> {
    pub(crate) tables: &'a Tables,
    pub(crate) options: &'a EncodeOptions,
    /// How many braces and brackets are open: what indentation needs, and what the depth limit counts.
    level: usize,
    level_max: usize,
    pub(crate) out: &'o mut Vec<u8>,
}

impl<'a> Encoder<'a, '_> {
    /// Writes a message of any kind.
    pub(crate) fn message(&mut self, index: u32, wire: &[u8], base: usize) -> Result<(), WireError> {
        let tables = self.tables;
        let table = tables.message(index);
        match table.well_known {
            WellKnown::No | WellKnown::Empty => {
                self.begin(b'{', base)?;
                let empty = self.fields(table, wire, base, true)?;
                self.end(b'}', empty);
                Ok(())
            }
            special => self.well_known(index, special, wire, base),
        }
    }

    /// Whether a value of a singular field says the same as its absence, and so is left out.
    pub(super) fn is_left_out(&self, field: &FieldTable, value: WireValue<'_>) -> bool {
        field.shape == Shape::Implicit && is_default(field.kind, value) && !self.options.emit_unset_fields
    }

    /// Writes the defaults of fields that are not on the wire, if options ask for it.
    pub(super) fn unset(&mut self, fields: &'a [FieldTable], first: &mut bool) {
        if self.options.emit_unset_fields {
            self.defaults(fields, first);
        }
    }

    #[cold]
    fn defaults(&mut self, fields: &'a [FieldTable], first: &mut bool) {
        for field in fields {
            if field.shape != Shape::Explicit && !field.is_extension() {
                self.member(field, first);
                self.absent(field);
            }
        }
    }

    /// Writes what an absent field means.
    pub(super) fn absent(&mut self, field: &FieldTable) {
        match field.shape {
            Shape::Implicit => self.default_scalar(field.kind),
            Shape::Explicit => self.out.extend_from_slice(b"null"),
            Shape::List { .. } => self.out.extend_from_slice(b"[]"),
            Shape::Map { .. } => self.out.extend_from_slice(b"{}"),
        }
    }

    /// Writes the comma and the name of a member.
    pub(super) fn member(&mut self, field: &FieldTable, first: &mut bool) {
        let key = if self.options.original_field_names { &field.proto_key } else { &field.json_key };
        self.separate(std::mem::replace(first, false));
        self.put_key(key);
    }

    /// Writes one value: of a singular field, of a list, of a map entry.
    pub(crate) fn value(&mut self, kind: Kind, value: WireValue<'_>, offset: usize) -> Result<(), WireError> {
        match (kind, value) {
            (Kind::Message(index), WireValue::Bytes(bytes)) => self.message(index, bytes, offset),
            (Kind::Group(index), WireValue::Group(bytes)) => self.message(index, bytes, offset),
            (Kind::Message(_) | Kind::Group(_), _) => Err(other_wire_type(offset)),
            (scalar, value) => self.scalar(scalar, value, offset),
        }
    }

    /// Opens an object or array. Decoding counts the same levels, so what was read can be written.
    pub(crate) fn begin(&mut self, open: u8, offset: usize) -> Result<(), WireError> {
        if self.level >= self.level_max {
            return Err(WireError::new(WireErrorKind::LimitExceeded, offset, "values nest too deeply"));
        }
        self.out.push(open);
        self.level += 1;
        Ok(())
    }

    /// Closes an object or array.
    pub(crate) fn end(&mut self, close: u8, empty: bool) {
        self.level -= 1;
        if !empty {
            self.break_line();
        }
        self.out.push(close);
    }

    /// What stands before a member or element.
    pub(crate) fn separate(&mut self, first: bool) {
        if !first {
            self.out.push(b',');
        }
        self.break_line();
    }

    /// Writes a name that is quoted, escaped and followed by its colon.
    pub(crate) fn put_key(&mut self, key: &[u8]) {
        self.out.extend_from_slice(key);
        if self.options.pretty {
            self.out.push(b' ');
        }
    }

    fn break_line(&mut self) {
        if self.options.pretty {
            self.out.push(b'\n');
            self.out.resize(self.out.len() + 2 * self.level, b' ');
        }
    }
}

/// Records whose wire type is not that of their field are left out before their values come here.
#[cold]
pub(super) fn other_wire_type(offset: usize) -> WireError {
    WireError::new(WireErrorKind::Malformed, offset, "the value has another wire type than its field")
}

/// Whether a value is what an absent field means anyway. Minus zero is not: it has its sign bit.
fn is_default(kind: Kind, value: WireValue<'_>) -> bool {
    match value {
        // Of another wire type it is no value at all.
        _ if value.wire_type() != kind.wire_type() => false,
        WireValue::Varint(value) => match kind {
            Kind::Int32 | Kind::Uint32 | Kind::Sint32 | Kind::Enum(_) => value as u32 == 0,
            _ => value == 0,
        },
        WireValue::Fixed64(value) => value == 0,
        WireValue::Fixed32(value) => value == 0,
        WireValue::Bytes(bytes) => bytes.is_empty(),
        WireValue::Group(_) => false,
    }
}
