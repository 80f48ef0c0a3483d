//! Strings, and members that are strings: name and value in one piece.

use super::{FastEncoder, delimited};
use crate::json::output::Output;
use crate::json::plain_text::{QUOTED_SHORT, SHORT, plain_length, quote_long, quote_short};
use crate::json::text::escape;
use crate::prepared::{BLOCK, PreparedKey};

impl FastEncoder<'_> {
    /// Writes a comma, a name and a string.
    #[inline(always)]
    pub(super) fn string_member(&mut self, key: &PreparedKey, text: &[u8]) -> Option<()> {
        if let Ok((block, length)) = key.with_comma()
            && text.len() <= SHORT
        {
            let room = self.out.room::<{ BLOCK + QUOTED_SHORT }>();
            room[..BLOCK].copy_from_slice(block);
            let value = length & (BLOCK - 1);
            let quoted = room[value..].first_chunk_mut().expect("the room is long enough");
            if quote_short(text, quoted) {
                self.out.advance(value + text.len() + 2);
                return Some(());
            }
        }
        self.key(key);
        self.text(text)
    }

    /// Writes a string whose length is at `at`; returns where it ends.
    #[inline]
    pub(super) fn string(&mut self, wire: &[u8], at: usize) -> Option<usize> {
        let (text, end) = delimited(wire, at)?;
        self.text(text)?;
        Some(end)
    }

    fn text(&mut self, text: &[u8]) -> Option<()> {
        let quoted = match text.len() {
            0..=SHORT => quote_short(text, self.out.room()),
            length => quote_long(text, self.out.room_of(length + 2)),
        };
        match quoted {
            true => self.out.advance(text.len() + 2),
            false => escaped(text, &mut self.out)?,
        }
        Some(())
    }
}

/// Appends a string that is not ASCII or needs escapes.
fn escaped(text: &[u8], out: &mut Output) -> Option<()> {
    let mut rest = std::str::from_utf8(text).ok()?.as_bytes();
    out.put_byte(b'"');
    loop {
        let (plain, special) = rest.split_at(plain_length(rest));
        out.put(plain);
        let Some((&byte, after)) = special.split_first() else { break };
        let (escape, length) = escape(byte);
        out.put_block(&escape, length);
        rest = after;
    }
    out.put_byte(b'"');
    Some(())
}
