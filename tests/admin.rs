//! The admin pages: on an address of their own and below a path, before, during and after the server's life.

use std::net::SocketAddr;
use std::time::Duration;

use ambidex::server::{Admin, Config, Health};
use ambidex::telemetry::{Build, Metrics};
use ambidex::{Error, Server};
use http::{Method, StatusCode};

use crate::support::dialed::Dialed;
use crate::support::http_client::HttpClient;
use crate::support::running::{Running, parity_builder, run, start};

/// The server of the tests with its admin pages at a port of the system's choice.
async fn with_admin(change: impl FnOnce(&mut Config)) -> (Running, HttpClient) {
    let mut config = Config::default();
    change(&mut config);
    let bound = parity_builder().config(config).admin(Admin::at("127.0.0.1:0")).bind("127.0.0.1:0").await;
    let bound = bound.expect("two ports");
    let admin = HttpClient::new(bound.admin_address().expect("its own address"));
    (run(bound), admin)
}

async fn said(admin: &HttpClient, path: &str) -> (StatusCode, String) {
    let answer = admin.get(path).await;
    (answer.status, String::from_utf8(answer.body.to_vec()).expect("text"))
}

fn ok(text: &str) -> (StatusCode, String) {
    (StatusCode::OK, text.to_owned())
}

fn unavailable(text: &str) -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
}

