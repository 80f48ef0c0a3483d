//! HTTP/2 where its client and the server disagree about how much there may be, or one of them has gone.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::frames::{
    DATA, END_HEADERS, HEADERS, PING, RST_STREAM, SETTINGS, frame, grpc_head, streams,
};
use crate::support::running::{Running, parity, parity_with};

/// Of HEADERS and DATA: nothing more comes on the stream. Of SETTINGS and PING: this is the answer to one.
const END_STREAM: u8 = 1;
const ACK: u8 = 1;

/// The code of a stream that was not begun, and may be tried again.
const REFUSED_STREAM: u32 = 7;

/// Long enough for whatever is waited for, on the slowest of machines.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection whose every frame the test sees.
struct Raw(TcpStream);

#[derive(Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Raw {
    async fn dial(server: &Running) -> Self {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        Self(stream)
    }

    async fn send(&mut self, frames: &[u8]) {
        self.0.write_all(frames).await.unwrap();
    }

    /// The next frame; none when the server has closed the connection.
    async fn next(&mut self) -> Option<Frame> {
        let read = async {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            self.0.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
            Some(Frame { kind: head[3], flags: head[4], stream, payload })
        };
        tokio::time::timeout(PATIENCE, read).await.expect("a frame, or the end")
    }
}

/// A client that does not wait to be told how many streams it may have. The ones that were begun go on.
#[tokio::test]
async fn streams_beyond_the_bound_are_refused_and_the_others_go_on() {
    let small = parity_with(|config| config.streams_per_connection_max = 3).await;
    for (server, bound) in [(parity().await, 200), (small, 3)] {
        let mut client = Raw::dial(&server).await;
        let head = grpc_head("/parity.v1.Parity/Echo");
        let ids: Vec<_> = streams().take(bound + 5).collect();
        let heads: Vec<u8> = ids.iter().flat_map(|&id| frame(HEADERS, END_HEADERS, id, &head)).collect();
        client.send(&heads).await;
        let mut refused = Vec::new();
        while refused.len() < 5 {
            let frame = client.next().await.expect("it goes on");
            if frame.kind == RST_STREAM {
                let code = u32::from_be_bytes(frame.payload[..].try_into().unwrap());
                refused.push((frame.stream, code));
            }
        }
        let expected: Vec<_> = ids[bound..].iter().map(|&id| (id, REFUSED_STREAM)).collect();
        assert_eq!(refused, expected);
        let ends = ids[..bound].iter().flat_map(|&id| frame(DATA, END_STREAM, id, &[0; 5]));
        client.send(&ends.collect::<Vec<u8>>()).await;
        let mut answered = std::collections::BTreeSet::new();
        while answered.len() < bound {
            let frame = client.next().await.expect("it goes on");
            assert_ne!(frame.kind, RST_STREAM, "{frame:?}");
            if frame.kind == HEADERS && frame.flags & END_STREAM != 0 {
                answered.insert(frame.stream);
            }
        }
        assert_eq!(answered.into_iter().collect::<Vec<_>>(), ids[..bound]);
        // There is room again.
        let next = ids[bound + 4] + 2;
        client
            .send(&[frame(HEADERS, END_HEADERS, next, &head), frame(DATA, 1, next, &[0; 5])].concat())
            .await;
        loop {
            let frame = client.next().await.expect("it goes on");
            if frame.kind == HEADERS && frame.stream == next && frame.flags & END_STREAM != 0 {
                break;
            }
        }
    }
}

/// A machine that lost its power says nothing, on a connection without a call, either.
#[tokio::test]
async fn an_idle_connection_whose_client_is_gone_is_closed() {
    let server = parity_with(|config| {
        config.http2_keep_alive_interval_ms = 50;
        // On a busy machine, who is alive may take a while to say so.
        config.http2_keep_alive_timeout_ms = 5_000;
    })
    .await;
    // It answers, and its connection stays, with a call between and without.
    let mut alive = Raw::dial(&server).await;
    for round in 0..30 {
        if round == 10 {
            let head = grpc_head("/parity.v1.Parity/Echo");
            alive.send(&[frame(HEADERS, END_HEADERS, 1, &head), frame(DATA, 1, 1, &[0; 5])].concat()).await;
        }
        loop {
            let asked = alive.next().await.expect("it stays open");
            if asked.kind == SETTINGS && asked.flags & ACK == 0 {
                alive.send(&frame(SETTINGS, ACK, 0, &[])).await;
            }
            if asked.kind == PING && asked.flags & ACK == 0 {
                alive.send(&frame(PING, ACK, 0, &asked.payload)).await;
                break;
            }
        }
    }
    let mut gone = Raw::dial(&server).await;
    let mut asked = 0;
    while let Some(frame) = gone.next().await {
        asked += usize::from(frame.kind == PING && frame.flags & ACK == 0);
    }
    assert_eq!(asked, 1, "it was asked once, and then closed");
}
