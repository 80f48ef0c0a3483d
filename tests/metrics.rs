//! What a server counts: exactly, over every protocol, however a call ends.

use std::time::Duration;

use ambidex::call::Protocol;
use ambidex::interceptor::{self, Next};
use ambidex::server::{Admin, Config, ServerBuilder};
use ambidex::telemetry::{Calls, Metrics};
use ambidex::{Code, Request, Status};
use http::{Method, StatusCode};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio_stream::StreamExt;

use crate::support::http_client::HttpClient;
use crate::support::parity_v1::{CountRequest, EchoRequest, Plan};
use crate::support::running::{Running, parity_builder, run, start};
use crate::support::wires::{self, Case, Wire};

const PROTOCOLS: [Protocol; 5] =
    [Protocol::Grpc, Protocol::GrpcWeb, Protocol::Rest, Protocol::Rpc, Protocol::Local];

async fn counted(change: impl FnOnce(&mut Config)) -> (Running, Metrics) {
    let mut config = Config::default();
    change(&mut config);
    let metrics = Metrics::new();
    (start(parity_builder().config(config).metrics(metrics.clone())).await, metrics)
}

/// What was counted of a method of the tests' service, if it was called over the protocol.
fn find(metrics: &Metrics, method: &str, protocol: Protocol) -> Option<Calls> {
    let mut all = metrics.snapshot().calls.into_iter();
    all.find(|calls| calls.method.method() == method && calls.protocol == protocol)
}

fn of(metrics: &Metrics, method: &str, protocol: Protocol) -> Calls {
    find(metrics, method, protocol).unwrap_or_else(|| panic!("{method} was called over {protocol:?}"))
}

/// How many calls ended with each code.
fn ends(calls: &Calls) -> Vec<(Code, u64)> {
    calls.finished.iter().map(|(code, durations)| (*code, durations.count())).collect()
}

/// Waits until no call is in flight.
async fn settled(metrics: &Metrics) {
    let settled = async {
        while metrics.snapshot().calls.iter().any(|calls| calls.in_flight > 0) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), settled).await.expect("all calls end");
}

/// How many of the wires that a case goes over are which protocol.
fn wires_of(protocol: Protocol, wires: &[Wire]) -> u64 {
    let is_of = |wire: &&Wire| match wire {
        Wire::Grpc => protocol == Protocol::Grpc,
        Wire::GrpcWeb | Wire::GrpcWebText => protocol == Protocol::GrpcWeb,
        Wire::Local => protocol == Protocol::Local,
        Wire::Rest => protocol == Protocol::Rest,
        _ => protocol == Protocol::Rpc,
    };
    wires.iter().filter(is_of).count() as u64
}

#[tokio::test]
async fn calls_and_messages_are_counted_over_every_protocol() {
    let (server, metrics) = counted(|_| {}).await;
    for (method, rest) in [("Echo", "/v1/echo"), ("EchoBlocking", "/v1/blocking/echo")] {
        for wire in wires::ALL {
            let well = Case::new(method, rest, json!({"text": "hello"}));
            assert!(server.call(wire, &well).await.end.is_ok());
            let badly = json!({"text": "hello", "plan": {"failCode": Code::NotFound as i32}});
            assert!(server.call(wire, &Case::new(method, rest, badly)).await.end.is_err());
        }
        for protocol in PROTOCOLS {
            let times = wires_of(protocol, &wires::ALL);
            let calls = of(&metrics, method, protocol);
            assert_eq!(calls.started, 2 * times, "{protocol:?}");
            assert_eq!(calls.in_flight, 0);
            assert_eq!(ends(&calls), [(Code::Ok, times), (Code::NotFound, times)]);
            // A text of five bytes takes seven, a plan that fails four more.
            assert_eq!(
                (calls.requests.count(), calls.requests.sum()),
                (2 * times, (7 + 11) as f64 * times as f64)
            );
            assert_eq!(calls.replies.count(), times);
        }
    }
}

