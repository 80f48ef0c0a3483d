//! What never becomes a call: requests that are refused, and connections that are ended, are counted by the reason.

use std::net::SocketAddr;
use std::time::Duration;

use ambidex::server::{Admin, Config, Listener, Tls};
use ambidex::telemetry::Metrics;
use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::allocations::in_a_process_of_its_own;
use crate::support::captured::Captured;
use crate::support::certificates::Authority;
use crate::support::frames::{CONTINUATION, DATA, HEADERS, PING, flood, frame, grpc_head};
use crate::support::grpc_web;
use crate::support::http_client::HttpClient;
use crate::support::running::{Running, parity_builder, run, start};
use crate::support::socket;

async fn counted(change: impl FnOnce(&mut Config)) -> (Running, Metrics) {
    let mut config = Config::default();
    change(&mut config);
    let metrics = Metrics::new();
    (start(parity_builder().config(config).metrics(metrics.clone())).await, metrics)
}

/// Checks that one more request was refused, there and for that reason, and no other.
struct Refused<'a> {
    metrics: &'a Metrics,
    all: u64,
}

impl Refused<'_> {
    fn one_more(&mut self, protocol: &str, reason: &str) {
        let refused = self.metrics.snapshot().refused_requests;
        let all = refused.iter().map(|refused| refused.count).sum();
        assert_eq!(all, self.all + 1, "{protocol} {reason}: {refused:?}");
        self.all = all;
        let found = refused.iter().any(|it| (it.protocol, it.reason) == (protocol, reason));
        assert!(found, "{protocol} {reason}: {refused:?}");
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn requests_that_are_no_calls_are_counted_by_the_reason() {
    let (server, metrics) = counted(|_| {}).await;
    let mut refused = Refused { metrics: &metrics, all: 0 };
    let post: (Method, &str) = (Method::POST, "/v1/echo");
    for ((method, path), headers, reason) in [
        ((Method::GET, "/nothing"), vec![], "not_found"),
        ((Method::POST, "/parity.v1.Parity/Nothing"), vec![JSON], "not_found"),
        ((Method::DELETE, "/v1/echo"), vec![], "method_not_allowed"),
        (post.clone(), vec![("content-type", "text/html")], "media_type"),
        (post.clone(), vec![JSON, ("content-encoding", "lzma")], "media_type"),
        (post.clone(), vec![JSON, ("accept", "image/png")], "not_acceptable"),
        (post.clone(), vec![JSON, ("connect-timeout-ms", "soon")], "malformed"),
        ((Method::GET, "/v1/echo/%zz"), vec![], "malformed"),
        (post, vec![("content-type", "text/plain"), ("origin", "http://evil.example")], "origin"),
        // Refused in the last envelope, with 200.
        (
            (Method::POST, "/parity.v1.Parity/Count"),
            vec![("content-type", "application/connect+json"), ("connect-timeout-ms", "soon")],
            "malformed",
        ),
    ] {
        let answer = server.http.send(method, path, &headers, "{}").await;
        refused.one_more("http", reason);
        assert!(!answer.status.is_success() || headers.len() == 2, "{path} {headers:?}: {answer:?}");
    }
    socket::open(&server, "/nothing", &[]).await.err().expect("nothing is there");
    refused.one_more("http", "not_found");
    let options = server.http.send(Method::OPTIONS, "/v1/echo", &[], "").await;
    assert_eq!(options.status, StatusCode::NO_CONTENT, "a question that was answered");

    let grpc = [("content-type", "application/grpc"), ("te", "trailers")];
    let (http2, echo) = (server.http.http2(), "/parity.v1.Parity/Echo");
    http2.send(Method::POST, "/parity.v1.Parity/Nothing", &grpc, vec![0; 5]).await;
    refused.one_more("grpc", "not_found");
    for (header, reason) in
        [(("grpc-timeout", "soon"), "malformed"), (("grpc-encoding", "lzma"), "media_type")]
    {
        http2.send(Method::POST, echo, &[grpc[0], grpc[1], header], vec![0; 5]).await;
        refused.one_more("grpc", reason);
    }
    server.http.send(Method::POST, echo, &grpc, vec![0; 5]).await;
    refused.one_more("grpc", "http_version");
    grpc_web::call(&server.http, "/parity.v1.Parity/Nothing", &[], None, &[vec![]], false).await;
    refused.one_more("grpc_web", "not_found");
    assert!(metrics.snapshot().calls.is_empty(), "none of them was a call");
    assert_eq!(server.http.post("/v1/echo", "{}").await.status, StatusCode::OK);
    assert_eq!(metrics.snapshot().refused_requests.iter().map(|it| it.count).sum::<u64>(), refused.all);
}

#[tokio::test]
async fn a_port_for_grpc_alone_counts_what_is_none() {
    let metrics = Metrics::new();
    let builder = parity_builder().metrics(metrics.clone());
    let server = run(builder.bind(Listener::at("127.0.0.1:0").grpc_only()).await.expect("a port"));
    let mut refused = Refused { metrics: &metrics, all: 0 };
    let http = HttpClient::new(server.address);
    http.get("/v1/echo/x").await;
    refused.one_more("grpc", "method_not_allowed");
    http.post("/v1/echo", "{}").await;
    refused.one_more("grpc", "media_type");
}

/// Sends bytes on a connection, and reads until the server ends it.
async fn ended_after(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    // It may have had enough before the end.
    let _ = stream.write_all(bytes).await;
    let mut said = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut said));
    let _ = ended.await.expect("the server ends it");
    said
}

