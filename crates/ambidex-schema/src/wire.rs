//! The protobuf wire format, read and written one record at a time.
//!
//! Everything above this file sees a message as a sequence of [`Record`]s and never touches a varint.
//! The reader borrows from its input, checks every length, and reports offsets from the start of the
//! outermost message. It refuses to know fields and types: what a record means is the caller's business.

use std::fmt;

/// Groups inside unknown data may nest at most this deep; deeper input is refused rather than followed.
const GROUP_DEPTH_MAX: usize = 100;

/// Why wire bytes cannot be read, or cannot be shown as JSON.
///
/// Carries the byte offset from the start of the message that was handed in, and the field it happened in
/// where that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireError {
    // Boxed, because results of every step carry it and are almost always `Ok`.
    inner: Box<Inner>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    offset: usize,
    kind: WireErrorKind,
    message: String,
    /// Innermost first.
    path: Vec<String>,
}

/// The reasons a [`WireError`] can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireErrorKind {
    /// The bytes are not a protobuf message of this type.
    Malformed,
    /// A string field holds bytes that are not UTF-8.
    InvalidUtf8,
    /// The message is valid, but ProtoJSON has no way to write this value.
    Unrepresentable,
    /// An `Any` names a type that the schema does not hold.
    UnknownType,
    /// A limit of the options was exceeded.
    LimitExceeded,
}

impl WireError {
    #[cold]
    pub(crate) fn new(kind: WireErrorKind, offset: usize, message: impl Into<String>) -> Self {
        Self { inner: Box::new(Inner { offset, kind, message: message.into(), path: Vec::new() }) }
    }

    #[cold]
    fn malformed(offset: usize, message: &str) -> Self {
        Self::new(WireErrorKind::Malformed, offset, message)
    }

    /// Names the field the error passed through on its way out; called innermost first.
    #[cold]
    pub(crate) fn in_field(mut self, name: &str) -> Self {
        self.inner.path.push(name.to_owned());
        self
    }

    /// Byte offset from the start of the message that was handed in.
    ///
    /// Where a message field occurs several times its occurrences are merged first, and the offset then
    /// counts from the start of the merged bytes.
    pub fn offset(&self) -> usize {
        self.inner.offset
    }

    /// The reason, for code that decides on it.
    pub fn kind(&self) -> WireErrorKind {
        self.inner.kind
    }

    /// Dotted names of the fields around the offending bytes; empty at the top level.
    pub fn path(&self) -> String {
        let mut names: Vec<&str> = self.inner.path.iter().map(String::as_str).collect();
        names.reverse();
        names.join(".")
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: ", self.offset())?;
        if !self.inner.path.is_empty() {
            write!(f, "{}: ", self.path())?;
        }
        f.write_str(&self.inner.message)
    }
}

impl std::error::Error for WireError {}

/// One tag and its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) number: u32,
    /// Where the value starts, behind its length if it has one; counted like every offset of a
    /// [`WireError`].
    pub(crate) offset: usize,
    pub(crate) value: WireValue<'a>,
}

/// A value as the wire spells it, before a field says what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WireValue<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Group(&'a [u8]),
    Fixed32(u32),
}

impl<'a> WireValue<'a> {
    /// What a length or a group encloses.
    pub(crate) fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            WireValue::Bytes(bytes) | WireValue::Group(bytes) => Some(bytes),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn wire_type(&self) -> u8 {
        match self {
            WireValue::Varint(_) => 0,
            WireValue::Fixed64(_) => 1,
            WireValue::Bytes(_) => 2,
            WireValue::Group(_) => 3,
            WireValue::Fixed32(_) => 5,
        }
    }
}

