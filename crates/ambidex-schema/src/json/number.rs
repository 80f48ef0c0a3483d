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
    /// Reads an integer in its usual spelling from the front of the text: a sign, and at most eighteen digits
    /// without a leading zero. Also returns how many bytes it took. What follows is not looked at.
    #[inline]
    pub(crate) fn parse_plain(text: &[u8]) -> Option<(Self, usize)> {
        let negative = text.first() == Some(&b'-');
        let start = usize::from(negative);
        let mut at = start;
        let mut magnitude = 0u64;
        // Eight digits at once: long integers are identifiers and times in small units, and common.
        while at - start <= 8
            && let Some(eight) = text.get(at..).and_then(|rest| rest.first_chunk::<8>())
            && let Some(value) = eight_digits(*eight)
        {
            magnitude = magnitude * 100_000_000 + value;
            at += 8;
        }
        while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0'))
            && digit < 10
        {
            if at - start == 18 {
                return None;
            }
            magnitude = magnitude * 10 + u64::from(digit);
            at += 1;
        }
        if at == start || (text[start] == b'0' && at > start + 1) {
            return None;
        }
        Some((Self { negative, magnitude }, at))
    }

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

/// The value of eight ASCII digits; `None` where one of them is something else.
#[inline]
fn eight_digits(bytes: [u8; 8]) -> Option<u64> {
    let word = u64::from_le_bytes(bytes);
    // Digits are 0x30 to 0x39: the high half is 3, and stays 3 when 6 is added.
    let high_halves = (word & 0xf0f0_f0f0_f0f0_f0f0)
        | (word.wrapping_add(0x0606_0606_0606_0606) >> 4 & 0x0f0f_0f0f_0f0f_0f0f);
    if high_halves != 0x3333_3333_3333_3333 {
        return None;
    }
    // Neighbours are joined: digits to pairs, pairs to fours, fours to the whole.
    let digits = word & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours * 10_000 + (fours >> 32)) & 0xffff_ffff)
}

/// The powers of ten that a double holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// Reads a number without exponent from the front of the text, if its digits are an integer that a double
/// holds exactly; also returns how many bytes it took. What follows is not looked at.
///
/// Then one division of two exact numbers is the nearest double. Other numbers take the general path.
#[inline]
pub(crate) fn parse_plain_double(text: &[u8]) -> Option<(f64, usize)> {
    const EXACT_MAX: u64 = 1 << 53;
    let negative = text.first() == Some(&b'-');
    let start = usize::from(negative);
    let mut at = start;
    let mut mantissa = 0u64;
    let mut point = None;
    loop {
        match text.get(at) {
            Some(&digit @ b'0'..=b'9') => mantissa = mantissa * 10 + u64::from(digit - b'0'),
            Some(b'.') if point.is_none() && at > start => point = Some(at),
            _ => break,
        }
        at += 1;
        // With the point, these are at most eighteen digits: no overflow.
        if at - start > 18 {
            return None;
        }
    }
    let whole = point.unwrap_or(at) - start;
    let fraction = point.map_or(0, |point| at - point - 1);
    if whole == 0 || (whole > 1 && text[start] == b'0') || (point.is_some() && fraction == 0) {
        return None;
    }
    if mantissa > EXACT_MAX {
        return None;
    }
    let value = mantissa as f64 / EXACT_POWERS[fraction];
    Some((if negative { -value } else { value }, at))
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
        fn the_usual_spelling_means_the_same(text in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{0,20})?") {
            if let Some((integer, used)) = Integer::parse_plain(text.as_bytes()) {
                prop_assert_eq!(Integer::parse_decimal(&text[..used]), Ok(integer));
            }
            if let Some((value, used)) = parse_plain_double(text.as_bytes()) {
                prop_assert_eq!(value.to_bits(), text[..used].parse::<f64>().unwrap().to_bits());
            }
        }

        #[test]
        fn plain_integers_are_read_whole(value in -999_999_999_999_999_999i64..=999_999_999_999_999_999) {
            let text = value.to_string();
            let (integer, used) = Integer::parse_plain(format!("{text},").as_bytes()).unwrap();
            prop_assert_eq!((integer.to_i64(), used), (Ok(value), text.len()));
        }

        #[test]
        fn eight_bytes_are_eight_digits_or_not(text in "[0-9/:;]{8}") {
            let bytes: [u8; 8] = text.as_bytes().try_into().unwrap();
            prop_assert_eq!(eight_digits(bytes), text.parse().ok());
        }

        #[test]
        fn no_text_panics(text in "[-+0-9.eE ]{0,30}") {
            let _ = Integer::parse_plain(text.as_bytes());
            let _ = parse_plain_double(text.as_bytes());
            let _ = Integer::parse(&text);
            let _ = parse_double(&text);
            let _ = parse_float(&text);
        }
    }
}