/// Waits until so many connections were ended for that reason, and for no other.
async fn closed(metrics: &Metrics, reason: &str, count: u64) {
    let all = || metrics.snapshot().closed_connections;
    let counted = async {
        while !all().iter().any(|it| (it.reason, it.count) == (reason, count)) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), counted).await;
    waited.unwrap_or_else(|_| panic!("{count} for {reason}: {:?}", all()));
}

#[tokio::test]
async fn connections_that_have_to_end_are_counted_by_the_reason() {
    let (server, metrics) = counted(|config| config.header_read_timeout_ms = 200).await;
    ended_after(server.address, b"").await;
    closed(&metrics, "slow_head", 1).await;
    ended_after(server.address, b"GET / HTTP/1.1\r\nhost:").await;
    closed(&metrics, "slow_head", 2).await;
    ended_after(server.address, b"hello there\r\n\r\n").await;
    closed(&metrics, "malformed", 1).await;
    let large = [b"GET / HTTP/1.1\r\nx: ", &vec![b'x'; 1024 * 1024][..], b"\r\n\r\n"].concat();
    ended_after(server.address, &large).await;
    closed(&metrics, "head_too_large", 1).await;

    flood(server.address, frame(PING, 0, 0, &[0; 8]).repeat(20_000)).await.expect("GOAWAY");
    closed(&metrics, "flood", 1).await;
    // h2 counts these.
    let open = frame(HEADERS, 0, 1, &grpc_head("/parity.v1.Parity/Sum"));
    let crumbs = frame(CONTINUATION, 0, 1, &[]).repeat(20_000);
    flood(server.address, [open, crumbs].concat()).await.expect("GOAWAY");
    closed(&metrics, "flood", 2).await;
    // Data belongs to a stream.
    flood(server.address, frame(DATA, 0, 0, b"?")).await.expect("GOAWAY");
    closed(&metrics, "protocol_error", 1).await;

    // Who leaves by itself is not among them.
    drop(TcpStream::connect(server.address).await);
    server.http.get("/v1/echo/x").await;
    let all: u64 = metrics.snapshot().closed_connections.iter().map(|it| it.count).sum();
    assert_eq!(all, 7, "{:?}", metrics.snapshot().closed_connections);
    // Heads that nobody could read were requests all the same.
    let refused = metrics.snapshot().refused_requests;
    let reasons: Vec<_> = refused.iter().map(|it| (it.protocol, it.reason, it.count)).collect();
    assert_eq!(reasons, [("http", "head_too_large", 1), ("http", "malformed", 1)]);
}

