//! Text that stands in a JSON string as it is: found and copied a block at a time.
//!
//! What may not is a quote, a backslash and the control characters. Three kinds are more than `memchr`
//! looks for at once, and most strings are too short to repay its call, so the search is written out, eight
//! or sixteen bytes at a time, in arithmetic that needs no particular processor.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// How many bytes are copied and checked at once.
const BLOCK: usize = 16;

/// How many bytes from the front can stand in a JSON string as they are.
#[inline]
pub(crate) fn plain_length(bytes: &[u8]) -> usize {
    let (chunks, rest) = bytes.as_chunks::<8>();
    for (index, chunk) in chunks.iter().enumerate() {
        let escaped = escaped_bytes(u64::from_le_bytes(*chunk));
        if escaped != 0 {
            return index * 8 + escaped.trailing_zeros() as usize / 8;
        }
    }
    chunks.len() * 8 + rest.iter().position(|byte| !is_plain(*byte)).unwrap_or(rest.len())
}

/// Appends bytes as long as they are ASCII that stands in a JSON string as it is; `false` where not all are,
/// and then some of them may have been appended.
///
/// One pass does what would otherwise take three: checking the encoding, looking for what needs an escape,
/// and copying. The last block overlaps the one before, so that no length needs a loop over single bytes.
#[inline]
pub(crate) fn put_plain(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    for block in blocks {
        out.extend_from_slice(block);
        if !is_plain_block(block) {
            return false;
        }
    }
    if rest.is_empty() {
        return true;
    }
    let end = out.len() + rest.len();
    if let Some(last) = bytes.last_chunk::<BLOCK>() {
        out.truncate(end - BLOCK);
        out.extend_from_slice(last);
        return is_plain_block(last);
    }
    if let (Some(first), Some(last)) = (rest.first_chunk::<8>(), rest.last_chunk::<8>()) {
        out.extend_from_slice(first);
        out.truncate(end - 8);
        out.extend_from_slice(last);
        return special_bytes(*first) | special_bytes(*last) == 0;
    }
    if let (Some(first), Some(last)) = (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
        out.extend_from_slice(first);
        out.truncate(end - 4);
        out.extend_from_slice(last);
        let [a, b, c, d] = *first;
        let [e, f, g, h] = *last;
        return special_bytes([a, b, c, d, e, f, g, h]) == 0;
    }
    let mut plain = true;
    for &byte in rest {
        out.push(byte);
        plain &= byte < 0x80 && is_plain(byte);
    }
    plain
}

fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\'
}

/// Without branches, so that the compiler makes it a handful of vector instructions.
#[inline]
fn is_plain_block(block: &[u8; BLOCK]) -> bool {
    !block.iter().fold(false, |special, &byte| {
        special | (byte < 0x20) | (byte >= 0x80) | (byte == b'"') | (byte == b'\\')
    })
}

/// The high bit of every byte that is no ASCII or needs an escape, and possibly of bytes above one that does.
#[inline]
fn special_bytes(bytes: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(bytes);
    escaped_bytes(word) | word & HIGHS
}

/// The high bit of every byte that needs an escape, and possibly of bytes above it; the lowest one is exact.
#[inline]
fn escaped_bytes(word: u64) -> u64 {
    const fn zero_bytes(word: u64) -> u64 {
        word.wrapping_sub(ONES) & !word & HIGHS
    }
    let quotes = zero_bytes(word ^ (ONES * b'"' as u64));
    let backslashes = zero_bytes(word ^ (ONES * b'\\' as u64));
    let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
    quotes | backslashes | controls
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn plain_length_agrees_with_the_obvious_loop(bytes: Vec<u8>) {
            let obvious = bytes.iter().position(|b| !is_plain(*b)).unwrap_or(bytes.len());
            prop_assert_eq!(plain_length(&bytes), obvious);
        }

        #[test]
        fn plain_ascii_of_any_length_is_copied(text in "[ -~]{0,70}", special in any::<Option<(usize, u8)>>()) {
            let mut bytes = text.into_bytes();
            if let Some((at, byte)) = special && !bytes.is_empty() {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            let plain = bytes.iter().all(|byte| byte.is_ascii() && is_plain(*byte));
            let mut out = vec![7];
            prop_assert_eq!(put_plain(&bytes, &mut out), plain);
            if plain {
                prop_assert_eq!(&out[1..], &bytes[..]);
            }
        }
    }
}
