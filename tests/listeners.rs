//! Where a server listens: Unix sockets, shared ports, sockets that listen already, and several of them at once.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ambidex::Error;
use ambidex::server::{Address, Listener};
use axum::Extension;
use axum::routing::get;
use http::StatusCode;
use tokio::net::UnixStream;

use crate::support::dialed::{Dialed, Peers, grpc};
use crate::support::http_client::HttpClient;
use crate::support::parity_v1::{DescribeRequest, EchoRequest, Plan};
use crate::support::running::{parity_builder, run, start};

/// A path that no other test has, removed with its folder.
struct SocketPath(PathBuf);

impl SocketPath {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ambidex-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder.join("socket"))
    }

    fn address(&self) -> String {
        format!("unix:{}", self.0.display())
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
    }
}

fn echo(text: &str) -> EchoRequest {
    EchoRequest { text: text.to_owned(), ..EchoRequest::default() }
}

#[tokio::test]
async fn a_unix_socket_serves_every_protocol_and_says_who_calls() {
    let path = SocketPath::new("serves");
    let peers = Peers::default();
    // A router of the user's own has the peer, too.
    let whoami = get(|Extension(peer): Extension<ambidex::call::Peer>| async move {
        peer.unix.map(|unix| unix.uid.to_string()).unwrap_or_default()
    });
    let builder = parity_builder()
        .interceptor(peers.interceptor())
        .router(axum::Router::new().route("/whoami", whoami))
        .listen(Listener::at(path.address()).mode(0o600));
    let server = start(builder).await;
    let mode = std::fs::metadata(&path.0).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let own = std::fs::metadata(path.0.parent().unwrap()).unwrap();
    let uid = std::os::unix::fs::MetadataExt::uid(&own);
    let dial = |path: &Path| UnixStream::connect(path.to_owned());
    let mut http1 = Dialed::http1(dial(&path.0).await.unwrap()).await;
    assert_eq!(http1.echo("one").await.unwrap().json()["text"], "one");
    let unix = peers.last().unix.expect("a Unix peer");
    assert_eq!((unix.uid, unix.pid), (uid, Some(std::process::id() as i32)));
    assert_eq!(peers.last().address, None);
    let whoami = http::Request::get("http://localhost/whoami").header("host", "localhost");
    let whoami = http1.send(whoami.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    assert_eq!(whoami.text(), uid.to_string());
    let mut http2 = Dialed::http2(dial(&path.0).await.unwrap()).await;
    assert_eq!(http2.echo("two").await.unwrap().json()["text"], "two");

    let socket = path.0.clone();
    let client = grpc(move || UnixStream::connect(socket.clone())).await.unwrap();
    let described = client.describe(DescribeRequest::default()).await.unwrap().into_inner();
    assert!(!described.has_peer, "it has no address");
    assert!(peers.last().unix.is_some());
    // The other listener goes on as ever, and its peers have addresses.
    assert_eq!(server.http.post("/v1/echo", r#"{"text": "tcp"}"#).await.json()["text"], "tcp");
    assert!(peers.last().address.is_some() && peers.last().unix.is_none());
    drop((http1, http2, client));
    server.stopped().await.expect("a clean drain");
    assert!(!path.0.exists(), "the file goes with its server");
}

#[tokio::test]
async fn what_a_dead_server_left_is_replaced_and_a_live_one_is_not() {
    let path = SocketPath::new("stale");
    // Dropped without being removed, as by a process that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path.0).unwrap());
    assert!(std::fs::metadata(&path.0).unwrap().file_type().is_socket());
    let live = run_unix(&path).await;
    let mut client = Dialed::http1(UnixStream::connect(&path.0).await.unwrap()).await;
    assert_eq!(client.echo("alive").await.unwrap().status, StatusCode::OK);

    let second = parity_builder().bind(path.address()).await.expect_err("somebody lives there");
    assert!(matches!(second, Error::Listen { .. }));
    assert!(second.to_string().contains("another server listens there"), "{second}");
    assert_eq!(client.echo("still").await.unwrap().status, StatusCode::OK);
    drop(client);
    drop(live);

    let other = SocketPath::new("no-socket");
    std::fs::write(&other.0, "precious").unwrap();
    let refused = parity_builder().bind(other.address()).await.expect_err("it is no socket");
    assert!(refused.to_string().contains("no socket"), "{refused}");
    assert_eq!(std::fs::read(&other.0).unwrap(), b"precious");
}

/// What is stale for all of them must not be so for those who come after the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_servers_that_start_together_on_a_stale_file_one_wins() {
    for round in 0..25 {
        let path = SocketPath::new(&format!("together-{round}"));
        drop(std::os::unix::net::UnixListener::bind(&path.0).unwrap());
        let starting: Vec<_> = (0..8)
            .map(|_| {
                let address = path.address();
                tokio::spawn(async move { parity_builder().bind(address).await })
            })
            .collect();
        let mut won = Vec::new();
        for starting in starting {
            match starting.await.unwrap() {
                Ok(bound) => won.push(bound),
                Err(lost) => assert!(lost.to_string().contains("another server listens there"), "{lost}"),
            }
        }
        assert_eq!(won.len(), 1, "in round {round}");
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(won.remove(0).serve_until(async {
            let _ = stopped.await;
        }));
        let mut client = Dialed::http1(UnixStream::connect(&path.0).await.unwrap()).await;
        assert_eq!(client.echo("found").await.unwrap().json()["text"], "found");
        drop((client, stop));
        serving.await.unwrap().unwrap();
    }
}

/// Whoever may read the folder may lock it.
#[tokio::test]
async fn a_folder_that_somebody_has_locked_keeps_no_server_from_starting() {
    let path = SocketPath::new("locked");
    let folder = std::fs::File::open(path.0.parent().unwrap()).unwrap();
    folder.lock().unwrap();
    let bound = parity_builder().bind(path.address()).await.expect("it starts");
    assert!(path.0.exists());
    drop((bound, folder));
}

/// A server on a Unix socket alone, until the sender is dropped.
async fn run_unix(path: &SocketPath) -> tokio::sync::oneshot::Sender<()> {
    let bound = parity_builder().bind(path.address()).await.unwrap();
    assert_eq!(bound.addresses(), [Address::Unix(path.0.clone())]);
    assert_eq!(bound.addresses()[0].to_string(), path.address());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(bound.serve_until(async {
        let _ = stopped.await;
    }));
    stop
}

/// The file may be a successor's by the time the first server is done with its calls.
#[tokio::test]
async fn a_successor_keeps_its_file() {
    let path = SocketPath::new("successor");
    let first = parity_builder().bind(path.address()).await.unwrap();
    std::fs::remove_file(&path.0).unwrap();
    let _second = run_unix(&path).await;
    drop(first);
    let mut client = Dialed::http1(UnixStream::connect(&path.0).await.unwrap()).await;
    assert_eq!(client.echo("hi").await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn listeners_serve_what_they_were_told_to() {
    let builder = parity_builder()
        .listen(Listener::at("127.0.0.1:0").grpc_only())
        .listen(Listener::at("127.0.0.1:0").http_only())
        .listen("127.0.0.1:0");
    let bound = builder.bind_all().await.unwrap();
    let [grpc, http, both] = bound.addresses() else { panic!("three listeners") };
    let [grpc, http, both] = [grpc, http, both].map(|address| address.as_tcp().unwrap());
    assert_eq!((bound.address(), bound.grpc_address()), (grpc, grpc));
    let server = run(bound);
    for (address, speaks_http, speaks_grpc) in [(grpc, false, true), (http, true, false), (both, true, true)]
    {
        let answer = HttpClient::new(address).post("/v1/echo", "{}").await;
        assert_eq!(answer.status == StatusCode::OK, speaks_http, "{answer:?}");
        let client = grpc_at(address).await;
        assert_eq!(client.echo(echo("hi")).await.is_ok(), speaks_grpc);
    }
    server.stopped().await.expect("all of them drain");
    for address in [grpc, http, both] {
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
    }
}

async fn grpc_at(address: std::net::SocketAddr) -> crate::support::parity_v1::ParityClient {
    grpc(move || tokio::net::TcpStream::connect(address)).await.unwrap()
}

#[tokio::test]
async fn two_servers_share_a_port() {
    let first = parity_builder().bind(Listener::at("127.0.0.1:0").reuse_port()).await.unwrap();
    let address = first.address();
    let second = parity_builder().bind(Listener::at(address.to_string()).reuse_port()).await.unwrap();
    let alone = parity_builder().bind(address).await.expect_err("it did not ask to share");
    assert!(matches!(alone, Error::Listen { .. }), "{alone}");
    let (first, second) = (run(first), run(second));
    first.stopped().await.expect("a clean drain");
    // Whoever had been dealt to the first comes to the second now.
    for _ in 0..20 {
        let answer = HttpClient::new(address).post("/v1/echo", r#"{"text": "hi"}"#).await;
        assert_eq!(answer.json()["text"], "hi");
    }
    second.stopped().await.expect("a clean drain");
}

#[tokio::test]
async fn sockets_that_listen_already_are_taken_over() {
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tokio = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let path = SocketPath::new("passed-on");
    let unix = std::os::unix::net::UnixListener::bind(&path.0).unwrap();
    let expected = [
        Address::Tcp(tcp.local_addr().unwrap()),
        Address::Tcp(tokio.local_addr().unwrap()),
        Address::Unix(path.0.clone()),
    ];
    let bound = parity_builder().listen(tokio).listen(unix).bind(tcp).await.unwrap();
    assert_eq!(bound.addresses(), expected);
    let server = run(bound);
    for address in expected.iter().filter_map(Address::as_tcp) {
        let answer = HttpClient::new(address).post("/v1/echo", "{}").await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    let mut client = Dialed::http1(UnixStream::connect(&path.0).await.unwrap()).await;
    assert_eq!(client.echo("hi").await.unwrap().status, StatusCode::OK);
    drop(client);
    server.stopped().await.expect("a clean drain");
    assert!(path.0.exists(), "whoever made the file removes it");
}

#[tokio::test]
async fn a_wish_that_cannot_be_granted_is_an_error_at_start_up() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let path = SocketPath::new("wishes");
    for (listener, says) in [
        (Listener::from(socket).reuse_port(), "a port can be shared only where the server opens it"),
        (Listener::at(path.address()).reuse_port(), "a port can be shared only where the server opens it"),
        (Listener::at("127.0.0.1:0").mode(0o600), "only a Unix socket"),
        (Listener::at("no port"), "cannot listen on no port"),
        (Listener::at("unix:/nowhere/at/all"), "cannot listen on unix:/nowhere/at/all"),
    ] {
        let error = parity_builder().bind(listener).await.expect_err(says).to_string();
        assert!(error.contains(says), "{error}");
    }
    let nowhere = parity_builder().bind_all().await.expect_err("nothing to listen on");
    assert!(matches!(nowhere, Error::NoListener), "{nowhere}");
}

#[tokio::test]
async fn calls_over_a_unix_socket_end_before_the_server_does() {
    let path = SocketPath::new("drain");
    let bound = parity_builder().bind(path.address()).await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(bound.serve_until(async {
        let _ = stopped.await;
    }));
    let socket = path.0.clone();
    let client = grpc(move || UnixStream::connect(socket.clone())).await.unwrap();
    let plan = Some(Plan { sleep_ms: 2_000, ..Plan::default() });
    let call = tokio::spawn(async move { client.echo(EchoRequest { plan, ..echo("done") }).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(stop);
    assert_eq!(call.await.unwrap().unwrap().into_inner().text, "done");
    server.await.unwrap().expect("a clean drain");
}
