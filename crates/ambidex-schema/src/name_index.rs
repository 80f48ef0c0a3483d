//! A map from names to small numbers, built once and probed on every JSON key and every segment of a path.
//!
//! An open-addressing table over names that come from the schema or the server's routes. The hash needs no secret: attackers
//! choose the probes but not the contents, so a probe costs at most the longest cluster that they
//! themselves have. It refuses to know what the numbers stand for.

/// Marks an empty slot.
const VACANT: u32 = u32::MAX;

#[derive(Debug, Clone, Default)]
pub(crate) struct NameIndex {
    names: Vec<(Box<str>, u32)>,
    /// Positions in `names`; a power of two long, at most half full.
    slots: Box<[u32]>,
}

impl NameIndex {
    /// Builds the table. Where a name appears twice the first one stays.
    pub(crate) fn new(entries: impl IntoIterator<Item = (Box<str>, u32)>) -> Self {
        let entries = entries.into_iter();
        let mut index = Self::default();
        index.make_room(entries.size_hint().0);
        for (name, value) in entries {
            index.insert(name, value);
        }
        index
    }

    /// Adds a name, unless it is there; returns the number that it stands for.
    pub(crate) fn insert(&mut self, name: Box<str>, value: u32) -> u32 {
        if let Some(known) = self.get(name.as_bytes()) {
            return known;
        }
        let names = self.names.len() + 1;
        if names * 2 > self.slots.len() {
            self.make_room(names);
        }
        self.occupy(names as u32 - 1, &name);
        self.names.push((name, value));
        value
    }

    /// Makes room for so many names.
    fn make_room(&mut self, names: usize) {
        self.slots = vec![VACANT; (names * 2).next_power_of_two()].into_boxed_slice();
        let known = std::mem::take(&mut self.names);
        for (position, (name, _)) in known.iter().enumerate() {
            self.occupy(position as u32, name);
        }
        self.names = known;
    }

    fn occupy(&mut self, position: u32, name: &str) {
        let mask = self.slots.len() - 1;
        let mut slot = hash(name.as_bytes()) as usize & mask;
        while self.slots[slot] != VACANT {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = position;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
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
    fn it_grows_with_what_is_added() {
        let mut index = NameIndex::default();
        for i in 0..100 {
            assert_eq!(index.insert(format!("name-{i}").into(), i), i);
            assert_eq!(index.insert(format!("name-{i}").into(), 1000), i, "it was there");
        }
        assert!((0..100).all(|i| index.get(format!("name-{i}").as_bytes()) == Some(i)));
        assert_eq!(index.get(b"name-100"), None);
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
