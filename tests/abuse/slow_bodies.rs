//! Bodies that never end: a head as it should be, and then a byte now and then, or none. Of a method that takes one
//! message the body has to come at a pace, and who is slower is told so: 408, and over gRPC DEADLINE_EXCEEDED.

use std::net::SocketAddr;
use std::time::Duration;

use ambidex::Code;
use axum::body::Body;
use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_stream::StreamExt;

use super::frames::message;
use super::victim::{Outcome, Victim};
use crate::support::http_client::{Answer, HttpClient};

#[derive(Debug, Clone, Copy)]
enum Way {
    /// A byte now and then, of a body with a length.
    Trickle,
    /// A chunk of a byte now and then, of a body without.
    Chunks,
    /// Nothing more after the first bytes.
    Silent,
    /// The same of a blocking method.
    SilentBlocking,
    /// A Connect client's.
    Connect,
    /// Over HTTP/2.
    Http2,
    /// Half of a gRPC message.
    Grpc,
    /// The same of a blocking method.
    GrpcBlocking,
}

const WAYS: [Way; 8] = [
    Way::Trickle,
    Way::Chunks,
    Way::Silent,
    Way::SilentBlocking,
    Way::Connect,
    Way::Http2,
    Way::Grpc,
    Way::GrpcBlocking,
];

const PATIENCE: Duration = Duration::from_secs(60);

/// These bytes, and after them a byte now and then for ever.
fn trickling(first: &'static [u8]) -> Body {
    let bytes = tokio_stream::iter([Bytes::from_static(first)]);
    let slowly = tokio_stream::iter(std::iter::repeat(Bytes::from_static(b" "))).then(|byte| async move {
        sleep(Duration::from_millis(300)).await;
        byte
    });
    Body::from_stream(bytes.chain(slowly).map(Ok::<_, std::convert::Infallible>))
}

/// The first line of what the server says to who is slow over HTTP/1.1.
async fn by_hand(address: SocketAddr, path: &str, framing: &str, first: &[u8], again: &[u8]) -> String {
    let stream = TcpStream::connect(address).await.expect("it listens");
    let (mut reading, mut writing) = stream.into_split();
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{framing}\r\n\r\n");
    writing.write_all(&[head.as_bytes(), first].concat()).await.expect("sent");
    let again = again.to_vec();
    let slowly = tokio::spawn(async move {
        while !again.is_empty() {
            sleep(Duration::from_millis(300)).await;
            if writing.write_all(&again).await.is_err() {
                return;
            }
        }
        sleep(PATIENCE).await;
        drop(writing);
    });
    let mut said = [0; 1024];
    let read = reading.read(&mut said).await.unwrap_or(0);
    slowly.abort();
    String::from_utf8_lossy(&said[..read]).lines().next().unwrap_or_default().to_owned()
}

fn over_http2(answer: &Answer) -> String {
    let code = answer.headers.get("grpc-status").map(|code| code.to_str().expect("ASCII"));
    code.map_or_else(|| answer.status.to_string(), |code| format!("grpc {code}"))
}

impl Way {
    async fn answer(self, address: SocketAddr) -> String {
        let http2 = HttpClient::new(address).http2();
        let grpc = |path: &'static str| async {
            let half = &message(0, &[b'a'; 10_000])[..20];
            let headers = [("content-type", "application/grpc"), ("te", "trailers")];
            over_http2(&http2.send(Method::POST, path, &headers, trickling(half.to_vec().leak())).await)
        };
        let length = "content-length: 100000";
        match self {
            Self::Trickle => by_hand(address, "/v1/echo", length, b"{", b" ").await,
            Self::Chunks => {
                by_hand(address, "/v1/echo", "transfer-encoding: chunked", b"1\r\n{\r\n", b"1\r\n \r\n").await
            }
            Self::Silent => by_hand(address, "/v1/echo", length, b"{", b"").await,
            Self::SilentBlocking => by_hand(address, "/v1/blocking/echo", length, b"{", b"").await,
            Self::Connect => by_hand(address, "/parity.v1.Parity/Echo", length, b"{", b" ").await,
            Self::Http2 => over_http2(&http2.post("/v1/echo", trickling(b"{")).await),
            Self::Grpc => grpc("/parity.v1.Parity/Echo").await,
            Self::GrpcBlocking => grpc("/parity.v1.Parity/EchoBlocking").await,
        }
    }

    fn expected(self) -> String {
        match self {
            Self::Grpc | Self::GrpcBlocking => format!("grpc {}", Code::DeadlineExceeded as i32),
            Self::Http2 => StatusCode::REQUEST_TIMEOUT.to_string(),
            _ => format!("HTTP/1.1 {}", StatusCode::REQUEST_TIMEOUT),
        }
    }
}

pub async fn attack(attackers: usize) -> Outcome {
    let victim = Victim::start("body_read_timeout_ms=6000").await;
    let honest = victim.honest().await;
    let mut slow = JoinSet::new();
    for (number, way) in WAYS.into_iter().cycle().take(attackers).enumerate() {
        if number % 100 == 99 {
            // As with slow heads: the system's queue of connections is not what is tried here.
            sleep(Duration::from_millis(50)).await;
        }
        let address = victim.address;
        slow.spawn(async move { (way, timeout(PATIENCE, way.answer(address)).await) });
    }
    honest.until(10).await;
    while let Some(ended) = slow.join_next().await {
        let (way, answer) = ended.expect("an attacker");
        assert_eq!(answer.as_deref(), Ok(&*way.expected()), "{way:?}");
    }
    let said = format!("408 and DEADLINE_EXCEEDED to all {attackers}");
    victim.unharmed("bodies that never end", format!("{attackers} bodies"), said, honest.end().await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_never_end_are_refused() {
    attack(320).await;
}
