//! What is being written: a vector with room behind what has been written.
//!
//! Appending to a vector costs a look at its capacity for every piece, and a call to `memcpy` for every piece whose
//! size is not known beforehand. Here the room is there already: a block of fixed size is stored into it, and then
//! the end moves on by as much of the block as counts. What is behind the end is overwritten by what comes next, or
//! cut off at last.

/// How much room is made at once where there was too little.
const ROOM: usize = 1024;

#[derive(Debug)]
pub(crate) struct Output {
    /// Longer than what was written, by room that is to be overwritten.
    bytes: Vec<u8>,
    end: usize,
}

impl Output {
    /// Appends to these bytes about as many as are expected.
    #[inline]
    pub(crate) fn behind(mut bytes: Vec<u8>, expected: usize) -> Self {
        let end = bytes.len();
        bytes.resize(end + expected.min(4 * ROOM), 0);
        Self { bytes, end }
    }

    /// How long it is.
    #[inline(always)]
    pub(crate) fn end(&self) -> usize {
        self.end
    }

    /// The bytes up to an end that was there before, or is now.
    #[inline]
    pub(crate) fn into_bytes(mut self, end: usize) -> Vec<u8> {
        self.bytes.truncate(end);
        self.bytes
    }

    /// A block of room behind the end.
    #[inline(always)]
    pub(crate) fn room<const N: usize>(&mut self) -> &mut [u8; N] {
        if self.bytes.len() < self.end + N {
            self.grow(N);
        }
        self.bytes[self.end..].first_chunk_mut().expect("room was made for the block")
    }

    /// As much room as is asked for.
    #[inline]
    pub(crate) fn room_of(&mut self, length: usize) -> &mut [u8] {
        if self.bytes.len() < self.end + length {
            self.grow(length);
        }
        &mut self.bytes[self.end..][..length]
    }

    /// Makes what was stored into the room part of what was written.
    #[inline(always)]
    pub(crate) fn advance(&mut self, length: usize) {
        self.end += length;
    }

    /// Appends the first bytes of a block.
    #[inline(always)]
    pub(crate) fn put_block<const N: usize>(&mut self, block: &[u8; N], length: usize) {
        self.room::<N>().copy_from_slice(block);
        self.end += length;
    }

    #[inline(always)]
    pub(crate) fn put_byte(&mut self, byte: u8) {
        self.put_block(&[byte], 1);
    }

    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.room_of(bytes.len()).copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Writes over a byte.
    #[inline(always)]
    pub(crate) fn set(&mut self, at: usize, byte: u8) {
        self.bytes[at] = byte;
    }

    /// What was written from there on, and the room behind it.
    #[inline]
    pub(crate) fn from(&self, start: usize) -> &[u8] {
        &self.bytes[start..]
    }

    /// What was written as a vector, for code that knows how to append to one.
    pub(crate) fn with_vec<T>(&mut self, append: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        self.bytes.truncate(self.end);
        let result = append(&mut self.bytes);
        self.end = self.bytes.len();
        result
    }

    /// Appends a varint.
    #[inline(always)]
    pub(crate) fn put_varint(&mut self, value: u64) {
        match value {
            0..0x80 => self.put_byte(value as u8),
            _ => self.put_long_varint(value),
        }
    }

    fn put_long_varint(&mut self, mut value: u64) {
        let room = self.room::<10>();
        let mut length = 0;
        for byte in room {
            length += 1;
            if value < 0x80 {
                *byte = value as u8;
                break;
            }
            *byte = value as u8 | 0x80;
            value >>= 7;
        }
        self.end += length;
    }

    /// Reserves a byte for the length of what is appended next; give the mark to [`end_length`](Self::end_length).
    #[inline(always)]
    pub(crate) fn begin_length(&mut self) -> usize {
        self.put_byte(0);
        self.end
    }

    /// Fills in the length reserved by [`begin_length`](Self::begin_length).
    #[inline(always)]
    pub(crate) fn end_length(&mut self, mark: usize) {
        match self.end - mark {
            length @ 0..0x80 => self.set(mark - 1, length as u8),
            length => self.end_long(mark, length),
        }
    }

    /// A length of several bytes moves what it measures.
    fn end_long(&mut self, mark: usize, length: usize) {
        let mut more = 0;
        while length >> (7 * (more + 1)) != 0 {
            more += 1;
        }
        self.room_of(more);
        self.bytes.copy_within(mark..self.end, mark + more);
        self.end += more;
        for (index, byte) in self.bytes[mark - 1..mark + more].iter_mut().enumerate() {
            let rest = length >> (7 * index);
            *byte = if index < more { rest as u8 | 0x80 } else { rest as u8 };
        }
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
    use crate::wire::put_varint;

    #[test]
    fn lengths_and_varints_are_those_of_the_wire() {
        for length in [0usize, 1, 127, 128, 300, 16_383, 16_384, 2_097_152] {
            let mut out = Output::behind(vec![9], 0);
            let mark = out.begin_length();
            let body: Vec<u8> = (0..length).map(|index| index as u8).collect();
            out.put(&body);
            out.end_length(mark);
            out.put_varint(length as u64);
            let end = out.end();
            let mut expected = vec![9];
            put_varint(length as u64, &mut expected);
            expected.extend_from_slice(&body);
            put_varint(length as u64, &mut expected);
            assert_eq!(out.into_bytes(end), expected);
        }
        let mut out = Output::behind(Vec::new(), 0);
        out.put_varint(u64::MAX);
        assert_eq!(out.into_bytes(10), [255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
    }

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
