//! The messages that ProtoJSON spells in a way of their own.

use super::FastDecoder;
use crate::json::well_known::struct_value::{
    LIST_VALUES, STRUCT_FIELDS, VALUE_BOOL, VALUE_LIST, VALUE_NULL, VALUE_NUMBER, VALUE_STRING, VALUE_STRUCT,
};
use crate::json::well_known::{duration, field_mask, timestamp};
use crate::prepared::Tag;
use crate::tables::{Kind, WellKnown};

impl FastDecoder<'_> {
    /// Reads a special message and appends its bytes, without tag or length. An `Any` is left to the other path: its
    /// type may stand anywhere.
    pub(super) fn well_known(&mut self, index: u32, special: WellKnown, at: usize) -> Option<usize> {
        match special {
            WellKnown::Timestamp => {
                let (text, after) = self.plain(at)?;
                let (seconds, nanos) = timestamp::parse(text).ok()?;
                self.seconds_and_nanos(seconds, nanos);
                Some(after)
            }
            WellKnown::Duration => {
                let (text, after) = self.plain(at)?;
                let (seconds, nanos) = duration::parse(text).ok()?;
                self.seconds_and_nanos(seconds, nanos);
                Some(after)
            }
            WellKnown::Wrapper(kind) => {
                self.out.put_byte(1 << 3 | kind.wire_type());
                self.scalar(kind, at)
            }
            WellKnown::Value => self.value(index, at),
            WellKnown::Struct { value } => self.entries(value, at),
            WellKnown::ListValue { value } => self.values(value, at),
            WellKnown::FieldMask => {
                let (text, after) = self.plain(at)?;
                let text = std::str::from_utf8(text).ok()?;
                self.out.with_vec(|vec| field_mask::put_paths(text, vec)).ok()?;
                Some(after)
            }
            WellKnown::Any => None,
            WellKnown::Empty | WellKnown::No => {
                let tables = self.tables;
                self.members(tables.message(index), at)
            }
        }
    }

    /// Zeros are written too: they have to override what they are merged with.
    #[inline(always)]
    fn seconds_and_nanos(&mut self, seconds: i64, nanos: i32) {
        self.out.put_byte(1 << 3);
        self.out.put_varint(seconds as u64);
        self.out.put_byte(2 << 3);
        self.out.put_varint(i64::from(nanos) as u64);
    }

    /// Reads any JSON value as the fields of a `Value`, the message with this index.
    fn value(&mut self, index: u32, at: usize) -> Option<usize> {
        match *self.json.get(at)? {
            b'"' => self.string_field(&Tag::of_byte(VALUE_STRING), at),
            b'-' | b'0'..=b'9' => {
                self.out.put_byte(VALUE_NUMBER);
                self.double(at)
            }
            b'{' => {
                self.out.put_byte(VALUE_STRUCT);
                let mark = self.out.begin_length();
                let after = self.entries(index, at)?;
                self.out.end_length(mark);
                Some(after)
            }
            b'[' => {
                self.out.put_byte(VALUE_LIST);
                let mark = self.out.begin_length();
                let after = self.values(index, at)?;
                self.out.end_length(mark);
                Some(after)
            }
            b'n' => {
                self.out.put_block(&[VALUE_NULL, 0], 2);
                self.word(b"null", at)
            }
            _ => {
                let (value, after) = self.bool(at)?;
                self.out.put_block(&[VALUE_BOOL, value.into()], 2);
                Some(after)
            }
        }
    }

    /// Reads an object as the fields of a `Struct`, whose values are messages with this index.
    fn entries(&mut self, value: u32, at: usize) -> Option<usize> {
        self.map(&Tag::of_byte(STRUCT_FIELDS), (Kind::String, Kind::Message(value)), at)
    }

    /// Reads an array as the fields of a `ListValue`, whose elements are messages with this index.
    fn values(&mut self, value: u32, at: usize) -> Option<usize> {
        let mut at = self.open(b'[', at)?;
        if *self.json.get(at)? == b']' {
            return Some(self.close(at));
        }
        loop {
            self.count_element()?;
            self.out.put_byte(LIST_VALUES);
            let mark = self.out.begin_length();
            at = self.value(value, at)?;
            self.out.end_length(mark);
            match *self.json.get(at)? {
                b',' => at = self.past_space(at + 1),
                b']' => return Some(self.close(at)),
                _ => return None,
            }
        }
    }
}