#[tokio::test]
async fn streams_are_one_call_and_many_messages() {
    let (server, metrics) = counted(|_| {}).await;
    let numbers = vec![json!({"number": 1}), json!({"number": 2}), json!({"number": 3})];
    for wire in wires::STREAMING {
        let count = Case::new("Count", "GET /v1/count", json!({"to": 3}));
        assert_eq!(server.call(wire, &count).await.messages.len(), 3);
        let broken = json!({"to": 2, "plan": {"failCode": Code::DataLoss as i32}});
        let broken = Case::new("CountBlocking", "GET /v1/blocking/count", broken);
        assert!(server.call(wire, &broken).await.end.is_err());
        let sum = Case::stream("Sum", "/v1/sum", numbers.clone());
        assert!(server.call(wire, &sum).await.end.is_ok());
        let running = Case::stream("RunningBlocking", "/v1/blocking/running", numbers.clone());
        assert_eq!(server.call(wire, &running).await.messages.len(), 3);
    }
    settled(&metrics).await;
    for protocol in PROTOCOLS {
        let times = wires_of(protocol, &wires::STREAMING);
        for (method, end, requests, replies) in [
            ("Count", Code::Ok, 1, 3),
            ("CountBlocking", Code::DataLoss, 1, 2),
            ("Sum", Code::Ok, 3, 1),
            ("RunningBlocking", Code::Ok, 3, 3),
        ] {
            let calls = of(&metrics, method, protocol);
            assert_eq!((calls.started, ends(&calls)), (times, vec![(end, times)]), "{method} {protocol:?}");
            assert_eq!(calls.requests.count(), requests * times, "{method} {protocol:?}");
            assert_eq!(calls.replies.count(), replies * times, "{method} {protocol:?}");
        }
        assert_eq!(of(&metrics, "Count", protocol).replies.sum(), (3 * 2) as f64 * times as f64);
    }
}

#[tokio::test]
async fn panics_are_internal_and_deadlines_are_their_own() {
    let (server, metrics) = counted(|_| {}).await;
    for (method, rest) in [("Echo", "/v1/echo"), ("EchoBlocking", "/v1/blocking/echo")] {
        for wire in [Wire::Grpc, Wire::GrpcWeb, Wire::Rest, Wire::RpcJson, Wire::Local] {
            let panics = Case::new(method, rest, json!({"plan": {"panic": true}}));
            assert!(server.call(wire, &panics).await.end.is_err());
            let slow = Case::new(method, rest, json!({"plan": {"sleepMs": 600}}));
            if wire == Wire::Grpc {
                let status = in_time_of_the_server(&server, method, &slow.request).await;
                assert_eq!(status, (Code::DeadlineExceeded as i32).to_string());
            } else {
                assert!(server.call(wire, &slow.timeout(Duration::from_millis(100))).await.end.is_err());
            }
        }
        settled(&metrics).await;
        for protocol in PROTOCOLS {
            let calls = of(&metrics, method, protocol);
            assert_eq!(
                ends(&calls),
                [(Code::DeadlineExceeded, 1), (Code::Internal, 1)],
                "{method} {protocol:?}"
            );
            let (_, durations) = &calls.finished[0];
            assert!(durations.sum() > 0.0, "it took its time: {durations:?}");
        }
    }
}

/// A gRPC call with a timeout that its client leaves to the server: one that keeps it itself leaves at that moment.
async fn in_time_of_the_server(server: &Running, method: &str, request: &serde_json::Value) -> String {
    let message = wires::encode("parity.v1.EchoRequest", request);
    let body = [&[0, 0, 0, 0, message.len() as u8], &message[..]].concat();
    let headers = [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "100m")];
    let path = format!("/parity.v1.Parity/{method}");
    server.http.http2().send(Method::POST, &path, &headers, body).await.header("grpc-status").to_owned()
}

#[tokio::test]
async fn who_leaves_is_cancelled() {
    let (server, metrics) = counted(|_| {}).await;
    // In the middle of a stream, and before any answer.
    let mut stream =
        server.grpc().await.count(CountRequest { to: 1000, pause_ms: 20, ..CountRequest::default() }).await;
    stream.as_mut().expect("a stream").get_mut().next().await.expect("a message").expect("a number");
    drop(stream);
    let plan = Some(Plan { sleep_ms: 600_000, ..Plan::default() });
    let client = server.in_process();
    let unary = client.echo(EchoRequest { plan, ..EchoRequest::default() });
    assert!(tokio::time::timeout(Duration::from_millis(50), unary).await.is_err(), "it is given up");
    settled(&metrics).await;
    let stream = of(&metrics, "Count", Protocol::Grpc);
    assert_eq!(ends(&stream), [(Code::Cancelled, 1)]);
    assert!(stream.replies.count() >= 1);
    assert_eq!(ends(&of(&metrics, "Echo", Protocol::Local)), [(Code::Cancelled, 1)]);
}

