//! wire → JSON, the usual way: records written as they come.
//!
//! Encoders write fields by number, each singular one once, and nothing that is not needed. This path takes that
//! for granted: it writes members as it meets their records, and gives up at the first surprise. Everything here
//! has that one way out, a `None` that says no more than "not as usual": a field out of order or there twice, a
//! value of another wire type than its field's, a map key that comes again, and every kind of error. Then the text
//! is cut off and [`Encoder`](super::encode::Encoder) starts over, which expects nothing, and says what is wrong if
//! something is. That costs twice what was done so far, once: what is read again does not come back here.
//!
//! Braces and brackets need no flag for the first member: every member is written with its comma, and the first
//! comma is written over by the brace.

mod list;
mod map;
mod scalar;
mod string;
mod well_known;

use super::options::{DEPTH_CEILING, EncodeOptions};
use super::output::Output;
use crate::prepared::PreparedKey;
use crate::tables::{FieldTable, Kind, MessageTable, Shape, Tables, Usual, WellKnown};
use crate::wire::Reader;

/// Appends the JSON of an encoded message, or of one field of it; `None` where the bytes are not as usual, and then
/// nothing is appended.
#[inline(always)]
pub(super) fn encode_fast<'a>(
    tables: &'a Tables,
    options: &'a EncodeOptions,
    wire: &[u8],
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut FastEncoder<'a>) -> Option<()>,
) -> Option<()> {
    if options.pretty {
        return None;
    }
    let before = out.len();
    let mut encoder = FastEncoder {
        tables,
        options,
        levels_left: options.max_depth.min(DEPTH_CEILING),
        out: Output::behind(std::mem::take(out), 2 * wire.len() + 64),
    };
    let written = write(&mut encoder);
    let end = if written.is_some() { encoder.out.end() } else { before };
    *out = encoder.out.into_bytes(end);
    written
}

/// One run.
pub(super) struct FastEncoder<'a> {
    tables: &'a Tables,
    options: &'a EncodeOptions,
    /// How many objects and arrays may still be opened.
    levels_left: usize,
    out: Output,
}

impl<'a> FastEncoder<'a> {
    /// Writes a message of any kind.
    pub(super) fn message(&mut self, index: u32, wire: &[u8]) -> Option<()> {
        let tables = self.tables;
        let table = tables.message(index);
        if table.well_known != WellKnown::No {
            return self.well_known(index, table.well_known, wire);
        }
        let start = self.open()?;
        self.fields_inline(table, wire)?;
        self.close(start, *b"{}");
        Some(())
    }

    /// Writes the value of one field of a message, without its name.
    pub(super) fn one_field(&mut self, table: &'a MessageTable, index: usize, wire: &[u8]) -> Option<()> {
        let field = &table.fields[index];
        // Another member of a oneof may replace this one.
        if field.oneof_bit != 0 {
            return None;
        }
        let (mut at, mut written) = (0, false);
        while at < wire.len() {
            let mut reader = Reader::new(&wire[at..], 0);
            let (number, wire_type) = reader.tag().ok()?;
            let value = at + reader.position();
            if number != field.number {
                reader.value(number, wire_type).ok()?;
                at += reader.position();
                continue;
            }
            // A list or map is written whole, and of what is singular there is one: nothing more is to come.
            if written || !field.accepts(wire_type) {
                return None;
            }
            at = match field.usual {
                Usual::List | Usual::Map => self.elements(field, wire, at, value)?,
                _ => self.value(field.kind, wire, value)?,
            };
            written = true;
        }
        written.then_some(())
    }

    /// Writes the fields of a message as members of an object that is open.
    fn fields(&mut self, table: &'a MessageTable, wire: &[u8]) -> Option<()> {
        self.fields_inline(table, wire)
    }

    #[inline(always)]
    fn fields_inline(&mut self, table: &'a MessageTable, wire: &[u8]) -> Option<()> {
        // The first field that may still come.
        let mut next = 0;
        let mut oneofs = 0u64;
        let mut at = 0;
        while let Some(&tag) = wire.get(at) {
            let (index, value) = match table.field_by_tag(tag) {
                Some(index) => (index, at + 1),
                None => match self.other_tag(table, wire, at)? {
                    (Some(index), value) => (index, value),
                    (None, after) => {
                        at = after;
                        continue;
                    }
                },
            };
            let field = table.fields.get(index)?;
            if index < next || oneofs & field.oneof_bit != 0 {
                return None;
            }
            oneofs |= field.oneof_bit;
            if self.options.emit_unset_fields {
                self.unset(&table.fields[next..index]);
            }
            next = index + 1;
            at = self.member(field, wire, at, value)?;
        }
        if self.options.emit_unset_fields {
            self.unset(&table.fields[next..]);
        }
        Some(())
    }

    /// Finds the field of a tag that is longer than a byte, or skips the record of a field that is not known; says
    /// which field it is and what comes next.
    #[cold]
    fn other_tag(&self, table: &MessageTable, wire: &[u8], at: usize) -> Option<(Option<usize>, usize)> {
        let mut reader = Reader::new(wire.get(at..)?, 0);
        let (number, wire_type) = reader.tag().ok()?;
        let Some(index) = table.field_by_number(number) else {
            reader.value(number, wire_type).ok()?;
            return Some((None, at + reader.position()));
        };
        let field = &table.fields[index];
        // Where a group ends is found by reading it: that is left to the other path.
        let usual = field.accepts(wire_type) && !matches!(field.kind, Kind::Group(_));
        usual.then_some((Some(index), at + reader.position()))
    }

