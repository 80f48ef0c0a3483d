//! Connect's envelopes, written and read by hand.

use serde_json::Value;

/// A message behind its flags and length.
pub fn envelope(flags: u8, message: &[u8]) -> Vec<u8> {
    let mut out = vec![flags];
    out.extend_from_slice(&(message.len() as u32).to_be_bytes());
    out.extend_from_slice(message);
    out
}

/// The envelopes of a body with their flags, and the JSON of the last.
pub fn opened(body: &[u8]) -> (Vec<(u8, Vec<u8>)>, Value) {
    let mut rest = body;
    let mut messages = Vec::new();
    loop {
        let (head, behind) = rest.split_at(5);
        let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
        let (message, behind) = behind.split_at(length);
        if head[0] & 2 != 0 {
            assert!(behind.is_empty(), "the end is the last");
            return (messages, serde_json::from_slice(message).expect("JSON"));
        }
        messages.push((head[0], message.to_vec()));
        rest = behind;
    }
}
