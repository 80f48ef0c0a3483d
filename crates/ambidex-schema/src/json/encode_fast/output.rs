//! The text being written: a vector with room behind what has been written.
//!
//! Appending to a vector costs a look at its capacity for every piece, and a call to `memcpy` for every piece whose
//! size is not known beforehand. Here the room is there already: a block of fixed size is stored into it, and then
//! the end moves on by as much of the block as counts. What is behind the end is overwritten by what comes next, or
//! cut off at last.

/// How much room is made at once where there was too little.
const ROOM: usize = 1024;

#[derive(Debug)]
pub(super) struct Output {
    /// Longer than the text, by room that is to be overwritten.
    bytes: Vec<u8>,
    end: usize,
}

impl Output {
    /// Appends to these bytes about as many as are expected.
    #[inline]
    pub(super) fn behind(mut bytes: Vec<u8>, expected: usize) -> Self {
        let end = bytes.len();
        bytes.resize(end + expected.min(4 * ROOM), 0);
        Self { bytes, end }
    }

    /// How long the text is.
    #[inline(always)]
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// The bytes up to an end that was there before, or is now.
    #[inline]
    pub(super) fn into_bytes(mut self, end: usize) -> Vec<u8> {
        self.bytes.truncate(end);
        self.bytes
    }

    /// A block of room behind the end.
    #[inline(always)]
    pub(super) fn room<const N: usize>(&mut self) -> &mut [u8; N] {
        if self.bytes.len() < self.end + N {
            self.grow(N);
        }
        self.bytes[self.end..].first_chunk_mut().expect("room was made for the block")
    }

    /// As much room as is asked for.
    #[inline]
    pub(super) fn room_of(&mut self, length: usize) -> &mut [u8] {
        if self.bytes.len() < self.end + length {
            self.grow(length);
        }
        &mut self.bytes[self.end..][..length]
    }

    /// Makes part of the text what was stored into the room.
    #[inline(always)]
    pub(super) fn advance(&mut self, length: usize) {
        self.end += length;
    }

    /// Appends the first bytes of a block.
    #[inline(always)]
    pub(super) fn put_block<const N: usize>(&mut self, block: &[u8; N], length: usize) {
        self.room::<N>().copy_from_slice(block);
        self.end += length;
    }

    #[inline(always)]
    pub(super) fn put_byte(&mut self, byte: u8) {
        self.put_block(&[byte], 1);
    }

    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.room_of(bytes.len()).copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Writes over a byte of the text.
    #[inline(always)]
    pub(super) fn set(&mut self, at: usize, byte: u8) {
        self.bytes[at] = byte;
    }

    /// The text from there on, and the room behind it.
    #[inline]
    pub(super) fn from(&self, start: usize) -> &[u8] {
        &self.bytes[start..]
    }

    /// The text as a vector, for what knows how to append to one.
    pub(super) fn with_vec<T>(&mut self, append: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        self.bytes.truncate(self.end);
        let result = append(&mut self.bytes);
        self.end = self.bytes.len();
        result
    }

    #[cold]
    fn grow(&mut self, length: usize) {
        // The vector doubles its capacity itself; only what is asked for is filled.
        self.bytes.resize(self.end + length.max(ROOM), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_of_a_block_stays() {
        let mut out = Output::behind(b"ab".to_vec(), 0);
        out.put_block(b"cdxx", 2);
        out.put(b"ef");
        out.put_byte(b'g');
        assert_eq!(out.end(), 7);
        out.set(0, b'A');
        out.with_vec(|vec| vec.push(b'h'));
        out.put(&[b'i'; 5000]);
        let end = out.end();
        let bytes = out.into_bytes(end);
        assert_eq!(bytes[..8], *b"Abcdefgh");
        assert_eq!(bytes[8..], [b'i'; 5000]);
    }
}
