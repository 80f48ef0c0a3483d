//! The messages that ProtoJSON spells in a way of their own, their fields where encoders put them.

use super::map::KeyFilter;
use super::{FastEncoder, delimited, varint};
use crate::json::well_known::{any, duration, field_mask, timestamp};
use crate::tables::{MessageTable, WellKnown};

impl<'a> FastEncoder<'a> {
    pub(super) fn well_known(&mut self, index: u32, table: &'a MessageTable, wire: &[u8]) -> Option<()> {
        match table.well_known {
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
                let start = self.open()?;
                self.fields(table, wire)?;
                self.close(start, *b"{}");
                Some(())
            }
        }
    }

    /// Writes a `Value`, the message with this index.
    fn any_value(&mut self, index: u32, wire: &[u8]) -> Option<()> {
        let (&tag, rest) = wire.split_first()?;
        let number = tag >> 3;
        match number {
            2 if tag == 2 << 3 | 1 => {
                let value = f64::from_le_bytes(rest.try_into().ok()?);
                // JSON has no other numbers; what has is an error.
                value.is_finite().then(|| self.double(value))
            }
            1 | 4 if tag & 7 == 0 => {
                let (value, after) = varint(wire, 1)?;
                match number {
                    1 => self.out.put_block(b"null", 4),
                    _ => self.bool(value != 0),
                }
                (after == wire.len()).then_some(())
            }
            3 | 5 | 6 if tag & 7 == 2 => {
                let (bytes, after) = delimited(wire, 1)?;
                match number {
                    3 => self.string(bytes)?,
                    5 => self.struct_entries(index, bytes)?,
                    _ => self.list_values(index, bytes)?,
                }
                (after == wire.len()).then_some(())
            }
            _ => None,
        }
    }

    /// Writes the entries of a `Struct`, whose values are messages with this index.
    fn struct_entries(&mut self, value: u32, wire: &[u8]) -> Option<()> {
        let first_key = self.keys.len();
        let mut filter = KeyFilter::default();
        let start = self.open()?;
        let mut at = 0;
        while let Some(&tag) = wire.get(at) {
            let (entry, after) = delimited(wire, at + 1)?;
            let (text, value_tag) = delimited(entry, 1)?;
            let (bytes, end) = delimited(entry, value_tag + 1)?;
            let usual = (tag, entry[0], entry.get(value_tag)?, end) == (10, 10, &18, entry.len());
            if !usual {
                return None;
            }
            self.out.put_byte(b',');
            let key_start = self.out.end();
            self.string(text)?;
            self.end_key(key_start, &mut filter);
            self.any_value(value, bytes)?;
            at = after;
        }
        self.close(start, *b"{}");
        self.keys_differ(first_key, &filter)
    }

    /// Writes the elements of a `ListValue`, which are messages with this index.
    fn list_values(&mut self, value: u32, wire: &[u8]) -> Option<()> {
        let start = self.open()?;
        let mut at = 0;
        while let Some(&tag) = wire.get(at) {
            let (bytes, after) = delimited(wire, at + 1)?;
            if tag != 10 {
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
        self.string(url)?;
        match table.well_known {
            WellKnown::No | WellKnown::Empty => self.fields(table, value)?,
            _ => {
                self.out.put(b",\"value\":");
                self.well_known(index, table, value)?;
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
