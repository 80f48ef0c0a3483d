//! Maps: every member an entry behind the tag.

use super::FastDecoder;
use crate::json::key_filter::{KeyFilter, entries_repeat};
use crate::json::number::Integer;
use crate::prepared::Tag;
use crate::tables::Kind;

impl FastDecoder<'_> {
    /// Reads an object as a map.
    pub(super) fn map(&mut self, tag: &Tag, (key, value): (Kind, Kind), at: usize) -> Option<usize> {
        let json = self.json;
        let mut at = self.open(b'{', at)?;
        if *json.get(at)? == b'}' {
            return Some(self.close(at));
        }
        let first = self.out.end() + tag.len();
        let mut filter = KeyFilter::default();
        let key_tag = 1 << 3 | key.wire_type();
        let value_tag = Tag::of_byte(2 << 3 | value.wire_type());
        loop {
            self.count_element()?;
            self.tag(tag);
            let mark = self.out.begin_length();
            at = match key {
                Kind::String => self.string_field(&Tag::of_byte(key_tag), at)?,
                _ => {
                    self.out.put_byte(key_tag);
                    self.key(key, at)?
                }
            };
            filter.add(self.out.from(mark + 1), self.out.end() - mark - 1);
            if *json.get(at)? != b':' {
                return None;
            }
            at = self.past_space(at + 1);
            at = self.tagged(&value_tag, value, at)?;
            self.out.end_length(mark);
            match *json.get(at)? {
                b',' => at = self.past_space(at + 1),
                b'}' => break,
                _ => return None,
            }
        }
        if filter.found_alike() {
            let (block, length) = tag.block();
            let written = &self.out.from(0)[..self.out.end()];
            if entries_repeat((key, value), &block[..length], written, first)? {
                return None;
            }
        }
        Some(self.close(at))
    }

    /// Reads a key that is no string; returns where its quotes end.
    fn key(&mut self, kind: Kind, at: usize) -> Option<usize> {
        let (text, after) = self.plain(at)?;
        if kind == Kind::Bool {
            let value = match text {
                b"true" => 1,
                b"false" => 0,
                _ => return None,
            };
            self.out.put_byte(value);
            return Some(after);
        }
        let (value, length) = Integer::parse_plain(text)?;
        if length != text.len() || length > self.options.max_number_bytes {
            return None;
        }
        self.put_integer(kind, value)?;
        Some(after)
    }
}
