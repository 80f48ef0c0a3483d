//! Whoever runs the server has the last word: what its code says of addresses, admin pages, services that come with it and
//! methods is a default, which files and variables override.

use ambidex::scheduler::LaneConfig;
use ambidex::server::{
    Admin, BoundServer, Config, ConfigSources, Health, Listener, MethodConfig, ServerBuilder, Tls,
};
use ambidex::telemetry::Metrics;
use ambidex::{Code, Error};
use http::StatusCode;

use crate::configuration::child;
use crate::support::certificates::{Authority, gets_through};
use crate::support::folder::Folder;
use crate::support::http_client::HttpClient;
use crate::support::parity_v1::{EchoRequest, ParityClient, Plan};
use crate::support::running::{Running, parity_builder, run};

/// An address of a documentation network, which no machine has: who listens there has not heard the settings.
const NOWHERE: &str = "203.0.113.1:80";
const ANYWHERE: &str = "127.0.0.1:0";
const HEALTH: &str = "/grpc.health.v1.Health/Check";
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

fn variables<const N: usize>(variables: [(&str, &str); N]) -> Config {
    ConfigSources::new().variables("AMBIDEX", variables).load().unwrap()
}

async fn bind(builder: ServerBuilder, address: impl Into<Listener>, config: Config) -> BoundServer {
    builder.config(config).bind(address).await.expect("it listens where the settings say")
}

async fn answers(server: &Running) -> StatusCode {
    server.http.post("/v1/echo", "{}").await.status
}

#[tokio::test]
async fn the_address_is_moved_by_a_variable_and_by_a_file() {
    let server = run(bind(parity_builder(), NOWHERE, variables([("AMBIDEX_ADDRESS", ANYWHERE)])).await);
    assert_eq!(answers(&server).await, StatusCode::OK);
    let folder = Folder::new("address");
    let file = folder.write("shop.toml", &format!("address = \"{NOWHERE}\"\n"));
    let sources = ConfigSources::new().file(file).variables("SHOP", [("SHOP_ADDRESS", ANYWHERE)]);
    let bound = bind(parity_builder(), NOWHERE, sources.load().unwrap()).await;
    assert_eq!(bound.addresses().len(), 1, "and nowhere else");
    let file = folder.write("shop.toml", &format!("address = \"{ANYWHERE}\"\n"));
    let config = ConfigSources::new().file(file).load().unwrap();
    assert_eq!(answers(&run(bind(parity_builder(), NOWHERE, config).await)).await, StatusCode::OK);
    // A program that names none listens there, too.
    let config = variables([("AMBIDEX_ADDRESS", ANYWHERE)]);
    let bound = parity_builder().config(config).bind_all().await.unwrap();
    assert_eq!(answers(&run(bound)).await, StatusCode::OK);
    let wrong = variables([("AMBIDEX_ADDRESS", NOWHERE)]);
    let error = parity_builder().config(wrong).bind(ANYWHERE).await.expect_err("nobody has that address");
    assert!(error.to_string().contains(NOWHERE), "{error}");
}

#[tokio::test]
async fn an_address_that_is_moved_serves_what_it_did() {
    let moved = || variables([("AMBIDEX_ADDRESS", ANYWHERE)]);
    let authority = Authority::new("ours");
    let shown = authority.server();
    let tls = Tls::from_pem(&shown.chain, &shown.key).load().unwrap();
    let server = run(bind(parity_builder(), Listener::at(NOWHERE).tls(tls), moved()).await);
    assert!(gets_through(&authority.trusted_by(None, &["http/1.1"]), server.address).await);
    assert_eq!(answers(&server).await, StatusCode::BAD_REQUEST, "it speaks TLS alone");
    let server = run(bind(parity_builder(), Listener::at(NOWHERE).http_only(), moved()).await);
    assert_eq!(answers(&server).await, StatusCode::OK);
    let client = ParityClient::connect(format!("http://{}", server.address)).await.unwrap();
    assert!(client.echo(EchoRequest::default()).await.is_err(), "HTTP alone");
}

