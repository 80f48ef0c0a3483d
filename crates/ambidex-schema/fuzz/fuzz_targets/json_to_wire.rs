//! Any text at all: refused with an error that is fit to print, or a message that comes back as it went; the fast path
//! says nothing else.
#![no_main]

use ambidex_schema::{DecodeOptions, EncodeOptions};
use ambidex_schema_fuzz::{message_type, oracle_decode, read_slowly, write};
use libfuzzer_sys::fuzz_target;
use prost_reflect::prost::Message;

fuzz_target!(|data: &[u8]| {
    let Some((&[choice, lenient], json)) = data.split_first_chunk::<2>() else { return };
    let message = message_type(choice);
    let options = DecodeOptions::default().with_ignore_unknown_fields(lenient & 1 != 0);
    let mut wire = b"before".to_vec();
    let read = message.json_to_wire(json, &options, &mut wire);
    if !options.ignore_unknown_fields {
        match (&read, read_slowly(message, json)) {
            (Ok(()), Ok(slowly)) => assert_eq!(slowly, wire[b"before".len()..], "both paths agree"),
            (Err(error), Err(slowly)) => assert_eq!(error.offset() + 1, slowly.offset(), "both paths agree"),
            (read, slowly) => panic!("{read:?}, and slowly {slowly:?}"),
        }
    }
    if let Err(error) = read {
        assert_eq!(wire, b"before", "an error leaves the output alone");
        assert!(error.line() >= 1 && error.column() >= 1 && error.offset() <= json.len());
        assert!(error.to_string().len() < 20_000, "an error is fit to print");
        return;
    }
    // What was read was JSON, and what was written is a message. A number that was skipped may be beyond all doubles.
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(json) {
        panic!("{error}: {}", String::from_utf8_lossy(json));
    }
    let wire = &wire[b"before".len()..];
    // The dearest text is `1,` in a list of values: eleven bytes for two.
    assert!(wire.len() <= 6 * json.len() + 64, "the output is bounded by the input");
    let written = match write(message, wire, &EncodeOptions::default()) {
        Ok(written) => written,
        Err(error) => panic!("what was read cannot be written: {error}"),
    };
    let mut again = Vec::new();
    if let Err(error) = message.json_to_wire(&written, &DecodeOptions::default(), &mut again) {
        panic!("what was written cannot be read: {error}: {}", String::from_utf8_lossy(&written));
    }
    assert_eq!(write(message, &again, &EncodeOptions::default()).ok(), Some(written));
    if let Some(decoded) = oracle_decode(&message.descriptor(), wire) {
        let ours = oracle_decode(&message.descriptor(), &again).expect("as deep as the first");
        assert_eq!(decoded.encode_to_vec().len(), ours.encode_to_vec().len());
    }
});
