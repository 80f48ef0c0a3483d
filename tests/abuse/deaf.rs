//! Clients who ask for streams without an end and read nothing of them: the handler is held back after a few messages,
//! memory stays what it is, and a deadline ends the call; without one, `reply_stall_timeout_ms` does.

use std::net::SocketAddr;
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::TcpMaxSeg;
use prost::Message as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::frames::{
    Connection, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, PREFACE, frame, message, post,
    settings,
};
use super::victim::{Outcome, Victim};
use crate::support::parity_v1::CountRequest;

#[derive(Debug, Clone, Copy)]
enum Way {
    Grpc,
    GrpcBlocking,
    /// As large a window as there is, and nobody who reads the socket.
    GrpcSocket,
    Lines,
    LinesBlocking,
    Events,
    WebSocket,
}

const WAYS: [Way; 7] = [
    Way::Grpc,
    Way::GrpcBlocking,
    Way::GrpcSocket,
    Way::Lines,
    Way::LinesBlocking,
    Way::Events,
    Way::WebSocket,
];

/// What ends their calls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    /// The deadline that they set themselves.
    Deadline,
    /// The server's patience.
    Stall,
    /// Nothing but their leaving.
    Leaving,
}

/// What a stream that nobody reads may hold in the server: a few messages, and what waits to be written.
const EACH_MAX_BYTES: usize = 512 * 1024;

/// What the system chooses its buffers by.
const SEGMENT_BYTES: u32 = 536;

const PATIENCE: Duration = Duration::from_secs(60);

/// What an attacker holds on to.
enum Held {
    Frames(Connection),
    Socket(TcpStream),
}

