//! Decimal digits, eight at a time.
//!
//! Eight digits are made in one register by dividing all halves at once, and stored as one block; leading zeros are
//! shifted out. Compared with `itoa` this needs no table, no loop and no copy of a length that only the number
//! knows.

/// The most digits that a number of 64 bits has, rounded up to whole blocks.
pub(crate) const DIGITS_MAX: usize = 24;

const EIGHT: u64 = 100_000_000;

/// Writes a number without leading zeros, and returns how many digits it has. More bytes may be overwritten.
#[inline]
pub(crate) fn put_digits(value: u64, room: &mut [u8; DIGITS_MAX]) -> usize {
    if value < EIGHT {
        return put_first(value, room);
    }
    let (high, low) = (value / EIGHT, value % EIGHT);
    let before = if high < EIGHT {
        put_first(high, room)
    } else {
        let before = put_first(high / EIGHT, room) & 7;
        room[before..before + 8].copy_from_slice(&eight_digits(high % EIGHT).to_le_bytes());
        before + 8
    };
    let before = before & 15;
    room[before..before + 8].copy_from_slice(&eight_digits(low).to_le_bytes());
    before + 8
}

/// Writes up to eight digits without leading zeros.
#[inline(always)]
fn put_first(value: u64, room: &mut [u8; DIGITS_MAX]) -> usize {
    let digits = eight_digits(value);
    // The zeros in front are the low bytes; the last digit stands even where it is one.
    let zeros = ((digits & 0x000f_0f0f_0f0f_0f0f) | 1 << 56).trailing_zeros() / 8;
    room[..8].copy_from_slice(&(digits >> (zeros * 8)).to_le_bytes());
    8 - zeros as usize
}

/// The eight digits of a number below a hundred million as text, the first one in the lowest byte.
#[inline(always)]
pub(crate) fn eight_digits(value: u64) -> u64 {
    debug_assert!(value < EIGHT, "eight digits are enough");
    // Two halves of four digits, then four quarters of two, then eight of one. The multiplications divide: by 100
    // below 10 000, and by 10 below 100.
    let halves = (value / 10_000) | (value % 10_000) << 32;
    let hundreds = ((halves * 5243) >> 19) & 0x0000_007f_0000_007f;
    let quarters = hundreds | (halves - hundreds * 100) << 16;
    let tens = ((quarters * 103) >> 10) & 0x000f_000f_000f_000f;
    (tens | (quarters - tens * 10) << 8) | 0x3030_3030_3030_3030
}

/// The two digits of a number below a hundred as text.
#[inline(always)]
pub(crate) fn two_digits(value: u32) -> [u8; 2] {
    debug_assert!(value < 100, "two digits are enough");
    let tens = (value * 103) >> 10;
    [b'0' + tens as u8, b'0' + (value - tens * 10) as u8]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: u64) -> String {
        let mut room = [b'x'; DIGITS_MAX];
        let length = put_digits(value, &mut room);
        String::from_utf8_lossy(&room[..length]).into_owned()
    }

    #[test]
    fn numbers_around_every_power_of_ten_are_written() {
        for power in (0..20).map(|exponent| 10u64.pow(exponent)) {
            for value in [power - 1, power, power + 1, power / 2 * 3] {
                assert_eq!(text(value), value.to_string());
            }
        }
        assert_eq!(text(u64::MAX), u64::MAX.to_string());
    }

    #[test]
    fn every_four_digits_are_exact() {
        for value in 0..10_000 {
            assert_eq!(eight_digits(value).to_le_bytes(), *format!("{value:08}").as_bytes());
            let high = value * 10_000;
            assert_eq!(eight_digits(high).to_le_bytes(), *format!("{high:08}").as_bytes());
        }
        for value in 0..100 {
            assert_eq!(two_digits(value), *format!("{value:02}").as_bytes());
        }
    }

    proptest! {
        #[test]
        fn numbers_are_written(value: u64, shift in 0u32..64) {
            let value = value >> shift;
            prop_assert_eq!(text(value), value.to_string());
        }
    }
}
