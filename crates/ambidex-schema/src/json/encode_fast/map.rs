//! Maps, which the wire spells as a list of entries.
//!
//! A key that comes again replaces what was there, so it must not be written twice. Entries are written as they
//! come, and only where two keys look alike to a filter are they read again and compared.

use super::list::same_tag;
use super::{FastEncoder, delimited, varint};
use crate::json::key_filter::{KeyFilter, entries_repeat};
use crate::tables::Kind;

impl FastEncoder<'_> {
    /// Writes a map whose first entry is at `at`, behind its tag; returns where its last record ends.
    pub(super) fn map(
        &mut self,
        (key, value): (Kind, Kind),
        tag: &[u8],
        wire: &[u8],
        mut at: usize,
    ) -> Option<usize> {
        let first = at;
        let mut filter = KeyFilter::default();
        let key_tag = 1 << 3 | key.wire_type();
        let value_tag = 2 << 3 | value.wire_type();
        let start = self.open()?;
        loop {
            let (entry, after) = delimited(wire, at)?;
            self.out.put_byte(b',');
            let key_start = self.out.end();
            let mut inner = 0;
            if entry.first() == Some(&key_tag) {
                inner = self.map_key(key, entry, 1)?;
            } else {
                self.default_key(key);
            }
            self.end_key(key_start, &mut filter);
            if entry.get(inner) == Some(&value_tag) {
                inner = self.value(value, entry, inner + 1)?;
            } else if let Kind::Message(index) = value {
                self.message(index, b"")?;
            } else {
                self.default_scalar(value);
            }
            if inner != entry.len() {
                return None;
            }
            match same_tag(tag, wire, after) {
                Some(value) => at = value,
                None => {
                    self.close(start, *b"{}");
                    let repeat = filter.found_alike() && entries_repeat((key, value), tag, wire, first)?;
                    return (!repeat).then_some(after);
                }
            }
        }
    }

    #[inline(always)]
    fn map_key(&mut self, kind: Kind, entry: &[u8], at: usize) -> Option<usize> {
        match kind {
            Kind::String => self.string(entry, at),
            Kind::Bool => {
                let (value, after) = varint(entry, at)?;
                self.out.put(if value == 0 { b"\"false\"" } else { b"\"true\"" });
                Some(after)
            }
            // These have their quotes already.
            Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => {
                self.scalar(kind, entry, at)
            }
            _ => {
                self.out.put_byte(b'"');
                let after = self.scalar(kind, entry, at)?;
                self.out.put_byte(b'"');
                Some(after)
            }
        }
    }

    #[cold]
    fn default_key(&mut self, kind: Kind) {
        self.out.put(match kind {
            Kind::String => b"\"\"",
            Kind::Bool => b"\"false\"",
            _ => b"\"0\"",
        });
    }

    /// Writes the colon behind a key, which the filter gets to see.
    #[inline(always)]
    pub(super) fn end_key(&mut self, start: usize, filter: &mut KeyFilter) {
        let end = self.out.end();
        self.out.put_block(b":\0\0\0\0\0\0\0", 1);
        filter.add(self.out.from(start), end - start);
    }
}
