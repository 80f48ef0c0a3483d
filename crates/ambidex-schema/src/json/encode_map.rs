//! wire → JSON: maps, which the wire spells as a list of entries.
//!
//! The wire may hold a key several times, and the last entry counts; JSON must not. So the entries of a map are
//! gathered before they are written.

use super::encode::Encoder;
use super::text::{put_integer, put_text};
use crate::tables::{Kind, Tables};
use crate::wire::{Reader, WireError, WireErrorKind, WireValue, unzigzag};

/// Up to this many entries are compared with each other; more are sorted to find duplicates.
const COMPARED_ENTRIES_MAX: usize = 8;

/// One entry, its value not yet looked into.
#[derive(Debug)]
pub(crate) struct Entry<'w> {
    key: Key<'w>,
    key_offset: usize,
    value: Option<WireValue<'w>>,
    /// A message value that comes in several parts, which merge: all of them.
    parts: Vec<u8>,
    offset: usize,
}

/// A key in a form that is equal where the keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'w> {
    /// Checked to be UTF-8 when it is written.
    Text(&'w [u8]),
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
}

impl<'w> Entry<'w> {
    /// Reads the two fields of an entry. A key that is left out is the default of its kind; a key or value of
    /// another wire type is left out.
    pub(crate) fn read(
        bytes: &'w [u8],
        offset: usize,
        (key_kind, value_kind): (Kind, Kind),
    ) -> Result<Self, WireError> {
        let key = Key::default_of(key_kind);
        let mut entry = Self { key, key_offset: offset, value: None, parts: Vec::new(), offset };
        let mut reader = Reader::new(bytes, offset);
        while let Some(record) = reader.next()? {
            match record.number {
                1 => {
                    if let Some(key) = Key::read(record.value, key_kind) {
                        (entry.key, entry.key_offset) = (key, record.offset);
                    }
                }
                2 if record.value.wire_type() == value_kind.wire_type() => {
                    if let (Kind::Message(_), Some(WireValue::Bytes(part))) = (value_kind, entry.value) {
                        if entry.parts.is_empty() {
                            entry.parts.extend_from_slice(part);
                        }
                        entry.parts.extend_from_slice(record.value.bytes().unwrap_or_default());
                    }
                    (entry.value, entry.offset) = (Some(record.value), record.offset);
                }
                _ => {}
            }
        }
        Ok(entry)
    }

    /// Whether the value is one that a closed enum does not know, which makes the whole entry unknown.
    #[inline]
    pub(crate) fn value_is_unknown(&self, tables: &Tables, kind: Kind) -> bool {
        self.value.is_some_and(|value| tables.is_unknown_value(kind, value))
    }

    /// For entries that may not be written, because a later one replaces them.
    fn check_key(&self) -> Result<(), WireError> {
        let Key::Text(text) = self.key else { return Ok(()) };
        match std::str::from_utf8(text) {
            Ok(_) => Ok(()),
            Err(error) => Err(invalid_key(self.key_offset + error.valid_up_to())),
        }
    }
}

impl<'w> Key<'w> {
    fn default_of(kind: Kind) -> Self {
        match kind {
            Kind::String => Key::Text(b""),
            Kind::Bool => Key::Bool(false),
            Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64 => Key::Unsigned(0),
            _ => Key::Signed(0),
        }
    }

    /// The key that a value is; `None` where the wire type is not that of the kind.
    fn read(value: WireValue<'w>, kind: Kind) -> Option<Self> {
        Some(match (kind, value) {
            (Kind::String, WireValue::Bytes(bytes)) => Key::Text(bytes),
            (Kind::Bool, WireValue::Varint(value)) => Key::Bool(value != 0),
            (Kind::Int32, WireValue::Varint(value)) => Key::Signed(i64::from(value as i32)),
            (Kind::Int64, WireValue::Varint(value)) => Key::Signed(value as i64),
            (Kind::Uint32, WireValue::Varint(value)) => Key::Unsigned(u64::from(value as u32)),
            (Kind::Uint64, WireValue::Varint(value)) => Key::Unsigned(value),
            (Kind::Sint32, WireValue::Varint(value)) => Key::Signed(unzigzag(u64::from(value as u32))),
            (Kind::Sint64, WireValue::Varint(value)) => Key::Signed(unzigzag(value)),
            (Kind::Fixed32, WireValue::Fixed32(value)) => Key::Unsigned(u64::from(value)),
            (Kind::Sfixed32, WireValue::Fixed32(value)) => Key::Signed(i64::from(value as i32)),
            (Kind::Fixed64, WireValue::Fixed64(value)) => Key::Unsigned(value),
            (Kind::Sfixed64, WireValue::Fixed64(value)) => Key::Signed(value as i64),
            _ => return None,
        })
    }
}

impl Encoder<'_, '_> {
    /// Writes a map.
    pub(crate) fn map(&mut self, entries: &[Entry<'_>], value: Kind) -> Result<(), WireError> {
        for entry in entries {
            entry.check_key()?;
        }
        let replaced = replaced(entries);
        let mut first = true;
        self.begin(b'{', entries.first().map_or(0, |entry| entry.offset))?;
        for (index, entry) in entries.iter().enumerate() {
            if replaced.get(index) == Some(&true) {
                continue;
            }
            self.entry(entry, value, first)?;
            first = false;
        }
        self.end(b'}', first);
        Ok(())
    }

    fn entry(&mut self, entry: &Entry<'_>, value: Kind, first: bool) -> Result<(), WireError> {
        self.separate(first);
        self.key(entry)?;
        self.put_key(b":");
        match (entry.value, value) {
            (Some(_), Kind::Message(index)) if !entry.parts.is_empty() => {
                self.message(index, &entry.parts, entry.offset)
            }
            (Some(present), kind) => self.value(kind, present, entry.offset),
            (None, Kind::Message(index)) => self.message(index, b"", entry.offset),
            (None, scalar) => {
                self.default_scalar(scalar);
                Ok(())
            }
        }
    }

    fn key(&mut self, entry: &Entry<'_>) -> Result<(), WireError> {
        match entry.key {
            Key::Text(text) => {
                put_text(text, self.out).map_err(|valid| invalid_key(entry.key_offset + valid))?;
            }
            Key::Bool(true) => self.out.extend_from_slice(b"\"true\""),
            Key::Bool(false) => self.out.extend_from_slice(b"\"false\""),
            Key::Signed(number) => put_integer(number, true, self.out),
            Key::Unsigned(number) => put_integer(number, true, self.out),
        }
        Ok(())
    }
}

/// Whether a key comes twice.
pub(super) fn keys_repeat(entries: &[Entry<'_>]) -> bool {
    replaced(entries).contains(&true)
}

#[cold]
fn invalid_key(offset: usize) -> WireError {
    WireError::new(WireErrorKind::InvalidUtf8, offset, "the map key is not valid UTF-8")
}

/// Which entries a later one with the same key replaces; empty where there are none.
fn replaced(entries: &[Entry<'_>]) -> Vec<bool> {
    if entries.len() <= COMPARED_ENTRIES_MAX {
        let again = |(at, entry): (usize, &Entry<'_>)| entries[at + 1..].iter().any(|e| e.key == entry.key);
        if !entries.iter().enumerate().any(again) {
            return Vec::new();
        }
    }
    if entries.is_sorted_by(|a, b| a.key < b.key) {
        return Vec::new();
    }
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_unstable_by_key(|&index| (entries[index].key, index));
    let mut replaced = vec![false; entries.len()];
    for pair in order.windows(2) {
        replaced[pair[0]] = entries[pair[0]].key == entries[pair[1]].key;
    }
    replaced
}
