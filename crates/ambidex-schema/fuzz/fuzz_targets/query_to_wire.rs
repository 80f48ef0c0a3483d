//! Any query at all: refused, or a message that has JSON. Each parameter alone means what it means to a path.
#![no_main]

use ambidex_schema::{EncodeOptions, QueryOptions, WireErrorKind, bind_query};
use ambidex_schema_fuzz::{rich, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(query) = std::str::from_utf8(data) else { return };
    for ignore in [false, true] {
        let options = QueryOptions::default().with_ignore_unknown(ignore);
        let mut wire = b"before".to_vec();
        match bind_query(rich(), query, &options, &mut wire) {
            Ok(()) => {
                let wire = &wire[b"before".len()..];
                assert!(wire.len() <= 20 * query.len() + 64, "the output is bounded by the input");
                check_written(wire);
            }
            Err(error) => {
                assert_eq!(wire, b"before", "an error leaves the output alone");
                assert!(error.to_string().len() < 20_000, "an error is fit to print");
            }
        }
    }
    // A name and a value, bound as a path variable is.
    if let Some((name, value)) = query.split_once('=')
        && let Ok(path) = rich().field_path(name)
    {
        let mut wire = Vec::new();
        if path.bind_str(value, &mut wire).is_ok() {
            check_written(&wire);
        }
    }
});

/// What was bound has JSON, but for special messages of which single fields were given: `any.typeUrl=x`.
fn check_written(wire: &[u8]) {
    match write(rich(), wire, &EncodeOptions::default()) {
        Err(error)
            if !matches!(error.kind(), WireErrorKind::UnknownType | WireErrorKind::Unrepresentable) =>
        {
            panic!("what was bound cannot be written: {error}");
        }
        _ => {}
    }
}
