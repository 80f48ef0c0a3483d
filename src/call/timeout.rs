//! Timeouts as the wires spell them.
//!
//! The grammar of [gRPC](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md) is
//! `1*8DIGIT ("H" | "M" | "S" | "m" | "u" | "n")`, that of
//! [Connect](https://connectrpc.com/docs/protocol/) `1*10DIGIT`, in milliseconds. Anything else is an
//! error: a caller who asked for a bound must not silently wait without one.

use std::time::Duration;

/// The metadata key under which gRPC callers send their timeout.
pub const GRPC_TIMEOUT: &str = "grpc-timeout";

/// The header under which Connect callers send their timeout.
pub const CONNECT_TIMEOUT_MS: &str = "connect-timeout-ms";

/// The header under which Google's REST clients send their timeout.
pub const SERVER_TIMEOUT: &str = "x-server-timeout";

/// A timeout that does not follow its grammar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{header} takes {grammar}")]
pub struct TimeoutError {
    header: &'static str,
    grammar: &'static str,
}

/// Reads the value of `grpc-timeout`.
///
/// # Errors
///
/// Anything but at most 8 digits and one unit of `H M S m u n`.
///
/// ```
/// # use std::time::Duration;
/// assert_eq!(ambidex::call::timeout::parse_grpc(b"250m"), Ok(Duration::from_millis(250)));
/// assert!(ambidex::call::timeout::parse_grpc(b"0.25S").is_err());
/// ```
pub fn parse_grpc(value: &[u8]) -> Result<Duration, TimeoutError> {
    let error =
        TimeoutError { header: GRPC_TIMEOUT, grammar: "1 to 8 digits and one of the units H, M, S, m, u, n" };
    let (unit, digits) = value.split_last().ok_or_else(|| error.clone())?;
    let amount = parse_digits(digits, 8).ok_or_else(|| error.clone())?;
    Ok(match unit {
        b'H' => Duration::from_secs(amount * 3600),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return Err(error),
    })
}

/// Reads the value of `connect-timeout-ms`.
///
/// # Errors
///
/// Anything but at most 10 digits.
pub fn parse_connect(value: &[u8]) -> Result<Duration, TimeoutError> {
    parse_digits(value, 10)
        .map(Duration::from_millis)
        .ok_or(TimeoutError { header: CONNECT_TIMEOUT_MS, grammar: "1 to 10 digits, in milliseconds" })
}

/// Reads the value of `x-server-timeout`: seconds, with a fraction or without.
///
/// # Errors
///
/// Anything but at most 10 digits, and a fraction of at most 9.
///
/// ```
/// # use std::time::Duration;
/// assert_eq!(ambidex::call::timeout::parse_server(b"1.5"), Ok(Duration::from_millis(1500)));
/// assert!(ambidex::call::timeout::parse_server(b"1e3").is_err());
/// ```
pub fn parse_server(value: &[u8]) -> Result<Duration, TimeoutError> {
    let error = TimeoutError {
        header: SERVER_TIMEOUT,
        grammar: "1 to 10 digits, in seconds, and a fraction of at most 9 behind a point",
    };
    let mut parts = value.splitn(2, |byte| *byte == b'.');
    let seconds = parts.next().and_then(|digits| parse_digits(digits, 10)).ok_or_else(|| error.clone())?;
    let Some(fraction) = parts.next() else { return Ok(Duration::from_secs(seconds)) };
    let nanos = parse_digits(fraction, 9).ok_or(error)? * 10u64.pow(9 - fraction.len() as u32);
    Ok(Duration::from_secs(seconds) + Duration::from_nanos(nanos))
}

/// Spells a timeout for `grpc-timeout` in the finest unit that fits 8 digits, rounded up: a bound must not
/// become shorter on the way.
pub fn format_grpc(timeout: Duration) -> String {
    const UNITS: [(char, u128); 6] = [
        ('n', 1),
        ('u', 1_000),
        ('m', 1_000_000),
        ('S', 1_000_000_000),
        ('M', 60_000_000_000),
        ('H', 3_600_000_000_000),
    ];
    let nanos = timeout.as_nanos();
    for (unit, size) in UNITS {
        let amount = nanos.div_ceil(size);
        if amount < 100_000_000 {
            return format!("{amount}{unit}");
        }
    }
    "99999999H".to_owned()
}

fn parse_digits(digits: &[u8], most: usize) -> Option<u64> {
    if digits.is_empty() || digits.len() > most || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |amount, digit| amount * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read() {
        let hours = Duration::from_secs(2 * 3600);
        let cases = [
            ("2H", hours),
            ("120M", hours),
            ("7200S", hours),
            ("7200000m", hours),
            ("5u", Duration::from_micros(5)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_grpc(text.as_bytes()), Ok(expected), "{text}");
        }
        assert_eq!(parse_grpc(b"99999999n"), Ok(Duration::from_nanos(99_999_999)));
    }

    #[test]
    fn what_the_grammar_does_not_have_is_an_error() {
        for text in ["", "5", "S", "123456789S", "-1S", "1.5S", "5s", "5 S", "+5S", "5SS"] {
            assert!(parse_grpc(text.as_bytes()).is_err(), "{text:?}");
        }
        for text in ["", "12345678901", "-1", "1.5", "5m"] {
            assert!(parse_connect(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_timeout_survives_the_wire_and_never_shrinks() {
        for timeout in [
            Duration::ZERO,
            Duration::from_nanos(1),
            Duration::from_millis(250),
            Duration::from_nanos(100_000_001),
            Duration::from_secs(86_400),
            Duration::from_secs(86_400 * 365 * 20),
        ] {
            let back = parse_grpc(format_grpc(timeout).as_bytes()).expect("our own spelling");
            assert!(back >= timeout, "{timeout:?} became {back:?}");
        }
    }
}
