//! Lengths that are not true: of bodies, chunks, messages, envelopes and WebSocket frames, and messages in fragments
//! without an end. Nothing is set aside for what was only announced.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::frames::{Connection, DATA, END_HEADERS, END_STREAM, HEADERS, frame, post};
use super::victim::{Outcome, Victim};

#[derive(Debug, Clone, Copy)]
enum Way {
    /// A length that the body does not come to, since the client stops.
    ShortBody,
    /// Two lengths.
    TwoLengths,
    NegativeLength,
    HugeLength,
    /// A chunk's size that no number holds.
    HugeChunk,
    NoChunk,
    /// Over HTTP/2, a length that the frames do not come to.
    Http2Length,
    /// Messages of four gigabytes.
    GrpcMessage,
    Envelope,
    /// A WebSocket frame of 2^63 bytes.
    HugeFrame,
    /// One of a gigabyte.
    LargeFrame,
    /// A WebSocket message in fragments for ever.
    Fragments,
    /// The same of fragments with nothing in them.
    EmptyFragments,
}

const WAYS: [Way; 13] = [
    Way::ShortBody,
    Way::TwoLengths,
    Way::NegativeLength,
    Way::HugeLength,
    Way::HugeChunk,
    Way::NoChunk,
    Way::Http2Length,
    Way::GrpcMessage,
    Way::Envelope,
    Way::HugeFrame,
    Way::LargeFrame,
    Way::Fragments,
    Way::EmptyFragments,
];

const PATIENCE: Duration = Duration::from_secs(60);

/// What one may cost: a WebSocket message up to twice the bound of a body is gathered before it is refused.
const EACH_MAX_BYTES: usize = 24 * 1024 * 1024;

/// Those who are at it at the same time.
const AT_ONCE: usize = 13;

/// The status line of the answer, or that the connection was closed; what is sent `again` is so until then.
async fn by_hand(address: SocketAddr, words: &[u8], again: &[u8], stops: bool) -> String {
    let (mut reading, mut writing) = TcpStream::connect(address).await.expect("it listens").into_split();
    let sending = async {
        if writing.write_all(words).await.is_err() {
            return;
        }
        while !again.is_empty() && writing.write_all(again).await.is_ok() {}
        if stops {
            let _ = writing.shutdown().await;
        }
    };
    let mut said = Vec::new();
    let both = async { tokio::join!(reading.read_to_end(&mut said), sending) };
    let ended = timeout(PATIENCE, both).await.is_ok();
    let status = String::from_utf8_lossy(&said).split(' ').nth(1).unwrap_or("none").to_owned();
    if ended { status } else { format!("{status}, and held") }
}

