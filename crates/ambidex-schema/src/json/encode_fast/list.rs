//! Lists: the records of one field that follow each other, packed or not.

use super::{FastEncoder, delimited};
use crate::tables::Kind;

impl FastEncoder<'_> {
    /// Writes a list whose first value is at `at`, behind its tag; returns where its last record ends.
    pub(super) fn list(&mut self, kind: Kind, tag: &[u8], wire: &[u8], mut at: usize) -> Option<usize> {
        let start = self.open()?;
        let is_packed = tag.first()? & 7 == 2 && kind.is_packable();
        loop {
            if is_packed {
                let (packed, after) = delimited(wire, at)?;
                let mut element = 0;
                while element < packed.len() {
                    self.out.put_byte(b',');
                    element = self.scalar(kind, packed, element)?;
                }
                at = after;
            } else {
                self.out.put_byte(b',');
                at = self.value(kind, wire, at)?;
            }
            match same_tag(tag, wire, at) {
                Some(value) => at = value,
                None => break,
            }
        }
        // Packed records may be empty, and together they are a list that is unset; no encoder writes one.
        if self.out.end() == start {
            return None;
        }
        self.close(start, *b"[]");
        Some(at)
    }
}

/// Where the value starts, if the next record has this tag too.
#[inline(always)]
pub(super) fn same_tag(tag: &[u8], wire: &[u8], at: usize) -> Option<usize> {
    let rest = wire.get(at..)?;
    let same = match tag {
        [byte] => rest.first() == Some(byte),
        longer => rest.starts_with(longer),
    };
    same.then_some(at + tag.len())
}
