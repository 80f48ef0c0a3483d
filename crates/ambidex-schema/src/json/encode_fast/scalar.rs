//! Values that are no messages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{FastEncoder, delimited, varint};
use crate::json::decimal::{DIGITS_MAX, put_digits};
use crate::json::double::write_double;
use crate::tables::Kind;
use crate::wire::unzigzag;

impl FastEncoder<'_> {
    /// Writes a scalar; returns where it ends.
    pub(super) fn scalar(&mut self, kind: Kind, wire: &[u8], at: usize) -> Option<usize> {
        match kind {
            Kind::String => return self.string(wire, at),
            Kind::Bytes => {
                let (bytes, at) = delimited(wire, at)?;
                self.base64(bytes);
                return Some(at);
            }
            Kind::Double => {
                let (bits, at) = fixed(wire, at)?;
                self.double(f64::from_bits(u64::from_le_bytes(bits)));
                return Some(at);
            }
            Kind::Float => {
                let (bits, at) = fixed(wire, at)?;
                self.float(f32::from_bits(u32::from_le_bytes(bits)));
                return Some(at);
            }
            Kind::Fixed32 => {
                let (bits, at) = fixed(wire, at)?;
                self.integer(u32::from_le_bytes(bits).into());
                return Some(at);
            }
            Kind::Sfixed32 => {
                let (bits, at) = fixed(wire, at)?;
                self.integer(i32::from_le_bytes(bits).into());
                return Some(at);
            }
            Kind::Fixed64 => {
                let (bits, at) = fixed(wire, at)?;
                self.quoted_integer(false, u64::from_le_bytes(bits));
                return Some(at);
            }
            Kind::Sfixed64 => {
                let (bits, at) = fixed(wire, at)?;
                self.quoted_signed(i64::from_le_bytes(bits));
                return Some(at);
            }
            Kind::Message(_) | Kind::Group(_) => return None,
            _ => {}
        }
        let (value, at) = varint(wire, at)?;
        match kind {
            Kind::Int64 => self.quoted_signed(value as i64),
            Kind::Uint64 => self.quoted_integer(false, value),
            Kind::Sint64 => self.quoted_signed(unzigzag(value)),
            Kind::Bool => self.bool(value != 0),
            // The rest have 32 bits and take the low half. What is zero only there is not as usual.
            _ if value as u32 == 0 && value != 0 => return None,
            Kind::Int32 => self.integer((value as i32).into()),
            Kind::Uint32 => self.integer((value as u32).into()),
            Kind::Sint32 => self.integer(unzigzag((value as u32).into())),
            Kind::Enum(index) => self.enumeration(index, value as i32)?,
            _ => return None,
        }
        Some(at)
    }

    /// Writes what a scalar means that is absent.
    pub(super) fn default_scalar(&mut self, kind: Kind) {
        let text: &[u8] = match kind {
            Kind::Double | Kind::Float => b"0.0",
            Kind::Int32 | Kind::Uint32 | Kind::Sint32 | Kind::Fixed32 | Kind::Sfixed32 => b"0",
            Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => b"\"0\"",
            Kind::Bool => b"false",
            Kind::String | Kind::Bytes => b"\"\"",
            Kind::Enum(index) => {
                let default = self.tables.enumeration(index).default;
                return self
                    .enumeration(index, default)
                    .expect("the default of an enum is one of its values");
            }
            Kind::Message(_) | Kind::Group(_) => unreachable!("messages have presence"),
        };
        self.out.put(text);
    }

    /// Writes a finite double or its name in quotes.
    #[inline]
    pub(super) fn double(&mut self, value: f64) {
        let length = write_double(value, self.out.room());
        self.out.advance(length);
    }

    fn float(&mut self, value: f32) {
        match value.is_finite() {
            true => self.out.put(zmij::Buffer::new().format_finite(value).as_bytes()),
            false => self.double(value.into()),
        }
    }

    #[inline(always)]
    pub(super) fn bool(&mut self, value: bool) {
        match value {
            true => self.out.put_block(b"true", 4),
            false => self.out.put_block(b"false", 5),
        }
    }

    /// An integer of 32 bits.
    #[inline]
    fn integer(&mut self, value: i64) {
        let room = self.out.room::<{ DIGITS_MAX + 1 }>();
        room[0] = b'-';
        let digits = usize::from(value < 0);
        let digits_room = room[digits..].first_chunk_mut().expect("a sign is one byte");
        let length = digits + put_digits(value.unsigned_abs(), digits_room);
        self.out.advance(length);
    }

    #[inline(always)]
    fn quoted_signed(&mut self, value: i64) {
        self.quoted_integer(value < 0, value.unsigned_abs());
    }

    /// An integer of 64 bits, which a JavaScript number would round.
    #[inline]
    fn quoted_integer(&mut self, negative: bool, magnitude: u64) {
        let room = self.out.room::<{ DIGITS_MAX + 3 }>();
        room[..2].copy_from_slice(b"\"-");
        let digits = 1 + usize::from(negative);
        let digits_room = room[digits..].first_chunk_mut().expect("a quote and a sign are two bytes");
        let end = digits + put_digits(magnitude, digits_room);
        room[end.min(DIGITS_MAX + 2)] = b'"';
        self.out.advance(end + 1);
    }

    fn base64(&mut self, bytes: &[u8]) {
        let length = bytes.len().div_ceil(3) * 4;
        let room = self.out.room_of(length + 2);
        room[0] = b'"';
        room[length + 1] = b'"';
        let room = &mut room[1..=length];
        STANDARD.encode_slice(bytes, room).expect("four bytes are there for every three");
        self.out.advance(length + 2);
    }

    /// Numbers without a name are written as numbers, so that they survive; in a closed enum there are none.
    #[inline]
    fn enumeration(&mut self, index: u32, number: i32) -> Option<()> {
        let table = self.tables.enumeration(index);
        let name = table.quoted_name(number);
        if name.is_none() && table.closed {
            return None;
        }
        match name {
            _ if table.is_null_value => self.out.put(b"null"),
            Some(name) if !self.options.enums_as_numbers => self.out.put(name),
            _ => self.integer(number.into()),
        }
        Some(())
    }
}

#[inline(always)]
fn fixed<const N: usize>(wire: &[u8], at: usize) -> Option<([u8; N], usize)> {
    Some((*wire.get(at..)?.first_chunk()?, at + N))
}
