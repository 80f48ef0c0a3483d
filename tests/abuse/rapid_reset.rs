//! Rapid reset: calls that are begun and taken back at once, thousands on a connection, against async, blocking and
//! streaming methods. Once the frames of a call come together with its reset, and once the call may begin first.

use std::net::SocketAddr;
use std::time::Duration;

use prost::Message as _;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::frames::{Connection, DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, frame, message, post};
use super::victim::{Outcome, Victim};
use crate::support::parity_v1::{CountRequest, EchoRequest, Plan};

/// Calls between two looks at what the server says.
const BATCH: usize = 50;

const CONNECTIONS: usize = 8;

/// `CANCEL`.
const CANCEL: [u8; 4] = 8u32.to_be_bytes();

/// The frames of a call of each kind, over gRPC and HTTP, but for the number of their stream.
fn calls() -> Vec<(Vec<u8>, Vec<u8>)> {
    let plan = || Some(Plan { sleep_ms: 5, ..Plan::default() });
    let echo = EchoRequest { plan: plan(), ..EchoRequest::default() }.encode_to_vec();
    let count = CountRequest { to: 1000, pause_ms: 1, ..CountRequest::default() }.encode_to_vec();
    let grpc = |method: &str, wire: &[u8]| {
        (post(&format!("/parity.v1.Parity/{method}"), "application/grpc", &[]), message(0, wire))
    };
    let json = |path: &str| (post(path, "application/json", &[]), br#"{"plan":{"sleepMs":5}}"#.to_vec());
    vec![
        grpc("Echo", &echo),
        grpc("EchoBlocking", &echo),
        grpc("EchoOffloaded", &echo),
        grpc("Count", &count),
        grpc("CountBlocking", &count),
        json("/v1/echo"),
        json("/v1/blocking/echo"),
    ]
}

/// Begins and resets so many calls, on as many connections as the server makes it open; returns how many those were.
async fn reset(address: SocketAddr, resets: usize, may_begin: bool) -> usize {
    let calls = calls();
    let (mut left, mut connections) = (resets, 0);
    while left > 0 {
        let Ok(mut connection) = Connection::open(address, &[]).await else { continue };
        connections += 1;
        while left > 0 && !connection.is_over() {
            let (mut begin, mut end) = (Vec::new(), Vec::new());
            for number in 0..BATCH.min(left) {
                let (headers, body) = &calls[number % calls.len()];
                let stream = connection.stream();
                begin.extend(frame(HEADERS, END_HEADERS, stream, headers));
                begin.extend(frame(DATA, END_STREAM, stream, body));
                let reset = frame(RST_STREAM, 0, stream, &CANCEL);
                if may_begin { end.extend(reset) } else { begin.extend(reset) }
            }
            left -= BATCH.min(left);
            let _ = connection.write(&begin).await;
            if may_begin {
                sleep(Duration::from_millis(2)).await;
                let _ = connection.write(&end).await;
            }
            tokio::task::yield_now().await;
        }
    }
    connections
}

pub async fn attack(resets: usize) -> Outcome {
    let mut victim = Victim::start("").await;
    let honest = victim.honest().await;
    let mut attackers = JoinSet::new();
    for number in 0..CONNECTIONS {
        attackers.spawn(reset(victim.address, resets / CONNECTIONS, number % 2 == 0));
    }
    let connections: usize = attackers.join_all().await.into_iter().sum();
    honest.until(10).await;
    let honest = honest.end().await;
    let now = victim.figures().await;
    let number = |name: &str| now[name].as_u64().expect("a figure");
    let said = format!(
        "{} calls reached a handler's door, {} were cut short there; {} jobs taken out of line; {connections} connections \
         needed",
        number("begun") - honest.count as u64,
        number("cut_short"),
        number("cancelled"),
    );
    victim.unharmed("rapid reset", format!("{resets} resets"), said, honest).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_taken_back_leave_nothing() {
    attack(8_000).await;
}
