//! The messages that ProtoJSON spells in a way of their own, their fields where encoders put them.

use super::{FastEncoder, delimited, varint};
use crate::json::key_filter::{KeyFilter, entries_repeat};
use crate::json::well_known::struct_value::{
    LIST_VALUES, STRUCT_FIELDS, VALUE_BOOL, VALUE_LIST, VALUE_NULL, VALUE_NUMBER, VALUE_STRING, VALUE_STRUCT,
};
use crate::json::well_known::{any, duration, field_mask, timestamp};
use crate::tables::{Kind, WellKnown};

impl FastEncoder<'_> {
    pub(super) fn well_known(&mut self, index: u32, special: WellKnown, wire: &[u8]) -> Option<()> {
        match special {
            WellKnown::Timestamp => {
                let (seconds, nanos) = seconds_and_nanos(wire)?;
                let length = timestamp::write(seconds, nanos, self.out.room()).ok()?;
                self.out.advance(length);
                Some(())
            }
            WellKnown::Duration => {
                let (seconds, nanos) = seconds_and_nanos(wire)?;
                let length = duration::write(seconds, nanos, self.out.room()).ok()?;
                self.out.advance(length);
                Some(())
            }
            WellKnown::Wrapper(kind) => {
                if wire.is_empty() {
                    self.default_scalar(kind);
                    return Some(());
                }
                let usual = wire[0] == (1 << 3 | kind.wire_type());
                (usual && self.scalar(kind, wire, 1)? == wire.len()).then_some(())
            }
            WellKnown::Value => self.any_value(index, wire),
            WellKnown::Struct { value } => self.struct_entries(value, wire),
            WellKnown::ListValue { value } => self.list_values(value, wire),
            WellKnown::FieldMask => self.out.with_vec(|vec| field_mask::put_mask(wire, 0, vec)).ok(),
            WellKnown::Any => self.any(wire),
            WellKnown::Empty | WellKnown::No => {
                let tables = self.tables;
                let start = self.open()?;
                self.fields(tables.message(index), wire)?;
                self.close(start, *b"{}");
                Some(())
            }
        }
    }

    /// Writes a `Value`, the message with this index.
    fn any_value(&mut self, index: u32, wire: &[u8]) -> Option<()> {
        match wire {
            [VALUE_STRING, ..] => (self.string(wire, 1)? == wire.len()).then_some(()),
            [VALUE_NUMBER, bits @ ..] => {
                let value = f64::from_le_bytes(bits.try_into().ok()?);
                // JSON has no other numbers; what has is an error.
                value.is_finite().then(|| self.double(value))
            }
            [VALUE_BOOL, value @ 0..=1] => {
                self.bool(*value == 1);
                Some(())
            }
            [VALUE_NULL, 0] => {
                self.out.put_block(b"null", 4);
                Some(())
            }
            [tag @ (VALUE_STRUCT | VALUE_LIST), ..] => {
                let (bytes, after) = delimited(wire, 1)?;
                match *tag {
                    VALUE_STRUCT => self.struct_entries(index, bytes)?,
                    _ => self.list_values(index, bytes)?,
                }
                (after == wire.len()).then_some(())
            }
            _ => None,
        }
    }

    /// Writes the entries of a `Struct`, whose values are messages with this index.
    fn struct_entries(&mut self, value: u32, wire: &[u8]) -> Option<()> {
        let mut filter = KeyFilter::default();
        let start = self.open()?;
        let mut at = 0;
        while let Some(&tag) = wire.get(at) {
            let (entry, after) = delimited(wire, at + 1)?;
            self.out.put_byte(b',');
            let key_start = self.out.end();
            let value_at = self.string(entry, 1)?;
            self.end_key(key_start, &mut filter);
            let (bytes, end) = delimited(entry, value_at + 1)?;
            // An entry has its key first and its value second.
            if tag != STRUCT_FIELDS || entry[0] != 0x0a || entry[value_at] != 0x12 || end != entry.len() {
                return None;
            }
            self.any_value(value, bytes)?;
            at = after;
        }
        self.close(start, *b"{}");
        let kinds = (Kind::String, Kind::Message(value));
        let repeat = filter.found_alike() && entries_repeat(kinds, &[STRUCT_FIELDS], wire, 1)?;
        (!repeat).then_some(())
    }

    /// Writes the elements of a `ListValue`, which are messages with this index.
    fn list_values(&mut self, value: u32, wire: &[u8]) -> Option<()> {
        let start = self.open()?;
        let mut at = 0;
        while let Some(&tag) = wire.get(at) {
            let (bytes, after) = delimited(wire, at + 1)?;
            if tag != LIST_VALUES {
                return None;
            }
            self.out.put_byte(b',');
            self.any_value(value, bytes)?;
            at = after;
        }
        self.close(start, *b"[]");
        Some(())
    }

    fn any(&mut self, wire: &[u8]) -> Option<()> {
        let (url, mut at) = delimited(wire, 1)?;
        let mut value: &[u8] = b"";
        if let Some(&tag) = wire.get(at) {
            (value, at) = delimited(wire, at + 1)?;
            if tag != any::VALUE {
                return None;
            }
        }
        if wire[0] != any::TYPE_URL || at != wire.len() {
            return None;
        }
        let name = any::message_name(std::str::from_utf8(url).ok()?)?;
        let tables = self.tables;
        let index = tables.message_index(name)?;
        let table = tables.message(index);
        let start = self.open()?;
        self.out.put(b",\"@type\":");
        self.string(wire, 1)?;
        match table.well_known {
            WellKnown::No | WellKnown::Empty => self.fields(table, value)?,
            _ => {
                self.out.put(b",\"value\":");
                self.well_known(index, table.well_known, value)?;
            }
        }
        self.close(start, *b"{}");
        Some(())
    }
}

/// The two fields that `Timestamp` and `Duration` share.
#[inline(always)]
fn seconds_and_nanos(wire: &[u8]) -> Option<(i64, i32)> {
    let (mut seconds, mut nanos, mut at) = (0, 0, 0);
    if wire.first() == Some(&(1 << 3)) {
        (seconds, at) = varint(wire, 1)?;
    }
    if wire.get(at) == Some(&(2 << 3)) {
        (nanos, at) = varint(wire, at + 1)?;
    }
    (at == wire.len()).then_some((seconds as i64, nanos as i32))
}
