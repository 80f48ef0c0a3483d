//! The life of a connection: it grows old, rests, is slow or floods, and the server goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ambidex::call::{Call, Reply};
use ambidex::interceptor::{self, Next};
use ambidex::server::{Config, ServerBuilder};
use ambidex::{Code, Status};
use futures_util::future::BoxFuture;
use http::StatusCode;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::dialed::{Dialed, grpc, post};
use crate::support::frames::{self, END_HEADERS, ENHANCE_YOUR_CALM, flood, frame, grpc_head, streams};
use crate::support::parity_v1::{EchoRequest, ParityClient, Plan};
use crate::support::running::{Running, parity_builder, parity_with, start};

/// A client that counts its connections.
async fn counting(server: &Running) -> (ParityClient, Arc<AtomicUsize>) {
    let dialed = Arc::new(AtomicUsize::new(0));
    let (address, count) = (server.address, dialed.clone());
    let client = grpc(move || {
        count.fetch_add(1, Ordering::Relaxed);
        TcpStream::connect(address)
    });
    (client.await.unwrap(), dialed)
}

fn asleep(sleep_ms: i32) -> EchoRequest {
    let plan = Some(Plan { sleep_ms, ..Plan::default() });
    EchoRequest { text: "rested".to_owned(), plan, ..EchoRequest::default() }
}

async fn http1(server: &Running) -> Dialed {
    Dialed::http1(TcpStream::connect(server.address).await.unwrap()).await
}

async fn http2(server: &Running) -> Dialed {
    Dialed::http2(TcpStream::connect(server.address).await.unwrap()).await
}

#[tokio::test]
async fn an_old_connection_ends_well_and_the_next_call_has_a_new_one() {
    let server = parity_with(|config| {
        config.connection_age_max_ms = Some(2_000);
    })
    .await;
    let (client, dialed) = counting(&server).await;
    let text = client.echo(asleep(4000)).await.expect("it goes on").into_inner().text;
    assert_eq!(text, "rested");
    for _ in 0..3 {
        client.echo(asleep(0)).await.expect("it has a connection");
    }
    assert!(dialed.load(Ordering::Relaxed) >= 2);

    let mut http1 = http1(&server).await;
    let slow = r#"{"text": "rested", "plan": {"sleepMs": 4000}}"#;
    let answer = http1.send(post("/v1/echo", slow)).await.expect("it goes on");
    assert_eq!((answer.status, answer.header("connection")), (StatusCode::OK, "close"));
    http1.closed().await;
    // One without a call is closed as well.
    let mut resting = http2(&server).await;
    resting.echo("hi").await.unwrap();
    resting.closed().await;
    server.stopped().await.expect("a clean drain");
}

#[tokio::test]
async fn calls_that_do_not_end_in_time_are_cut_with_their_connection() {
    let (counter, builder) = counted(parity_builder());
    let mut config = Config::default();
    config.connection_age_max_ms = Some(100);
    config.connection_grace_ms = 100;
    let server = start(builder.config(config)).await;
    let (client, _) = counting(&server).await;
    let status = client.echo(asleep(3_600_000)).await.expect_err("it is cut");
    assert!(
        [Code::Unavailable, Code::Unknown, Code::Internal, Code::Cancelled].contains(&status.code()),
        "{status}"
    );
    let mut http1 = http1(&server).await;
    let slow = r#"{"plan": {"sleepMs": 3600000}}"#;
    http1.send(post("/v1/echo", slow)).await.expect_err("it is cut");
    counter.is_zero().await;
    server.stopped().await.expect("nothing is left to drain");
}

#[tokio::test]
async fn a_connection_without_calls_is_closed_and_one_with_is_not() {
    let server = parity_with(|config| config.connection_idle_timeout_ms = 1_000).await;
    let slow = r#"{"text": "rested", "plan": {"sleepMs": 2500}}"#;
    for version in [1, 2] {
        let mut client = if version == 1 { http1(&server).await } else { http2(&server).await };
        for _ in 0..2 {
            let answer = client.send(post("/v1/echo", slow)).await.expect("it is not idle");
            assert_eq!(answer.json()["text"], "rested");
        }
        client.closed().await;
    }
    // A client that has said nothing that is a call.
    http2(&server).await.closed().await;
    let (client, dialed) = counting(&server).await;
    client.echo(asleep(2500)).await.expect("it is not idle");
    tokio::time::sleep(Duration::from_millis(3000)).await;
    client.echo(asleep(0)).await.expect("it has a new connection");
    assert!(dialed.load(Ordering::Relaxed) >= 2);
    server.stopped().await.expect("a clean drain");
}

