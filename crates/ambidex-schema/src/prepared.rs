//! Short bytes that are known at start-up and appended on every call: tags and quoted names.
//!
//! Copying a number of bytes that only the table knows means a call to `memcpy`, which costs more than the
//! copy for a name of ten letters. So a whole block of fixed size is copied, in two or three instructions,
//! and the surplus cut off again. Bytes that are longer than the block are copied the ordinary way.

use std::ops::Deref;

/// Keys shorter than this, comma included, are copied as one block.
pub(crate) const BLOCK: usize = 32;

/// A quoted name with its colon, and a comma before it for where one is needed.
#[derive(Debug)]
pub(crate) struct PreparedKey {
    /// With the comma.
    block: [u8; BLOCK],
    /// The first sixteen bytes of the key, and which bits of them count.
    head: u128,
    head_mask: u128,
    /// With the comma.
    all: Box<[u8]>,
}

impl PreparedKey {
    pub(crate) fn new(key: &[u8]) -> Self {
        let all: Box<[u8]> = [b",", key].concat().into();
        let mut block = [0; BLOCK];
        let inline = all.len().min(BLOCK);
        block[..inline].copy_from_slice(&all[..inline]);
        let mut head = [0; 16];
        let mut head_mask = [0; 16];
        let compared = key.len().min(16);
        head[..compared].copy_from_slice(&key[..compared]);
        head_mask[..compared].fill(0xff);
        Self { block, head: u128::from_le_bytes(head), head_mask: u128::from_le_bytes(head_mask), all }
    }

    /// A comma and the key: a block and how much of it counts, less than all; or a slice, if it is longer.
    #[inline(always)]
    pub(crate) fn with_comma(&self) -> Result<(&[u8; BLOCK], usize), &[u8]> {
        let length = self.all.len();
        if length < BLOCK { Ok((&self.block, length)) } else { Err(&self.all) }
    }

    /// Whether the text begins with the key.
    #[inline]
    pub(crate) fn begins(&self, text: &[u8]) -> bool {
        let Some(first) = text.first_chunk::<16>() else { return text.starts_with(self) };
        if u128::from_le_bytes(*first) & self.head_mask != self.head {
            return false;
        }
        self.len() <= 16 || text.starts_with(self)
    }
}

impl Deref for PreparedKey {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.all[1..]
    }
}

/// An encoded tag.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tag {
    /// At most five bytes are of use.
    block: [u8; 8],
    length: u8,
}

impl Tag {
    /// The tag of a field number and wire type.
    pub(crate) fn new(number: u32, wire_type: u8) -> Self {
        let mut tag = Self { block: [0; 8], length: 0 };
        let mut rest = number << 3 | u32::from(wire_type);
        while rest >= 0x80 {
            tag.block[usize::from(tag.length)] = rest as u8 | 0x80;
            tag.length += 1;
            rest >>= 7;
        }
        tag.block[usize::from(tag.length)] = rest as u8;
        tag.length += 1;
        tag
    }

    /// The tag of a field with a number below 16, which is one byte.
    #[inline]
    pub(crate) fn of_byte(byte: u8) -> Self {
        Self { block: [byte, 0, 0, 0, 0, 0, 0, 0], length: 1 }
    }

    /// Appends the tag.
    #[inline]
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let end = out.len() + usize::from(self.length);
        out.extend_from_slice(&self.block);
        out.truncate(end);
    }

    /// A block, and how much of it is the tag.
    #[inline(always)]
    pub(crate) fn block(&self) -> (&[u8; 8], usize) {
        (&self.block, self.length.into())
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.length.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::put_varint;

    #[test]
    fn tags_are_varints() {
        for number in [1, 15, 16, 2047, 2048, 536_870_911] {
            let (mut out, mut expected) = (Vec::new(), Vec::new());
            Tag::new(number, 2).put(&mut out);
            put_varint(u64::from(number) << 3 | 2, &mut expected);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn bytes_of_every_length_are_appended_and_found() {
        let text: Vec<u8> = (1..=60).collect();
        for length in 0..text.len() {
            let prepared = PreparedKey::new(&text[..length]);
            let with_comma = prepared.with_comma().map_or_else(|all| all, |(block, length)| &block[..length]);
            assert_eq!(with_comma[0], b',');
            assert_eq!(with_comma[1..], text[..length]);
            assert_eq!(*prepared, text[..length]);
            assert!(prepared.begins(&text));
            assert!(prepared.begins(&text[..length]));
            if length > 0 {
                assert!(!prepared.begins(&text[1..]));
                assert!(!prepared.begins(&text[..length - 1]));
                let mut other = text.clone();
                other[length - 1] = 0;
                assert!(!prepared.begins(&other));
            }
        }
    }
}
