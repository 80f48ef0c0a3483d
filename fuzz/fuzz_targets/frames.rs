//! Any bytes as the frames of a WebSocket: it was opened, and it ends.
#![no_main]

use ambidex_fuzz::converse;
use libfuzzer_sys::fuzz_target;

const PATHS: [&str; 4] = ["/edge.v1.Edge/Chat", "/edge.v1.Edge/See", "/edge/chat", "/edge/many?count=3"];

fuzz_target!(|data: &[u8]| {
    let Some((&choice, frames)) = data.split_first() else { return };
    let path = PATHS[usize::from(choice) % PATHS.len()];
    let protocol = if choice & 64 == 0 { "ambidex.json" } else { "ambidex.proto" };
    let mut bytes = format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: {protocol}\r\n\r\n"
    )
    .into_bytes();
    if choice & 128 == 0 {
        bytes.extend_from_slice(frames);
    } else {
        // Most random bytes are no frames: here they are the payloads of frames that are.
        for payload in frames.split(|byte| *byte == b'\n') {
            push_frame(if choice & 32 == 0 { 1 } else { 2 }, payload, &mut bytes);
        }
    }
    let answer = converse(&bytes);
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
});

/// A whole frame as a client sends it: masked, here with zeros.
fn push_frame(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(0x80 | opcode);
    match payload.len() {
        short @ 0..126 => out.push(0x80 | short as u8),
        long => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(long.min(usize::from(u16::MAX)) as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&payload[..payload.len().min(usize::from(u16::MAX))]);
}
