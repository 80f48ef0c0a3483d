//! How long a call may take, as users write it.
//!
//! ```text
//! timeout = number unit
//! number  = digit { digit }          at least 1
//! unit    = "ms" | "s" | "m" | "h"
//! ```
//!
//! One number, one unit and nothing between: `1500ms`, not `1.5s` or `1s 500ms`. There is one way to write a
//! time, and none to misread it.

use std::time::Duration;

/// Reads a timeout, or says what is wrong with it in words that follow "the timeout `…` of `get_book`".
pub(crate) fn parse(text: &str) -> Result<Duration, &'static str> {
    let unit_at = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    if number.is_empty() {
        return Err("does not start with a whole number");
    }
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" => return Err("has no unit"),
        _ => return Err("has a unit that is not one of `ms`, `s`, `m`, `h`"),
    };
    let number: u64 = number.parse().map_err(|_| TOO_LONG)?;
    if number == 0 {
        return Err("leaves no time at all");
    }
    number.checked_mul(unit_ms).map(Duration::from_millis).ok_or(TOO_LONG)
}

const TOO_LONG: &str = "is longer than can be counted";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_are_a_timeout() {
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(parse("1m"), Ok(Duration::from_secs(60)));
        assert_eq!(parse("1h"), Ok(Duration::from_secs(3_600)));
    }

    #[test]
    fn anything_else_is_explained() {
        assert_eq!(parse(""), Err("does not start with a whole number"));
        assert_eq!(parse("-2s"), Err("does not start with a whole number"));
        assert_eq!(parse("2"), Err("has no unit"));
        for unit in ["1.5s", "2 s", "2sec", "1m30s", "2S", "2µs"] {
            assert_eq!(parse(unit), Err("has a unit that is not one of `ms`, `s`, `m`, `h`"), "{unit}");
        }
        assert_eq!(parse("0ms"), Err("leaves no time at all"));
        assert_eq!(parse("99999999999999999999s"), Err(TOO_LONG));
        assert_eq!(parse("18446744073709551615h"), Err(TOO_LONG));
    }
}