#[tokio::test]
async fn grpc_is_moved_to_a_port_of_its_own() {
    for builder in [parity_builder(), parity_builder().grpc_address(NOWHERE)] {
        let config = variables([("AMBIDEX_GRPC_ADDRESS", ANYWHERE)]);
        let server = run(bind(builder, ANYWHERE, config).await);
        assert_ne!(server.address, server.grpc_address);
        assert_eq!(answers(&server).await, StatusCode::OK);
        server.grpc().await.echo(EchoRequest::default()).await.unwrap();
        let client = ParityClient::connect(format!("http://{}", server.address)).await.unwrap();
        assert!(client.echo(EchoRequest::default()).await.is_err(), "the other serves HTTP alone");
    }
}

#[tokio::test]
async fn listeners_take_the_place_of_all_that_the_program_names() {
    let listeners =
        r#"[{ address = "127.0.0.1:0", serves = "http" }, { address = "127.0.0.1:0", serves = "grpc" }]"#;
    let builder = parity_builder().listen(NOWHERE).grpc_address(NOWHERE);
    let bound = bind(builder, NOWHERE, variables([("AMBIDEX_LISTENERS", listeners)])).await;
    assert_eq!(bound.addresses().len(), 2);
    let server = run(bound);
    assert_eq!(answers(&server).await, StatusCode::OK);
    server.grpc().await.echo(EchoRequest::default()).await.unwrap();
    for moves in ["AMBIDEX_ADDRESS", "AMBIDEX_GRPC_ADDRESS"] {
        let config = variables([("AMBIDEX_LISTENERS", listeners), (moves, ANYWHERE)]);
        let error =
            parity_builder().config(config).bind(ANYWHERE).await.expect_err("nothing is left to move");
        assert!(matches!(error, Error::NothingToMove), "{error}");
    }
}

#[tokio::test]
async fn the_admin_pages_are_opened_moved_and_closed() {
    let own = || Admin::at(NOWHERE).build_info("shop", "7");
    let at = [("AMBIDEX_ADMIN__ADDRESS", ANYWHERE)];
    for (builder, name) in [(parity_builder(), "ambidex"), (parity_builder().admin(own()), "shop")] {
        let bound = bind(builder, ANYWHERE, variables(at)).await;
        let admin = HttpClient::new(bound.admin_address().expect("an address of their own"));
        let server = run(bound);
        assert_eq!(answers(&server).await, StatusCode::OK);
        assert_eq!(admin.get("/readyz").await.status, StatusCode::OK);
        assert_eq!(admin.get("/buildinfo").await.json()["name"], name);
        assert_eq!(server.http.get("/readyz").await.status, StatusCode::NOT_FOUND);
    }
    for builder in [parity_builder(), parity_builder().admin(own())] {
        let server = run(bind(builder, ANYWHERE, variables([("AMBIDEX_ADMIN__PATH", "/inside")])).await);
        assert_eq!(server.http.get("/inside/livez").await.status, StatusCode::OK);
    }
    for config in [
        variables([("AMBIDEX_ADMIN__ENABLED", "false")]),
        variables([("AMBIDEX_ADMIN__ENABLED", "0"), ("AMBIDEX_ADMIN__ADDRESS", NOWHERE)]),
    ] {
        let bound = bind(parity_builder().admin(own()), ANYWHERE, config).await;
        assert_eq!(bound.admin_address(), None);
    }
    // Said by a file, and unsaid by a variable.
    let folder = Folder::new("admin");
    let file = folder.write("shop.toml", "[admin]\naddress = \"127.0.0.1:0\"\n");
    let load = |over: &[(&str, &str)]| {
        ConfigSources::new().file(&file).variables("SHOP", over.iter().copied()).load().unwrap()
    };
    let opened = bind(parity_builder(), ANYWHERE, load(&[])).await;
    assert!(opened.admin_address().is_some());
    let unsaid = bind(parity_builder(), ANYWHERE, load(&[("SHOP_ADMIN__ADDRESS", "")])).await;
    assert_eq!(unsaid.admin_address(), None);
}

