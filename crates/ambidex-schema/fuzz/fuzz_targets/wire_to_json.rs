//! Any bytes at all: refused, or written as JSON that is read back to the same JSON; the fast path says nothing else.
#![no_main]

use ambidex_schema_fuzz::{encode_options, message_type, read, value, write, write_slowly};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&[choice, options], wire)) = data.split_first_chunk::<2>() else { return };
    let message = message_type(choice);
    let options = encode_options(options);
    let mut json = b"before".to_vec();
    let written = message.wire_to_json(wire, &options, &mut json);
    if !options.pretty {
        let slowly = write_slowly(message, wire, &options);
        assert_eq!(slowly, written.clone().map(|()| json[b"before".len()..].to_vec()), "both paths agree");
    }
    if let Err(error) = written {
        assert_eq!(json, b"before", "an error leaves the output alone");
        assert!(error.to_string().len() < 20_000, "an error is fit to print");
        return;
    }
    let json = &json[b"before".len()..];
    drop(value(json));
    let again = match read(message, json) {
        Ok(again) => again,
        Err(error) => panic!("what was written cannot be read: {error}: {}", String::from_utf8_lossy(json)),
    };
    // A `NullValue` of another number than zero is written as null, which is read as zero, its default.
    if !json.windows(4).any(|word| word == b"null") {
        assert_eq!(write(message, &again, &options).ok().as_deref(), Some(json));
    }
});
