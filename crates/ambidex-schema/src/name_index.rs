//! A map from names to small numbers, built once and probed on every JSON key and every segment of a path.
//!
//! An open-addressing table over names that come from the schema or the server's routes. The hash needs no secret: attackers
//! choose the probes but not the contents, so a probe costs at most the longest cluster that they
//! themselves have. It refuses to know what the numbers stand for.

/// Marks an empty slot.
const VACANT: u32 = u32::MAX;

/// So many names are compared one by one.
const FEW: usize = 4;

#[derive(Debug, Clone, Default)]
pub(crate) struct NameIndex {
    names: Vec<Named>,
    /// Positions in `names`; a power of two long, at most half full.
    slots: Box<[u32]>,
}

#[derive(Debug, Clone)]
struct Named {
    name: Box<str>,
    gist: Gist,
    value: u32,
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
        let gist = Gist::of(name.as_bytes());
        self.occupy(names as u32 - 1, gist.hash(name.as_bytes()));
        self.names.push(Named { name, gist, value });
        value
    }

    /// Makes room for so many names.
    fn make_room(&mut self, names: usize) {
        self.slots = vec![VACANT; (names * 2).next_power_of_two()].into_boxed_slice();
        let known = std::mem::take(&mut self.names);
        for (position, Named { name, gist, .. }) in known.iter().enumerate() {
            self.occupy(position as u32, gist.hash(name.as_bytes()));
        }
        self.names = known;
    }

    fn occupy(&mut self, position: u32, hash: u64) {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
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
        let gist = Gist::of(name);
        if self.names.len() <= FEW {
            return self.get_of_few(gist, name);
        }
        let mask = self.slots.len() - 1;
        let mut slot = gist.hash(name) as usize & mask;
        // Ends because at least one slot is vacant.
        while self.slots[slot] != VACANT {
            let known = &self.names[self.slots[slot] as usize];
            if known.is(gist, name) {
                return Some(known.value);
            }
            slot = (slot + 1) & mask;
        }
        None
    }

    /// As [`get`](Self::get), for where there are seldom more than a few: to look at those becomes part of the caller.
    #[inline(always)]
    pub(crate) fn get_here(&self, name: &[u8]) -> Option<u32> {
        if self.names.len() <= FEW { self.get_of_few(Gist::of(name), name) } else { self.get(name) }
    }

    /// A look at each costs less than a hash.
    #[inline(always)]
    fn get_of_few(&self, gist: Gist, name: &[u8]) -> Option<u32> {
        self.names.iter().find(|known| known.is(gist, name)).map(|known| known.value)
    }
}

impl Named {
    #[inline]
    fn is(&self, gist: Gist, name: &[u8]) -> bool {
        self.gist == gist && (gist.is_all() || self.is_long(name))
    }

    #[inline(never)]
    fn is_long(&self, name: &[u8]) -> bool {
        self.name.as_bytes() == name
    }
}

/// Length, head and tail of a name: names differ there, and most have nothing between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gist {
    length: usize,
    /// The first eight bytes, or all of them.
    head: u64,
    /// The last eight bytes, where there are as many.
    tail: u64,
}

impl Gist {
    #[inline]
    fn of(name: &[u8]) -> Self {
        let length = name.len();
        // What is shorter than a word is read in two pieces that may overlap: a loop over bytes costs more.
        let (head, tail) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
            (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
            _ => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
                (Some(head), Some(tail)) => {
                    (u64::from(u32::from_le_bytes(*head)) << 32 | u64::from(u32::from_le_bytes(*tail)), 0)
                }
                _ => (name.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)), 0),
            },
        };
        Self { length, head, tail }
    }

    /// Whether names that have it in common are the same.
    #[inline]
    fn is_all(self) -> bool {
        self.length <= 16
    }

    /// The hash of the name whose gist it is.
    #[inline]
    fn hash(self, name: &[u8]) -> u64 {
        let state = fold(self.head ^ ODD, self.tail ^ self.length as u64 ^ ANOTHER);
        let state = if self.is_all() { state } else { with_middle(state, name) };
        // The low bits alone hear of some bytes too little.
        state.wrapping_mul(ANOTHER) >> 32
    }
}

const ODD: u64 = 0x8bb8_4b93_962e_acc9;
const ANOTHER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Both halves of a product, in which each bit of the factors has its say.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// Mixes what lies between head and tail into a hash.
#[inline(never)]
fn with_middle(state: u64, name: &[u8]) -> u64 {
    let (chunks, _) = name[8..].as_chunks::<8>();
    chunks.iter().fold(state, |state, chunk| fold(state ^ u64::from_le_bytes(*chunk), ODD))
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
    fn names_of_every_length_differ_wherever_they_do() {
        for length in 0..40 {
            let name = "abcdefgh".repeat(5)[..length].to_owned();
            // As few as are compared one by one, and as many as are hashed.
            for others in [0, 9] {
                let others = (0..others).map(|other| (format!("other-{other}").into(), 9));
                let index = NameIndex::new([(name.as_str().into(), 1)].into_iter().chain(others));
                assert_eq!(index.get(name.as_bytes()), Some(1), "{name}");
                for at in 0..length {
                    let mut other = name.clone().into_bytes();
                    other[at] = b'-';
                    assert_eq!(index.get(&other), None, "{name} but for the byte at {at}");
                    assert_eq!(index.get(&name.as_bytes()[..at]), None, "{name} up to {at}");
                }
            }
        }
    }

    #[test]
    fn names_that_differ_in_one_place_are_spread() {
        for length in 1..30 {
            for at in 0..length {
                let mut names = vec![vec![b'x'; length]; 200];
                for (other, name) in names.iter_mut().enumerate() {
                    name[at] = other as u8;
                }
                let masked = |name: &Vec<u8>| Gist::of(name).hash(name) % 512;
                let slots: std::collections::HashSet<u64> = names.iter().map(masked).collect();
                // At random there are 165 of them.
                assert!(slots.len() > 120, "{} slots for names of {length} that differ at {at}", slots.len());
            }
        }
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