#[tokio::test]
async fn the_pages_are_on_their_own_address_alone() {
    let (server, admin) = with_admin(|_| {}).await;
    assert_eq!(said(&admin, "/livez").await, ok("alive\n"));
    assert_eq!(said(&admin, "/readyz").await, ok("ready\n"));
    assert_eq!(admin.get("/v1/echo/x").await.status, StatusCode::NOT_FOUND, "calls are not served there");
    assert_eq!(admin.send(Method::POST, "/livez", &[], "").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(admin.send(Method::HEAD, "/livez", &[], "").await.status, StatusCode::OK);
    assert_eq!(server.http.get("/livez").await.status, StatusCode::NOT_FOUND);
    let plain = start(parity_builder()).await;
    assert_eq!(plain.http.get("/livez").await.status, StatusCode::NOT_FOUND, "nobody asked for them");
}

#[tokio::test]
async fn below_a_path_they_stand_beside_the_calls() {
    let server = start(parity_builder().admin(Admin::below("/internal/admin"))).await;
    assert_eq!(said(&server.http, "/internal/admin/livez").await, ok("alive\n"));
    assert_eq!(said(&server.http, "/internal/admin/readyz").await, ok("ready\n"));
    assert_eq!(server.http.get("/internal/admin/nothing").await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.http.get("/livez").await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.http.get("/v1/echo/x").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_path_that_is_none_is_refused_at_start_up() {
    for wrong in ["", "/", "admin", "/admin/", "//", "/{admin}", "/a b"] {
        let bound = parity_builder().admin(Admin::below(wrong)).bind("127.0.0.1:0").await;
        let error = bound.expect_err("no path");
        assert!(matches!(&error, Error::AdminPath(path) if path == wrong), "{error}");
    }
}

#[tokio::test]
async fn a_route_that_is_in_the_way_is_refused_at_start_up() {
    let route = || axum::routing::get(|| async { "mine" });
    let own = axum::Router::new().route("/admin/livez", route());
    let bound = parity_builder().router(own).admin(Admin::below("/admin")).bind("127.0.0.1:0").await;
    let error = bound.expect_err("two of one path");
    assert!(matches!(&error, Error::AdminRoutes { prefix, .. } if prefix == "/admin"), "{error}");
    assert!(error.to_string().contains("/admin/livez"), "{error}");
    let beside = axum::Router::new().route("/admin/mine", route());
    let server = start(parity_builder().router(beside).admin(Admin::below("/admin"))).await;
    assert_eq!(said(&server.http, "/admin/mine").await, ok("mine"));
    assert_eq!(said(&server.http, "/admin/livez").await, ok("alive\n"));
}

#[tokio::test]
async fn a_router_has_no_address_for_them() {
    let error =
        parity_builder().admin(Admin::at("127.0.0.1:9901")).into_router().expect_err("nowhere to listen");
    assert!(error.to_string().contains("127.0.0.1:9901"), "{error}");
    assert!(error.to_string().contains("Admin::below"), "{error}");
    assert!(parity_builder().admin(Admin::below("/admin")).into_router().is_ok());
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let holder = std::net::TcpListener::bind(taken).unwrap();
    let bound = Server::builder().admin(Admin::at(taken.to_string())).bind("127.0.0.1:0").await;
    let error = bound.expect_err("somebody listens there").to_string();
    assert!(error.contains(&taken.to_string()), "{error}");
    drop(holder);
}

#[tokio::test]
async fn a_server_is_ready_while_its_health_says_so() {
    let health = Health::new();
    let server = start(parity_builder().health(health.clone()).admin(Admin::below("/admin"))).await;
    assert_eq!(said(&server.http, "/admin/readyz").await, ok("ready\n"));
    health.set_serving("parity.v1.Parity", false);
    assert_eq!(said(&server.http, "/admin/readyz").await, ok("ready\n"), "one service is not the server");
    health.set_serving("", false);
    assert_eq!(said(&server.http, "/admin/readyz").await, unavailable("not serving\n"));
    assert_eq!(said(&server.http, "/admin/livez").await, ok("alive\n"));
    health.set_serving("", true);
    assert_eq!(said(&server.http, "/admin/readyz").await, ok("ready\n"));
}

#[tokio::test]
async fn a_server_is_not_ready_before_its_start_hooks_are_done() {
    let (go_on, told) = tokio::sync::oneshot::channel::<()>();
    let builder = parity_builder().admin(Admin::at("127.0.0.1:0")).on_start("wait", |_| async move {
        told.await.expect("the test goes on");
        Ok::<_, Error>(())
    });
    let bound = builder.bind("127.0.0.1:0").await.expect("two ports");
    let admin = HttpClient::new(bound.admin_address().expect("its own address"));
    let server = run(bound);
    assert_eq!(said(&admin, "/readyz").await, unavailable("starting\n"));
    assert_eq!(said(&admin, "/livez").await, ok("alive\n"));
    go_on.send(()).expect("the hook waits");
    until(&admin, ok("ready\n")).await;
    server.stopped().await.expect("a clean end");
}

#[tokio::test]
async fn the_pages_answer_until_the_last_call_has_ended() {
    let bound =
        parity_builder().admin(Admin::at("127.0.0.1:0")).bind("127.0.0.1:0").await.expect("two ports");
    let pages = bound.admin_address().expect("its own address");
    let (mut server, admin) = (run(bound), HttpClient::new(pages));
    let call = tokio::spawn({
        let http = server.http.clone();
        async move { http.post("/v1/blocking/echo", r#"{"plan": {"sleepMs": 1500}}"#).await }
    });
    running(&admin, 1).await;
    server.tell_to_stop();
    until(&admin, unavailable("stopping\n")).await;
    // The call is still there, the port for new ones is not.
    closed(server.address).await;
    assert_eq!(said(&admin, "/livez").await, ok("alive\n"));
    assert_eq!(call.await.unwrap().status, StatusCode::OK);
    server.stopped().await.expect("nothing was cut off");
    closed(pages).await;
}

#[tokio::test]
async fn a_server_that_takes_no_more_calls_still_answers_its_admin() {
    let (server, admin) = with_admin(|config| {
        config.in_flight_max = 1;
        config.connections_max = 1;
    })
    .await;
    let call = tokio::spawn({
        let http = server.http.clone();
        async move { http.post("/v1/blocking/echo", r#"{"plan": {"sleepMs": 400}}"#).await }
    });
    running(&admin, 1).await;
    assert_eq!(said(&admin, "/readyz").await, ok("ready\n"));
    assert_eq!(call.await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn the_scheduler_shows_its_lanes() {
    let (server, admin) = with_admin(|_| {}).await;
    server.http.post("/v1/blocking/echo", "{}").await;
    let answer = admin.get("/scheduler").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let page = answer.json();
    let lanes = page["lanes"].as_array().expect("lanes");
    let lane = lanes.iter().find(|lane| lane["name"] == "parity.v1.Parity/EchoBlocking");
    let lane = lane.unwrap_or_else(|| panic!("{page}"));
    assert_eq!(lane["completed"], 1);
    assert_eq!(lane["run_time"]["count"], 1);
    assert!(lane["run_time"]["p99"].as_f64().is_some_and(|seconds| seconds > 0.0));
    assert_eq!(lane["refused"]["full"], 0);
    assert_eq!(lane["overloaded"], false);
    assert_eq!(page["totals"]["completed"], 1);
}

#[tokio::test]
async fn the_build_has_the_name_it_was_given() {
    let (_server, admin) = with_admin(|_| {}).await;
    let own = admin.get("/buildinfo").await.json();
    assert_eq!(own["name"], "ambidex");
    assert_eq!(own["version"], own["ambidex"]);
    let named = Admin::below("/admin").build_info("book\"shop", "1.2.3");
    let server = start(parity_builder().admin(named)).await;
    let given = server.http.get("/admin/buildinfo").await.json();
    assert_eq!((&given["name"], &given["version"]), (&"book\"shop".into(), &"1.2.3".into()));
    assert_eq!(given["ambidex"], own["ambidex"]);
    assert_eq!(own["revision"], serde_json::Value::Null, "nobody said it");
    // Pages that nobody named say what the metrics know.
    let metrics = Metrics::new();
    metrics.built_as(Build::of("shop", "7"));
    let server = start(parity_builder().metrics(metrics.clone()).admin(Admin::below("/admin"))).await;
    let known = server.http.get("/admin/buildinfo").await.json();
    assert_eq!((&known["name"], &known["version"]), (&"shop".into(), &"7".into()));
    assert_eq!(metrics.snapshot().build.name, "shop");
}

#[tokio::test]
async fn the_build_is_told_on_its_page_and_in_a_metric() {
    let build = Build::of("bookshop", "1.2.3").revision(Some("0af7651"));
    let server = start(parity_builder().admin(Admin::below("/admin").build(build))).await;
    let page = server.http.get("/admin/buildinfo").await.json();
    let said = |name: &str| page[name].as_str().unwrap_or_else(|| panic!("{name}: {page}")).to_owned();
    assert_eq!([said("name"), said("version"), said("revision")], ["bookshop", "1.2.3", "0af7651"]);
    assert!(said("rustc").starts_with("rustc 1."), "{page}");
    assert!(page["features"].as_array().is_some_and(|all| all.contains(&"prometheus".into())), "{page}");
    let metrics = server.http.get("/admin/metrics").await.text();
    let line = metrics.lines().find(|line| line.starts_with("ambidex_build_info{")).expect("the metric");
    assert!(line.ends_with("} 1"), "{line}");
    for (name, value) in [
        ("name", said("name")),
        ("version", said("version")),
        ("revision", said("revision")),
        ("rustc", said("rustc")),
        ("profile", said("profile")),
        ("target", said("target")),
    ] {
        assert!(line.contains(&format!("{name}=\"{value}\"")), "{name}: {line}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_pages_may_be_at_a_unix_socket() {
    let folder = std::env::temp_dir().join(format!("ambidex-{}-admin", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("admin.sock");
    let admin = Admin::at(format!("unix:{}", path.display()));
    let bound = parity_builder().admin(admin).bind("127.0.0.1:0").await.expect("a port and a socket");
    assert_eq!(bound.admin_address(), None, "it has none of TCP");
    let server = run(bound);
    let stream = tokio::net::UnixStream::connect(&path).await.expect("it listens");
    let mut http = Dialed::http1(stream).await;
    let livez = http::Request::get("/livez").header("host", "admin").body(axum::body::Body::empty()).unwrap();
    let answer = http.send(livez).await.unwrap();
    assert_eq!((answer.status, answer.text()), ok("alive\n"));
    drop(http);
    server.stopped().await.expect("a clean end");
    assert!(!path.exists(), "the server removes what it made");
    std::fs::remove_dir_all(folder).unwrap();
}

/// Waits until nobody listens there any more.
async fn closed(address: SocketAddr) {
    let closed = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closed).await.expect("the port closes");
}

/// Waits until the scheduler runs that many jobs.
async fn running(admin: &HttpClient, jobs: u64) {
    let running = async { while admin.get("/scheduler").await.json()["running"] != jobs {} };
    tokio::time::timeout(Duration::from_secs(10), running).await.expect("the call is under way");
}

/// Waits until the server says this of its readiness.
async fn until(admin: &HttpClient, wanted: (StatusCode, String)) {
    let told = async { while said(admin, "/readyz").await != wanted {} };
    tokio::time::timeout(Duration::from_secs(10), told).await.expect("the server says so");
}