impl Held {
    /// Whether the server has let go of it.
    async fn let_go(self) -> bool {
        match self {
            Self::Frames(connection) => {
                let waiting = async {
                    while !connection.is_over() && connection.count(|seen| &seen.resets) == 0 {
                        sleep(Duration::from_millis(10)).await;
                    }
                };
                timeout(PATIENCE, waiting).await.is_ok()
            }
            Self::Socket(mut socket) => {
                // Only now does it read what was sent before.
                let mut buffer = vec![0; 1 << 16];
                let ended = async { while socket.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
                timeout(PATIENCE, ended).await.is_ok()
            }
        }
    }
}

impl Way {
    async fn begin(self, address: SocketAddr, timeout: Option<&str>) -> Held {
        let grpc_timeout = timeout.map(|seconds| format!("{seconds}S"));
        let grpc_timeout: Vec<_> = grpc_timeout.iter().map(|value| ("grpc-timeout", &**value)).collect();
        let wire = CountRequest { to: i32::MAX, ..CountRequest::default() }.encode_to_vec();
        let call = |path: &str| {
            let headers = frame(HEADERS, END_HEADERS, 1, &post(path, "application/grpc", &grpc_timeout));
            [headers, frame(DATA, END_STREAM, 1, &message(0, &wire))].concat()
        };
        let own_timeout =
            timeout.map(|seconds| format!("x-server-timeout: {seconds}\r\n")).unwrap_or_default();
        let get = |path: &str, accept: &str| {
            format!("GET {path}?to=2147483647 HTTP/1.1\r\nhost: a\r\naccept: {accept}\r\n{own_timeout}\r\n")
                .into_bytes()
        };
        let words = match self {
            Self::Grpc | Self::GrpcBlocking => {
                let connection =
                    Connection::open(address, &[(INITIAL_WINDOW_SIZE, 0)]).await.expect("it listens");
                let blocking = if matches!(self, Self::Grpc) { "" } else { "Blocking" };
                connection.write(&call(&format!("/parity.v1.Parity/Count{blocking}"))).await.expect("sent");
                return Held::Frames(connection);
            }
            Self::GrpcSocket => {
                let window = (1u32 << 31) - 1;
                let own = settings(&[(INITIAL_WINDOW_SIZE, window)]);
                let wider = frame(super::frames::WINDOW_UPDATE, 0, 0, &(window - 65_535).to_be_bytes());
                [PREFACE, &own, &wider, &call("/parity.v1.Parity/Count")].concat()
            }
            Self::Lines => get("/v1/count", "application/x-ndjson"),
            Self::LinesBlocking => get("/v1/blocking/count", "application/x-ndjson"),
            Self::Events => get("/v1/count", "text/event-stream"),
            Self::WebSocket => {
                let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                               sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
                let get = format!("GET /v1/count HTTP/1.1\r\nhost: a\r\n{upgrade}{own_timeout}\r\n");
                let text = br#"{"to":2147483647}"#;
                // A mask of zeros changes nothing.
                [get.as_bytes(), &[0x81, 0x80 | text.len() as u8, 0, 0, 0, 0], text].concat()
            }
        };
        let socket = TcpSocket::new_v4().expect("a socket");
        // Full soon: by default the system takes megabytes for who does not read.
        socket.set_recv_buffer_size(4096).expect("a small one");
        setsockopt(&socket, TcpMaxSeg, &SEGMENT_BYTES).expect("a small one");
        let mut socket = socket.connect(address).await.expect("it listens");
        socket.write_all(&words).await.expect("sent");
        Held::Socket(socket)
    }
}

pub async fn attack(attackers: usize, end: End) -> Outcome {
    let settings = match end {
        End::Stall => "reply_stall_timeout_ms=3000",
        _ => "http2_keep_alive_interval_ms=600000,stream_keep_alive_ms=0",
    };
    let mut victim = Victim::start(settings).await;
    let honest = victim.honest().await;
    let begun = victim.figure("begun").await;
    let mut beginning = JoinSet::new();
    for way in WAYS.into_iter().cycle().take(attackers) {
        let (address, deadline) = (victim.address, (end == End::Deadline).then_some("5"));
        beginning.spawn(async move { (way, way.begin(address, deadline).await) });
    }
    let held = beginning.join_all().await;
    victim
        .until("every attacker's call has begun", |now| {
            now["begun"].as_u64().expect("a figure") >= begun + attackers as u64
        })
        .await;
    honest.until(10).await;
    let served = honest.end().await;
    // Without the others there is nobody who makes progress.
    let mut made = (0, 0);
    let mut still = 0;
    if end == End::Leaving {
        while still < 25 {
            sleep(Duration::from_millis(20)).await;
            made = (made.1, victim.figure("made").await);
            still = if made.0 == made.1 { still + 1 } else { 0 };
        }
    }
    let each = victim.settled().await.saturating_sub(victim.base()) / attackers;
    assert!(each < EACH_MAX_BYTES, "{each} bytes for each");
    if end != End::Leaving {
        let nobody = |now: &serde_json::Value| now["under_way"].as_u64().expect("a figure") == 0;
        victim.until("every call was given up", nobody).await;
    }
    let honest = victim.honest().await;
    if end == End::Stall {
        let mut waiting = JoinSet::new();
        for (way, held) in held {
            waiting.spawn(async move { assert!(held.let_go().await, "{way:?} is held") });
        }
        waiting.join_all().await;
    } else {
        drop(held);
    }
    honest.until(10).await;
    finish(victim, attackers, end, each, made.1, served.and(honest.end().await)).await
}

async fn finish(
    victim: Victim,
    attackers: usize,
    end: End,
    each: usize,
    made: u64,
    honest: super::honest::Calls,
) -> Outcome {
    let name = match end {
        End::Deadline => "streams that nobody reads, until a deadline",
        End::Stall => "streams that nobody reads, without one",
        End::Leaving => "streams that nobody reads, until they leave",
    };
    let kib = each as f64 / 1024.0;
    let held_back =
        if made > 0 { format!("; held back after {made} messages altogether") } else { String::new() };
    victim
        .unharmed(name, format!("{attackers} streams"), format!("{kib:.1} KiB for each{held_back}"), honest)
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_nobody_reads_ends_at_its_deadline() {
    attack(70, End::Deadline).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_nobody_reads_holds_little() {
    attack(70, End::Leaving).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_nobody_reads_is_given_up() {
    attack(70, End::Stall).await;
}
