//! `google.protobuf.Timestamp` as text: [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339), years 0001 to 9999.
//!
//! Reads upper-case `T` and `Z` and any offset; writes `Z` and as many of 0, 3, 6 or 9 fractional digits as
//! the value needs. Leap seconds do not exist here, because seconds since the epoch have no place for them.

use crate::json::decimal::{eight_digits, two_digits};

/// 0001-01-01T00:00:00Z
const SECONDS_MIN: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z
const SECONDS_MAX: i64 = 253_402_300_799;
const SECONDS_PER_DAY: i64 = 86_400;

const SHAPE: &str = "a timestamp looks like 2006-01-02T15:04:05Z";
const RANGE: &str = "the timestamp is outside the years 0001 to 9999";

/// Seconds since the epoch, and nanoseconds from there on.
///
/// ```text
/// timestamp = date "T" time [ "." 1*9digit ] ( "Z" | ( "+" | "-" ) 2digit ":" 2digit )
/// date      = 4digit "-" 2digit "-" 2digit
/// time      = 2digit ":" 2digit ":" 2digit
/// ```
pub(crate) fn parse(bytes: &[u8]) -> Result<(i64, i32), &'static str> {
    let (fixed, rest) = bytes.split_at_checked(19).ok_or(SHAPE)?;
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, byte)| fixed[at] != byte) {
        return Err(SHAPE);
    }
    let year = digits(&fixed[0..4])?;
    let month = digits(&fixed[5..7])?;
    let day = digits(&fixed[8..10])?;
    let (hour, minute, second) = (digits(&fixed[11..13])?, digits(&fixed[14..16])?, digits(&fixed[17..19])?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return Err("the timestamp has no such date");
    }
    if hour > 23 || minute > 59 || second > 59 {
        return Err("the timestamp has no such time of day");
    }
    let (nanos, zone) = match rest.split_first() {
        Some((b'.', rest)) => {
            let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (nanos(&rest[..count])?, &rest[count..])
        }
        _ => (0, rest),
    };
    let local = days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    let seconds = local - offset_seconds(zone)?;
    if !(SECONDS_MIN..=SECONDS_MAX).contains(&seconds) {
        return Err(RANGE);
    }
    Ok((seconds, nanos))
}

/// How far local time is ahead of UTC.
fn offset_seconds(zone: &[u8]) -> Result<i64, &'static str> {
    if zone == b"Z" {
        return Ok(0);
    }
    let [sign, h1, h2, b':', m1, m2] = zone else {
        return Err("the timestamp needs Z or an offset like +01:00");
    };
    let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
    if hours > 23 || minutes > 59 {
        return Err("the timestamp has no such offset");
    }
    match sign {
        b'+' => Ok(hours * 3600 + minutes * 60),
        b'-' => Ok(-(hours * 3600 + minutes * 60)),
        _ => Err("the timestamp needs Z or an offset like +01:00"),
    }
}

fn digits(bytes: &[u8]) -> Result<i64, &'static str> {
    bytes.iter().try_fold(0, |value, byte| {
        if byte.is_ascii_digit() { Ok(value * 10 + i64::from(byte - b'0')) } else { Err(SHAPE) }
    })
}

/// One to nine fractional digits as nanoseconds.
pub(crate) fn nanos(fraction: &[u8]) -> Result<i32, &'static str> {
    if fraction.is_empty() || fraction.len() > 9 {
        return Err("a fraction of a second has one to nine digits");
    }
    let value = digits(fraction)? as i32;
    Ok(value * 10i32.pow(9 - fraction.len() as u32))
}

/// Writes the timestamp in quotes; returns how long it is. More bytes may be overwritten.
pub(crate) fn write(seconds: i64, nanos: i32, room: &mut [u8; 32]) -> Result<usize, &'static str> {
    if !(SECONDS_MIN..=SECONDS_MAX).contains(&seconds) {
        return Err(RANGE);
    }
    if !(0..1_000_000_000).contains(&nanos) {
        return Err("the nanoseconds of the timestamp are not within 0 to 999999999");
    }
    // Counted from the first day of the calendar below, nothing is negative.
    let since = (seconds + DAYS_TO_EPOCH * SECONDS_PER_DAY) as u64;
    let (days, time) = (since / SECONDS_PER_DAY as u64, (since % SECONDS_PER_DAY as u64) as u32);
    let (year, month, day) = civil_from_days(days as u32);
    room[..20].copy_from_slice(b"\"0000-00-00T00:00:00");
    room[1..3].copy_from_slice(&two_digits(year / 100));
    room[3..5].copy_from_slice(&two_digits(year % 100));
    room[6..8].copy_from_slice(&two_digits(month));
    room[9..11].copy_from_slice(&two_digits(day));
    room[12..14].copy_from_slice(&two_digits(time / 3600));
    room[15..17].copy_from_slice(&two_digits(time / 60 % 60));
    room[18..20].copy_from_slice(&two_digits(time % 60));
    let fraction = room[20..].first_chunk_mut().expect("twelve bytes are left");
    let end = 20 + write_fraction(nanos.unsigned_abs(), fraction).min(10);
    room[end..end + 2].copy_from_slice(b"Z\"");
    Ok(end + 2)
}

