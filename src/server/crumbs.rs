//! Small frames of DATA that came together, made one.
//!
//! Some clients send each message in a frame of its own. h2 keeps more of its own for such a frame than there is data in
//! it, and ends the connection with some two thousand of them that nobody has read: enough for an honest client that
//! streams small messages as fast as it can, or faster than a handler reads. Where frames end means nothing in HTTP/2
//! ([RFC 9113](https://www.rfc-editor.org/rfc/rfc9113#section-6.1)), so neighbours of one stream become one before h2 sees
//! them. That is done only where there are small ones, and spares h2 and the handler as many turns.

/// The head of a frame: three bytes of length, the type, flags, and the stream.
const HEAD_BYTES: usize = 9;

const DATA: u8 = 0;

/// The largest frame that a client may send, by default, which is what we have.
const FRAME_MAX_BYTES: usize = 16_384;

fn length(head: &[u8]) -> usize {
    u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize
}

/// Makes one of neighbours in `bytes`, behind the first `rest`, which are the end of an earlier frame. Says how many
/// bytes there are now.
pub(super) fn gather(bytes: &mut [u8], rest: usize) -> usize {
    let mut read = rest.min(bytes.len());
    let mut write = read;
    // Where the head is of a frame that more can be added to.
    let mut open: Option<usize> = None;
    while let Some(&head) = bytes[read..].first_chunk::<HEAD_BYTES>() {
        let data = length(&head);
        let end = read + HEAD_BYTES + data;
        if end > bytes.len() {
            break;
        }
        // Neither the end of its stream nor padded.
        let is_plain = head[3] == DATA && head[4] == 0;
        match open {
            Some(at)
                if is_plain
                    && bytes[at + 5..at + HEAD_BYTES] == head[5..]
                    && length(&bytes[at..]) + data <= FRAME_MAX_BYTES =>
            {
                let sum = length(&bytes[at..]) + data;
                bytes[at..at + 3].copy_from_slice(&(sum as u32).to_be_bytes()[1..]);
                bytes.copy_within(read + HEAD_BYTES..end, write);
                write += data;
            }
            _ => {
                bytes.copy_within(read..end, write);
                open = (is_plain && data > 0).then_some(write);
                write += end - read;
            }
        }
        read = end;
    }
    bytes.copy_within(read.., write);
    write + bytes.len() - read
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u8, data: &[u8]) -> Vec<u8> {
        let length = (data.len() as u32).to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, stream];
        frame.extend_from_slice(data);
        frame
    }

    fn gathered(frames: &[Vec<u8>], before: &[u8], after: &[u8]) -> Vec<u8> {
        let mut bytes = [before, &frames.concat(), after].concat();
        let length = gather(&mut bytes, before.len());
        bytes.truncate(length);
        assert!(bytes.starts_with(before) && bytes.ends_with(after));
        bytes[before.len()..length - after.len()].to_vec()
    }

    #[test]
    fn neighbours_of_a_stream_become_one() {
        let three = [frame(0, 0, 1, b"a"), frame(0, 0, 1, b"bc"), frame(0, 0, 1, b"d")];
        for (before, after) in
            [(&b""[..], &b""[..]), (b"rest", b"\0\0\x09\0\0\0\0\0\x01half"), (b"", b"\0\0")]
        {
            assert_eq!(gathered(&three, before, after), frame(0, 0, 1, b"abcd"));
        }
    }

    #[test]
    fn what_means_something_stays_as_it_is() {
        for other in [
            // Another stream, the end of one, padding, another type, and nothing at all.
            frame(0, 0, 3, b"b"),
            frame(0, 1, 1, b"b"),
            frame(0, 8, 1, b"\0b"),
            frame(6, 0, 0, b"12345678"),
        ] {
            let frames = [frame(0, 0, 1, b"a"), other.clone(), frame(0, 0, 1, b"c")];
            assert_eq!(gathered(&frames, b"", b""), frames.concat(), "{other:?}");
        }
    }

    #[test]
    fn no_frame_becomes_too_large() {
        let frames = vec![frame(0, 0, 1, &[7; 100]); 1000];
        let bytes = gathered(&frames, b"", b"");
        let (mut at, mut data) = (0, 0);
        while at < bytes.len() {
            let length = length(&bytes[at..]);
            assert!(length <= FRAME_MAX_BYTES);
            assert_eq!(bytes[at + 3..at + HEAD_BYTES], [0, 0, 0, 0, 0, 1]);
            assert!(bytes[at + HEAD_BYTES..at + HEAD_BYTES + length].iter().all(|byte| *byte == 7));
            data += length;
            at += HEAD_BYTES + length;
        }
        assert_eq!((at, data), (bytes.len(), 100_000));
        assert!(bytes.len() < 101_000);
    }
}
