//! Whether the keys of a map differ: a quick look first, and a thorough one where that is not enough.

use super::encode_map::{Entry, keys_repeat};
use crate::tables::Kind;
use crate::wire::Reader;

/// Which fingerprints the keys of a map had so far.
#[derive(Default)]
pub(crate) struct KeyFilter {
    seen: [u64; 4],
    alike: bool,
}

impl KeyFilter {
    /// Looks at a key, which may be followed by other bytes.
    #[inline(always)]
    pub(crate) fn add(&mut self, key_and_more: &[u8], length: usize) {
        let fingerprint = fingerprint(key_and_more, length);
        let (word, bit) = (usize::from(fingerprint >> 6), 1 << (fingerprint & 63));
        self.alike |= self.seen[word] & bit != 0;
        self.seen[word] |= bit;
    }

    /// Whether two keys may have been the same.
    #[inline(always)]
    pub(crate) fn found_alike(&self) -> bool {
        self.alike
    }
}

/// Whether two of the entries from `at` on, behind the first tag, have the same key.
#[cold]
pub(super) fn entries_repeat(kinds: (Kind, Kind), tag: &[u8], wire: &[u8], at: usize) -> Option<bool> {
    let mut entries = Vec::new();
    let mut rest = wire.get(at..)?;
    loop {
        let mut reader = Reader::new(rest, 0);
        let (entry, _) = reader.delimited().ok()?;
        entries.push(Entry::read(entry, 0, kinds).ok()?);
        match rest[reader.position()..].strip_prefix(tag) {
            Some(next) => rest = next,
            None => return Some(keys_repeat(&entries)),
        }
    }
}

/// A number that equal keys share, and different ones seldom.
#[inline(always)]
fn fingerprint(key_and_more: &[u8], length: usize) -> u8 {
    let word = |at: usize| {
        let bytes = key_and_more.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map(|bytes| u64::from_le_bytes(*bytes))
    };
    let mixed = match length {
        0..8 => match word(0) {
            Some(word) => word & ((1 << (8 * length)) - 1),
            None => key_and_more[..length].iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        },
        _ => word(0).unwrap_or(0) ^ word(length - 8).unwrap_or(0).rotate_left(23),
    };
    let product = u128::from(mixed ^ length as u64) * 0x9e37_79b9_7f4a_7c15;
    (product >> 64 ^ product) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_stands_behind_a_key_does_not_matter(key: Vec<u8>, more: Vec<u8>) {
            let key_and_more = [&key[..], &more].concat();
            prop_assert_eq!(fingerprint(&key_and_more, key.len()), fingerprint(&key, key.len()));
            let mut filter = KeyFilter::default();
            filter.add(&key, key.len());
            prop_assert!(!filter.found_alike());
            filter.add(&key_and_more, key.len());
            prop_assert!(filter.found_alike());
        }
    }
}
