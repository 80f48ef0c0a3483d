//! What stands before a message on a stream: a byte of flags, and the length of the message.
//!
//! [gRPC](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests) and
//! [Connect](https://connectrpc.com/docs/protocol/#streaming-rpcs) agree on it, but for the flags.

/// Flags and length.
pub(crate) const PREFIX_BYTES: usize = 5;

/// The flag of a packed message.
pub(crate) const COMPRESSED: u8 = 1;

/// The prefix of a message of so many bytes.
#[inline]
pub(crate) fn prefix(flags: u8, length: usize) -> [u8; PREFIX_BYTES] {
    let [a, b, c, d] = u32::try_from(length).expect("messages are bounded").to_be_bytes();
    [flags, a, b, c, d]
}

/// The flags and the length that `bytes` begin with, once they are there.
#[inline]
pub(crate) fn read_prefix(bytes: &[u8]) -> Option<(u8, usize)> {
    let &[flags, a, b, c, d] = bytes.first_chunk::<PREFIX_BYTES>()?;
    Some((flags, u32::from_be_bytes([a, b, c, d]) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (flags, length) in [(0, 0), (COMPRESSED, 258), (2, u32::MAX as usize)] {
            let written = prefix(flags, length);
            assert_eq!(read_prefix(&written), Some((flags, length)));
            assert_eq!(read_prefix(&written[..4]), None);
        }
        assert_eq!(prefix(COMPRESSED, 258), [1, 0, 0, 1, 2]);
    }
}
