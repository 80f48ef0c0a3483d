//! Connections that are open and nothing else: what each costs the server, by what it said before it fell silent.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::frames::{self, ACK, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS};
use super::role::raise_descriptors;
use super::victim::{Outcome, Victim};

/// What a connection said before it fell silent.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    NeverSpoken,
    Http1,
    Http2,
}

pub const KINDS: [Kind; 3] = [Kind::NeverSpoken, Kind::Http1, Kind::Http2];

/// The most that each may cost in memory, of what its kind needs: `Config::connections_max` is chosen by it.
const EACH_MAX_BYTES: usize = 48 * 1024;

/// Descriptors of either process that are no connection of an attacker's.
const OTHER_DESCRIPTORS: usize = 500;

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::NeverSpoken => "idle connections, never spoken",
            Self::Http1 => "idle connections, HTTP/1.1 after a request",
            Self::Http2 => "idle connections, HTTP/2 after a request",
        }
    }

    async fn open(self, from: Ipv4Addr, address: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        // From an address of its own: one has not enough ports for everybody who was there before.
        socket.bind((from, 0).into()).expect("a port");
        let mut stream = socket.connect(address).await.expect("it listens");
        let get = b"GET /v1/describe HTTP/1.1\r\nhost: a\r\n\r\n";
        match self {
            Self::NeverSpoken => return stream,
            Self::Http1 => stream.write_all(get).await.expect("sent"),
            Self::Http2 => {
                let block = frames::post("/v1/echo", "application/json", &[]);
                let call = frames::frame(HEADERS, END_HEADERS | END_STREAM, 1, &block);
                let all =
                    [PREFACE, &frames::settings(&[]), &frames::frame(SETTINGS, ACK, 0, &[]), &call].concat();
                stream.write_all(&all).await.expect("sent");
            }
        }
        // Up to the end of the answer, which both spell the same way.
        let (mut said, mut buffer) = (Vec::new(), [0; 1024]);
        while !said.ends_with(b"}") && !contains(&said, b"onScheduler") && !contains(&said, b"{}") {
            let read = stream.read(&mut buffer).await.expect("an answer");
            assert_ne!(read, 0, "the server closed: {}", String::from_utf8_lossy(&said));
            said.extend_from_slice(&buffer[..read]);
        }
        stream
    }
}

fn contains(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

pub async fn attack(kind: Kind, connections: usize) -> Outcome {
    let fit = (raise_descriptors() as usize).saturating_sub(OTHER_DESCRIPTORS);
    let connections = connections.min(fit);
    let clocks = "connections_max=20000,header_read_timeout_ms=600000,http2_keep_alive_interval_ms=600000";
    let mut victim = Victim::start(clocks).await;
    let honest = victim.honest().await;
    let from = Ipv4Addr::new(127, 0, 0, 10 + kind as u8);
    let mut open = Vec::with_capacity(connections);
    while open.len() < connections {
        let mut opening = JoinSet::new();
        for _ in 0..(connections - open.len()).min(100) {
            opening.spawn(kind.open(from, victim.address));
        }
        open.extend(opening.join_all().await);
    }
    honest.until(10).await;
    let each = victim.settled().await.saturating_sub(victim.base()) / connections;
    assert!(each < EACH_MAX_BYTES, "{each} bytes for each {kind:?}");
    drop(open);
    let said = format!("{:.1} KiB for each", each as f64 / 1024.0);
    let size = format!("{connections} connections");
    victim.unharmed(kind.name(), size, said, honest.end().await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_cost_little() {
    let [silent, http1, http2] = KINDS.map(|kind| attack(kind, 400));
    tokio::join!(silent, http1, http2);
}
