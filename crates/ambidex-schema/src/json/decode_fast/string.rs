//! Strings: found, checked and copied a block at a time.

use super::FastDecoder;
use crate::json::plain_text::text_end;
use crate::json::scanner::{check_escape, unescape};
use crate::prepared::Tag;

/// Strings up to this many bytes are copied as one block.
const BLOCK: usize = 32;

impl<'a> FastDecoder<'a> {
    /// Reads a string and appends it behind a tag.
    #[inline(always)]
    pub(super) fn string_field(&mut self, tag: &Tag, at: usize) -> Option<usize> {
        let (text, after) = self.text(at)?;
        let Some(text) = text else {
            self.tag(tag);
            return self.escaped(at);
        };
        let (tag, tag_length) = tag.block();
        // The text goes on behind a short string, so that a block can be copied.
        let Some(block) = self.json[at + 1..].first_chunk::<BLOCK>().filter(|_| text.len() <= BLOCK) else {
            self.out.put_block(tag, tag_length);
            self.out.put_varint(text.len() as u64);
            self.out.put(text);
            return Some(after);
        };
        let room = self.out.room::<{ 8 + 1 + BLOCK }>();
        room[..8].copy_from_slice(tag);
        let tag_length = tag_length & 7;
        room[tag_length] = text.len() as u8;
        room[tag_length + 1..][..BLOCK].copy_from_slice(block);
        self.out.advance(tag_length + 1 + text.len());
        Some(after)
    }

    /// Reads a string and appends it behind its length.
    pub(super) fn string(&mut self, at: usize) -> Option<usize> {
        let (text, after) = self.text(at)?;
        let Some(text) = text else { return self.escaped(at) };
        self.out.put_varint(text.len() as u64);
        self.out.put(text);
        Some(after)
    }

    /// The content of a string without escapes, and where the string ends.
    #[inline(always)]
    pub(super) fn plain(&self, at: usize) -> Option<(&'a [u8], usize)> {
        let (text, after) = self.text(at)?;
        Some((text?, after))
    }

    /// The content of a name, and where its colon ends.
    #[inline]
    pub(super) fn name(&self, at: usize) -> Option<(&'a [u8], usize)> {
        let (name, after) = self.plain(at)?;
        (*self.json.get(after)? == b':').then_some((name, after + 1))
    }

    /// The content of a string and where it ends; no content where there are escapes.
    #[inline(always)]
    fn text(&self, at: usize) -> Option<(Option<&'a [u8]>, usize)> {
        let json = self.json;
        let start = at + 1;
        if *json.get(at)? != b'"' {
            return None;
        }
        let (end, is_ascii) = text_end(json, start)?;
        let text = json.get(start..end)?;
        match json[end] {
            b'"' if text.len() < self.options.max_string_bytes => {}
            b'\\' => return Some((None, end)),
            _ => return None,
        }
        if !is_ascii {
            std::str::from_utf8(text).ok()?;
        }
        Some((Some(text), end + 1))
    }

    /// Reads a string with escapes and appends it behind its length.
    #[cold]
    fn escaped(&mut self, at: usize) -> Option<usize> {
        let json = self.json;
        let mut end = at + 1;
        loop {
            end = text_end(json, end)?.0;
            match json[end] {
                b'"' => break,
                b'\\' => end += check_escape(&json[end..]).ok()?,
                _ => return None,
            }
        }
        let content = &json[at + 1..end];
        if content.len() >= self.options.max_string_bytes {
            return None;
        }
        std::str::from_utf8(content).ok()?;
        let mark = self.out.begin_length();
        let length = unescape(content, self.out.room_of(content.len()));
        self.out.advance(length);
        self.out.end_length(mark);
        Some(end + 1)
    }
}
