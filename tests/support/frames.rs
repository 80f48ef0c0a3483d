//! HTTP/2 by hand, for clients that no library would make.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_HEADERS: u8 = 4;

/// What a client is told that floods.
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The head of a gRPC call, in HPACK without its tables.
pub fn grpc_head(path: &str) -> Vec<u8> {
    // `:method: POST`, `:scheme: http`, and then `:path`, `content-type` and `te`.
    let mut head = vec![0x83, 0x86, 0x04, path.len() as u8];
    head.extend(path.as_bytes());
    for (name, value) in [("content-type", "application/grpc"), ("te", "trailers")] {
        head.extend([0, name.len() as u8]);
        head.extend(name.as_bytes());
        head.push(value.len() as u8);
        head.extend(value.as_bytes());
    }
    head
}

/// The odd numbers that a client's streams have.
pub fn streams() -> impl Iterator<Item = u32> {
    (1..).step_by(2)
}

/// Sends all of this on a new connection and reads until the server closes it: the code and the text of its GOAWAY.
pub async fn flood(address: SocketAddr, frames: Vec<u8>) -> Option<(u32, String)> {
    let stream = TcpStream::connect(address).await.expect("the server listens");
    let (mut read, mut write) = stream.into_split();
    let writing = tokio::spawn(async move {
        let _ = write.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        let _ = write.write_all(&frame(SETTINGS, 0, 0, &[])).await;
        // The server may have had enough before the end.
        let _ = write.write_all(&frames).await;
    });
    let mut bytes = Vec::new();
    let reading = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = read.read(&mut buffer).await {
            bytes.extend_from_slice(&buffer[..read]);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("the server closes the connection");
    writing.abort();
    let mut rest = &bytes[..];
    let mut goaway = None;
    while rest.len() >= 9 {
        let length = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
        let Some(payload) = rest.get(9..9 + length) else { break };
        if rest[3] == GOAWAY {
            let code = u32::from_be_bytes(payload[4..8].try_into().unwrap());
            goaway = Some((code, String::from_utf8_lossy(&payload[8..]).into_owned()));
        }
        rest = &rest[9 + length..];
    }
    goaway
}