#[tokio::test]
async fn handshakes_that_fail_are_counted_by_the_reason() {
    let (ours, clients) = (Authority::new("ours"), Authority::new("clients"));
    let shown = ours.server();
    let tls = Tls::from_pem(&shown.chain, &shown.key).client_ca_pem(clients.pem()).load().unwrap();
    let metrics = Metrics::new();
    let builder = parity_builder().metrics(metrics.clone());
    let listener = Listener::at("127.0.0.1:0").tls(tls.clone());
    let server = run(builder.bind(listener).await.expect("a port"));
    // The others are given their time.
    let mut config = Config::default();
    config.tls_handshake_timeout_ms = 200;
    let builder = parity_builder().config(config).metrics(metrics.clone());
    let hasty = run(builder.bind(Listener::at("127.0.0.1:0").tls(tls)).await.expect("a port"));
    let nobody = ours.trusted_by(None, &["h2"]).dial(server.address).await;
    if let Ok(mut stream) = nobody {
        // In TLS 1.3 a client has shaken hands before the server has looked at its certificate.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    closed(&metrics, "tls_client_certificate", 1).await;
    let stranger = ours.client("a stranger");
    if let Ok(mut stream) = ours.trusted_by(Some(&stranger), &["h2"]).dial(server.address).await {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    closed(&metrics, "tls_client_certificate", 2).await;
    ended_after(server.address, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    closed(&metrics, "plain_http", 1).await;
    ended_after(server.address, b"\x16\x03\x01\x00\x05hello").await;
    closed(&metrics, "tls_handshake", 1).await;
    ended_after(hasty.address, b"").await;
    closed(&metrics, "tls_timeout", 1).await;
    let alice = clients.client("alice");
    ours.trusted_by(Some(&alice), &["h2"]).dial(server.address).await.expect("she may");
    assert_eq!(metrics.snapshot().closed_connections.iter().map(|it| it.count).sum::<u64>(), 5);
}

#[tokio::test]
async fn the_page_has_them_by_their_names() {
    let bound =
        parity_builder().admin(Admin::at("127.0.0.1:0")).bind("127.0.0.1:0").await.expect("two ports");
    let admin = HttpClient::new(bound.admin_address().expect("its own address"));
    let server = run(bound);
    server.http.get("/nothing").await;
    flood(server.address, frame(PING, 0, 0, &[0; 8]).repeat(20_000)).await.expect("GOAWAY");
    let wanted = [
        "ambidex_server_requests_refused_total{protocol=\"http\",reason=\"not_found\"} 1",
        "ambidex_server_connections_closed_total{reason=\"flood\"} 1",
    ];
    let shown = async {
        loop {
            let page = admin.get("/metrics").await.text();
            if wanted.iter().all(|wanted| page.lines().any(|line| line == *wanted)) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), shown).await.expect("they are on the page");
}

#[test]
fn the_access_log_has_a_line_for_a_refused_request() {
    in_a_process_of_its_own("refusals::access_log");
}

#[tokio::test]
#[ignore = "listens to its whole process"]
async fn access_log() {
    let captured = Captured::listen("ambidex::access=info");
    let mut config = Config::default();
    config.access_log = true;
    let server = start(parity_builder().config(config)).await;
    server.http.get("/nothing?secret=1").await;
    let grpc = [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "soon")];
    server.http.http2().send(Method::POST, "/parity.v1.Parity/Echo", &grpc, vec![0; 5]).await;
    let lines = captured.events("ambidex::access");
    let said: Vec<_> = lines
        .iter()
        .map(|line| ["message", "protocol", "reason", "http_method", "path"].map(|name| &*line[name]))
        .collect();
    assert_eq!(
        said,
        [
            ["request refused", "http", "not_found", "GET", "/nothing"],
            ["request refused", "grpc", "malformed", "POST", "/parity.v1.Parity/Echo"],
        ]
    );
    assert!(lines.iter().all(|line| line["peer"].starts_with("127.0.0.1:")), "{lines:?}");
    // And none where nobody asked for the log.
    start(parity_builder()).await.http.get("/nothing").await;
    assert_eq!(captured.events("ambidex::access").len(), 2);
}