/// Writes no digits, or a dot and 3, 6 or 9 of them: as few as are exact. Returns how many bytes count.
#[inline]
pub(crate) fn write_fraction(nanos: u32, room: &mut [u8; 10]) -> usize {
    if nanos == 0 {
        return 0;
    }
    let (high, low) = (nanos / 10, nanos % 10);
    room[1..9].copy_from_slice(&eight_digits(high.into()).to_le_bytes());
    room[0] = b'.';
    room[9] = b'0' + low as u8;
    match nanos {
        nanos if nanos % 1_000_000 == 0 => 4,
        nanos if nanos % 1000 == 0 => 7,
        _ => 10,
    }
}

// The Gregorian calendar repeats every 400 years. Counting years from March puts the leap day last, so that
// the days before a month are a linear function of it: (153 m + 2) / 5, with March as month zero.

const DAYS_PER_ERA: i64 = 146_097;
/// From 0000-03-01 to 1970-01-01.
const DAYS_TO_EPOCH: i64 = 719_468;

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    era * DAYS_PER_ERA + year * 365 + year / 4 - year / 100 + day_of_year - DAYS_TO_EPOCH
}

/// Year, month and day of so many days after 0000-03-01.
#[inline]
fn civil_from_days(days: u32) -> (u32, u32, u32) {
    let (era, day) = (days / DAYS_PER_ERA as u32, days % DAYS_PER_ERA as u32);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    (era * 400 + year, month, day)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<(i64, i32), &'static str> {
        super::parse(text.as_bytes())
    }

    fn text(seconds: i64, nanos: i32) -> String {
        let mut room = [0; 32];
        let length = write(seconds, nanos, &mut room).unwrap();
        String::from_utf8(room[..length].to_vec()).unwrap().trim_matches('"').to_owned()
    }

    #[test]
    fn the_ends_of_the_range_are_inside() {
        assert_eq!(parse("0001-01-01T00:00:00Z"), Ok((SECONDS_MIN, 0)));
        assert_eq!(parse("9999-12-31T23:59:59.999999999Z"), Ok((SECONDS_MAX, 999_999_999)));
        assert_eq!(text(SECONDS_MIN, 0), "0001-01-01T00:00:00Z");
        assert_eq!(text(SECONDS_MAX, 999_999_999), "9999-12-31T23:59:59.999999999Z");
    }

    #[test]
    fn an_offset_cannot_leave_the_range() {
        assert_eq!(parse("0001-01-01T00:00:00+00:01"), Err(RANGE));
        assert_eq!(parse("9999-12-31T23:59:59-00:01"), Err(RANGE));
        assert!(parse("0000-01-01T00:00:00Z").is_err());
        assert!(write(SECONDS_MAX + 1, 0, &mut [0; 32]).is_err());
        assert!(write(0, -1, &mut [0; 32]).is_err());
    }

    #[test]
    fn offsets_are_taken_off() {
        assert_eq!(parse("1970-01-01T01:30:00+01:30"), Ok((0, 0)));
        assert_eq!(parse("1969-12-31T23:00:00-01:00"), Ok((0, 0)));
    }

    #[test]
    fn fractions_have_0_3_6_or_9_digits() {
        assert_eq!(text(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(text(0, 10_000_000), "1970-01-01T00:00:00.010Z");
        assert_eq!(text(0, 10_000), "1970-01-01T00:00:00.000010Z");
        assert_eq!(text(-1, 1), "1969-12-31T23:59:59.000000001Z");
        assert_eq!(parse("1970-01-01T00:00:00.1Z"), Ok((0, 100_000_000)));
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-01-01t00:00:00Z",
            "1970-01-01T00:00:00z",
            "1970-01-01 00:00:00Z",
            "1970-1-01T00:00:00Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00.1234567890Z",
            "1970-01-01T00:00:00+0100",
            "1970-01-01T00:00:00+24:00",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:60:00Z",
            "1970-01-01T00:00:60Z",
            "1970-13-01T00:00:00Z",
            "1970-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "1970-01-00T00:00:00Z",
            "1970-01-01T00:00:00Z ",
            "+970-01-01T00:00:00Z",
            "1970-01-01T00:00:0éZ",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("2000-02-29T00:00:00Z").is_ok());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(seconds in SECONDS_MIN..=SECONDS_MAX, nanos in 0..1_000_000_000i32) {
            prop_assert_eq!(parse(&text(seconds, nanos)), Ok((seconds, nanos)));
        }

        #[test]
        fn agrees_with_prost_types(seconds in SECONDS_MIN..=SECONDS_MAX, nanos in 0..1_000_000_000i32) {
            let expected = prost_types::Timestamp { seconds, nanos }.to_string();
            prop_assert_eq!(text(seconds, nanos), expected);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = parse(&text);
        }
    }
}
