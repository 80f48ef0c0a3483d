//! TLS: every protocol over it, clients by their certificates, and certificates that change while calls go on.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ambidex::Error;
use ambidex::call::Peer;
use ambidex::server::{Config, Listener, Tls};
use axum::routing::get;
use futures_util::{SinkExt, StreamExt};
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::certificates::{
    Authority, Client, Shown, agreed, gets_through, grpc_over, is_whole, shown_by_server,
};
use crate::support::dialed::{Dialed, Peers, post};
use crate::support::envelopes::envelope;
use crate::support::http_client::HttpClient;
use crate::support::parity_v1::EchoRequest;
use crate::support::running::{Running, parity_builder, run};

const H2: &[&str] = &["h2"];
const HTTP1: &[&str] = &["http/1.1"];
const BOTH: &[&str] = &["h2", "http/1.1"];

fn tls(shown: &Shown) -> Tls {
    Tls::from_pem(&shown.chain, &shown.key).load().unwrap()
}

async fn serve(listener: Listener, peers: &Peers, change: impl FnOnce(&mut Config)) -> Running {
    let mut config = Config::default();
    change(&mut config);
    let whoami = get(|axum::Extension(peer): axum::Extension<Peer>| async move {
        peer.identity.as_ref().and_then(|identity| identity.common_name.clone()).unwrap_or_default()
    });
    let builder = parity_builder()
        .config(config)
        .interceptor(peers.interceptor())
        .router(axum::Router::new().route("/whoami", whoami));
    run(builder.bind(listener).await.expect("a port"))
}

fn anywhere() -> Listener {
    Listener::at("127.0.0.1:0")
}

fn hi() -> EchoRequest {
    EchoRequest { text: "hi".to_owned(), ..EchoRequest::default() }
}

/// Whether a client comes as far as an answer over gRPC.
async fn gets_through_by_grpc(client: &Client, address: SocketAddr) -> bool {
    match grpc_over(client, address).await {
        Ok(client) => client.echo(hi()).await.is_ok(),
        Err(_) => false,
    }
}

#[tokio::test]
async fn every_protocol_is_served_over_tls() {
    let authority = Authority::new("ours");
    let peers = Peers::default();
    let server = serve(anywhere().tls(tls(&authority.server())), &peers, |_| {}).await;
    let client = |alpn| authority.trusted_by(None, alpn);

    let stream = client(BOTH).dial(server.address).await.unwrap();
    assert_eq!(agreed(&stream), Some("h2"));
    assert_eq!(Dialed::http2(stream).await.echo("two").await.unwrap().json()["text"], "two");
    assert!(peers.last().tls && peers.last().identity.is_none());
    for (alpn, expected) in [(HTTP1, Some("http/1.1")), (&[], None)] {
        let stream = client(alpn).dial(server.address).await.unwrap();
        assert_eq!(agreed(&stream), expected);
        assert_eq!(Dialed::http1(stream).await.echo("one").await.unwrap().json()["text"], "one");
    }
    let over_grpc = grpc_over(&client(H2), server.address).await.unwrap();
    assert_eq!(over_grpc.echo(hi()).await.unwrap().into_inner().text, "hi");
    assert!(peers.last().tls && peers.last().address.is_some());
    // Neither side has a protocol in common.
    client(&["smtp"]).dial(server.address).await.expect_err("nothing to speak");
    drop(over_grpc);
    server.stopped().await.expect("a clean drain");
}