#[tokio::test]
async fn a_client_at_rest_is_not_taken_for_one_with_a_slow_head() {
    let server = parity_with(|config| config.header_read_timeout_ms = 1_000).await;
    let mut client = http1(&server).await;
    for _ in 0..2 {
        client.echo("hi").await.expect("the same connection");
        tokio::time::sleep(Duration::from_millis(2500)).await;
    }
    assert!(!client.is_closed());
    // Half a head, after a whole request.
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"GET /v1/describe HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 4096];
    let read = slow.read(&mut answer).await.unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
    tokio::time::sleep(Duration::from_millis(2500)).await;
    slow.write_all(b"GET /v1/desc").await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), slow.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "it holds its place");
}

/// Half a head that came with the request before it has begun, too.
#[tokio::test]
async fn half_a_head_behind_a_request_is_a_slow_head() {
    let server = parity_with(|config| config.header_read_timeout_ms = 1_000).await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"GET /v1/describe HTTP/1.1\r\nhost: a\r\n\r\nGET /v1/desc").await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), slow.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "it holds its place");
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    // A client that says nothing more is at rest.
    let mut resting = TcpStream::connect(server.address).await.unwrap();
    resting.write_all(b"GET /v1/describe HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(3), resting.read_to_end(&mut answer)).await;
    assert!(ended.is_err(), "it may rest");
}

/// Who answers early may read on for as long as bytes come.
#[tokio::test]
async fn an_upload_that_is_read_behind_its_answer_is_no_slow_head() {
    let (read, all) = tokio::sync::oneshot::channel();
    let read = Arc::new(std::sync::Mutex::new(Some(read)));
    let accept = move |body: axum::body::Body| async move {
        tokio::spawn(async move {
            let bytes = axum::body::to_bytes(body, usize::MAX).await.map(|bytes| bytes.len());
            read.lock().unwrap().take().map(|read| read.send(bytes.map_err(|error| error.to_string())))
        });
        StatusCode::ACCEPTED
    };
    let router = axum::Router::new().route("/upload", axum::routing::post(accept));
    let mut config = Config::default();
    config.header_read_timeout_ms = 400;
    let server = start(parity_builder().config(config).router(router)).await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client.write_all(b"POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 30\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 4096];
    let length = client.read(&mut answer).await.unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 202"));
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.write_all(b"a").await.unwrap();
    }
    let all = tokio::time::timeout(Duration::from_secs(20), all).await.expect("an end");
    assert_eq!(all.unwrap(), Ok(30));
    // And the connection is as good as new, slow heads included.
    client.write_all(b"GET /v1/describe HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let length = client.read(&mut answer).await.unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
    client.write_all(b"GET /v1/desc").await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), client.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "it holds its place");
}

/// A tunnel may be silent: nobody owes anybody a reply.
#[tokio::test]
async fn a_tunnel_that_is_silent_is_not_cut() {
    let echo = axum::middleware::from_fn(
        |mut request: axum::extract::Request, next: axum::middleware::Next| async move {
            if request.method() != http::Method::CONNECT {
                return next.run(request).await;
            }
            tokio::spawn(async move {
                let upgraded = hyper::upgrade::on(&mut request).await.expect("a tunnel");
                let (mut reading, mut writing) = tokio::io::split(TokioIo::new(upgraded));
                let _ = tokio::io::copy(&mut reading, &mut writing).await;
            });
            http::Response::new(axum::body::Body::empty())
        },
    );
    let mut config = Config::default();
    config.reply_stall_timeout_ms = 100;
    let server = start(parity_builder().config(config).http_layer(echo)).await;
    let stream = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::connect("elsewhere:80").body(axum::body::Body::empty()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let mut tunnel = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    for word in [b"one", b"two"] {
        tokio::time::sleep(Duration::from_secs(1)).await;
        tunnel.write_all(word).await.unwrap();
        let mut back = [0; 3];
        let read = tokio::time::timeout(Duration::from_secs(20), tunnel.read_exact(&mut back)).await;
        read.expect("an echo").expect("the tunnel is there");
        assert_eq!(&back, word);
    }
}

#[tokio::test]
async fn a_connection_too_many_waits_for_its_turn() {
    let server = parity_with(|config| config.connections_max = 1).await;
    let mut first = http1(&server).await;
    first.echo("hi").await.unwrap();
    let mut second = http1(&server).await;
    let mut waiting = std::pin::pin!(second.echo("at last"));
    let too_early = tokio::time::timeout(Duration::from_millis(300), &mut waiting).await;
    assert!(too_early.is_err(), "there is one place");
    drop(first);
    let answer = tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("its turn").unwrap();
    assert_eq!(answer.json()["text"], "at last");
}

/// The calls under way.
struct Counter(Arc<AtomicUsize>);

impl Counter {
    async fn is_zero(&self) {
        let zero = async {
            while self.0.load(Ordering::SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), zero).await.expect("nothing is left of its calls");
    }
}

/// One of them.
struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The same server, whose calls are counted.
fn counted(builder: ServerBuilder) -> (Counter, ServerBuilder) {
    let counter = Arc::new(AtomicUsize::new(0));
    let counts = counter.clone();
    let count =
        interceptor::from_fn(move |call: Call, next: Next| -> BoxFuture<'static, Result<Reply, Status>> {
            counts.fetch_add(1, Ordering::SeqCst);
            let under_way = UnderWay(counts.clone());
            Box::pin(async move {
                let _under_way = under_way;
                next.run(call).await
            })
        });
    (Counter(counter), builder.interceptor(count))
}