#[tokio::test]
async fn admin_settings_that_cannot_be_are_errors() {
    let both = variables([("AMBIDEX_ADMIN__ADDRESS", ANYWHERE), ("AMBIDEX_ADMIN__PATH", "/admin")]);
    let error = parity_builder().config(both).bind(ANYWHERE).await.expect_err("two places");
    assert!(matches!(error, Error::AdminPlaces), "{error}");
    let no_path = variables([("AMBIDEX_ADMIN__PATH", "admin")]);
    let error = parity_builder().config(no_path).bind(ANYWHERE).await.expect_err("no path");
    assert!(matches!(error, Error::AdminPath(_)), "{error}");
    let taken = tokio::net::TcpListener::bind(ANYWHERE).await.unwrap().into_std().unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let config = variables([("AMBIDEX_ADMIN__ADDRESS", &address)]);
    let error = parity_builder().config(config).bind(ANYWHERE).await.expect_err("somebody listens there");
    assert!(error.to_string().contains(&address), "{error}");
    let slip = ConfigSources::new().variables("AMBIDEX", [("AMBIDEX_ADMIN__ADRESS", ANYWHERE)]).load();
    let error = slip.expect_err("there is no such setting").to_string();
    assert!(error.contains("did you mean AMBIDEX_ADMIN__ADDRESS?"), "{error}");
    let slip = ConfigSources::new().variables("AMBIDEX", [("AMBIDEX_HEALTH", "on")]).load();
    let error = slip.expect_err("neither true nor false").to_string();
    assert!(error.contains("AMBIDEX_HEALTH: health should be true or false"), "{error}");
}

/// Whether it is there to be asked at all.
async fn is_served(server: &Running, path: &str) -> bool {
    let json = [("content-type", "application/x-ndjson")];
    let json = if path == REFLECTION { &json[..] } else { &[("content-type", "application/json")] };
    server.http.send(http::Method::POST, path, json, "{}").await.status != StatusCode::NOT_FOUND
}