#[tokio::test]
async fn a_websocket_is_opened_by_pages_that_came_over_tls() {
    let authority = Authority::new("ours");
    let server = serve(anywhere().tls(tls(&authority.server())), &Peers::default(), |_| {}).await;
    let open = async |origin: &str| {
        let stream = authority.trusted_by(None, HTTP1).dial(server.address).await.unwrap();
        let mut request = "wss://localhost/parity.v1.Parity/Sum".into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        tokio_tungstenite::client_async(request, stream).await
    };
    open("https://localhost").await.expect("a page of ours");
    for foreign in ["http://localhost", "https://evil.example"] {
        let refused = open(foreign).await.expect_err(foreign);
        let tungstenite::Error::Http(response) = refused else { panic!("{refused}") };
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn a_port_for_grpc_alone_offers_http2_alone() {
    let authority = Authority::new("ours");
    let server = serve(anywhere().grpc_only().tls(tls(&authority.server())), &Peers::default(), |_| {}).await;
    let stream = authority.trusted_by(None, BOTH).dial(server.address).await.unwrap();
    assert_eq!(agreed(&stream), Some("h2"));
    authority.trusted_by(None, HTTP1).dial(server.address).await.expect_err("gRPC needs HTTP/2");
    let client = grpc_over(&authority.trusted_by(None, H2), server.address).await.unwrap();
    assert_eq!(client.echo(hi()).await.unwrap().into_inner().text, "hi");
}

#[tokio::test]
async fn clients_refuse_who_cannot_show_a_good_certificate() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("a stranger"));
    for bad in [authority.expired_server(), stranger.server()] {
        let server = serve(anywhere().tls(tls(&bad)), &Peers::default(), |_| {}).await;
        let client = authority.trusted_by(None, BOTH);
        client.dial(server.address).await.expect_err("it cannot be trusted");
        let refused = grpc_over(&authority.trusted_by(None, H2), server.address).await;
        refused.expect_err("nor over gRPC");
        server.stopped().await.expect("nothing is left of it");
    }
}

#[tokio::test]
async fn clients_are_known_by_their_certificates_over_every_protocol() {
    let authority = Authority::new("ours");
    let clients = Authority::new("clients");
    let shown = authority.server();
    let tls = Tls::from_pem(&shown.chain, &shown.key).client_ca_pem(clients.pem()).load().unwrap();
    let peers = Peers::default();
    let server = serve(anywhere().tls(tls), &peers, |_| {}).await;
    let alice = clients.client("alice");
    let identified = |peer: Peer| {
        let identity = peer.identity.expect("an identity");
        assert_eq!(identity.common_name.as_deref(), Some("alice"));
        assert_eq!(identity.dns_names, ["alice.example"]);
        assert_eq!(identity.emails, ["alice@shop.example"]);
        assert_eq!(identity.spiffe_id(), Some("spiffe://shop.example/alice"));
        assert_eq!(identity.certificates, [alice.der()]);
        assert!(peer.tls && peer.address.is_some());
    };
    let client = |alpn| authority.trusted_by(Some(&alice), alpn);
    let mut http1 = Dialed::http1(client(HTTP1).dial(server.address).await.unwrap()).await;
    assert_eq!(http1.echo("hi").await.unwrap().status, StatusCode::OK);
    identified(peers.only());
    let whoami = http::Request::get("http://localhost/whoami").header("host", "localhost");
    let whoami = http1.send(whoami.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    assert_eq!(whoami.text(), "alice");
    let mut http2 = Dialed::http2(client(H2).dial(server.address).await.unwrap()).await;
    assert_eq!(http2.echo("hi").await.unwrap().status, StatusCode::OK);
    identified(peers.only());
    for connection in [&mut http1, &mut http2] {
        // Connect: one message, and a stream of them; gRPC-Web.
        for (method, content_type, body) in [
            ("Echo", "application/json", b"{}".to_vec()),
            ("Sum", "application/connect+json", envelope(0, b"{}")),
            ("Echo", "application/grpc-web+proto", envelope(0, b"")),
        ] {
            let mut request = post(&format!("/parity.v1.Parity/{method}"), body);
            request.headers_mut().insert("content-type", content_type.parse().unwrap());
            let answer = connection.send(request).await.unwrap();
            assert_eq!(answer.status, StatusCode::OK, "{content_type}: {answer:?}");
            identified(peers.only());
        }
    }
    let over_grpc = grpc_over(&client(H2), server.address).await.unwrap();
    over_grpc.echo(hi()).await.unwrap();
    identified(peers.only());
    let request = "wss://localhost/parity.v1.Parity/Echo".into_client_request().unwrap();
    let stream = client(HTTP1).dial(server.address).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.expect("open");
    socket.send(tungstenite::Message::text("{}")).await.unwrap();
    let record = socket.next().await.expect("a record").unwrap();
    assert!(record.to_text().unwrap().contains("result"), "{record}");
    identified(peers.only());

    // The same client again, which would resume its session if it could: it shows its certificate anew.
    let again = client(HTTP1);
    for _ in 0..2 {
        let stream = again.dial(server.address).await.unwrap();
        let mut anew = Dialed::http1(stream).await;
        anew.echo("hi").await.unwrap();
        identified(peers.last());
    }
}

/// Nobody looks at the certificate of a session that is resumed: it could have expired since.
#[tokio::test]
async fn sessions_are_resumed_only_where_clients_show_no_certificate() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("clients"));
    let shown = authority.server();
    let with_certificates =
        Tls::from_pem(&shown.chain, &shown.key).client_ca_pem(clients.pem()).client_certificate_optional();
    for (tls, resumes) in [(tls(&shown), true), (with_certificates.load().unwrap(), false)] {
        let server = serve(anywhere().tls(tls), &Peers::default(), |_| {}).await;
        let client = authority.trusted_by(None, HTTP1);
        let mut whole = Vec::new();
        for _ in 0..2 {
            let stream = client.dial(server.address).await.unwrap();
            whole.push(is_whole(&stream));
            // The answer brings the ticket along, if there is one.
            Dialed::http1(stream).await.echo("hi").await.unwrap();
        }
        assert_eq!(whole, [true, !resumes]);
    }
}

