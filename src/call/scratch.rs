//! Bytes that are put together piece by piece, without knowing how many there will be.
//!
//! [`Bytes`] of a `Vec` with room left cost a second allocation. Most messages are small: they are put together in memory
//! that a thread uses again and again, and copied once, into as much as they need.

use std::cell::Cell;

use bytes::Bytes;

/// What is larger keeps the memory it was made in: a copy of it would cost more than an allocation.
const SMALL_MAX_BYTES: usize = 1024;

/// What a thread keeps for the next time.
const KEPT_MAX_BYTES: usize = 4 * 1024;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The bytes that `write` appends, of which it is expected to need about `room`.
pub(crate) fn gathered<E>(
    room: usize,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<Bytes, E> {
    if room > SMALL_MAX_BYTES {
        let mut bytes = Vec::with_capacity(room);
        write(&mut bytes)?;
        return Ok(bytes.into());
    }
    with_scratch(|scratch| {
        write(scratch)?;
        Ok(match scratch.len() {
            ..=SMALL_MAX_BYTES => Bytes::copy_from_slice(scratch),
            _ => std::mem::take(scratch).into(),
        })
    })
}

/// Lends memory for a moment, empty at first. Nobody else's: whoever comes here from within `work` gets other.
pub(crate) fn with_scratch<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut scratch = SCRATCH.take();
    scratch.clear();
    // All of it once, rather than little by little and then too much to keep.
    scratch.reserve_exact(KEPT_MAX_BYTES);
    let done = work(&mut scratch);
    if scratch.capacity() <= KEPT_MAX_BYTES {
        SCRATCH.set(scratch);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeated(byte: u8, count: usize, room: usize) -> Bytes {
        let write = |bytes: &mut Vec<u8>| {
            bytes.extend(std::iter::repeat_n(byte, count));
            Ok::<_, ()>(())
        };
        gathered(room, write).expect("no error")
    }

    #[test]
    fn bytes_are_those_that_were_written_whatever_was_before() {
        for count in [3, 0, 5000, SMALL_MAX_BYTES, SMALL_MAX_BYTES + 1, 7] {
            for room in [0, count, 3 * SMALL_MAX_BYTES] {
                let bytes = repeated(count as u8, count, room);
                assert_eq!(bytes, vec![count as u8; count], "{count} with room for {room}");
            }
        }
    }

    #[test]
    fn an_error_leaves_nothing_behind() {
        let failed = gathered(10, |bytes| {
            bytes.extend(b"half");
            Err("no")
        });
        assert_eq!(failed, Err("no"));
        assert_eq!(repeated(1, 2, 2), [1, 1][..]);
    }

    #[test]
    fn one_within_another_has_memory_of_its_own() {
        let outer = gathered(10, |bytes| {
            bytes.extend(b"outer ");
            bytes.extend(&repeated(b'i', 3, 3));
            Ok::<_, ()>(())
        });
        assert_eq!(outer.expect("no error"), "outer iii");
        assert_eq!(repeated(b'o', 1, 1), "o");
    }
}
