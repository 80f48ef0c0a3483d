//! Doubles as the shortest text that reads back as the same double.
//!
//! Most doubles that people send are prices and counts: numbers with few decimals. Those are found by trying: a
//! double that is the nearest to some number of thousandths is written as these. They have fifteen digits at most,
//! and no two such decimals are read as the same double, so this one is the shortest. All others are left to `zmij`.

use super::decimal::{DIGITS_MAX, put_digits};

/// Room for the longest text there is.
pub(crate) const DOUBLE_MAX: usize = 32;

/// Where thousandths stop being tried: with three decimals these are twelve digits.
const SHORT_MAX: f64 = 1e9;

/// Writes a finite double, or the name of another one in quotes; returns how long it is. More bytes may be
/// overwritten.
#[inline]
pub(crate) fn write_double(value: f64, room: &mut [u8; DOUBLE_MAX]) -> usize {
    let magnitude = value.abs();
    if magnitude < SHORT_MAX {
        let thousandths = (magnitude * 1000.0 + 0.5) as i64;
        if thousandths as f64 / 1000.0 == magnitude {
            return write_thousandths(value.is_sign_negative(), thousandths as u64, room);
        }
    }
    write_any(value, room)
}

/// At least one decimal is written.
#[inline]
fn write_thousandths(negative: bool, thousandths: u64, room: &mut [u8; DOUBLE_MAX]) -> usize {
    let (whole, decimals) = (thousandths / 1000, (thousandths % 1000) as u32);
    room[0] = b'-';
    let start = usize::from(negative);
    let digits: &mut [u8; DIGITS_MAX] = room[start..].first_chunk_mut().expect("a sign is one byte");
    let end = (start + put_digits(whole, digits)) & 15;
    let (tenths, rest) = (decimals / 100, decimals % 100);
    let text = [b'.', b'0' + tenths as u8, b'0' + (rest / 10) as u8, b'0' + (rest % 10) as u8];
    room[end..end + 4].copy_from_slice(&text);
    end + 2 + usize::from(rest != 0) + usize::from(rest % 10 != 0)
}

#[inline(never)]
fn write_any(value: f64, room: &mut [u8; DOUBLE_MAX]) -> usize {
    let mut buffer = zmij::Buffer::new();
    let text = match () {
        () if value.is_finite() => buffer.format_finite(value),
        () if value.is_nan() => "\"NaN\"",
        () if value > 0.0 => "\"Infinity\"",
        () => "\"-Infinity\"",
    };
    room[..text.len()].copy_from_slice(text.as_bytes());
    text.len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn double(value: f64) -> String {
        let mut room = [0; DOUBLE_MAX];
        let length = write_double(value, &mut room);
        String::from_utf8(room[..length].to_vec()).unwrap()
    }

    fn shortest(value: f64) -> String {
        zmij::Buffer::new().format_finite(value).to_owned()
    }

    #[test]
    fn non_finite_numbers_are_strings() {
        assert_eq!(double(f64::NAN), "\"NaN\"");
        assert_eq!(double(f64::INFINITY), "\"Infinity\"");
        assert_eq!(double(f64::NEG_INFINITY), "\"-Infinity\"");
    }

    #[test]
    fn numbers_with_few_decimals_are_the_shortest_too() {
        let values = [0.0, 1.0, 0.1, 0.01, 0.001, 0.0004, 0.0005, 13.37, 99.99, 999_999_999.999, 1e9, 1.0005];
        for value in values {
            for value in [value, -value, f64::next_up(value), f64::next_down(value)] {
                assert_eq!(double(value), shortest(value));
            }
        }
        assert_eq!(double(-0.0), "-0.0");
        for thousandths in 0..100_000 {
            let value = f64::from(thousandths) / 1000.0;
            assert_eq!(double(value), shortest(value));
        }
    }

    proptest! {
        #[test]
        fn doubles_are_what_zmij_writes(value: f64, digits in 0i64..1_000_000_000_000, decimals in 0i32..6) {
            let short = digits as f64 / 10f64.powi(decimals);
            for value in [value, short, -short, f64::next_up(short), f64::next_down(short)] {
                prop_assume!(value.is_finite());
                prop_assert_eq!(double(value), shortest(value));
            }
        }

        #[test]
        fn doubles_read_back(value: f64) {
            prop_assume!(value.is_finite());
            prop_assert_eq!(double(value).parse::<f64>().unwrap().to_bits(), value.to_bits());
        }
    }
}
