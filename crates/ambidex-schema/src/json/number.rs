//! Exact numbers out of number text.
//!
//! ProtoJSON lets an integer be written as any JSON number with an integral value (`1.0`, `1e5`), and reads
//! 64-bit integers, which a detour through a float would round. So integers are computed in decimal. This
//! file refuses to know where the text came from: a JSON number, a JSON string, a map key, a query.

/// An integer as sign and magnitude, so that one parser serves signed and unsigned fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Integer {
    negative: bool,
    magnitude: u64,
}

/// Why text is no integer, or no number, of the wanted type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberError {
    NotANumber,
    NotIntegral,
    OutOfRange,
}

impl NumberError {
    pub(crate) fn message(self) -> &'static str {
        match self {
            NumberError::NotANumber => "the string is not a number",
            NumberError::NotIntegral => "expected an integer, found a fraction",
            NumberError::OutOfRange => "the number is out of range for its field",
        }
    }
}

impl Integer {
    /// Reads text in the grammar of JSON numbers; anything else, even a space, is not a number.
    #[inline]
    pub(crate) fn parse(text: &str) -> Result<Self, NumberError> {
        let bytes = text.as_bytes();
        let (negative, digits) = match bytes.split_first() {
            Some((b'-', rest)) => (true, rest),
            _ => (false, bytes),
        };
        // Nineteen digits always fit into 64 bits.
        if digits.is_empty() || digits.len() > 19 || (digits[0] == b'0' && digits.len() > 1) {
            return Self::parse_decimal(text);
        }
        let mut magnitude = 0u64;
        for &digit in digits {
            if !digit.is_ascii_digit() {
                return Self::parse_decimal(text);
            }
            magnitude = magnitude * 10 + u64::from(digit - b'0');
        }
        Ok(Self { negative, magnitude })
    }

    /// The general case: fractions, exponents and long numbers.
    fn parse_decimal(text: &str) -> Result<Self, NumberError> {
        let bytes = text.as_bytes();
        if number_length(bytes) != Some(bytes.len()) {
            return Err(NumberError::NotANumber);
        }
        let negative = bytes[0] == b'-';
        let mantissa_end = bytes.iter().position(|b| matches!(b, b'e' | b'E')).unwrap_or(bytes.len());
        let mantissa = &bytes[usize::from(negative)..mantissa_end];
        let (whole, fraction) = match mantissa.iter().position(|&b| b == b'.') {
            Some(dot) => (&mantissa[..dot], &mantissa[dot + 1..]),
            None => (mantissa, &[][..]),
        };
        let digits = || whole.iter().chain(fraction).map(|digit| u64::from(digit - b'0'));
        // Position after the last digit that is not zero: what lies behind it is a power of ten.
        let Some(last) = digits().rposition_of_nonzero() else {
            return Ok(Self { negative, magnitude: 0 });
        };
        let exponent = exponent_of(&bytes[mantissa_end..]);
        let trailing = (whole.len() + fraction.len() - last) as i64;
        let power = exponent.saturating_sub(fraction.len() as i64).saturating_add(trailing);
        if power < 0 {
            return Err(NumberError::NotIntegral);
        }
        let mut magnitude = 0u64;
        for digit in digits().take(last) {
            magnitude = magnitude
                .checked_mul(10)
                .and_then(|magnitude| magnitude.checked_add(digit))
                .ok_or(NumberError::OutOfRange)?;
        }
        // A magnitude of at least one leaves 64 bits after twenty multiplications.
        for _ in 0..power.min(20) {
            magnitude = magnitude.checked_mul(10).ok_or(NumberError::OutOfRange)?;
        }
        Ok(Self { negative, magnitude })
    }

    #[inline]
    pub(crate) fn to_i64(self) -> Result<i64, NumberError> {
        if self.negative {
            0i64.checked_sub_unsigned(self.magnitude).ok_or(NumberError::OutOfRange)
        } else {
            i64::try_from(self.magnitude).map_err(|_| NumberError::OutOfRange)
        }
    }

    #[inline]
    pub(crate) fn to_u64(self) -> Result<u64, NumberError> {
        if self.negative && self.magnitude != 0 {
            return Err(NumberError::OutOfRange);
        }
        Ok(self.magnitude)
    }

    #[inline]
    pub(crate) fn to_i32(self) -> Result<i32, NumberError> {
        i32::try_from(self.to_i64()?).map_err(|_| NumberError::OutOfRange)
    }

    #[inline]
    pub(crate) fn to_u32(self) -> Result<u32, NumberError> {
        u32::try_from(self.to_u64()?).map_err(|_| NumberError::OutOfRange)
    }
}

/// Digits counted from the front up to and including the last one that is not zero.
trait LastNonzero {
    fn rposition_of_nonzero(self) -> Option<usize>;
}

impl<I: Iterator<Item = u64>> LastNonzero for I {
    fn rposition_of_nonzero(self) -> Option<usize> {
        self.enumerate().filter(|(_, digit)| *digit != 0).map(|(index, _)| index + 1).last()
    }
}

