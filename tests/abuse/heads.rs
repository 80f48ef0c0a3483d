//! Heads that are too large: too many headers, too long ones, a target without an end, few bytes that HPACK makes many
//! of, and frames that continue a head for ever.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::frames::{
    CONTINUATION, Connection, END_HEADERS, END_STREAM, HEADERS, frame, header, integer, post,
};
use super::victim::{Outcome, Victim};

#[derive(Debug, Clone, Copy)]
enum Way {
    Many,
    Long,
    LongTarget,
    NoEnd,
    Http2Many,
    Http2Long,
    /// One entry of HPACK's table, named by a byte again and again.
    Bomb,
    /// A table of a gigabyte.
    HugeTable,
    Continuations,
    /// The same with nothing in them.
    EmptyContinuations,
}

const WAYS: [Way; 10] = [
    Way::Many,
    Way::Long,
    Way::LongTarget,
    Way::NoEnd,
    Way::Http2Many,
    Way::Http2Long,
    Way::Bomb,
    Way::HugeTable,
    Way::Continuations,
    Way::EmptyContinuations,
];

const PATIENCE: Duration = Duration::from_secs(60);

/// What an attacker's head may cost the server while it is read; `Config::headers_max_bytes` is a quarter of it.
const EACH_MAX_BYTES: usize = 512 * 1024;

/// HTTP/2 carries this much in a frame, unless it was allowed more.
const FRAME_BYTES: usize = 16 * 1024;

/// The first word of the answer to a head over HTTP/1.1.
async fn by_hand(address: SocketAddr, head: &[u8], again: &[u8]) -> String {
    let stream = TcpStream::connect(address).await.expect("it listens");
    let (mut reading, mut writing) = stream.into_split();
    let sending = async {
        if writing.write_all(head).await.is_err() {
            return;
        }
        while !again.is_empty() && writing.write_all(again).await.is_ok() {}
    };
    let mut said = Vec::new();
    let answer = reading.read_to_end(&mut said);
    let _ = tokio::join!(sending, answer);
    // One that is reset while it sends may not see it.
    String::from_utf8_lossy(&said).split(' ').nth(1).unwrap_or("closed").to_owned()
}

/// What the server does with these frames, and with those that follow for as long as it takes any.
async fn over_http2(address: SocketAddr, frames: &[u8], again: &[u8]) -> String {
    let connection = Connection::open(address, &[]).await.expect("it listens");
    let _ = connection.write(frames).await;
    let waiting = async {
        loop {
            if connection.is_over() {
                return "closed";
            }
            if connection.seen.resets.load(Ordering::Relaxed) > 0 {
                return "reset";
            }
            if connection.seen.headers.load(Ordering::Relaxed) > 0 {
                return "answered";
            }
            if again.is_empty() {
                sleep(Duration::from_millis(5)).await;
            } else if connection.write(again).await.is_err() {
                return "closed";
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or("held").to_owned()
}

/// A block in as many frames as it needs.
fn framed(block: &[u8]) -> Vec<u8> {
    let mut chunks = block.chunks(FRAME_BYTES).peekable();
    let mut out = Vec::new();
    let mut kind = HEADERS;
    while let Some(chunk) = chunks.next() {
        let end = if chunks.peek().is_none() { END_HEADERS } else { 0 };
        let flags = if kind == HEADERS { END_STREAM | end } else { end };
        out.extend(frame(kind, flags, 1, chunk));
        kind = CONTINUATION;
    }
    out
}

impl Way {
    async fn answer(self, address: SocketAddr) -> String {
        let start = "GET /v1/describe HTTP/1.1\r\nhost: a\r\n";
        let mut block = post("/v1/echo", "application/json", &[]);
        match self {
            Self::Many => {
                by_hand(address, format!("{start}{}\r\n", "a: b\r\n".repeat(5000)).as_bytes(), b"").await
            }
            Self::Long => {
                by_hand(address, format!("{start}a: {}\r\n\r\n", "b".repeat(1 << 20)).as_bytes(), b"").await
            }
            Self::LongTarget => by_hand(address, b"GET /", &[b'a'; FRAME_BYTES]).await,
            Self::NoEnd => by_hand(address, format!("{start}a: ").as_bytes(), &[b'a'; FRAME_BYTES]).await,
            Self::Http2Many => {
                (0..20_000).for_each(|number| header(&format!("a{number}"), "b", false, &mut block));
                over_http2(address, &framed(&block), b"").await
            }
            Self::Http2Long => {
                header("a", &"b".repeat(1 << 20), false, &mut block);
                over_http2(address, &framed(&block), b"").await
            }
            Self::Bomb => {
                header("a", &"b".repeat(4000), true, &mut block);
                // The newest entry is the first behind those that everybody knows.
                (0..100_000).for_each(|_| integer(0x80, 7, 62, &mut block));
                over_http2(address, &framed(&block), b"").await
            }
            Self::HugeTable => {
                let mut resized = Vec::new();
                integer(0x20, 5, 1 << 30, &mut resized);
                resized.extend_from_slice(&block);
                over_http2(address, &framed(&resized), b"").await
            }
            Self::Continuations | Self::EmptyContinuations => {
                let first = frame(HEADERS, 0, 1, &block);
                let mut more = Vec::new();
                if matches!(self, Self::Continuations) {
                    header("a", &"b".repeat(1000), false, &mut more);
                }
                over_http2(address, &first, &frame(CONTINUATION, 0, 1, &more)).await
            }
        }
    }

    /// What the server may do; nothing of it is to serve the call.
    fn expected(self) -> &'static [&'static str] {
        match self {
            Self::Many | Self::Long | Self::NoEnd => &["431", "closed"],
            Self::LongTarget => &["414", "431", "closed"],
            // An answer is 431, which the library below us gives by itself.
            Self::Http2Many | Self::Http2Long | Self::Bomb => &["answered", "reset", "closed"],
            Self::HugeTable | Self::Continuations | Self::EmptyContinuations => &["closed"],
        }
    }
}

pub async fn attack(attackers: usize) -> Outcome {
    let mut victim = Victim::start("").await;
    let honest = victim.honest().await;
    let begun = victim.figure("begun").await;
    let mut attacking = JoinSet::new();
    for way in WAYS.into_iter().cycle().take(attackers) {
        let address = victim.address;
        attacking.spawn(async move { (way, way.answer(address).await) });
    }
    let mut said = std::collections::BTreeMap::<String, usize>::new();
    while let Some(ended) = attacking.join_next().await {
        let (way, answer) = ended.expect("an attacker");
        assert!(way.expected().contains(&&*answer), "{way:?}: {answer}");
        *said.entry(answer).or_default() += 1;
    }
    honest.until(10).await;
    let honest = honest.end().await;
    let now = victim.figures().await;
    let peak = now["peak"].as_u64().expect("a figure") as usize;
    let limit = victim.base() + attackers * EACH_MAX_BYTES;
    assert!(peak < limit, "{peak} bytes at the peak, for {attackers} heads");
    assert!(
        now["begun"].as_u64().expect("a figure") - begun <= honest.count as u64,
        "none of them was a call"
    );
    let said =
        said.into_iter().map(|(answer, count)| format!("{count} {answer}")).collect::<Vec<_>>().join(", ");
    victim.unharmed("heads that are too large", format!("{attackers} heads"), said, honest).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_are_too_large_are_refused() {
    attack(100).await;
}
