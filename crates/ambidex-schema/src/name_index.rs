//! A read-only map from names to small numbers, built once and probed on every JSON key.
//!
//! An open-addressing table over names that come from the schema. The hash needs no secret: attackers
//! choose the probes but not the contents, so a probe costs at most the longest cluster the schema itself
//! has. It refuses to know what the numbers stand for.

/// Marks an empty slot.
const VACANT: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(crate) struct NameIndex {
    names: Vec<(Box<str>, u32)>,
    /// Positions in `names`; a power of two long, at most half full.
    slots: Box<[u32]>,
}

impl NameIndex {
    /// Builds the table. Where a name appears twice the first one stays.
    pub(crate) fn new(entries: impl IntoIterator<Item = (Box<str>, u32)>) -> Self {
        let entries: Vec<_> = entries.into_iter().collect();
        let mut index = Self {
            slots: vec![VACANT; (entries.len() * 2).next_power_of_two()].into_boxed_slice(),
            names: Vec::with_capacity(entries.len()),
        };
        for (name, value) in entries {
            if index.get(name.as_bytes()).is_some() {
                continue;
            }
            let mask = index.slots.len() - 1;
            let mut slot = hash(name.as_bytes()) as usize & mask;
            while index.slots[slot] != VACANT {
                slot = (slot + 1) & mask;
            }
            index.slots[slot] = index.names.len() as u32;
            index.names.push((name, value));
        }
        index
    }

    #[inline]
    pub(crate) fn get(&self, name: &[u8]) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let mask = self.slots.len() - 1;
        let mut slot = hash(name) as usize & mask;
        // Ends because at least one slot is vacant.
        while self.slots[slot] != VACANT {
            let (candidate, value) = &self.names[self.slots[slot] as usize];
            if candidate.as_bytes() == name {
                return Some(*value);
            }
            slot = (slot + 1) & mask;
        }
        None
    }
}

/// Mixes length, head and tail: field names differ there, and eight bytes at a time is enough for them.
#[inline]
fn hash(name: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = (name.len() as u64).wrapping_mul(MULTIPLIER);
    let (chunks, rest) = name.as_chunks::<8>();
    for chunk in chunks {
        state = (state ^ u64::from_le_bytes(*chunk)).wrapping_mul(MULTIPLIER).rotate_left(29);
    }
    let mut tail = 0u64;
    for &byte in rest {
        tail = tail << 8 | u64::from(byte);
    }
    state = (state ^ tail).wrapping_mul(MULTIPLIER);
    state ^ state >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_name_and_nothing_else() {
        let names: Vec<String> = (0..200).map(|i| format!("field_name_{i}")).collect();
        let index =
            NameIndex::new(names.iter().enumerate().map(|(i, n)| (n.clone().into_boxed_str(), i as u32)));
        for (i, name) in names.iter().enumerate() {
            assert_eq!(index.get(name.as_bytes()), Some(i as u32));
        }
        assert_eq!(index.get(b"field_name_200"), None);
        assert_eq!(index.get(b""), None);
    }

    #[test]
    fn an_empty_index_finds_nothing() {
        assert_eq!(NameIndex::new([]).get(b"x"), None);
        assert_eq!(NameIndex::default().get(b"x"), None);
    }

    #[test]
    fn the_first_of_two_equal_names_stays() {
        let index = NameIndex::new([("a".into(), 1), ("a".into(), 2)]);
        assert_eq!(index.get(b"a"), Some(1));
    }
}
