//! `google.protobuf.Duration` as text: seconds with an optional fraction and a required `s`.
//!
//! Whole and fractional seconds share one sign, in the text and in the message.

use super::timestamp::{nanos, write_fraction};
use crate::json::decimal::{DIGITS_MAX, put_digits};

/// Ten thousand years of 365.25 days.
const SECONDS_MAX: i64 = 315_576_000_000;

const SHAPE: &str = "a duration is a number of seconds that ends with s, like 1.5s";
const RANGE: &str = "the duration is longer than 315576000000 seconds";

/// Seconds and nanoseconds, both with the sign of the whole.
///
/// ```text
/// duration = [ "-" ] 1*digit [ "." 1*9digit ] "s"
/// ```
pub(crate) fn parse(text: &[u8]) -> Result<(i64, i32), &'static str> {
    let Some((b's', number)) = text.split_last() else { return Err(SHAPE) };
    let (sign, number) = match number {
        [b'-', rest @ ..] => (-1, rest),
        _ => (1, number),
    };
    let digits = number.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (whole, fraction) = number.split_at(digits);
    let nanos = match fraction {
        _ if whole.is_empty() => return Err(SHAPE),
        [] => 0,
        [b'.', fraction @ ..] if fraction.iter().all(u8::is_ascii_digit) => nanos(fraction)?,
        _ => return Err(SHAPE),
    };
    // Digits that do not fit into 64 bits are beyond the range anyway.
    let add = |seconds: i64, digit: &u8| seconds.checked_mul(10)?.checked_add(i64::from(digit - b'0'));
    let seconds = whole.iter().try_fold(0, add).ok_or(RANGE)?;
    // The bound is one of the seconds alone: the last one may have a fraction.
    if seconds > SECONDS_MAX {
        return Err(RANGE);
    }
    Ok((seconds * i64::from(sign), nanos * sign))
}

/// Writes the duration in quotes; returns how long it is. More bytes may be overwritten.
pub(crate) fn write(seconds: i64, nanos: i32, room: &mut [u8; 32]) -> Result<usize, &'static str> {
    if !(-SECONDS_MAX..=SECONDS_MAX).contains(&seconds) {
        return Err(RANGE);
    }
    if !(-999_999_999..=999_999_999).contains(&nanos) {
        return Err("the nanoseconds of the duration are not within a second");
    }
    if (seconds < 0 && nanos > 0) || (seconds > 0 && nanos < 0) {
        return Err("the seconds and nanoseconds of the duration differ in sign");
    }
    room[..2].copy_from_slice(b"\"-");
    let start = 1 + usize::from(seconds < 0 || nanos < 0);
    let digits: &mut [u8; DIGITS_MAX] = room[start..].first_chunk_mut().expect("a sign is one byte");
    // Twelve digits are the most within the range.
    let mut end = (start + put_digits(seconds.unsigned_abs(), digits)) & 15;
    end +=
        write_fraction(nanos.unsigned_abs(), room[end..].first_chunk_mut().expect("half the room is left"));
    room[end..end + 2].copy_from_slice(b"s\"");
    Ok(end + 2)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<(i64, i32), &'static str> {
        super::parse(text.as_bytes())
    }

    fn text(seconds: i64, nanos: i32) -> Result<String, &'static str> {
        let mut room = [0; 32];
        let length = write(seconds, nanos, &mut room)?;
        Ok(String::from_utf8(room[..length].to_vec()).unwrap())
    }

    #[test]
    fn the_sign_is_carried_by_nanos_too() {
        assert_eq!(parse("-1.5s"), Ok((-1, -500_000_000)));
        assert_eq!(parse("-0.5s"), Ok((0, -500_000_000)));
        assert_eq!(text(0, -500_000_000), Ok("\"-0.500s\"".to_owned()));
        assert_eq!(text(-1, 0), Ok("\"-1s\"".to_owned()));
    }

    #[test]
    fn signs_must_not_differ() {
        assert!(text(1, -1).is_err());
        assert!(text(-1, 1).is_err());
    }

    #[test]
    fn the_range_ends_at_ten_thousand_years() {
        assert_eq!(parse("315576000000s"), Ok((SECONDS_MAX, 0)));
        assert_eq!(parse("-315576000000s"), Ok((-SECONDS_MAX, 0)));
        assert_eq!(parse("315576000001s"), Err(RANGE));
        assert_eq!(parse("-315576000000.999999999s"), Ok((-SECONDS_MAX, -999_999_999)));
        assert_eq!(text(SECONDS_MAX, 999_999_999), Ok("\"315576000000.999999999s\"".to_owned()));
        assert_eq!(parse("99999999999999999999999s"), Err(RANGE));
        assert!(text(SECONDS_MAX + 1, 0).is_err());
        assert!(text(i64::MIN, 0).is_err());
        assert!(text(0, i32::MIN).is_err());
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "s",
            "1",
            "1S",
            "+1s",
            " 1s",
            "1 s",
            "1.s",
            ".5s",
            "1e3s",
            "--1s",
            "1.5.5s",
            "1.1234567890s",
            "1.-5s",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(seconds in 0..SECONDS_MAX, nanos in 0..1_000_000_000i32, negative: bool) {
            let (seconds, nanos) = if negative { (-seconds, -nanos) } else { (seconds, nanos) };
            let written = text(seconds, nanos).unwrap();
            prop_assert_eq!(parse(written.trim_matches('"')), Ok((seconds, nanos)));
        }
    }
}
