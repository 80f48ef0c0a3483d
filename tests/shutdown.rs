//! Stopping a server: calls in flight end, new ones do not begin, and nobody waits for ever.

use std::time::{Duration, Instant};

use ambidex::scheduler::{self, Job, LaneConfig};
use ambidex::{Code, Error, lifespan};
use prost::Message;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::envelopes::envelope;
use crate::support::parity_v1::{CountRequest, EchoRequest, Plan, SumRequest};
use crate::support::running::{Running, parity, parity_builder, parity_with, start};
use crate::support::wires::{Case, Wire};

#[tokio::test]
async fn calls_in_flight_end_and_the_port_closes() {
    let mut server = parity().await;
    let client = server.grpc().await;
    let slow = || EchoRequest {
        text: "done".to_owned(),
        plan: Some(Plan { sleep_ms: 2_000, ..Plan::default() }),
        ..EchoRequest::default()
    };
    let grpc = tokio::spawn({
        let client = client.clone();
        async move { client.echo(slow()).await }
    });
    let http = tokio::spawn({
        let http = server.http.clone();
        async move { http.post("/v1/blocking/echo", r#"{"plan": {"sleepMs": 2000}}"#).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.tell_to_stop();
    assert_eq!(grpc.await.unwrap().unwrap().into_inner().text, "done");
    assert_eq!(http.await.unwrap().status.as_u16(), 200);
    let address = server.address;
    server.stopped().await.expect("a clean drain");
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_a_server() {
    let server = parity().await;
    let _client = server.grpc().await;
    server.http.get("/v1/describe").await;
    let began = Instant::now();
    server.stopped().await.expect("a clean drain");
    assert!(began.elapsed() < Duration::from_secs(10), "far below the drain timeout");
}

#[tokio::test]
async fn a_call_that_does_not_end_is_cut_off_and_said() {
    let server = parity_with(|config| config.drain_timeout_ms = 100).await;
    let client = server.grpc().await;
    let plan = Some(Plan { sleep_ms: 3_600_000, ..Plan::default() });
    let call = tokio::spawn(async move { client.echo(EchoRequest { plan, ..EchoRequest::default() }).await });
    let http = server.http.clone();
    let over_http =
        tokio::spawn(async move { http.post("/v1/blocking/echo", r#"{"plan": {"sleepMs": 3000}}"#).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let error = server.stopped().await.expect_err("two calls were cut off");
    assert!(matches!(error, Error::DrainTimeout { connections: 2, .. }), "{error}");
    // Told, and not only left with a connection that is closed.
    let told = call.await.unwrap().unwrap_err();
    assert_eq!((told.code(), told.message()), (Code::Unavailable, "the server is shutting down"));
    let told = over_http.await.unwrap();
    assert_eq!((told.status.as_u16(), &told.json()["error"]["status"]), (503, &json!("UNAVAILABLE")));
}

/// Each port has connections of its own, and a WebSocket has left its port's: all of them are counted before one is told.
#[tokio::test]
async fn what_is_cut_off_is_counted_over_all_ports() {
    let mut config = ambidex::server::Config::default();
    config.drain_timeout_ms = 300;
    let server = start(parity_builder().config(config).grpc_address("127.0.0.1:0")).await;
    let client = server.grpc().await;
    let plan = Some(Plan { sleep_ms: 3_600_000, ..Plan::default() });
    let call = tokio::spawn(async move { client.echo(EchoRequest { plan, ..EchoRequest::default() }).await });
    let http = server.http.clone();
    let over_http =
        tokio::spawn(async move { http.post("/v1/echo", r#"{"plan": {"sleepMs": 3600000}}"#).await });
    let (mut socket, _) =
        tokio_tungstenite::connect_async(format!("ws://{}/v1/count?to=2&pause_ms=3600000", server.address))
            .await
            .expect("a WebSocket");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let error = server.stopped_with_error().await;
    assert!(matches!(error, Error::DrainTimeout { connections: 3, .. }), "{error}");
    assert_eq!(call.await.unwrap().unwrap_err().code(), Code::Unavailable);
    assert_eq!(over_http.await.unwrap().status.as_u16(), 503);
    while let Some(Ok(_)) = futures_util::StreamExt::next(&mut socket).await {}
}

/// However much they have to say, and whoever is waited for.
#[tokio::test]
async fn streams_that_do_not_end_are_told_when_the_time_to_drain_is_over() {
    let server = parity_with(|config| config.drain_timeout_ms = 300).await;
    let client = server.grpc().await;
    let busy = CountRequest { to: 100_000, pause_ms: 20, plan: None };
    let mut talks = client.count(busy.clone()).await.unwrap().into_inner();
    let mut blocking = client.count_blocking(busy).await.unwrap().into_inner();
    let waits = tokio::spawn({
        let client = client.clone();
        async move { client.sum(tokio_stream::pending::<SumRequest>()).await }
    });
    let http = server.http.clone();
    let lines = tokio::spawn(async move { http.get("/v1/count?to=100000&pause_ms=20").await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let stopped = tokio::spawn(server.stopped());
    let expected = (Code::Unavailable, "the server is shutting down");
    for stream in [&mut talks, &mut blocking] {
        let mut messages = 0;
        let end = loop {
            match stream.message().await {
                Ok(Some(_)) => messages += 1,
                Ok(None) => panic!("it has not counted to its end"),
                Err(status) => break status,
            }
        };
        assert_eq!((end.code(), end.message()), expected);
        assert!(messages > 0, "it went on while there was time");
    }
    let told = waits.await.unwrap().unwrap_err();
    assert_eq!((told.code(), told.message()), expected);
    let lines = lines.await.unwrap().lines();
    assert_eq!(lines.last().unwrap()["status"]["code"], Code::Unavailable as i32);
    let error = stopped.await.unwrap().expect_err("two connections were cut off");
    assert!(matches!(error, Error::DrainTimeout { connections: 2, .. }), "{error}");
}

/// Over HTTP/2 by GOAWAY without an error, over HTTP/1.1 with the answer that is the last.
#[tokio::test]
async fn a_connection_is_told_that_it_ends_and_its_call_is_answered() {
    let mut server = parity().await;
    let tcp = TcpStream::connect(server.address).await.unwrap();
    let (mut over_http2, connection) = h2::client::handshake(tcp).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let plan = Some(Plan { sleep_ms: 3_000, ..Plan::default() });
    let request = EchoRequest { plan, ..EchoRequest::default() };
    let head =
        http::Request::post("http://a/parity.v1.Parity/Echo").header("content-type", "application/grpc");
    let (answer, mut body) = over_http2.send_request(head.body(()).expect("a request"), false).expect("sent");
    body.send_data(envelope(0, &request.encode_to_vec()).into(), true).expect("sent");
    let mut over_http1 = TcpStream::connect(server.address).await.unwrap();
    let body = r#"{"text": "the last", "plan": {"sleepMs": 3000}}"#;
    let head = "POST /v1/echo HTTP/1.1\r\nhost: a\r\ncontent-type: application/json";
    let sent = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    over_http1.write_all(sent.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    server.tell_to_stop();
    // Nothing new may begin, which is known before the call has its answer.
    let told = loop {
        match over_http2.ready().await {
            Ok(ready) => over_http2 = ready,
            Err(told) => break told,
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(told.is_go_away() && told.is_remote(), "{told}");
    assert_eq!(told.reason(), Some(h2::Reason::NO_ERROR));
    let mut answer = answer.await.expect("an answer").into_body();
    while let Some(data) = answer.data().await {
        data.expect("all of it");
    }
    assert_eq!(answer.trailers().await.expect("read").expect("trailers")["grpc-status"], "0");
    connection.await.unwrap().expect("closed");
    let mut answer = String::new();
    over_http1.read_to_string(&mut answer).await.expect("an answer, and the end");
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("the last"), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    server.stopped().await.expect("a clean drain");
}

/// Longer than anybody waits here. The process ends with the threads that sleep so long.
const STUCK: Duration = Duration::from_secs(120);

fn stuck() -> EchoRequest {
    let plan = Plan { sleep_ms: STUCK.as_millis() as i32, ..Plan::default() };
    EchoRequest { plan: Some(plan), ..EchoRequest::default() }
}

impl Running {
    /// Waits until so many jobs are on threads.
    async fn until_running(&self, jobs: usize) {
        self.until("so many jobs are on threads", |now| now.running == jobs).await;
    }

    /// Waits until the scheduler is as it should be.
    async fn until(&self, what: &str, is: impl Fn(&scheduler::Snapshot) -> bool) {
        let patience = Instant::now() + Duration::from_secs(30);
        while !is(&self.scheduler.snapshot()) {
            assert!(Instant::now() < patience, "{what}: {:?}", self.scheduler.snapshot());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn stopped_with_error(self) -> Error {
        self.stopped().await.expect_err("work was cut off")
    }
}

/// On no connection any more, and cut off all the same.
#[tokio::test]
async fn what_runs_for_a_client_who_has_left_is_said() {
    for over_grpc in [true, false] {
        let server = parity_with(|config| config.drain_timeout_ms = 200).await;
        let (client, http) = (server.grpc().await, server.http.clone());
        let call = tokio::spawn(async move {
            if over_grpc {
                let _ = client.echo_blocking(stuck()).await;
            } else {
                let body = json!({"plan": {"sleepMs": STUCK.as_millis() as u32}}).to_string();
                http.post("/v1/blocking/echo", body).await;
            }
        });
        server.until_running(1).await;
        call.abort();
        server.until("nobody waits for it", |now| now.orphaned > 0).await;
        let error = server.stopped_with_error().await;
        assert!(
            matches!(error, Error::DrainTimeout { connections: 0, left_running: 1, shed: 0, .. }),
            "{error}"
        );
        assert_eq!(error.to_string(), "1 blocking job still ran when the time to drain was over");
    }
}

#[tokio::test]
async fn what_runs_past_its_deadline_is_said() {
    let server = parity_with(|config| config.drain_timeout_ms = 200).await;
    let mut request = ambidex::Request::new(stuck());
    // Enough to begin in.
    request.set_timeout(Duration::from_secs(3));
    let client = server.grpc().await;
    let call = tokio::spawn(async move { client.echo_blocking(request).await });
    server.until_running(1).await;
    assert_eq!(call.await.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
    let error = server.stopped_with_error().await;
    assert!(matches!(error, Error::DrainTimeout { connections: 0, left_running: 1, shed: 0, .. }), "{error}");
}

/// Of three jobs in a lane for one at a time, two never run; a fourth runs and waits for something that does not come.
#[tokio::test]
async fn detached_work_is_said() {
    let server = parity_with(|config| config.drain_timeout_ms = 200).await;
    let lane = server.scheduler.lane_with(LaneConfig::new("one at a time").max_concurrency(1));
    for _ in 0..3 {
        let (scheduler, job) = (server.scheduler.clone(), Job::new("detached").lane(lane.clone()));
        tokio::spawn(async move { scheduler.run_blocking_job(job, || std::thread::sleep(STUCK)).await });
    }
    server.until_running(1).await;
    server.until("two are in line", |now| now.queued == 2).await;
    let error = server.stopped_with_error().await;
    assert!(matches!(error, Error::DrainTimeout { connections: 0, left_running: 1, shed: 2, .. }), "{error}");

    let server = parity_with(|config| config.drain_timeout_ms = 200).await;
    tokio::spawn(server.scheduler.run_future(Job::new("waits"), std::future::pending::<()>()));
    server.until("it has begun", |now| now.open > 0).await;
    server.until_running(0).await;
    let error = server.stopped_with_error().await;
    assert_eq!(error.to_string(), "1 blocking job still waited when the time to drain was over");
}

#[tokio::test]
async fn work_that_ends_while_the_server_drains_is_no_failure() {
    let server = parity().await;
    let scheduler = server.scheduler.clone();
    let detached = tokio::spawn(async move {
        scheduler.run_blocking(|| std::thread::sleep(Duration::from_millis(500))).await
    });
    server.until_running(1).await;
    server.stopped().await.expect("nothing was cut off");
    detached.await.unwrap().expect("it was let finish");
}

#[tokio::test]
async fn a_start_hook_that_is_stuck_when_the_server_is_told_to_stop_is_said() {
    let mut config = ambidex::server::Config::default();
    config.drain_timeout_ms = 200;
    let stuck = lifespan::blocking(|_| {
        std::thread::sleep(STUCK);
        Ok::<_, std::io::Error>(())
    });
    let server = start(parity_builder().config(config).on_start("stuck", stuck)).await;
    server.until_running(1).await;
    let error = server.stopped_with_error().await;
    assert!(matches!(error, Error::DrainTimeout { connections: 0, left_running: 1, .. }), "{error}");
}

#[tokio::test]
async fn a_stuck_thread_does_not_hold_a_server() {
    let server = parity_with(|config| config.drain_timeout_ms = 200).await;
    let http = server.http.clone();
    tokio::spawn(async move { http.post("/v1/blocking/echo", r#"{"plan": {"sleepMs": 120000}}"#).await });
    server.until_running(1).await;
    let stopped = tokio::time::timeout(Duration::from_secs(60), server.stopped()).await;
    assert!(stopped.expect("the thread sleeps for longer").is_err());
}

#[tokio::test]
async fn two_ports_are_a_configuration() {
    let server =
        crate::support::running::start(crate::support::running::parity_builder().grpc_address("127.0.0.1:0"))
            .await;
    assert_ne!(server.address, server.grpc_address);
    for wire in [Wire::Grpc, Wire::Rest, Wire::RpcJson] {
        let outcome = server.call(wire, &Case::new("Echo", "/v1/echo", json!({"text": "hi"}))).await;
        assert_eq!(outcome.messages, [json!({"text": "hi"})], "{wire:?}");
    }
    // What is not gRPC on gRPC's port is told so.
    let on_grpc = crate::support::http_client::HttpClient::new(server.grpc_address);
    let answer = on_grpc.post("/v1/echo", "{}").await;
    assert_eq!(answer.status.as_u16(), 415);
    server.stopped().await.expect("both ports drain");
}

/// A watcher would wait for ever; it is told to go to another server instead.
#[tokio::test]
async fn a_silent_stream_ends_with_unavailable() {
    let server = parity_with(|config| config.drain_silence_ms = 50).await;
    let client = server.grpc().await;
    let mut watching =
        client.count(CountRequest { to: 2, pause_ms: 3_600_000, plan: None }).await.unwrap().into_inner();
    let http = server.http.clone();
    let lines = tokio::spawn(async move { http.get("/v1/count?to=2&pause_ms=3600000").await });
    tokio::time::sleep(Duration::from_millis(700)).await;
    let stopped = tokio::spawn(server.stopped());
    assert_eq!(watching.message().await.unwrap_err().code(), Code::Unavailable);
    let answer = lines.await.unwrap();
    assert_eq!(answer.status.as_u16(), 200, "the head was sent long before");
    assert_eq!(answer.lines().last().unwrap()["status"]["code"], Code::Unavailable as i32);
    drop((watching, client));
    stopped.await.unwrap().expect("nothing was cut off");
}

/// The record of the end is an event, which an `EventSource` sees before it connects anew, elsewhere.
#[tokio::test]
async fn a_stream_of_events_drains_like_others() {
    let server = parity_with(|config| {
        // Far longer than the busy one pauses, and far shorter than the silent ones do.
        config.drain_silence_ms = 2_000;
        config.stream_keep_alive_ms = 20;
    })
    .await;
    let http = server.http.clone();
    let events = |path: &'static str| {
        let http = http.clone();
        tokio::spawn(async move {
            let headers = [("accept", "text/event-stream")];
            http.send(http::Method::GET, path, &headers, axum::body::Body::empty()).await
        })
    };
    let silent = events("/v1/count?to=2&pause_ms=3600000");
    let silent_blocking = events("/v1/blocking/count?to=1&pause_ms=12000");
    let busy = events("/v1/count?to=20&pause_ms=60");
    // The heads of the silent ones are out, and comments that they are still there.
    tokio::time::sleep(Duration::from_millis(600)).await;
    server.stopped().await.expect("nothing was cut off");
    for silent in [silent, silent_blocking] {
        let answer = silent.await.unwrap();
        let (before, end) = answer.text().rsplit_once("event: status\n").map_or_else(
            || panic!("no end: {}", answer.text()),
            |(before, end)| (before.to_owned(), end.to_owned()),
        );
        assert!(before.contains(": still here") && !before.contains("data:"), "{before}");
        let end = end.trim().strip_prefix("data: ").expect("data");
        let end: serde_json::Value = serde_json::from_str(end).expect("JSON");
        assert_eq!(end["code"], Code::Unavailable as i32, "{end}");
        assert_eq!(end["message"], "the server is shutting down");
    }
    let busy = busy.await.unwrap().text();
    assert_eq!(
        (busy.matches("\ndata: {\"number\"").count(), busy.contains("\"code\":0")),
        (20, true),
        "{busy}"
    );
}

#[tokio::test]
async fn a_stream_that_has_something_to_say_is_let_finish() {
    let server = parity_with(|config| config.drain_silence_ms = 2_000).await;
    let http = server.http.clone();
    let counting = tokio::spawn(async move { http.get("/v1/blocking/count?to=10&pause_ms=60").await });
    tokio::time::sleep(Duration::from_millis(150)).await;
    server.stopped().await.expect("nothing was cut off");
    assert_eq!(counting.await.unwrap().lines().len(), 11);
}

/// The last place is given back at the stop, and then it is theirs.
#[tokio::test]
async fn whoever_waits_for_a_place_when_the_server_stops_is_served() {
    async fn ask(address: std::net::SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.expect("the system lets it in");
        stream.write_all(b"GET /v1/count?to=1 HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("written");
        stream
    }
    let server = parity_with(|config| config.connections_max = 1).await;
    let mut idle = ask(server.address).await;
    assert!(idle.read(&mut [0; 1024]).await.expect("an answer") > 0);
    let mut waiting = ask(server.address).await;
    server.stopped().await.expect("nothing was cut off");
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).await.expect("an answer, and the end");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}