#[tokio::test]
async fn who_shows_no_good_certificate_is_not_let_in() {
    let (authority, clients, stranger) =
        (Authority::new("ours"), Authority::new("clients"), Authority::new("a stranger"));
    let shown = authority.server();
    let builder = Tls::from_pem(&shown.chain, &shown.key).client_ca_pem(clients.pem());
    let (required, optional) =
        (builder.clone().load().unwrap(), builder.client_certificate_optional().load().unwrap());
    let peers = Peers::default();
    let server = serve(anywhere().tls(required), &peers, |_| {}).await;
    let lenient = serve(anywhere().tls(optional), &peers, |_| {}).await;
    for (alpn, over_grpc) in [(HTTP1, false), (H2, true)] {
        let lets_in = async |client: &Client, server: &Running| match over_grpc {
            true => gets_through_by_grpc(client, server.address).await,
            false => gets_through(client, server.address).await,
        };
        let nobody = authority.trusted_by(None, alpn);
        let alice = authority.trusted_by(Some(&clients.client("alice")), alpn);
        let impostor = authority.trusted_by(Some(&stranger.client("alice")), alpn);
        let late = authority.trusted_by(Some(&clients.expired_client("alice")), alpn);
        // A server's certificate does not make a client.
        let misused = authority.trusted_by(Some(&clients.server()), alpn);
        for client in [&nobody, &impostor, &late, &misused] {
            assert!(!lets_in(client, &server).await, "{alpn:?}");
        }
        for client in [&impostor, &late, &misused] {
            assert!(!lets_in(client, &lenient).await, "{alpn:?}");
        }
        assert!(lets_in(&alice, &server).await, "the others have disturbed nobody: {alpn:?}");
        assert!(lets_in(&nobody, &lenient).await, "{alpn:?}");
        assert!(peers.last().identity.is_none());
        assert!(lets_in(&alice, &lenient).await, "{alpn:?}");
        assert!(peers.last().identity.is_some());
    }
}

#[tokio::test]
async fn plain_http_is_told_that_the_port_speaks_tls() {
    let authority = Authority::new("ours");
    let listener = anywhere().tls(tls(&authority.server()));
    let builder = parity_builder().listen("127.0.0.1:0").listen(listener);
    let bound = builder.bind_all().await.unwrap();
    let [plain, secure] = [0, 1].map(|which| bound.addresses()[which].as_tcp().unwrap());
    let server = run(bound);
    let answer = HttpClient::new(secure).post("/v1/echo", vec![b' '; 100_000]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text().contains("TLS"), "{answer:?}");
    // The two of them together serve each what it was told to.
    assert!(gets_through(&authority.trusted_by(None, HTTP1), secure).await);
    assert!(!gets_through(&authority.trusted_by(None, HTTP1), plain).await);
    assert_eq!(HttpClient::new(plain).post("/v1/echo", "{}").await.status, StatusCode::OK);
    server.stopped().await.expect("a clean drain");
}