/// A cursor over wire bytes.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    /// Offset of `bytes` in the outermost message.
    base: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], base: usize) -> Self {
        Self { bytes, position: 0, base }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.position >= self.bytes.len()
    }

    /// Position inside the bytes of this reader.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn offset(&self) -> usize {
        self.base + self.position
    }

    /// The next record, or `None` at the end of the bytes.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Result<Option<Record<'a>>, WireError> {
        if self.is_empty() {
            return Ok(None);
        }
        let (number, wire_type) = self.tag()?;
        let (value, offset) = self.value(number, wire_type)?;
        Ok(Some(Record { number, offset, value }))
    }

    /// The value behind a tag, and where its content starts.
    #[inline(always)]
    pub(crate) fn value(&mut self, number: u32, wire_type: u8) -> Result<(WireValue<'a>, usize), WireError> {
        if wire_type == 2 {
            let (bytes, offset) = self.delimited()?;
            return Ok((WireValue::Bytes(bytes), offset));
        }
        let offset = self.offset();
        Ok((self.nested_value(number, wire_type, 0)?, offset))
    }

    /// The next element of a packed list of values with this wire type, and where it starts.
    #[inline]
    pub(crate) fn packed_element(
        &mut self,
        wire_type: u8,
    ) -> Result<Option<(WireValue<'a>, usize)>, WireError> {
        if self.is_empty() {
            return Ok(None);
        }
        let offset = self.offset();
        let value = match wire_type {
            0 => WireValue::Varint(self.varint()?),
            1 => WireValue::Fixed64(u64::from_le_bytes(self.fixed()?)),
            _ => WireValue::Fixed32(u32::from_le_bytes(self.fixed()?)),
        };
        Ok(Some((value, offset)))
    }

    /// Reads a tag: field number and wire type.
    #[inline(always)]
    pub(crate) fn tag(&mut self) -> Result<(u32, u8), WireError> {
        // Fields up to number 15 have tags of one byte.
        if let Some(&key @ 8..0x80) = self.bytes.get(self.position) {
            self.position += 1;
            return Ok((u32::from(key >> 3), key & 7));
        }
        let start = self.offset();
        let key = self.varint()?;
        let Ok(key) = u32::try_from(key) else {
            return Err(WireError::malformed(start, "the field number is too large"));
        };
        if key >> 3 == 0 {
            return Err(WireError::malformed(start, "the field number is zero"));
        }
        Ok((key >> 3, (key & 7) as u8))
    }

    #[inline]
    fn nested_value(&mut self, number: u32, wire_type: u8, depth: usize) -> Result<WireValue<'a>, WireError> {
        match wire_type {
            0 => Ok(WireValue::Varint(self.varint()?)),
            1 => Ok(WireValue::Fixed64(u64::from_le_bytes(self.fixed()?))),
            2 => Ok(WireValue::Bytes(self.delimited()?.0)),
            3 => Ok(WireValue::Group(self.group(number, depth)?)),
            4 => Err(WireError::malformed(self.offset(), "a group ends that never started")),
            5 => Ok(WireValue::Fixed32(u32::from_le_bytes(self.fixed()?))),
            _ => Err(WireError::malformed(self.offset(), "the wire type is not one of protobuf's")),
        }
    }

    /// Reads one varint; also used for the elements of packed fields.
    #[inline(always)]
    pub(crate) fn varint(&mut self) -> Result<u64, WireError> {
        match self.bytes.get(self.position) {
            Some(&byte) if byte < 0x80 => {
                self.position += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let start = self.offset();
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let Some(&byte) = self.bytes.get(self.position) else {
                return Err(WireError::malformed(start, "a varint is cut short"));
            };
            self.position += 1;
            // The tenth byte has room for one bit of a 64-bit value.
            if shift == 63 && byte > 1 {
                return Err(WireError::malformed(start, "a varint is longer than 64 bits"));
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(WireError::malformed(start, "a varint is longer than 64 bits"))
    }

    /// Reads `N` raw bytes; also used for the elements of packed fields.
    #[inline]
    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        match self.bytes[self.position..].first_chunk::<N>() {
            Some(chunk) => {
                self.position += N;
                Ok(*chunk)
            }
            None => Err(WireError::malformed(self.offset(), "a fixed-size value is cut short")),
        }
    }

    /// Reads a length and as many bytes; also returns where those start.
    #[inline(always)]
    pub(crate) fn delimited(&mut self) -> Result<(&'a [u8], usize), WireError> {
        let start = self.offset();
        let length = self.varint()?;
        let offset = self.offset();
        let rest = &self.bytes[self.position..];
        match usize::try_from(length).ok().and_then(|length| rest.get(..length)) {
            Some(value) => {
                self.position += value.len();
                Ok((value, offset))
            }
            None => Err(WireError::malformed(start, "a length reaches beyond the end of the message")),
        }
    }

    /// The content of a group, without the tag that ends it.
    fn group(&mut self, number: u32, depth: usize) -> Result<&'a [u8], WireError> {
        if depth >= GROUP_DEPTH_MAX {
            return Err(WireError::new(
                WireErrorKind::LimitExceeded,
                self.offset(),
                "groups nest too deeply",
            ));
        }
        let start = self.position;
        loop {
            let end = self.position;
            if self.is_empty() {
                return Err(WireError::malformed(self.base + start, "a group never ends"));
            }
            let (inner, wire_type) = self.tag()?;
            if wire_type == 4 {
                if inner != number {
                    return Err(WireError::malformed(self.base + end, "a group ends that never started"));
                }
                return Ok(&self.bytes[start..end]);
            }
            self.nested_value(inner, wire_type, depth + 1)?;
        }
    }
}