    /// Writes one member, and for a list or map what follows of it; returns where the next record starts.
    #[inline(always)]
    fn member(&mut self, field: &'a FieldTable, wire: &[u8], tag: usize, at: usize) -> Option<usize> {
        match field.usual {
            Usual::ImplicitString | Usual::String => {
                let (text, after) = delimited(wire, at)?;
                if text.is_empty() && self.leaves_out_defaults(field) {
                    return Some(after);
                }
                self.string_member(self.key_of(field), text)?;
                Some(after)
            }
            Usual::Message(index) => {
                let (bytes, after) = delimited(wire, at)?;
                self.key(self.key_of(field));
                self.message(index, bytes)?;
                Some(after)
            }
            Usual::WellKnown(index, special) => {
                let (bytes, after) = delimited(wire, at)?;
                self.key(self.key_of(field));
                self.well_known(index, special, bytes)?;
                Some(after)
            }
            Usual::ImplicitScalar | Usual::Scalar => {
                // What an absent field means anyway begins with a zero.
                if wire.get(at) == Some(&0)
                    && self.leaves_out_defaults(field)
                    && let Some(after) = default_value(field.kind, wire, at)
                {
                    return Some(after);
                }
                self.key(self.key_of(field));
                self.scalar(field.kind, wire, at)
            }
            Usual::List | Usual::Map => {
                self.key(self.key_of(field));
                self.elements(field, wire, tag, at)
            }
        }
    }

    /// Writes the value of a list or map; returns where its last record ends.
    fn elements(&mut self, field: &FieldTable, wire: &[u8], tag: usize, at: usize) -> Option<usize> {
        let tag = wire.get(tag..at)?;
        match field.shape {
            Shape::Map { key, value } => self.map((key, value), tag, wire, at),
            _ => self.list(field.kind, tag, wire, at),
        }
    }

    /// Writes one value; returns where it ends.
    #[inline(always)]
    fn value(&mut self, kind: Kind, wire: &[u8], at: usize) -> Option<usize> {
        match kind {
            Kind::Message(index) => {
                let (bytes, after) = delimited(wire, at)?;
                self.message(index, bytes)?;
                Some(after)
            }
            scalar => self.scalar(scalar, wire, at),
        }
    }

    #[inline(always)]
    fn leaves_out_defaults(&self, field: &FieldTable) -> bool {
        field.shape == Shape::Implicit && !self.options.emit_unset_fields
    }

    #[inline(always)]
    fn key_of(&self, field: &'a FieldTable) -> &'a PreparedKey {
        if self.options.original_field_names { &field.proto_key } else { &field.json_key }
    }

    /// Writes a comma and a name with its colon.
    #[inline(always)]
    fn key(&mut self, key: &PreparedKey) {
        match key.with_comma() {
            Ok((block, length)) => self.out.put_block(block, length),
            Err(long) => self.out.put(long),
        }
    }

    /// Writes the defaults of fields that are not on the wire.
    #[cold]
    fn unset(&mut self, fields: &'a [FieldTable]) {
        for field in fields.iter().filter(|field| field.shape != Shape::Explicit && !field.is_extension()) {
            self.key(self.key_of(field));
            match field.shape {
                Shape::List { .. } => self.out.put(b"[]"),
                Shape::Map { .. } => self.out.put(b"{}"),
                _ => self.default_scalar(field.kind),
            }
        }
    }

    /// Opens an object or array: nothing but what [`close`](Self::close) needs.
    #[inline(always)]
    fn open(&mut self) -> Option<usize> {
        self.levels_left = self.levels_left.checked_sub(1)?;
        Some(self.out.end())
    }

    /// Closes an object or array with these brackets. All in it begins with a comma, of which the first becomes the
    /// opening one.
    #[inline(always)]
    fn close(&mut self, start: usize, brackets: [u8; 2]) {
        self.levels_left += 1;
        if self.out.end() == start {
            return self.out.put_block(&brackets, 2);
        }
        self.out.set(start, brackets[0]);
        self.out.put_byte(brackets[1]);
    }
}

/// Where the value ends, if it is what an absent field means.
#[cold]
fn default_value(kind: Kind, wire: &[u8], at: usize) -> Option<usize> {
    let size = match kind.wire_type() {
        1 => 8,
        5 => 4,
        _ => 1,
    };
    wire.get(at..at + size)?.iter().all(|byte| *byte == 0).then_some(at + size)
}

/// A length and as many bytes, and where they end.
#[inline(always)]
fn delimited(wire: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let (length, start) = varint(wire, at)?;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    Some((wire.get(start..end)?, end))
}

/// A varint and where it ends.
#[inline(always)]
fn varint(wire: &[u8], at: usize) -> Option<(u64, usize)> {
    match *wire.get(at)? {
        byte @ 0..0x80 => Some((byte.into(), at + 1)),
        byte => long_varint(byte, wire, at + 1),
    }
}

/// No encoder writes more bytes than the value needs, so a last one of zero is not as usual: a default can be told
/// by its first byte.
#[inline]
fn long_varint(first: u8, wire: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = u64::from(first & 0x7f);
    for (index, &byte) in wire.get(at..)?.iter().take(9).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * (index + 1));
        if byte < 0x80 {
            // The tenth byte has room for one bit of a 64-bit value.
            let usual = byte != 0 && (index < 8 || byte == 1);
            return usual.then_some((value, at + index + 1));
        }
    }
    None
}
