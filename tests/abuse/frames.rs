//! HTTP/2 by hand, for what no library lets its user send: frames as one likes them, and headers in HPACK's plainest
//! form, with neither index nor Huffman code.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// `SETTINGS_INITIAL_WINDOW_SIZE`: what the server may send of each stream.
pub const INITIAL_WINDOW_SIZE: u16 = 4;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

pub fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (name, value) in settings {
        payload.extend_from_slice(&name.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    frame(SETTINGS, 0, 0, &payload)
}

/// An integer of HPACK behind the bits of `first`.
pub fn integer(first: u8, prefix_bits: u32, mut value: usize, out: &mut Vec<u8>) {
    let most = (1usize << prefix_bits) - 1;
    if value < most {
        out.push(first | value as u8);
        return;
    }
    out.push(first | most as u8);
    value -= most;
    while value >= 128 {
        out.push(value as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A header, literally; `kept` puts it into the table of those that can be named by a number.
pub fn header(name: &str, value: &str, kept: bool, out: &mut Vec<u8>) {
    out.push(if kept { 0x40 } else { 0 });
    for text in [name, value] {
        integer(0, 7, text.len(), out);
        out.extend_from_slice(text.as_bytes());
    }
}

/// The headers of a POST to `path`.
pub fn post(path: &str, content_type: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    let own = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", content_type),
        ("te", "trailers"),
    ];
    for (name, value) in own.iter().chain(more) {
        header(name, value, false, &mut out);
    }
    out
}

/// A gRPC message behind its prefix.
pub fn message(flags: u8, wire: &[u8]) -> Vec<u8> {
    crate::support::envelopes::envelope(flags, wire)
}

/// What has come from the server.
#[derive(Debug, Default)]
pub struct Seen {
    pub headers: AtomicU64,
    pub data_bytes: AtomicU64,
    pub resets: AtomicU64,
    pub pongs: AtomicU64,
    /// The server has said goodbye, or closed.
    pub over: AtomicBool,
}

/// A connection whose frames are read by a task, which does what a client must: it says yes to settings, and answers
/// pings.
pub struct Connection {
    writer: Arc<Mutex<OwnedWriteHalf>>,
    pub seen: Arc<Seen>,
    reader: JoinHandle<()>,
    next_stream: u32,
}

impl Connection {
    pub async fn open(address: SocketAddr, own: &[(u16, u32)]) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (mut reading, mut writing) = stream.into_split();
        writing.write_all(&[PREFACE, &settings(own)].concat()).await?;
        let writer = Arc::new(Mutex::new(writing));
        let seen = Arc::new(Seen::default());
        let (answers, sees) = (Arc::clone(&writer), Arc::clone(&seen));
        let reader = tokio::spawn(async move {
            let mut head = [0; 9];
            while reading.read_exact(&mut head).await.is_ok() {
                let [_, a, b, c, kind, flags, ..] = [&[0][..], &head].concat()[..] else { break };
                let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
                if reading.read_exact(&mut payload).await.is_err() {
                    break;
                }
                let answer = match kind {
                    SETTINGS if flags & ACK == 0 => frame(SETTINGS, ACK, 0, &[]),
                    PING if flags & ACK == 0 => frame(PING, ACK, 0, &payload),
                    PING => {
                        sees.pongs.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    GOAWAY => {
                        sees.over.store(true, Ordering::Relaxed);
                        continue;
                    }
                    HEADERS => {
                        sees.headers.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    DATA => {
                        sees.data_bytes.fetch_add(payload.len() as u64, Ordering::Relaxed);
                        continue;
                    }
                    RST_STREAM => {
                        sees.resets.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    _ => continue,
                };
                // A writer that is stuck holds no reader up.
                let answers = Arc::clone(&answers);
                tokio::spawn(async move { answers.lock().await.write_all(&answer).await });
            }
            sees.over.store(true, Ordering::Relaxed);
        });
        Ok(Self { writer, seen, reader, next_stream: 1 })
    }

    pub fn stream(&mut self) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        stream
    }

    pub async fn write(&self, bytes: &[u8]) -> std::io::Result<()> {
        self.writer.lock().await.write_all(bytes).await
    }

    /// Whether the server wants no more of this connection.
    pub fn is_over(&self) -> bool {
        self.seen.over.load(Ordering::Relaxed)
    }

    pub fn count(&self, of: impl Fn(&Seen) -> &AtomicU64) -> u64 {
        of(&self.seen).load(Ordering::Relaxed)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}