/// Appends a varint.
#[inline]
pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Maps small negative numbers to small varints, as `sint32` and `sint64` ask for.
#[inline]
pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[inline]
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Reserves room for the length of what is appended next; give the mark to [`end_length`].
///
/// One byte is reserved, because most messages are shorter than 128 bytes. For the others `end_length`
/// moves the body up by the missing bytes. The alternatives lost: computing sizes first needs a second
/// pass over the JSON; reserving five bytes and padding the varint is legal to read but not canonical; and
/// writing the message backwards, last field first, needs the JSON parsed before.
#[inline]
pub(crate) fn begin_length(out: &mut Vec<u8>) -> usize {
    out.push(0);
    out.len()
}

/// Fills in the length reserved by [`begin_length`].
#[inline]
pub(crate) fn end_length(mark: usize, out: &mut Vec<u8>) {
    let length = out.len() - mark;
    if length < 0x80 {
        out[mark - 1] = length as u8;
        return;
    }
    let mut prefix = [0u8; 10];
    let mut used = 0;
    let mut rest = length;
    while rest >= 0x80 {
        prefix[used] = rest as u8 | 0x80;
        rest >>= 7;
        used += 1;
    }
    prefix[used] = rest as u8;
    used += 1;
    out.extend_from_slice(&prefix[..used - 1]);
    out.copy_within(mark..mark + length, mark + used - 1);
    out[mark - 1..mark - 1 + used].copy_from_slice(&prefix[..used]);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn lengths_of_every_size_are_filled_in() {
        for length in [0usize, 1, 127, 128, 300, 16_383, 16_384, 2_097_152] {
            let mut out = vec![9, 9];
            let mark = begin_length(&mut out);
            out.extend((0..length).map(|i| i as u8));
            end_length(mark, &mut out);
            let mut reader = Reader::new(&out[2..], 0);
            let (body, _) = reader.delimited().unwrap();
            assert_eq!(body.len(), length);
            assert!(body.iter().enumerate().all(|(i, &b)| b == i as u8));
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn zigzag_is_its_own_inverse() {
        for value in [0, -1, 1, i64::MIN, i64::MAX, -2_147_483_648] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
        assert_eq!(zigzag(-1), 1);
    }

    #[test]
    fn a_varint_over_64_bits_is_refused() {
        let bytes = [0xff; 9].iter().copied().chain([2]).collect::<Vec<_>>();
        assert!(Reader::new(&bytes, 0).varint().is_err());
        let bytes = [0xff; 9].iter().copied().chain([1]).collect::<Vec<_>>();
        assert_eq!(Reader::new(&bytes, 0).varint().unwrap(), u64::MAX);
    }

    #[test]
    fn groups_end_with_their_own_number() {
        assert!(Reader::new(&[0x0b, 0x0c], 0).next().unwrap().is_some());
        assert!(Reader::new(&[0x0b, 0x14], 0).next().is_err());
        assert!(Reader::new(&[0x0b], 0).next().is_err());
        assert!(Reader::new(&[0x0c], 0).next().is_err());
    }

    #[test]
    fn deep_groups_are_refused_not_followed() {
        let bytes = vec![0x0b; 10_000];
        assert_eq!(Reader::new(&bytes, 0).next().unwrap_err().kind(), WireErrorKind::LimitExceeded);
    }
}