async fn over_http2(address: SocketAddr, frames: &[u8]) -> String {
    let connection = Connection::open(address, &[]).await.expect("it listens");
    let _ = connection.write(frames).await;
    let waiting = async {
        loop {
            if connection.is_over() || connection.count(|seen| &seen.resets) > 0 {
                return "reset";
            }
            if connection.count(|seen| &seen.headers) > 0 {
                return "answered";
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or("held").to_owned()
}

/// The beginning of a WebSocket at a method that takes a stream.
fn websocket(frames: &[u8]) -> Vec<u8> {
    let upgrade = "GET /v1/running HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    [upgrade.as_bytes(), frames].concat()
}

impl Way {
    async fn answer(self, address: SocketAddr) -> String {
        let start = "POST /v1/echo HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
        let said = |framing: &str| format!("{start}{framing}").into_bytes();
        let chunked = "transfer-encoding: chunked\r\n\r\n";
        let grpc = post("/parity.v1.Parity/Echo", "application/grpc", &[]);
        // Masked by zeros, as every client's frame is masked.
        let fragment = |first: u8, bytes: u16| {
            let length = bytes.to_be_bytes();
            [&[first, 0xfe, length[0], length[1], 0, 0, 0, 0][..], &vec![b'a'; bytes.into()]].concat()
        };
        match self {
            Self::ShortBody => by_hand(address, &said("content-length: 100\r\n\r\n{"), b"", true).await,
            Self::TwoLengths => {
                by_hand(address, &said("content-length: 2\r\ncontent-length: 3\r\n\r\n{}"), b"", false).await
            }
            Self::NegativeLength => by_hand(address, &said("content-length: -1\r\n\r\n{}"), b"", false).await,
            Self::HugeLength => {
                by_hand(address, &said("content-length: 9223372036854775807\r\n\r\n{"), b"", false).await
            }
            Self::HugeChunk => {
                by_hand(address, &said(&format!("{chunked}fffffffffffffffff\r\n")), b"", false).await
            }
            Self::NoChunk => by_hand(address, &said(&format!("{chunked}no chunk\r\n")), b"", false).await,
            Self::Http2Length => {
                let block = post("/v1/echo", "application/json", &[("content-length", "100")]);
                let call = frame(HEADERS, END_HEADERS, 1, &block);
                over_http2(address, &[call, frame(DATA, END_STREAM, 1, b"{}")].concat()).await
            }
            Self::GrpcMessage => {
                let call = frame(HEADERS, END_HEADERS, 1, &grpc);
                over_http2(address, &[call, frame(DATA, 0, 1, b"\0\xff\xff\xff\xff")].concat()).await
            }
            Self::Envelope => {
                let start = "POST /parity.v1.Parity/Sum HTTP/1.1\r\nhost: a\r\ncontent-type: application/connect+proto\r\n";
                let words = format!("{start}content-length: 1000\r\n\r\n");
                by_hand(address, &[words.as_bytes(), b"\0\xff\xff\xff\xff"].concat(), b"", false).await
            }
            Self::HugeFrame => {
                let frame = [&[0x82, 0xff, 0x80][..], &[0; 7], &[0; 4], b"a"].concat();
                by_hand(address, &websocket(&frame), b"", false).await
            }
            Self::LargeFrame => {
                let frame = [&[0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0][..], &[0; 4], b"a"].concat();
                by_hand(address, &websocket(&frame), b"", false).await
            }
            Self::Fragments => {
                by_hand(address, &websocket(&fragment(0x02, 60_000)), &fragment(0, 60_000), false).await
            }
            Self::EmptyFragments => {
                let empty = [0, 0x80, 0, 0, 0, 0].repeat(1000);
                by_hand(address, &websocket(&[0x02, 0x80, 0, 0, 0, 0]), &empty, false).await
            }
        }
    }

    fn expected(self) -> &'static [&'static str] {
        match self {
            // Nobody is there to be answered.
            Self::ShortBody => &["none", "400", "499"],
            Self::TwoLengths | Self::NegativeLength | Self::HugeChunk | Self::NoChunk => &["400", "none"],
            Self::HugeLength => &["413"],
            Self::Http2Length => &["reset"],
            Self::GrpcMessage => &["answered", "reset"],
            // The status is in the envelope.
            Self::Envelope => &["200"],
            // The handshake's; then the connection is closed.
            Self::HugeFrame | Self::LargeFrame | Self::Fragments | Self::EmptyFragments => &["101"],
        }
    }
}

pub async fn attack(attackers: usize) -> Outcome {
    let mut victim = Victim::start("stream_keep_alive_ms=1000").await;
    let honest = victim.honest().await;
    let at_once = std::sync::Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let mut attacking = JoinSet::new();
    for way in WAYS.into_iter().cycle().take(attackers) {
        let (address, at_once) = (victim.address, std::sync::Arc::clone(&at_once));
        attacking.spawn(async move {
            let _one = at_once.acquire_owned().await.expect("never closed");
            (way, way.answer(address).await)
        });
    }
    while let Some(ended) = attacking.join_next().await {
        let (way, answer) = ended.expect("an attacker");
        assert!(way.expected().contains(&&*answer), "{way:?}: {answer}");
    }
    honest.until(10).await;
    let peak = victim.figure("peak").await as usize;
    assert!(peak < victim.base() + AT_ONCE * EACH_MAX_BYTES, "{peak} bytes at the peak");
    let said = "each refused, cut off or answered in its own words".to_owned();
    victim.unharmed("lengths that are not true", format!("{attackers} lies"), said, honest.end().await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_set_aside_for_what_is_only_announced() {
    attack(39).await;
}