#[tokio::test]
async fn handshakes_that_fail_or_do_not_end_disturb_nobody() {
    let authority = Authority::new("ours");
    let listener = anywhere().tls(tls(&authority.server()));
    let server = serve(listener, &Peers::default(), |config| {
        config.tls_handshake_timeout_ms = 2_000;
        config.connections_max = 3;
    })
    .await;
    for _ in 0..20 {
        let mut garbage = TcpStream::connect(server.address).await.unwrap();
        garbage.write_all(&[0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]).await.unwrap();
        // The server's alert, and its end.
        let _ = garbage.read_to_end(&mut Vec::new()).await;
    }
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    // Every place is held by one that says nothing; each is let go, and then there is one for us.
    assert!(gets_through(&authority.trusted_by(None, HTTP1), server.address).await);
    for mut silent in silent {
        assert_eq!(silent.read_to_end(&mut Vec::new()).await.unwrap(), 0, "closed without a word");
    }
    server.stopped().await.expect("a clean drain");
}

/// The files of a server, in a folder that goes with them.
struct Files(PathBuf);

impl Files {
    fn new(name: &str, shown: &Shown) -> Self {
        let folder = std::env::temp_dir().join(format!("ambidex-tls-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let files = Self(folder);
        files.write(&shown.chain, &shown.key);
        files
    }

    fn write(&self, chain: &str, key: &str) {
        std::fs::write(self.0.join("chain"), chain).unwrap();
        std::fs::write(self.0.join("key"), key).unwrap();
    }

    fn load(&self) -> Tls {
        Tls::from_files(self.0.join("chain"), self.0.join("key")).load().unwrap()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits until new connections are shown this certificate.
async fn shows(client: &Client, address: SocketAddr, shown: &Shown) {
    let expected = shown.der();
    let seen = async {
        while shown_by_server(&client.dial(address).await.unwrap()) != expected {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), seen).await.expect("the new certificate is picked up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_change_under_load_and_no_call_fails() {
    let authority = Authority::new("ours");
    let files = Files::new("load", &authority.server());
    let tls = files.load();
    let server = serve(anywhere().tls(tls.clone()), &Peers::default(), |config| {
        config.tls_reload_interval_ms = 10;
    })
    .await;
    let client = authority.trusted_by(None, BOTH);
    let (over, calls, failed) = (Arc::new(AtomicBool::new(false)), Counter::default(), Counter::default());
    let mut load = Vec::new();
    // One that keeps its connection, and one that makes a new one for each call.
    for keeps in [true, false] {
        let (client, over, calls, failed) = (client.clone(), over.clone(), calls.clone(), failed.clone());
        let address = server.address;
        load.push(tokio::spawn(async move {
            let mut kept = grpc_over(&client, address).await.unwrap();
            while !over.load(Ordering::Relaxed) {
                if !keeps {
                    match grpc_over(&client, address).await {
                        Ok(new) => kept = new,
                        Err(_) => failed.add(),
                    }
                }
                match kept.echo(hi()).await {
                    Ok(_) => calls.add(),
                    Err(_) => failed.add(),
                }
            }
        }));
    }
    for round in 0..4 {
        let next = authority.server();
        files.write(&next.chain, &next.key);
        // Half of them are told, the others find out.
        if round % 2 == 0 {
            tls.reload().unwrap();
        }
        shows(&client, server.address, &next).await;
        let before = calls.get();
        while calls.get() < before + 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    over.store(true, Ordering::Relaxed);
    for load in load {
        load.await.unwrap();
    }
    assert!(calls.get() >= 80);
    assert_eq!(failed.get(), 0, "of {} calls", calls.get());
}

#[derive(Clone, Default)]
struct Counter(Arc<AtomicUsize>);

impl Counter {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_broken_file_changes_nothing() {
    let authority = Authority::new("ours");
    let (first, second) = (authority.server(), authority.server());
    let files = Files::new("broken", &first);
    let tls = files.load();
    let server = serve(anywhere().tls(tls.clone()), &Peers::default(), |config| {
        config.tls_reload_interval_ms = 10;
    })
    .await;
    let client = authority.trusted_by(None, HTTP1);
    for (chain, key, says) in [
        ("garbage", &*first.key, "there is no certificate in PEM"),
        (&*second.chain, "garbage", "there is no unencrypted key in PEM"),
        (&*second.chain, &*first.key, "the certificate chain in"),
    ] {
        files.write(chain, key);
        let error = tls.reload().expect_err(says).to_string();
        assert!(error.contains(says), "{error}");
        // The server has looked by itself meanwhile, too.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(shown_by_server(&client.dial(server.address).await.unwrap()), first.der());
        assert!(gets_through(&client, server.address).await);
    }
    std::fs::remove_file(files.0.join("key")).unwrap();
    assert!(tls.reload().unwrap_err().to_string().contains("the private key in"));
    files.write(&second.chain, &second.key);
    shows(&client, server.address, &second).await;
}

/// What kept a file from being used may go away without a trace in its time and length, as rights do.
#[tokio::test]
async fn what_could_not_be_used_is_tried_again() {
    let authority = Authority::new("ours");
    let (first, second) = (authority.server(), authority.server());
    let files = Files::new("again", &first);
    let tls = files.load();
    let server = serve(anywhere().tls(tls.clone()), &Peers::default(), |config| {
        config.tls_reload_interval_ms = 10;
    })
    .await;
    let client = authority.trusted_by(None, HTTP1);
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
    let write = |key: &str| {
        files.write(&second.chain, key);
        for name in ["chain", "key"] {
            std::fs::File::options()
                .write(true)
                .open(files.0.join(name))
                .unwrap()
                .set_modified(time)
                .unwrap();
        }
    };
    write(&"x".repeat(second.key.len()));
    tls.reload().expect_err("no key");
    write(&second.key);
    shows(&client, server.address, &second).await;
}

#[tokio::test]
async fn what_cannot_be_served_is_an_error_at_start_up() {
    let authority = Authority::new("ours");
    let (one, other) = (authority.server(), authority.server());
    for (builder, says) in [
        (
            Tls::from_files("/nowhere/chain", "/nowhere/key"),
            "the certificate chain in /nowhere/chain: No such file",
        ),
        (Tls::from_pem("", &one.key), "the certificate chain: there is no certificate in PEM"),
        (Tls::from_pem(&one.chain, &one.chain), "the private key: there is no unencrypted key in PEM"),
        (Tls::from_pem(&one.chain, &other.key), "the certificate chain and the private key: "),
        (Tls::from_pem(&one.chain, &one.key).client_ca_pem("no"), "the authorities of clients: there is no"),
        (Tls::from_pem(&one.chain, &one.key).client_certificate_optional(), "call `client_ca_file`"),
    ] {
        let error = Error::from(builder.load().expect_err(says)).to_string();
        assert!(error.starts_with("tls: ") && error.contains(says), "{error}");
    }
    let shown = format!("{:?}", Tls::from_pem(&one.chain, &one.key).load().unwrap());
    assert!(!shown.contains("PRIVATE"), "keys are nobody's to print: {shown}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_speaks_tls_as_well() {
    let authority = Authority::new("ours");
    let folder = Files::new("unix", &authority.server());
    let path = folder.0.join("socket");
    let peers = Peers::default();
    let listener = Listener::at(format!("unix:{}", path.display())).tls(folder.load());
    let builder = parity_builder().interceptor(peers.interceptor()).listen("127.0.0.1:0").listen(listener);
    let _server = run(builder.bind_all().await.unwrap());
    let stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    let stream = authority.trusted_by(None, H2).over(stream).await.unwrap();
    assert_eq!(Dialed::http2(stream).await.echo("hi").await.unwrap().status, StatusCode::OK);
    assert!(peers.last().tls && peers.last().unix.is_some());
}