/// The exponent after a mantissa, saturated: text of any length may stand there.
fn exponent_of(text: &[u8]) -> i64 {
    let Some((_, text)) = text.split_first() else { return 0 };
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let magnitude = digits
        .iter()
        .fold(0i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    if negative { -magnitude } else { magnitude }
}

/// Reads a double: number text, or one of the three names ProtoJSON has for what is no number.
pub(crate) fn parse_double(text: &str) -> Result<f64, NumberError> {
    match text {
        "NaN" => return Ok(f64::NAN),
        "Infinity" => return Ok(f64::INFINITY),
        "-Infinity" => return Ok(f64::NEG_INFINITY),
        _ => {}
    }
    if number_length(text.as_bytes()) != Some(text.len()) {
        return Err(NumberError::NotANumber);
    }
    let value: f64 = text.parse().map_err(|_| NumberError::NotANumber)?;
    if value.is_infinite() { Err(NumberError::OutOfRange) } else { Ok(value) }
}

/// Reads a float. Rounding the text once, not through a double, keeps the result the nearest one.
pub(crate) fn parse_float(text: &str) -> Result<f32, NumberError> {
    match text {
        "NaN" => return Ok(f32::NAN),
        "Infinity" => return Ok(f32::INFINITY),
        "-Infinity" => return Ok(f32::NEG_INFINITY),
        _ => {}
    }
    if number_length(text.as_bytes()) != Some(text.len()) {
        return Err(NumberError::NotANumber);
    }
    let value: f32 = text.parse().map_err(|_| NumberError::NotANumber)?;
    if value.is_infinite() { Err(NumberError::OutOfRange) } else { Ok(value) }
}

/// How many bytes from the front are one JSON number; `None` where none starts.
///
/// ```text
/// number = [ "-" ] ( "0" | digit1-9 *digit ) [ "." 1*digit ] [ ( "e" | "E" ) [ "+" | "-" ] 1*digit ]
/// ```
#[inline]
pub(crate) fn number_length(bytes: &[u8]) -> Option<usize> {
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    match bytes.get(at) {
        Some(b'0') => at += 1,
        Some(b'1'..=b'9') => at += digits(&bytes[at..]),
        _ => return None,
    }
    if bytes.get(at) == Some(&b'.') {
        let count = digits(&bytes[at + 1..]);
        if count == 0 {
            return None;
        }
        at += 1 + count;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let count = digits(&bytes[at + 1 + sign..]);
        if count == 0 {
            return None;
        }
        at += 1 + sign + count;
    }
    Some(at)
}

#[inline]
fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn int(text: &str) -> Result<i64, NumberError> {
        Integer::parse(text)?.to_i64()
    }

    #[test]
    fn integral_values_in_any_spelling_are_integers() {
        for (text, value) in [
            ("1", 1),
            ("1.0", 1),
            ("1e5", 100_000),
            ("1E+2", 100),
            ("10e-1", 1),
            ("1.50e1", 15),
            ("-0", 0),
            ("0e99999999999999999999", 0),
            ("0.000e-5", 0),
            ("-9223372036854775808", i64::MIN),
            ("9223372036854775807", i64::MAX),
            ("9223372036854775807.000", i64::MAX),
            ("92233720368547758.07e2", i64::MAX),
        ] {
            assert_eq!(int(text), Ok(value), "{text}");
        }
        assert_eq!(Integer::parse("18446744073709551615").unwrap().to_u64(), Ok(u64::MAX));
    }

    #[test]
    fn fractions_are_no_integers() {
        for text in ["0.5", "1e-1", "1.5", "15e-2", "1e-99999999999999999999"] {
            assert_eq!(int(text), Err(NumberError::NotIntegral), "{text}");
        }
    }

    #[test]
    fn text_outside_the_json_grammar_is_no_number() {
        for text in
            ["", " 1", "1 ", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "0x10", "--1", "-", "1_0", "٣"]
        {
            assert_eq!(int(text), Err(NumberError::NotANumber), "{text}");
            assert_eq!(parse_double(text), Err(NumberError::NotANumber), "{text}");
        }
    }

    #[test]
    fn overflow_is_out_of_range() {
        for text in [
            "9223372036854775808",
            "-9223372036854775809",
            "1e30",
            "99999999999999999999999999",
            "1e999999999",
        ] {
            assert_eq!(int(text), Err(NumberError::OutOfRange), "{text}");
        }
        assert_eq!(Integer::parse("-1").unwrap().to_u64(), Err(NumberError::OutOfRange));
        assert_eq!(Integer::parse("2147483648").unwrap().to_i32(), Err(NumberError::OutOfRange));
        assert_eq!(Integer::parse("4294967296").unwrap().to_u32(), Err(NumberError::OutOfRange));
        assert_eq!(parse_double("1e309"), Err(NumberError::OutOfRange));
        assert_eq!(parse_float("3.502823e38"), Err(NumberError::OutOfRange));
        assert_eq!(parse_float("3.4028235e38"), Ok(f32::MAX));
    }

    proptest! {
        #[test]
        fn every_i64_reads_back(value: i64, zeros in 0usize..4) {
            prop_assert_eq!(int(&value.to_string()), Ok(value));
            prop_assert_eq!(int(&format!("{value}.{}", "0".repeat(zeros + 1))), Ok(value));
            prop_assert_eq!(int(&format!("{value}{}e-{zeros}", "0".repeat(zeros))), Ok(value));
        }

        #[test]
        fn no_text_panics(text in "[-+0-9.eE ]{0,30}") {
            let _ = Integer::parse(&text);
            let _ = parse_double(&text);
            let _ = parse_float(&text);
        }
    }
}
