//! Slowloris: connections whose head never ends, in every form that HTTP/1.1 and HTTP/2 have for it. The server lets
//! each of them go by its own clocks: `header_read_timeout_ms`, and over HTTP/2 its pings.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::frames::{self, HEADERS, PREFACE};
use super::victim::{Outcome, Victim};

/// How one is slow.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Says nothing at all.
    Silent,
    /// A byte of a header now and then.
    Trickle,
    /// One whole header line after the other, and never the last.
    Lines,
    /// HTTP/2's preface but for its end.
    HalfPreface,
    /// The preface a byte at a time.
    SlowPreface,
    /// A frame but for its end.
    HalfFrame,
    /// HEADERS that are to be continued, and are not.
    NoEndOfHeaders,
}

const WAYS: [Way; 7] = [
    Way::Silent,
    Way::Trickle,
    Way::Lines,
    Way::HalfPreface,
    Way::SlowPreface,
    Way::HalfFrame,
    Way::NoEndOfHeaders,
];

/// How long an attacker waits to be let go.
const PATIENCE: Duration = Duration::from_secs(60);

impl Way {
    /// What is sent at once, and what after that again and again.
    fn words(self) -> (Vec<u8>, &'static [u8]) {
        let begun = [PREFACE, &frames::settings(&[])].concat();
        match self {
            Self::Silent => (Vec::new(), b""),
            Self::Trickle => (b"GET /v1/describe HTTP/1.1\r\nhost: a\r\nx-long: ".to_vec(), b"x"),
            Self::Lines => (b"GET /v1/describe HTTP/1.1\r\nhost: a\r\n".to_vec(), b"x: y\r\n"),
            Self::HalfPreface => (PREFACE[..20].to_vec(), b""),
            Self::SlowPreface => (PREFACE[..1].to_vec(), PREFACE),
            Self::HalfFrame => ([begun, vec![0, 0, 9, HEADERS]].concat(), b""),
            Self::NoEndOfHeaders => {
                let block = frames::post("/v1/echo", "application/json", &[]);
                ([begun, frames::frame(HEADERS, 0, 1, &block)].concat(), b"")
            }
        }
    }

    /// Whether the server closed the connection.
    async fn let_go(self, address: SocketAddr) -> bool {
        let Ok(stream) = TcpStream::connect(address).await else { return false };
        let (mut reading, mut writing) = stream.into_split();
        let (words, again) = self.words();
        let _ = writing.write_all(&words).await;
        let slowly = async {
            let mut sent = 1;
            while !again.is_empty() {
                sleep(Duration::from_millis(200)).await;
                let next = match self {
                    Self::SlowPreface => again.get(sent..sent + 1).unwrap_or_default(),
                    _ => again,
                };
                sent += 1;
                if writing.write_all(next).await.is_err() {
                    return;
                }
            }
            std::future::pending().await
        };
        let closed = async {
            let mut rest = Vec::new();
            // A reset is a close, too.
            let _ = reading.read_to_end(&mut rest).await;
        };
        let ended = async {
            tokio::select! { () = closed => {}, () = slowly => {} }
        };
        timeout(PATIENCE, ended).await.is_ok()
    }
}

pub async fn attack(attackers: usize) -> Outcome {
    let clocks =
        "header_read_timeout_ms=2000,http2_keep_alive_interval_ms=1000,http2_keep_alive_timeout_ms=2000";
    let victim = Victim::start(clocks).await;
    let honest = victim.honest().await;
    let mut slow = JoinSet::new();
    for (number, way) in WAYS.into_iter().cycle().take(attackers).enumerate() {
        if number % 50 == 49 {
            // More at once would not fit into the system's queue, where one waits for a minute unseen.
            sleep(Duration::from_millis(100)).await;
        }
        let address = victim.address;
        slow.spawn(async move { (way, way.let_go(address).await) });
    }
    honest.until(10).await;
    while let Some(ended) = slow.join_next().await {
        let (way, let_go) = ended.expect("an attacker");
        assert!(let_go, "{way:?} held its connection for {PATIENCE:?}");
    }
    let said = format!("let go of all {attackers} by its own clocks");
    victim
        .unharmed("heads that never end", format!("{attackers} connections"), said, honest.end().await)
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_never_end_are_let_go() {
    attack(350).await;
}
