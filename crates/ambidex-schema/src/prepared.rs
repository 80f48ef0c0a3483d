//! Short bytes that are known at start-up and appended on every call: tags and quoted names.
//!
//! Copying a number of bytes that only the table knows means a call to `memcpy`, which costs more than the
//! copy for a name of ten letters. So a whole block of fixed size is copied, in two or three instructions,
//! and the surplus cut off again. Bytes that are longer than the block are copied the ordinary way.

use std::ops::Deref;

/// Bytes of which the first `N` are copied and compared at once.
#[derive(Debug)]
pub(crate) struct Prepared<const N: usize> {
    block: [u8; N],
    /// The first sixteen bytes, and which bits of them count.
    head: u128,
    head_mask: u128,
    all: Box<[u8]>,
}

impl<const N: usize> Prepared<N> {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut block = [0; N];
        let inline = bytes.len().min(N);
        block[..inline].copy_from_slice(&bytes[..inline]);
        let mut head = [0; 16];
        let mut head_mask = [0; 16];
        let compared = bytes.len().min(16);
        head[..compared].copy_from_slice(&bytes[..compared]);
        head_mask[..compared].fill(0xff);
        Self {
            block,
            head: u128::from_le_bytes(head),
            head_mask: u128::from_le_bytes(head_mask),
            all: bytes.into(),
        }
    }

    /// Appends the bytes.
    #[inline]
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let length = self.all.len();
        if length > N {
            return out.extend_from_slice(&self.all);
        }
        let end = out.len() + length;
        out.extend_from_slice(&self.block);
        out.truncate(end);
    }

    /// Whether the text begins with these bytes.
    #[inline]
    pub(crate) fn begins(&self, text: &[u8]) -> bool {
        let Some(first) = text.first_chunk::<16>() else { return text.starts_with(&self.all) };
        if u128::from_le_bytes(*first) & self.head_mask != self.head {
            return false;
        }
        self.all.len() <= 16 || text.starts_with(&self.all)
    }
}

impl<const N: usize> Deref for Prepared<N> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_every_length_are_appended_and_found() {
        let text: Vec<u8> = (1..=60).collect();
        for length in 0..text.len() {
            let prepared = Prepared::<32>::new(&text[..length]);
            let mut out = vec![9];
            prepared.put(&mut out);
            assert_eq!(out[1..], text[..length]);
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