/// Nothing that moves no call goes on for ever, and nobody else notices.
#[tokio::test]
async fn floods_are_told_to_calm_down() {
    let server = parity_with(|_| {}).await;
    let mut bystander = http2(&server).await;
    let head = frame(frames::HEADERS, END_HEADERS, 1, &grpc_head("/parity.v1.Parity/Sum"));
    let open = frame(frames::HEADERS, 0, 1, &grpc_head("/parity.v1.Parity/Sum"));
    let many = |before: &[u8], one: Vec<u8>| [before, &one.repeat(20_000)].concat();
    let floods = [
        ("PING", many(&[], frame(frames::PING, 0, 0, &[0; 8]))),
        ("SETTINGS", many(&[], frame(frames::SETTINGS, 0, 0, &[]))),
        ("PRIORITY", many(&[], frame(frames::PRIORITY, 0, 3, &[0, 0, 0, 1, 0]))),
        ("an unknown type", many(&[], frame(0xbe, 0, 0, b"?"))),
        ("WINDOW_UPDATE", many(&head, frame(frames::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]))),
        ("empty DATA", many(&head, frame(frames::DATA, 0, 1, &[]))),
        ("empty CONTINUATION", many(&open, frame(frames::CONTINUATION, 0, 1, &[]))),
    ];
    for (what, frames) in floods {
        let (code, why) = flood(server.address, frames).await.unwrap_or_else(|| panic!("{what}: no GOAWAY"));
        assert_eq!(code, ENHANCE_YOUR_CALM, "{what}: {why}");
        if what == "PING" {
            assert_eq!(why, "too_many_pings", "gRPC's clients ask less often then");
        }
        assert_eq!(bystander.echo("hi").await.unwrap().status, StatusCode::OK);
    }
    server.stopped().await.expect("a clean drain");
}

/// As many PINGs as there are replies are nobody's flood: clients measure their bandwidth by them.
#[tokio::test]
async fn pings_that_come_with_calls_are_welcome() {
    let server = parity_with(|config| config.http2_control_frames_per_second_max = 10).await;
    let head = grpc_head("/parity.v1.Parity/Echo");
    let mut calls = Vec::new();
    for stream in streams().take(100) {
        calls.extend(frame(frames::HEADERS, END_HEADERS, stream, &head));
        calls.extend(frame(frames::DATA, 1, stream, &[0; 5]));
        calls.extend(frame(frames::PING, 0, 0, &[0; 8]));
    }
    calls.extend(frame(frames::GOAWAY, 0, 0, &[0; 8]));
    let goaway = flood(server.address, calls).await;
    assert!(goaway.as_ref().is_none_or(|(code, _)| *code == 0), "{goaway:?}");
}

/// CVE-2023-44487: a client that begins calls and resets them at once.
#[tokio::test]
async fn rapid_resets_leave_nothing_behind() {
    let (counter, builder) = counted(parity_builder());
    let server = start(builder).await;
    let head = grpc_head("/parity.v1.Parity/Sum");
    let mut resets = Vec::new();
    for stream in streams().take(10_000) {
        resets.extend(frame(frames::HEADERS, END_HEADERS, stream, &head));
        resets.extend(frame(frames::RST_STREAM, 0, stream, &[0, 0, 0, 8]));
    }
    let (code, why) = flood(server.address, resets).await.expect("a GOAWAY");
    assert_eq!(code, ENHANCE_YOUR_CALM, "{why}");
    counter.is_zero().await;
    let snapshot = server.scheduler.snapshot();
    assert_eq!((snapshot.queued, snapshot.open), (0, 0), "{snapshot:?}");
    assert_eq!(http2(&server).await.echo("hi").await.unwrap().status, StatusCode::OK);
    server.stopped().await.expect("a clean drain");
}

/// CVE-2025-8671: a client that has the server reset its calls.
#[tokio::test]
async fn resets_that_a_client_provokes_are_counted() {
    let (counter, builder) = counted(parity_builder());
    let mut config = Config::default();
    config.http2_error_resets_max = 20;
    let server = start(builder.config(config)).await;
    let head = grpc_head("/parity.v1.Parity/Sum");
    let mut provoked = Vec::new();
    for stream in streams().take(1000) {
        provoked.extend(frame(frames::HEADERS, END_HEADERS, stream, &head));
        // More window than there can be.
        provoked.extend(frame(frames::WINDOW_UPDATE, 0, stream, &(u32::MAX >> 1).to_be_bytes()));
    }
    let (code, why) = flood(server.address, provoked).await.expect("a GOAWAY");
    assert_eq!(code, ENHANCE_YOUR_CALM, "{why}");
    counter.is_zero().await;
    server.stopped().await.expect("a clean drain");
}
