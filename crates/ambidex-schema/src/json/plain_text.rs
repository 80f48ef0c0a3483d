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

/// Where the text from there on stops to stand in a JSON string as it is, and whether it is ASCII up to there; `None`
/// where it does not stop.
#[inline(always)]
pub(crate) fn text_end(bytes: &[u8], start: usize) -> Option<(usize, bool)> {
    let mut at = start;
    let mut others = 0;
    while let Some(word) = bytes.get(at..)?.first_chunk() {
        let word = u64::from_le_bytes(*word);
        let escaped = escaped_bytes(word);
        if escaped != 0 {
            // Of what is no ASCII only that before the lowest one counts.
            others |= word & (escaped - 1) & !escaped & HIGHS;
            return Some((at + escaped.trailing_zeros() as usize / 8, others == 0));
        }
        others |= word & HIGHS;
        at += 8;
    }
    // The last word overlaps the one before; what was seen is shifted out, and zeros, which are special, come in.
    let rest = bytes.len() - at;
    let word = match bytes.last_chunk() {
        _ if rest == 0 => return None,
        Some(word) => u64::from_le_bytes(*word) >> (64 - 8 * rest),
        None => bytes[at..].iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    let escaped = escaped_bytes(word);
    others |= word & (escaped - 1) & !escaped & HIGHS;
    let length = escaped.trailing_zeros() as usize / 8;
    (length < rest).then_some((at + length, others == 0))
}

/// Writes up to [`SHORT`] bytes with quotes around them if they are ASCII that stands in a JSON string as it is;
/// `false` where not all are, and then the room holds anything. More bytes may be overwritten.
///
/// One pass does what would otherwise take three: checking the encoding, looking for what needs an escape,
/// and copying. The last block overlaps the one before, so that no length needs a loop over single bytes.
#[inline(always)]
pub(crate) fn quote_short(bytes: &[u8], room: &mut [u8; QUOTED_SHORT]) -> bool {
    let length = bytes.len();
    // A block of quotes has both quotes in place, whatever the length between them.
    *room = [b'"'; QUOTED_SHORT];
    if let (Some(first), Some(last)) = (bytes.first_chunk::<16>(), bytes.last_chunk::<16>()) {
        room[1..17].copy_from_slice(first);
        room[length - 15..][..16].copy_from_slice(last);
        is_plain_block(first) & is_plain_block(last)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        room[1..9].copy_from_slice(first);
        room[length - 7..][..8].copy_from_slice(last);
        special_bytes(u64::from_le_bytes(*first)) | special_bytes(u64::from_le_bytes(*last)) == 0
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        room[1..5].copy_from_slice(first);
        room[length - 3..][..4].copy_from_slice(last);
        let both = u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32;
        special_bytes(both) == 0
    } else {
        let mut plain = true;
        for (to, &byte) in room[1..].iter_mut().zip(bytes) {
            *to = byte;
            plain &= byte < 0x80 && is_plain(byte);
        }
        plain
    }
}

/// Strings up to this many bytes are copied in at most two blocks.
pub(crate) const SHORT: usize = 30;
/// The same with quotes.
pub(crate) const QUOTED_SHORT: usize = SHORT + 2;

/// As [`quote_short`], for longer strings and into room for them and their quotes.
pub(crate) fn quote_long(bytes: &[u8], room: &mut [u8]) -> bool {
    let [first, inside @ .., last] = room else { return false };
    (*first, *last) = (b'"', b'"');
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let (copies, _) = inside.as_chunks_mut::<BLOCK>();
    for (block, copy) in blocks.iter().zip(copies) {
        *copy = *block;
        if !is_plain_block(block) {
            return false;
        }
    }
    let (Some(block), Some(copy)) = (bytes.last_chunk(), inside.last_chunk_mut()) else { return false };
    *copy = *block;
    is_plain_block(block)
}

fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\'
}

/// Without branches, so that the compiler makes it a handful of vector instructions.
#[inline]
fn is_plain_block(block: &[u8; BLOCK]) -> bool {
    !block.iter().fold(false, |special, &byte| {
        special | (byte < 0x20) | !byte.is_ascii() | (byte == b'"') | (byte == b'\\')
    })
}

/// The high bit of every byte that is no ASCII or needs an escape, and possibly of bytes above one that does.
#[inline]
fn special_bytes(word: u64) -> u64 {
    (below_or_equal(word) | word) & HIGHS
}

/// The high bit of every byte that needs an escape, and possibly of bytes above it; the lowest one is exact.
#[inline]
fn escaped_bytes(word: u64) -> u64 {
    below_or_equal(word) & !word & HIGHS
}

/// Has the high bit set for every byte below 128 that is a quote, a backslash or a control character.
///
/// Subtracting one from what is zero where the byte is a quote borrows from its high bit; so does
/// subtracting a space from what is less.
#[inline]
fn below_or_equal(word: u64) -> u64 {
    let quotes = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let backslashes = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    let controls = word.wrapping_sub(ONES * b' ' as u64);
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
        fn text_ends_where_it_is_no_longer_plain(bytes: Vec<u8>, text in "[a-zé ]{0,20}", start in 0usize..12) {
            for bytes in [&bytes[..], text.as_bytes(), &[text.as_bytes(), &bytes].concat()] {
                let start = start.min(bytes.len());
                let length = bytes[start..].iter().position(|byte| !is_plain(*byte));
                let obvious = length.map(|length| (start + length, bytes[start..start + length].is_ascii()));
                prop_assert_eq!(text_end(bytes, start), obvious);
            }
        }

        #[test]
        fn plain_ascii_of_any_length_is_quoted(text in "[ -~]{0,70}", special in any::<Option<(usize, u8)>>()) {
            let mut bytes = text.into_bytes();
            if let Some((at, byte)) = special && !bytes.is_empty() {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            let plain = bytes.iter().all(|byte| byte.is_ascii() && is_plain(*byte));
            let mut room = vec![0; bytes.len().max(SHORT) + 2];
            let quoted = match bytes.len() {
                0..=SHORT => quote_short(&bytes, room.first_chunk_mut().expect("it is as long")),
                length => quote_long(&bytes, &mut room[..length + 2]),
            };
            prop_assert_eq!(quoted, plain);
            if plain {
                prop_assert_eq!(&room[..bytes.len() + 2], [b"\"", &bytes[..], b"\""].concat());
            }
        }
    }
}
