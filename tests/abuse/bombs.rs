//! Decompression bombs: little to send, and far more than its bound when it is unpacked. In every packing that gRPC,
//! HTTP bodies and Connect's envelopes have.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use ambidex::Code;
use axum::body::Body;
use flate2::Compression;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::frames::message;
use super::victim::{Outcome, Victim};
use crate::support::envelopes;
use crate::support::http_client::HttpClient;

/// Bombs that are unpacked at the same time.
const AT_ONCE: usize = 8;

/// What one may cost while it is found out: a message of the bound, twice while it grows, and what came in.
const EACH_MAX_BYTES: usize = 3 * 4 * 1024 * 1024;

/// What unpacking needs besides, in libraries that do not allocate as we do.
const RESIDENT_EACH_MAX_KB: u64 = 32 * 1024;

#[derive(Debug, Clone, Copy)]
enum Way {
    Grpc,
    GrpcBlocking,
    Rest,
    RestBlocking,
    Connect,
    Lines,
    Envelopes,
}

fn zeros(mebibytes: usize, packing: &mut impl Write) {
    let zeros = vec![0; 1 << 20];
    for _ in 0..mebibytes {
        packing.write_all(&zeros).expect("memory");
    }
}

fn packed(coding: &str, mebibytes: usize) -> Vec<u8> {
    match coding {
        "gzip" => {
            let mut packing = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
            zeros(mebibytes, &mut packing);
            packing.finish().expect("memory")
        }
        "deflate" => {
            let mut packing = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
            zeros(mebibytes, &mut packing);
            packing.finish().expect("memory")
        }
        "zstd" => {
            let mut packing = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
            zeros(mebibytes, &mut packing);
            packing.finish().expect("memory")
        }
        "br" => {
            let mut packing = brotli::CompressorWriter::new(Vec::new(), 1 << 16, 1, 20);
            zeros(mebibytes, &mut packing);
            packing.into_inner()
        }
        other => panic!("nobody packs in {other}"),
    }
}

impl Way {
    fn codings(self) -> &'static [&'static str] {
        match self {
            Self::Grpc | Self::GrpcBlocking => &["gzip", "deflate", "zstd"],
            _ => &["gzip", "br", "zstd"],
        }
    }

    /// What the server makes of it, in one word.
    async fn answer(self, address: SocketAddr, coding: &str, bomb: &[u8]) -> String {
        let http = HttpClient::new(address);
        let json = |path: &'static str, content_type: &'static str| {
            let headers = [("content-type", content_type), ("content-encoding", coding)];
            let http = &http;
            let bomb = bomb.to_vec();
            async move { http.send(Method::POST, path, &headers, bomb).await.status.to_string() }
        };
        let grpc = |path: &'static str| {
            let headers =
                [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-encoding", coding)];
            let (http2, body) = (http.http2(), message(1, bomb));
            async move {
                let (head, body) = http2.begin(Method::POST, path, &headers, body).await.into_parts();
                let trailers = body.collect().await.expect("a body").trailers().cloned();
                let code = head.headers.get("grpc-status").cloned();
                let code = code.or_else(|| trailers?.get("grpc-status").cloned());
                code.map_or_else(|| head.status.to_string(), |code| format!("{code:?}"))
            }
        };
        match self {
            Self::Grpc => grpc("/parity.v1.Parity/Echo").await,
            Self::GrpcBlocking => grpc("/parity.v1.Parity/EchoBlocking").await,
            Self::Rest => json("/v1/echo", "application/json").await,
            Self::RestBlocking => json("/v1/blocking/echo", "application/json").await,
            Self::Connect => json("/parity.v1.Parity/Echo", "application/proto").await,
            Self::Lines => json("/v1/sum", "application/x-ndjson").await,
            Self::Envelopes => {
                let headers =
                    [("content-type", "application/connect+proto"), ("connect-content-encoding", coding)];
                let body = Body::from(envelopes::envelope(1, bomb));
                let answer = http.send(Method::POST, "/parity.v1.Parity/Sum", &headers, body).await;
                envelopes::opened(&answer.body).1["error"]["code"].to_string()
            }
        }
    }

    fn expected(self) -> String {
        match self {
            Self::Grpc | Self::GrpcBlocking => format!("{:?}", (Code::ResourceExhausted as i32).to_string()),
            Self::Envelopes => "\"resource_exhausted\"".to_owned(),
            _ => StatusCode::PAYLOAD_TOO_LARGE.to_string(),
        }
    }
}

const WAYS: [Way; 7] =
    [Way::Grpc, Way::GrpcBlocking, Way::Rest, Way::RestBlocking, Way::Connect, Way::Lines, Way::Envelopes];

pub async fn attack(bombs: usize, mebibytes: usize) -> Outcome {
    let made: Vec<_> = ["gzip", "deflate", "zstd", "br"]
        .into_iter()
        .map(|coding| (coding, Arc::new(packed(coding, mebibytes))))
        .collect();
    // hyper's client now and then keeps a connection for good whose answer came before its request was sent; all of that
    // is read, and to the server it is at rest.
    let mut victim = Victim::start("connection_idle_timeout_ms=10000").await;
    let honest = victim.honest().await;
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut attacking = JoinSet::new();
    let mut largest = 0;
    for number in 0..bombs {
        let way = WAYS[number % WAYS.len()];
        let codings = way.codings();
        let coding = codings[number / WAYS.len() % codings.len()];
        let bomb =
            made.iter().find(|(known, _)| *known == coding).map(|(_, bomb)| Arc::clone(bomb)).expect("made");
        largest = largest.max(bomb.len());
        let (address, at_once) = (victim.address, Arc::clone(&at_once));
        attacking.spawn(async move {
            let _one = at_once.acquire_owned().await.expect("never closed");
            (way, coding, way.answer(address, coding, &bomb).await)
        });
    }
    while let Some(ended) = attacking.join_next().await {
        let (way, coding, answer) = ended.expect("an attacker");
        assert_eq!(answer, way.expected(), "{way:?} in {coding}");
    }
    honest.until(10).await;
    let now = victim.figures().await;
    let number = |name: &str| now[name].as_u64().expect("a figure");
    let limit = victim.base() + AT_ONCE * (EACH_MAX_BYTES + largest);
    assert!((number("peak") as usize) < limit, "{} bytes at the peak", number("peak"));
    let resident_limit = 64 * 1024 + AT_ONCE as u64 * (RESIDENT_EACH_MAX_KB + largest as u64 / 1024);
    assert!(number("resident_peak_kb") < resident_limit, "{} KiB resident", number("resident_peak_kb"));
    let said = format!("413 and RESOURCE_EXHAUSTED to all; {AT_ONCE} at a time");
    let size = format!("{bombs} bombs of {mebibytes} MiB");
    victim.unharmed("decompression bombs", size, said, honest.end().await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bombs_are_refused_at_their_bound() {
    attack(42, 32).await;
}
