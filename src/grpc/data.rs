//! The bytes of a response: as they are, or as a message behind its prefix without being copied behind it.

use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::call::prefix::{PREFIX_BYTES, prefix};

/// A piece of a response's body.
#[derive(Debug)]
pub(crate) enum Data {
    /// Bytes of whatever protocol.
    Plain(Bytes),
    /// A gRPC message with its prefix, of which so many bytes are sent.
    Message { prefix: [u8; PREFIX_BYTES], sent: u8, message: Bytes },
}

impl Data {
    pub(super) fn message(flags: u8, message: Bytes) -> Self {
        Self::Message { prefix: prefix(flags, message.len()), sent: 0, message }
    }

    /// Takes off the first bytes, so many of them or a prefix more.
    pub(crate) fn take_piece(&mut self, bytes: usize) -> Self {
        match self {
            Self::Plain(all) => Self::Plain(all.split_to(bytes.min(all.len()))),
            Self::Message { prefix, sent, message } => {
                let piece = message.split_to(bytes.min(message.len()));
                let piece = Self::Message { prefix: *prefix, sent: *sent, message: piece };
                *self = Self::Plain(std::mem::take(message));
                piece
            }
        }
    }

    /// All of it in one piece.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Self::Plain(bytes) => bytes,
            mut message @ Self::Message { .. } => message.copy_to_bytes(message.remaining()),
        }
    }
}

impl Buf for Data {
    fn remaining(&self) -> usize {
        match self {
            Self::Plain(bytes) => bytes.len(),
            Self::Message { sent, message, .. } => PREFIX_BYTES - usize::from(*sent) + message.len(),
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::Plain(bytes) => bytes,
            Self::Message { prefix, sent, .. } if usize::from(*sent) < PREFIX_BYTES => {
                &prefix[usize::from(*sent)..]
            }
            Self::Message { message, .. } => message,
        }
    }

    // Once in the program: hyper asks in several places, and what each of them has of its own is read anew each time.
    #[inline(never)]
    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        match self {
            Self::Plain(bytes) => bytes.chunks_vectored(slices),
            Self::Message { sent, message, .. } if usize::from(*sent) < PREFIX_BYTES => {
                let Some((first, rest)) = slices.split_first_mut() else { return 0 };
                *first = IoSlice::new(self.chunk());
                1 + message.chunks_vectored(rest)
            }
            Self::Message { message, .. } => message.chunks_vectored(slices),
        }
    }

    #[inline(never)]
    fn advance(&mut self, count: usize) {
        match self {
            Self::Plain(bytes) => bytes.advance(count),
            Self::Message { sent, message, .. } => {
                let of_prefix = count.min(PREFIX_BYTES - usize::from(*sent));
                *sent += of_prefix as u8;
                message.advance(count - of_prefix);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_its_prefix_and_its_bytes_however_it_is_read() {
        let wire = b"\x01\0\0\0\x03abc";
        for step in 1..=wire.len() {
            let mut data = Data::message(1, Bytes::from_static(b"abc"));
            let mut read = Vec::new();
            while data.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 4];
                let count = data.chunks_vectored(&mut slices);
                let all: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
                assert_eq!(all.len(), data.remaining());
                let step = step.min(data.remaining());
                read.extend_from_slice(&all[..step]);
                data.advance(step);
            }
            assert_eq!(read, wire, "{step}");
        }
        assert_eq!(Data::message(1, Bytes::from_static(b"abc")).into_bytes(), &wire[..]);
        assert_eq!(Data::message(0, Bytes::new()).into_bytes(), &[0; 5][..]);
    }
}