/// A stream whose deadline passes while nobody reads it has still ended by its deadline.
#[tokio::test]
async fn a_stream_that_nobody_reads_ends_at_its_deadline() {
    let (server, metrics) = counted(|_| {}).await;
    let mut request = Request::new(CountRequest { to: 3, pause_ms: 0, ..CountRequest::default() });
    request.set_timeout(Duration::from_millis(1_000));
    let reply = server.in_process().count(request).await.expect("a stream");
    tokio::time::sleep(Duration::from_millis(2_000)).await;
    drop(reply);
    settled(&metrics).await;
    assert_eq!(ends(&of(&metrics, "Count", Protocol::Local)), [(Code::DeadlineExceeded, 1)]);
}

#[tokio::test]
async fn refused_calls_have_started_and_ended() {
    let (server, metrics) = counted(|config| config.in_flight_max = 1).await;
    let slow = tokio::spawn({
        let http = server.http.clone();
        async move { http.post("/v1/blocking/echo", r#"{"plan": {"sleepMs": 1000}}"#).await }
    });
    let begun = async {
        while find(&metrics, "EchoBlocking", Protocol::Rest).is_none() {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(Duration::from_secs(20), begun).await.expect("it begins");
    assert_eq!(of(&metrics, "EchoBlocking", Protocol::Rest).in_flight, 1);
    assert_eq!(server.http.post("/v1/echo", "{}").await.status, StatusCode::TOO_MANY_REQUESTS);
    let refused = of(&metrics, "Echo", Protocol::Rest);
    assert_eq!((refused.started, refused.in_flight), (1, 0));
    assert_eq!(ends(&refused), [(Code::ResourceExhausted, 1)]);
    assert_eq!(refused.requests.count(), 0, "its message was not read");
    assert_eq!(slow.await.unwrap().status, StatusCode::OK);
    assert_eq!(ends(&of(&metrics, "EchoBlocking", Protocol::Rest)), [(Code::Ok, 1)]);
}

#[tokio::test]
async fn a_call_that_an_interceptor_refuses_is_counted_all_the_same() {
    async fn refuse(_: ambidex::call::Call, _: Next) -> Result<ambidex::call::Reply, Status> {
        Err(Status::unauthenticated("say who you are"))
    }
    let metrics = Metrics::new();
    let builder = parity_builder().interceptor(interceptor::from_fn(refuse)).metrics(metrics.clone());
    let server = start(builder).await;
    assert_eq!(server.http.post("/v1/echo", "{}").await.status, StatusCode::UNAUTHORIZED);
    let calls = of(&metrics, "Echo", Protocol::Rest);
    assert_eq!((ends(&calls), calls.requests.count()), (vec![(Code::Unauthenticated, 1)], 0));
}

#[tokio::test]
async fn what_is_no_method_is_no_series() {
    let (server, metrics) = counted(|_| {}).await;
    server.http.get("/nothing").await;
    server.http.post("/parity.v1.Parity/Nothing", "{}").await;
    let headers = [("content-type", "application/grpc"), ("te", "trailers")];
    server.http.http2().send(Method::POST, "/parity.v1.Parity/Nothing", &headers, vec![0; 5]).await;
    assert!(metrics.snapshot().calls.is_empty(), "{:?}", metrics.snapshot().calls);
}

#[tokio::test]
async fn connections_are_open_until_they_close() {
    let (server, metrics) = counted(|_| {}).await;
    assert_eq!(metrics.snapshot().connections_accepted, 0);
    // Clients of their own, of which each has one connection.
    let (first, second) = (HttpClient::new(server.address), HttpClient::new(server.address).http2());
    first.get("/v1/echo/x").await;
    second.get("/v1/echo/x").await;
    let socket = crate::support::socket::open(&server, "/parity.v1.Parity/Running", &[]).await.expect("open");
    let now = metrics.snapshot();
    assert_eq!((now.connections_accepted, now.connections_open), (3, 3));
    drop((first, second));
    until_open(&metrics, 1).await;
    drop(socket);
    until_open(&metrics, 0).await;
    assert_eq!(metrics.snapshot().connections_accepted, 3);
}

async fn until_open(metrics: &Metrics, wanted: u64) {
    let closed = async {
        while metrics.snapshot().connections_open != wanted {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), closed).await.expect("they close");
}

/// The text of a page, without which it is none.
async fn page(admin: &HttpClient) -> String {
    let answer = admin.get("/metrics").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    answer.text()
}

#[tokio::test]
async fn the_page_has_every_figure_by_its_name() {
    let own = Counter::<u64>::default();
    own.inc_by(17);
    let mut registry = Registry::default();
    registry.register("books_sold", "Books that were sold", own);
    let admin = Admin::at("127.0.0.1:0").registry(registry);
    let bound = parity_builder().admin(admin).bind("127.0.0.1:0").await.expect("two ports");
    let admin = HttpClient::new(bound.admin_address().expect("its own address"));
    let server = run(bound);
    server.http.post("/v1/blocking/echo", r#"{"text": "hello"}"#).await;
    server.http.post("/v1/blocking/echo", r#"{"plan": {"failCode": 5}}"#).await;
    for wire in wires::ALL {
        server.call(wire, &Case::new("Echo", "/v1/echo", json!({"text": "x"}))).await;
    }
    let page = page(&admin).await;
    let series = page
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').expect("a value").0);
    let mut known = std::collections::HashSet::new();
    for series in series {
        assert!(known.insert(series), "{series} is there twice");
    }
    let labels = r#"rpc_method="parity.v1.Parity/EchoBlocking",rpc_system_name="rest""#;
    for line in [
        format!("rpc_server_calls_started_total{{{labels}}} 2"),
        format!("rpc_server_active_calls{{{labels}}} 0"),
        "# TYPE rpc_server_call_duration_seconds histogram".to_owned(),
        "# UNIT rpc_server_call_duration_seconds seconds".to_owned(),
        format!("rpc_server_call_duration_seconds_count{{{labels},rpc_response_status_code=\"OK\"}} 1"),
        format!(
            "rpc_server_call_duration_seconds_count{{{labels},rpc_response_status_code=\"NOT_FOUND\"}} 1"
        ),
        format!(
            "rpc_server_call_duration_seconds_bucket{{le=\"+Inf\",{labels},rpc_response_status_code=\"OK\"}} 1"
        ),
        format!("rpc_server_request_size_bytes_count{{{labels}}} 2"),
        format!("rpc_server_request_size_bytes_bucket{{le=\"64.0\",{labels}}} 2"),
        format!("rpc_server_response_size_bytes_count{{{labels}}} 1"),
        "# TYPE ambidex_server_connections_open gauge".to_owned(),
        "# TYPE ambidex_server_connections_accepted counter".to_owned(),
        "ambidex_scheduler_jobs_completed_total{lane=\"parity.v1.Parity/EchoBlocking\"} 2".to_owned(),
        "ambidex_runtime_workers 1".to_owned(),
        "books_sold_total 17".to_owned(),
    ] {
        assert!(page.lines().any(|had| had == line), "{line} is not in:\n{page}");
    }
    assert!(page.contains("\nambidex_runtime_worker_busy_seconds_total{worker=\"0\"} "));
    assert!(page.contains("\nambidex_runtime_tasks_alive "));
    assert!(page.ends_with("# EOF\n"), "once, at the end");
    assert_eq!(page.matches("# EOF").count(), 1);
}

#[tokio::test]
async fn a_registry_of_ones_own_shows_the_same() {
    let metrics = Metrics::new();
    let mut registry = Registry::with_prefix("shop");
    registry.register_collector(Box::new(metrics.collector()));
    let builder: ServerBuilder = parity_builder().metrics(metrics);
    let server = start(builder).await;
    server.http.get("/v1/echo/x").await;
    let mut page = String::new();
    encode(&mut page, &registry).expect("text");
    let line = "shop_rpc_server_calls_started_total{rpc_method=\"parity.v1.Parity/Echo\",rpc_system_name=\"rest\"} 1\n";
    assert!(page.contains(line), "{page}");
}

/// Who registers the figures, and then gives the registry to the admin pages, has them once.
#[tokio::test]
async fn no_family_is_on_the_page_twice() {
    let metrics = Metrics::new();
    let mut registry = Registry::default();
    registry.register_collector(Box::new(metrics.collector()));
    registry.register("books_sold", "Books that were sold", Counter::<u64>::default());
    let admin = Admin::at("127.0.0.1:0").registry(registry);
    let bound = parity_builder().metrics(metrics).admin(admin).bind("127.0.0.1:0").await.expect("two ports");
    let admin = HttpClient::new(bound.admin_address().expect("its own address"));
    let server = run(bound);
    server.http.get("/v1/echo/x").await;
    let page = page(&admin).await;
    let mut families: Vec<_> = page.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    let all = families.len();
    families.sort_unstable();
    families.dedup();
    assert_eq!(families.len(), all, "{page}");
    assert!(families.contains(&"# TYPE books_sold counter"), "{page}");
    let started =
        "rpc_server_calls_started_total{rpc_method=\"parity.v1.Parity/Echo\",rpc_system_name=\"rest\"} 1";
    assert_eq!(page.lines().filter(|line| *line == started).count(), 1, "{page}");
    assert_eq!(page.matches("# EOF").count(), 1);
}