#[tokio::test]
async fn health_and_reflection_are_switched_on_and_off() {
    for (variable, path) in [("AMBIDEX_HEALTH", HEALTH), ("AMBIDEX_REFLECTION", REFLECTION)] {
        let with = || parity_builder().health(Health::new()).reflection();
        for (builder, said, expected) in [
            (parity_builder(), "", false),
            (parity_builder(), "true", true),
            (parity_builder(), "false", false),
            (with(), "", true),
            (with(), "1", true),
            (with(), "0", false),
        ] {
            let server = run(bind(builder, ANYWHERE, variables([(variable, said)])).await);
            assert_eq!(is_served(&server, path).await, expected, "{variable}={said}");
            assert_eq!(answers(&server).await, StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn health_that_cannot_be_asked_for_still_decides_over_readiness() {
    let health = Health::new();
    let builder = parity_builder().health(health.clone()).admin(Admin::below("/admin"));
    let server = run(bind(builder, ANYWHERE, variables([("AMBIDEX_HEALTH", "0")])).await);
    assert_eq!(server.http.get("/admin/readyz").await.status, StatusCode::OK);
    health.set_serving("", false);
    assert_eq!(server.http.get("/admin/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn metrics_are_not_counted_if_whoever_runs_it_wants_none() {
    for (said, counted) in [("", 1), ("true", 1), ("false", 0)] {
        let metrics = Metrics::default();
        let config = if said.is_empty() { Config::default() } else { variables([("AMBIDEX_METRICS", said)]) };
        let builder = parity_builder().metrics(metrics.clone()).admin(Admin::below("/admin"));
        let server = run(bind(builder, ANYWHERE, config).await);
        assert_eq!(answers(&server).await, StatusCode::OK);
        assert_eq!(metrics.snapshot().calls.len(), counted, "{said}");
        let page = server.http.get("/admin/metrics").await;
        assert_eq!(page.text().contains("parity.v1.Parity"), counted > 0, "{said}");
    }
}

/// A call whose handler sleeps.
fn sleeping(sleep_ms: i32) -> EchoRequest {
    let plan = Plan { sleep_ms, ..Plan::default() };
    EchoRequest { plan: Some(plan), ..EchoRequest::default() }
}

#[tokio::test]
async fn methods_and_lanes_are_said_over_the_code() {
    let builder = parity_builder()
        .method("parity.v1.Parity/Echo", MethodConfig::new().timeout_ms(60_000))
        .method("parity.v1.Parity/EchoBlocking", MethodConfig::new().lane("own"))
        .lane(LaneConfig::new("own").max_concurrency(7));
    let config = variables([
        ("AMBIDEX_METHODS", r#"{ "parity.v1.Parity/Echo" = { timeout_ms = 50 } }"#),
        ("AMBIDEX_SCHEDULER__LANES", r#"[{ name = "own", max_concurrency = 1 }]"#),
    ]);
    let server = run(bind(builder, ANYWHERE, config).await);
    let late = server.in_process().echo(sleeping(60_000)).await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded);
    let calls = [(); 2].map(|()| {
        let client = server.in_process();
        tokio::spawn(async move { client.echo_blocking(sleeping(500)).await })
    });
    while !calls.iter().all(tokio::task::JoinHandle::is_finished) {
        let running = server.scheduler.snapshot().lane("own").map_or(0, |lane| lane.running);
        assert!(running <= 1, "one at a time, as the setting has it");
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    assert_eq!(server.scheduler.snapshot().lane("own").expect("the lane of the code").completed, 2);
}

#[test]
fn what_the_program_says_is_printed_with_the_rest() {
    let test = "overrides::child_that_serves";
    let over = [("AMBIDEX_PRINT_CONFIG", "1"), ("AMBIDEX_ADMIN__PATH", "/inside"), ("AMBIDEX_HEALTH", "0")];
    let printed = child(test, &over);
    for line in [
        "address = \"127.0.0.1:0\" # code",
        "grpc_address = \"127.0.0.1:0\" # code",
        "admin.path = \"/inside\" # AMBIDEX_ADMIN__PATH",
        "# admin.address is not set # default",
        "admin.enabled = true # default",
        "health = false # AMBIDEX_HEALTH",
        "reflection = true # code",
        "methods.\"parity.v1.Parity/Echo\" = { timeout_ms = 7 } # code",
        "# it listens at 127.0.0.1:0 for HTTP alone, too # code",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}\n{printed}");
    }
    let moved = child(test, &[("AMBIDEX_PRINT_CONFIG", "1"), ("AMBIDEX_ADDRESS", "127.0.0.2:0")]);
    assert!(moved.contains("address = \"127.0.0.2:0\" # AMBIDEX_ADDRESS\n"), "{moved}");
    assert!(moved.contains("admin.address = \"127.0.0.1:0\" # code\n"), "{moved}");
    assert!(moved.contains("health = true # code\n"), "{moved}");
}

#[tokio::test]
#[ignore = "runs in a process of its own"]
async fn child_that_serves() {
    let builder = parity_builder()
        .config(Config::from_environment().unwrap())
        .method("/parity.v1.Parity/Echo", MethodConfig::new().timeout_ms(7))
        .admin(Admin::at(ANYWHERE))
        .health(Health::new())
        .reflection()
        .listen(Listener::at(ANYWHERE).http_only())
        .grpc_address(ANYWHERE);
    drop(builder.bind(ANYWHERE).await.unwrap());
}
