//! Parsed scalars as wire bytes, for every way text comes in: JSON, path variables, query parameters.
//!
//! Writes values without tags. What counts as a number, a name or base64 is decided here once, so that the
//! same text means the same thing in a body and in a URL.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::json::number::{Integer, NumberError, parse_double, parse_float};
use crate::tables::Kind;
use crate::wire::{put_varint, zigzag};

/// ProtoJSON accepts both alphabets, padded or not.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD_BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const URL_SAFE_BASE64: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// Appends an integer as its kind spells it.
#[inline]
pub(crate) fn put_integer(kind: Kind, value: Integer, out: &mut Vec<u8>) -> Result<(), NumberError> {
    match kind {
        Kind::Int32 => put_varint(i64::from(value.to_i32()?) as u64, out),
        Kind::Int64 => put_varint(value.to_i64()? as u64, out),
        Kind::Uint32 => put_varint(u64::from(value.to_u32()?), out),
        Kind::Uint64 => put_varint(value.to_u64()?, out),
        Kind::Sint32 => put_varint(zigzag(i64::from(value.to_i32()?)), out),
        Kind::Sint64 => put_varint(zigzag(value.to_i64()?), out),
        Kind::Fixed32 => out.extend_from_slice(&value.to_u32()?.to_le_bytes()),
        Kind::Fixed64 => out.extend_from_slice(&value.to_u64()?.to_le_bytes()),
        Kind::Sfixed32 => out.extend_from_slice(&value.to_i32()?.to_le_bytes()),
        Kind::Sfixed64 => out.extend_from_slice(&value.to_i64()?.to_le_bytes()),
        _ => unreachable!("only integer kinds are written as integers"),
    }
    Ok(())
}

/// Appends a number, given as text, as its kind spells it. The names of what is no number are accepted.
#[inline]
pub(crate) fn put_number(kind: Kind, text: &str, out: &mut Vec<u8>) -> Result<(), NumberError> {
    match kind {
        Kind::Double => out.extend_from_slice(&parse_double(text)?.to_le_bytes()),
        Kind::Float => out.extend_from_slice(&parse_float(text)?.to_le_bytes()),
        _ => return put_integer(kind, Integer::parse(text)?, out),
    }
    Ok(())
}

/// Appends an enum number; negative ones take ten bytes, as for `int32`.
#[inline]
pub(crate) fn put_enum(number: i32, out: &mut Vec<u8>) {
    put_varint(i64::from(number) as u64, out);
}

/// Appends the bytes that base64 text stands for; `false`, and nothing appended, where it is not base64.
pub(crate) fn put_base64_decoded(text: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.resize(start + base64_room(text), 0);
    let length = decode_base64(text, &mut out[start..]);
    out.truncate(start + length.unwrap_or(0));
    length.is_some()
}

/// How much room [`decode_base64`] needs.
pub(crate) fn base64_room(text: &[u8]) -> usize {
    base64::decoded_len_estimate(text.len())
}

/// Writes the bytes that base64 text stands for, and returns how many; `None` where it is not base64.
pub(crate) fn decode_base64(text: &[u8], room: &mut [u8]) -> Option<usize> {
    let engine = match memchr::memchr2(b'-', b'_', text) {
        Some(_) => &URL_SAFE_BASE64,
        None => &STANDARD_BASE64,
    };
    engine.decode_slice(text, room).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        put_base64_decoded(text.as_bytes(), &mut out).then_some(out)
    }

    #[test]
    fn both_alphabets_are_read_padded_or_not() {
        for text in ["+/8=", "-_8=", "+/8", "-_8"] {
            assert_eq!(decoded(text), Some(vec![0xfb, 0xff]), "{text}");
        }
        assert_eq!(decoded(""), Some(vec![]));
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for text in ["a", "a b=", "$$$$", "+_8=", "YQ==YQ=="] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }
}
