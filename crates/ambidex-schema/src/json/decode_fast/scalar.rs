//! Values that are no messages.

use super::FastDecoder;
use crate::json::number::{Integer, number_length, parse_double, parse_float, parse_plain_double};
use crate::json::scanner::ends_a_number;
use crate::scalar::{base64_room, decode_base64};
use crate::tables::Kind;
use crate::wire::zigzag;

impl FastDecoder<'_> {
    /// Reads a scalar and appends it without its tag.
    pub(super) fn scalar(&mut self, kind: Kind, at: usize) -> Option<usize> {
        match kind {
            Kind::String => self.string(at),
            Kind::Bytes => {
                let (text, after) = self.plain(at)?;
                let mark = self.out.begin_length();
                let length = decode_base64(text, self.out.room_of(base64_room(text)))?;
                self.out.advance(length);
                self.out.end_length(mark);
                Some(after)
            }
            Kind::Bool => {
                let (value, after) = self.bool(at)?;
                self.out.put_byte(value.into());
                Some(after)
            }
            Kind::Enum(index) => self.enumeration(index, at),
            Kind::Double => self.double(at),
            Kind::Float => self.other_number(kind, at),
            Kind::Message(_) | Kind::Group(_) => None,
            integer => self.integer(integer, at),
        }
    }

    #[inline(always)]
    pub(super) fn bool(&self, at: usize) -> Option<(bool, usize)> {
        match self.word(b"true", at) {
            Some(after) => Some((true, after)),
            None => Some((false, self.word(b"false", at)?)),
        }
    }

    /// Reads a double in plain digits, or as other numbers are read.
    #[inline]
    pub(super) fn double(&mut self, at: usize) -> Option<usize> {
        let rest = self.json.get(at..)?;
        if let Some((value, length)) = parse_plain_double(rest)
            && ends_a_number(rest.get(length))
            && length <= self.options.max_number_bytes
        {
            self.out.put_block(&value.to_le_bytes(), 8);
            return Some(at + length);
        }
        self.other_number(Kind::Double, at)
    }

    /// Reads an integer, in quotes or not.
    #[inline]
    fn integer(&mut self, kind: Kind, at: usize) -> Option<usize> {
        let quoted = *self.json.get(at)? == b'"';
        let start = if quoted { at + 1 } else { at };
        let rest = self.json.get(start..)?;
        if let Some((value, length)) = Integer::parse_plain(rest)
            && length <= self.options.max_number_bytes
        {
            let next = rest.get(length);
            let ends = if quoted { next == Some(&b'"') } else { ends_a_number(next) };
            if ends {
                self.put_integer(kind, value)?;
                return Some(start + length + usize::from(quoted));
            }
        }
        self.other_number(kind, at)
    }

    #[inline(always)]
    pub(super) fn put_integer(&mut self, kind: Kind, value: Integer) -> Option<()> {
        match kind {
            Kind::Int32 => self.out.put_varint(i64::from(value.to_i32().ok()?) as u64),
            Kind::Int64 => self.out.put_varint(value.to_i64().ok()? as u64),
            Kind::Uint32 => self.out.put_varint(value.to_u32().ok()?.into()),
            Kind::Uint64 => self.out.put_varint(value.to_u64().ok()?),
            Kind::Sint32 => self.out.put_varint(zigzag(value.to_i32().ok()?.into())),
            Kind::Sint64 => self.out.put_varint(zigzag(value.to_i64().ok()?)),
            Kind::Fixed32 => self.out.put_block(&value.to_u32().ok()?.to_le_bytes(), 4),
            Kind::Fixed64 => self.out.put_block(&value.to_u64().ok()?.to_le_bytes(), 8),
            Kind::Sfixed32 => self.out.put_block(&value.to_i32().ok()?.to_le_bytes(), 4),
            Kind::Sfixed64 => self.out.put_block(&value.to_i64().ok()?.to_le_bytes(), 8),
            _ => return None,
        }
        Some(())
    }

    /// Reads a number in any spelling, in quotes or not.
    #[inline(never)]
    fn other_number(&mut self, kind: Kind, at: usize) -> Option<usize> {
        let (text, after) = if *self.json.get(at)? == b'"' {
            self.plain(at)?
        } else {
            let rest = &self.json[at..];
            let length = number_length(rest)?;
            (&rest[..length], at + length)
        };
        if text.len() > self.options.max_number_bytes {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        match kind {
            Kind::Double => self.out.put_block(&parse_double(text).ok()?.to_le_bytes(), 8),
            Kind::Float => self.out.put_block(&parse_float(text).ok()?.to_le_bytes(), 4),
            integer => self.put_integer(integer, Integer::parse(text).ok()?)?,
        }
        Some(after)
    }

    #[inline]
    fn enumeration(&mut self, index: u32, at: usize) -> Option<usize> {
        let table = self.tables.enumeration(index);
        if *self.json.get(at)? == b'"' {
            let (name, after) = self.plain(at)?;
            self.out.put_varint(i64::from(table.number(name)?) as u64);
            return Some(after);
        }
        if table.is_null_value || table.closed {
            return None;
        }
        self.integer(Kind::Int32, at)
    }
}
