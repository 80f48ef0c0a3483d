//! Honest clients who send and read in small steps, as fast as they can: nobody takes them for a flood.

use std::time::Duration;

use prost::Message as _;
use tokio::time::{sleep, timeout};

use super::frames::{
    Connection, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, WINDOW_UPDATE, frame, message,
    post,
};
use crate::support::parity_v1::{CountRequest, SumRequest};
use crate::support::running::parity;

const PATIENCE: Duration = Duration::from_secs(60);

/// What a client lets the server send before it has read anything.
const WINDOW: u32 = 1 << 20;

/// What it reads at once.
const STEP: u32 = 64;

async fn until(connection: &Connection, what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            assert!(!connection.is_over(), "cut off before {what}");
            assert_eq!(connection.count(|seen| &seen.resets), 0, "reset before {what}");
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never happened: {what}"));
}

fn call(stream: u32, method: &str) -> Vec<u8> {
    let path = format!("/parity.v1.Parity/{method}");
    frame(HEADERS, END_HEADERS, stream, &post(&path, "application/grpc", &[]))
}

/// Seven bytes each, in a frame each, and no word from the server meanwhile: less than the smallest window.
#[tokio::test]
async fn a_stream_of_small_messages_is_no_flood() {
    let server = parity().await;
    let mut connection = Connection::open(server.address, &[]).await.expect("it listens");
    let stream = connection.stream();
    let one = SumRequest { number: 1, ..SumRequest::default() }.encode_to_vec();
    let messages = frame(DATA, 0, stream, &message(0, &one)).repeat(9_000);
    let end = frame(DATA, END_STREAM, stream, &[]);
    connection.write(&[call(stream, "Sum"), messages, end].concat()).await.expect("sent");
    until(&connection, "the sum", || connection.count(|seen| &seen.headers) == 2).await;
}

/// One at a time, each answered before the next.
#[tokio::test]
async fn a_ping_pong_of_small_messages_is_no_flood() {
    let server = parity().await;
    let mut connection = Connection::open(server.address, &[]).await.expect("it listens");
    let stream = connection.stream();
    connection.write(&call(stream, "Running")).await.expect("sent");
    // In three crumbs each.
    let one = message(0, &SumRequest { number: 1, ..SumRequest::default() }.encode_to_vec());
    let one: Vec<u8> = one.chunks(3).flat_map(|crumb| frame(DATA, 0, stream, crumb)).collect();
    for _ in 0..2_000 {
        let before = connection.count(|seen| &seen.data_bytes);
        connection.write(&one).await.expect("sent");
        let came = || connection.count(|seen| &seen.data_bytes) > before;
        for _ in 0..10_000 {
            if came() {
                break;
            }
            tokio::task::yield_now().await;
        }
        until(&connection, "the sum so far", came).await;
    }
}

/// The whole of a reply has come, and its reader takes it bit by bit, opening both windows at each.
#[tokio::test]
async fn a_large_reply_may_be_read_in_small_steps() {
    let server = parity().await;
    let mut connection =
        Connection::open(server.address, &[(INITIAL_WINDOW_SIZE, WINDOW)]).await.expect("it listens");
    let stream = connection.stream();
    let wider = frame(WINDOW_UPDATE, 0, 0, &(WINDOW - 65_535).to_be_bytes());
    let wire = CountRequest { to: 50_000, ..CountRequest::default() }.encode_to_vec();
    let request = frame(DATA, END_STREAM, stream, &message(0, &wire));
    connection.write(&[wider, call(stream, "Count"), request].concat()).await.expect("sent");
    until(&connection, "the whole reply", || connection.count(|seen| &seen.headers) == 2).await;
    let came = connection.count(|seen| &seen.data_bytes);
    assert!(came > 300_000, "only {came} bytes: that is not large");
    let open = |stream| frame(WINDOW_UPDATE, 0, stream, &STEP.to_be_bytes());
    let step = [open(stream), open(0)].concat();
    connection.write(&step.repeat(came as usize / STEP as usize)).await.expect("sent");
    // It is as good as ever.
    let stream = connection.stream();
    let end = frame(DATA, END_STREAM, stream, &[]);
    connection.write(&[call(stream, "Sum"), end].concat()).await.expect("sent");
    until(&connection, "the answer to another call", || connection.count(|seen| &seen.headers) == 4).await;
}
