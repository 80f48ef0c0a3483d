//! Arbitrary messages, and arbitrary changes to their JSON, against prost-reflect.
//!
//! The first half of the bytes makes a message over a schema with fields of every kind, the second half
//! damages its JSON. Both ways have to agree with the oracle, but for what is listed in `explained`.
#![no_main]

use ambidex_schema::{EncodeOptions, JsonError, JsonErrorKind};
use ambidex_schema_fuzz::{
    arbitrary, oracle_decode, oracle_is_wrong_to_refuse, oracle_mends, oracle_misreads, oracle_read,
    oracle_refusal, oracle_write, read, rich, value, write,
};
use libfuzzer_sys::fuzz_target;
use prost_reflect::prost::Message;

fuzz_target!(|data: &[u8]| {
    let (entropy, damage) = data.split_at(data.len() / 2);
    let descriptor = rich().descriptor();
    let made = arbitrary(entropy);
    let wire = made.encode_to_vec();
    let expected = oracle_write(&made).expect("the generator makes what can be written");
    let json = write(rich(), &wire, &EncodeOptions::default()).expect("the oracle wrote it");
    assert_eq!(value(&json), expected);

    let json = damaged(json, damage);
    let theirs = oracle_read(&descriptor, &json);
    match (read(rich(), &json), theirs) {
        (Ok(wire), Ok(theirs)) => {
            let Some(ours) = oracle_decode(&descriptor, &wire) else { panic!("we write what is no message") };
            match oracle_write(&theirs) {
                Some(theirs) => assert_eq!(oracle_write(&ours), Some(theirs), "{}", shown(&json)),
                None => assert!(oracle_write(&ours).is_none()),
            }
        }
        (Ok(_), Err(why)) => {
            assert!(oracle_is_too_strict(&why), "{why}: the oracle refuses {}", shown(&json));
        }
        (Err(error), Ok(_)) => {
            assert!(oracle_is_too_lenient(&error, &json), "{error}: the oracle takes {}", shown(&json));
        }
        (Err(_), Err(_)) => {}
    }

    // The wire bytes with a second message behind them, which merges, and with the damage itself.
    let mut wire = wire;
    wire.extend_from_slice(damage);
    let theirs = oracle_decode(&descriptor, &wire);
    let text = theirs.as_ref().and_then(oracle_write);
    match (write(rich(), &wire, &EncodeOptions::default()), text) {
        _ if oracle_misreads(&wire) => {}
        (Ok(json), Some(theirs)) => assert_eq!(value(&json), theirs),
        (Ok(json), None) => {
            drop(value(&json));
            let refusal = theirs.as_ref().map(oracle_refusal);
            assert!(
                refusal.as_ref().is_none_or(|refusal| oracle_is_wrong_to_refuse(refusal)),
                "{refusal:?}: the oracle refuses {}",
                shown(&json)
            );
        }
        (Err(error), Some(_)) => assert!(oracle_mends(&error), "{error}"),
        (Err(_), None) => {}
    }
});

fn shown(json: &[u8]) -> String {
    String::from_utf8_lossy(json).into_owned()
}

/// Texts that JSON readers stumble over.
const SNIPPETS: [&str; 40] = [
    "null",
    "true",
    "-0",
    "0",
    "1e2",
    "1.0",
    "0.5",
    "01",
    "1E400",
    "-9223372036854775808",
    "18446744073709551616",
    "\"\"",
    "\"1\"",
    "\" 1\"",
    "\"NaN\"",
    "\"-Infinity\"",
    "\"\\u0000\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"aA-_\"",
    "\"aA==\"",
    "{}",
    "[]",
    "[null]",
    "{\"\":0}",
    ",",
    ":",
    " ",
    "\n",
    "\"@type\":",
    "\"value\":",
    "\"1970-01-01T00:00:00Z\"",
    "\"9999-12-31T23:59:60Z\"",
    "\"1.5s\"",
    "\"-0.5s\"",
    "\"a.bC,d\"",
    "é",
    "\\",
    "\"",
    "3.4028236e38",
];

/// The text with some changes: five bytes of damage each.
fn damaged(mut json: Vec<u8>, damage: &[u8]) -> Vec<u8> {
    for change in damage.chunks_exact(5).take(4) {
        let &[kind, high, low, length, byte] = change else { continue };
        let at = usize::from(u16::from_be_bytes([high, low])) % (json.len() + 1);
        let end = (at + usize::from(length) % 24).min(json.len());
        match kind % 5 {
            0 if at < json.len() => json[at] = byte,
            1 => drop(json.drain(at..end)),
            2 => drop(json.splice(at..end, SNIPPETS[usize::from(byte) % SNIPPETS.len()].bytes())),
            3 => drop(json.splice(at..at, SNIPPETS[usize::from(byte) % SNIPPETS.len()].bytes())),
            4 => {
                let copy = json[at..end].to_vec();
                let to = usize::from(byte) * 4 % (json.len() + 1);
                json.splice(to..to, copy);
            }
            _ => {}
        }
    }
    json
}

/// What the oracle takes that ProtoJSON forbids.
fn oracle_is_too_lenient(error: &JsonError, json: &[u8]) -> bool {
    // Members given twice: the last one counts there.
    if error.kind() == JsonErrorKind::Duplicate {
        return true;
    }
    // Integers with an exponent are doubles there: what rounds to an integer is one.
    if error.message() == "expected an integer, found a fraction" {
        return is_fraction(&json[error.offset()..]);
    }
    let explained = [
        // A string has to hold a JSON number: no leading zeros, no plus sign.
        "the string is not a number",
        // Nanoseconds have nine digits; more are cut off there.
        "a fraction of a second has one to nine digits",
        // Timestamps have no leap seconds: `timestamp.proto` smears them.
        "the timestamp has no such time of day",
        // The names in a path have dots between them, and are not empty.
        "a path of the field mask is empty",
        // A number too large for its type in quotes becomes infinity there.
        "the number is out of range for its field",
    ];
    explained.contains(&error.message())
}

/// Whether the number at the start of a text is none of the integers, to the last digit.
fn is_fraction(text: &[u8]) -> bool {
    let end = text.iter().position(|byte| !b"0123456789+-.eE".contains(byte)).unwrap_or(text.len());
    let text = shown(&text[..end]).to_lowercase();
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    // An exponent that does not fit makes a fraction of everything, or an integer.
    let exponent: i64 =
        exponent.parse().unwrap_or(if exponent.starts_with('-') { -1 << 40 } else { 1 << 40 });
    let places = fraction.len() as i64 - (digits.len() - significant.len()) as i64;
    significant.contains(|digit: char| digit != '-' && digit != '0') && exponent < places
}

/// What the oracle refuses that ProtoJSON allows.
fn oracle_is_too_strict(refusal: &str) -> bool {
    // An integer in quotes may be spelled as any JSON number that is integral, such as "1.0" and "1e2".
    refusal.contains("invalid digit found in string")
}
