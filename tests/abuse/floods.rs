//! Floods of what is cheap to send: methods and paths that nobody serves, bodies a byte to a frame, frames with nothing
//! in them, and questions that HTTP/2 obliges its server to answer.

use std::net::SocketAddr;
use std::time::Duration;

use prost::Message as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::frames::{
    Connection, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, WINDOW_UPDATE, frame, message, post,
    settings,
};
use super::victim::{Outcome, Victim};
use crate::support::parity_v1::SumRequest;

#[derive(Debug, Clone, Copy)]
enum Way {
    /// Paths, over HTTP/1.1, one after the other without waiting.
    Paths,
    /// gRPC methods and paths over HTTP/2.
    Methods,
    /// A message a byte to a frame.
    TinyData,
    /// Frames of no data at all.
    EmptyData,
    Pings,
    /// Pings of one who reads no answer.
    DeafPings,
    Settings,
    Windows,
}

const WAYS: [Way; 8] = [
    Way::Paths,
    Way::Methods,
    Way::TinyData,
    Way::EmptyData,
    Way::Pings,
    Way::DeafPings,
    Way::Settings,
    Way::Windows,
];

/// Of what a flood is made that goes out together.
const BATCH: usize = 100;

const PATIENCE: Duration = Duration::from_secs(60);

/// What the server may hold for each who floods it: a window of data that nobody has read yet, and buffers of both
/// directions.
const EACH_MAX_BYTES: usize = 2 * 1024 * 1024;

impl Way {
    async fn flood(self, address: SocketAddr, count: usize) -> &'static str {
        match self {
            Self::Paths => paths(address, count).await,
            Self::DeafPings => deaf_pings(address, count).await,
            _ => self.over_http2(address, count).await,
        }
    }

    async fn over_http2(self, address: SocketAddr, count: usize) -> &'static str {
        let mut connection = Connection::open(address, &[]).await.expect("it listens");
        let call = frame(HEADERS, END_HEADERS, 1, &post("/parity.v1.Parity/Sum", "application/grpc", &[]));
        // Long on the wire, and a sum of many is still one.
        let wire = SumRequest { number: -1, ..SumRequest::default() }.encode_to_vec();
        let mut bytes = message(0, &wire).into_iter().cycle();
        if matches!(self, Self::TinyData | Self::EmptyData) {
            let stream = connection.stream();
            assert_eq!(stream, 1);
            connection.write(&call).await.expect("sent");
        }
        let mut sent = 0;
        while sent < count && !connection.is_over() && connection.count(|seen| &seen.resets) == 0 {
            let mut batch = Vec::new();
            for number in sent..sent + BATCH {
                batch.extend(match self {
                    Self::Methods => {
                        let (path, content_type) = match number % 2 {
                            0 => (format!("/parity.v1.Parity/Nothing{number}"), "application/grpc"),
                            _ => (format!("/v1/nothing/{number}"), "application/json"),
                        };
                        frame(
                            HEADERS,
                            END_HEADERS | END_STREAM,
                            connection.stream(),
                            &post(&path, content_type, &[]),
                        )
                    }
                    Self::TinyData => frame(DATA, 0, 1, &[bytes.next().expect("for ever")]),
                    Self::EmptyData => frame(DATA, 0, 1, &[]),
                    Self::Settings => settings(&[(4, 65_535 - number as u32 % 2)]),
                    Self::Windows => frame(WINDOW_UPDATE, 0, 0, &1u32.to_be_bytes()),
                    _ => frame(PING, 0, 0, &[1; 8]),
                });
            }
            sent += BATCH;
            if connection.write(&batch).await.is_err() {
                break;
            }
            // No more streams at once than the server allows, and no more bytes than its window.
            while matches!(self, Self::Methods)
                && connection.count(|seen| &seen.headers) + BATCH as u64 <= sent as u64
                && !connection.is_over()
                && connection.count(|seen| &seen.resets) == 0
            {
                sleep(Duration::from_millis(1)).await;
            }
            if matches!(self, Self::TinyData) && sent % 10_000 == 0 {
                sleep(Duration::from_millis(5)).await;
            }
        }
        let is_refused =
            |connection: &Connection| connection.is_over() || connection.count(|seen| &seen.resets) > 0;
        if matches!(self, Self::Pings) {
            let answered = async {
                while !is_refused(&connection) && connection.count(|seen| &seen.pongs) < sent as u64 {
                    sleep(Duration::from_millis(1)).await;
                }
            };
            timeout(PATIENCE, answered).await.expect("every ping is answered or refused");
        }
        if is_refused(&connection) { "refused" } else { "borne" }
    }
}

async fn paths(address: SocketAddr, count: usize) -> &'static str {
    let (mut reading, mut writing) = TcpStream::connect(address).await.expect("it listens").into_split();
    let sending = async {
        for first in (0..count).step_by(BATCH) {
            let batch: String = (first..first + BATCH)
                .map(|number| format!("GET /nothing/{number} HTTP/1.1\r\nhost: a\r\n\r\n"))
                .collect();
            writing.write_all(batch.as_bytes()).await.expect("sent");
        }
        writing.write_all(b"GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.expect("sent");
    };
    let mut said = Vec::new();
    let (read, ()) = tokio::join!(reading.read_to_end(&mut said), sending);
    read.expect("answers");
    let found = said.windows(12).filter(|window| window == b"HTTP/1.1 404").count();
    assert_eq!(found, count.next_multiple_of(BATCH) + 1, "each has its answer");
    "answered"
}

/// The server cannot write its answers, and so reads no further: nothing gathers.
async fn deaf_pings(address: SocketAddr, count: usize) -> &'static str {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let begun = [PREFACE, &settings(&[])].concat();
    stream.write_all(&begun).await.expect("sent");
    let batch = frame(PING, 0, 0, &[1; 8]).repeat(BATCH);
    let sending = async {
        for _ in (0..count).step_by(BATCH) {
            if stream.write_all(&batch).await.is_err() {
                return "refused";
            }
        }
        "borne"
    };
    timeout(Duration::from_secs(5), sending).await.unwrap_or("held back")
}

pub async fn attack(attackers: usize, each: usize) -> Outcome {
    let mut victim = Victim::start("").await;
    let honest = victim.honest().await;
    let mut attacking = JoinSet::new();
    for way in WAYS.into_iter().cycle().take(attackers) {
        let address = victim.address;
        attacking.spawn(async move { (format!("{way:?}"), way.flood(address, each).await) });
    }
    let mut said = std::collections::BTreeMap::<String, usize>::new();
    while let Some(ended) = attacking.join_next().await {
        let (way, answer) = ended.expect("an attacker");
        *said.entry(format!("{way} {answer}")).or_default() += 1;
    }
    honest.until(10).await;
    let peak = victim.figure("peak").await as usize;
    assert!(peak < victim.base() + attackers * EACH_MAX_BYTES, "{peak} bytes at the peak");
    let said = said.into_keys().collect::<Vec<_>>().join(", ");
    let size = format!("{attackers} attackers, {each} frames each");
    victim.unharmed("floods", size, said, honest.end().await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_what_is_cheap_to_send_drown_nobody() {
    attack(16, 10_000).await;
}
