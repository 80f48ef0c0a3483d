//! Any bytes as an HTTP/1.1 connection: whatever is answered, it is HTTP, and the connection ends.
#![no_main]

use ambidex_fuzz::converse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // The preface of HTTP/2 is answered in HTTP/2, and that it cannot be.
    if data.starts_with(b"PRI ") {
        return;
    }
    let answer = converse(data);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "what is no HTTP is not answered");
});
