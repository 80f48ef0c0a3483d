//! Servers that are stopped by SIGTERM under load: behind HAProxy or nginx nobody notices, and without it every call that was
//! begun is answered.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ambidex::Code;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::haproxy::Haproxy;
use crate::load::{AfterFailure, Load, Speech, Tally};
use crate::nginx::Nginx;
use crate::parity_v1::{EchoRequest, ParityClient, Plan};
use crate::server_process::{PATIENCE, ServerProcess, Settings, own_address};

const ROUNDS: usize = 3;

fn settings_of(name: &str, number: u8) -> Settings {
    Settings {
        name: name.to_owned(),
        address: own_address(number),
        drain_quiet_ms: 0,
        drain_timeout_ms: 20_000,
    }
}

/// Waits until something has come about.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Two servers that come back to the place they had.
struct Pair {
    settings: Vec<Settings>,
    running: Vec<ServerProcess>,
}

impl Pair {
    fn start(first: u8, drain_quiet_ms: u64) -> Self {
        let settings = [("a0", first), ("b0", first + 1)];
        let mut settings: Vec<_> =
            settings.map(|(name, number)| Settings { drain_quiet_ms, ..settings_of(name, number) }).into();
        let running: Vec<_> = settings.iter().map(ServerProcess::start).collect();
        for (settings, process) in settings.iter_mut().zip(&running) {
            settings.address = process.address;
        }
        Self { settings, running }
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.settings.iter().map(|settings| settings.address).collect()
    }

    /// Stops one after the other, each when the last takes calls again; says how often.
    async fn roll(&mut self, load: &Load) -> usize {
        until("both servers have calls", || ["a0", "b0"].iter().all(|name| load.tally().knows(name))).await;
        let mut stopped = 0;
        for round in 1..=ROUNDS {
            for (place, letter) in ["a", "b"].into_iter().enumerate() {
                let process = self.running.remove(place);
                process.terminate();
                ends_well(process).await;
                stopped += 1;
                self.settings[place].name = format!("{letter}{round}");
                self.running.insert(place, ServerProcess::start(&self.settings[place]));
                let name = self.settings[place].name.clone();
                until("the server that came back has calls", || load.tally().knows(&name)).await;
            }
        }
        stopped
    }

    /// Restarts both under load, again and again, and no call fails.
    async fn restart_under(mut self, load: Load, log_of_balancer: impl Fn() -> String) {
        let stopped = self.roll(&load).await;
        let tally = load.end().await;
        println!("{} calls answered over {stopped} restarts, {} failed", tally.answers(), tally.failed.len());
        assert!(tally.failed.is_empty(), "{:#?}\n{}", tally.failed, log_of_balancer());
        assert_eq!(stopped, 2 * ROUNDS);
        // A load that is none would prove nothing.
        assert!(tally.answers() > 100, "only {} calls", tally.answers());
        self.end().await;
    }

    async fn end(self) {
        for process in self.running {
            process.terminate();
            ends_well(process).await;
        }
    }
}

async fn ends_well(process: ServerProcess) {
    let ended = tokio::task::spawn_blocking(|| process.ended()).await.expect("it ends");
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    assert_eq!(ended.begun, ended.answered, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_a_rolling_restart_behind_a_balancer() {
    // Four times as long as the balancer takes to notice.
    let servers = Pair::start(81, 2_000);
    let Some(balancer) = Haproxy::start(&servers.addresses()) else { return };
    until("the balancer listens", || std::net::TcpStream::connect(balancer.address).is_ok()).await;
    // HAProxy takes a server for well until its first check says otherwise.
    let load = Load::begin(balancer.address, 4, 5, AfterFailure::GoOn);
    servers.restart_under(load, || balancer.log()).await;
}

/// nginx asks nobody for health: it finds out by calling, and calls somebody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_a_rolling_restart_behind_nginx() {
    let servers = Pair::start(85, 0);
    let Some(balancer) = Nginx::start(&servers.addresses()) else { return };
    for address in [balancer.grpc, balancer.http] {
        until("the balancer listens", || std::net::TcpStream::connect(address).is_ok()).await;
    }
    let load = Load::begin_at([balancer.grpc, balancer.http], 4, 5, AfterFailure::GoOn);
    servers.restart_under(load, || balancer.log()).await;
}

/// Replies of one message and streams of them, from async and blocking handlers, over gRPC and HTTP/1.1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_that_was_begun_is_answered_and_no_stream_is_cut() {
    for round in 0..3 {
        let server = ServerProcess::start(&settings_of("alone", 83));
        let load = Load::begin(server.address, 8, 30, AfterFailure::End);
        let has_all = |tally: Tally| Speech::ALL.iter().all(|&speech| tally.answers_to(speech) > 20);
        until("there are calls of each kind", || has_all(load.tally())).await;
        let before = load.tally();
        server.terminate();
        let ended = tokio::task::spawn_blocking(|| server.ended()).await.expect("it ends");
        let tally = load.ended().await;
        let counts = Speech::ALL.map(|speech| (speech, tally.answers_to(speech)));
        println!(
            "{} calls begun, {} answers arrived ({counts:?}), then {:?}",
            ended.begun,
            tally.answers(),
            tally.failed
        );
        assert_eq!(ended.exit_code, Some(0), "round {round}: {ended:?}");
        assert_eq!(ended.answered, ended.begun, "round {round}: the server answers what it has begun");
        assert_eq!(tally.answers(), ended.begun, "round {round}: and its clients have every answer");
        for speech in Speech::ALL.into_iter().filter(|speech| speech.streams()) {
            let after = tally.answers_to(speech) - before.answers_to(speech);
            assert!(after > 0, "round {round}: there were streams under way: {speech:?}");
        }
    }
}

#[tokio::test]
async fn calls_that_outlast_the_drain_are_told_so_and_the_exit_code_tells() {
    let settings = Settings { drain_timeout_ms: 300, ..settings_of("short", 84) };
    let server = ServerProcess::start(&settings);
    let client = ParityClient::connect(format!("http://{}", server.address)).await.unwrap();
    let plan = Plan { sleep_ms: 3_600_000, ..Plan::default() };
    let request = EchoRequest { plan: Some(plan), ..EchoRequest::default() };
    let over_grpc = tokio::spawn(async move { client.echo_blocking(request).await });
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let over_http = tokio::spawn(async move {
        let body = r#"{"plan": {"sleepMs": 3600000}}"#.to_owned();
        sender.send_request(http::Request::post("/v1/echo").header("host", "a").body(body).unwrap()).await
    });
    tokio::time::sleep(Duration::from_millis(1500)).await;
    server.terminate();
    let told = over_grpc.await.unwrap().unwrap_err();
    assert_eq!((told.code(), told.message()), (Code::Unavailable, "the server is shutting down"));
    assert_eq!(over_http.await.unwrap().expect("an answer").status(), 503);
    let ended = tokio::task::spawn_blocking(|| server.ended()).await.unwrap();
    assert_eq!((ended.exit_code, ended.begun, ended.answered), (Some(1), 2, 0), "{ended:?}");
    let why = "Error: 2 connections still had calls under way, 1 blocking job still ran when the time to drain was over";
    assert!(ended.stderr.contains(why), "{ended:?}");
}

/// The drain would take longer than anybody waits here.
#[tokio::test]
async fn a_second_signal_ends_the_process_at_once() {
    for (number, second, exit_code) in [(86, "-TERM", 143), (87, "-INT", 130)] {
        let settings = Settings { drain_timeout_ms: 3_600_000, ..settings_of("hurried", number) };
        let server = ServerProcess::start(&settings);
        let client = ParityClient::connect(format!("http://{}", server.address)).await.unwrap();
        let plan = Plan { sleep_ms: 3_600_000, ..Plan::default() };
        let request = EchoRequest { plan: Some(plan), ..EchoRequest::default() };
        let call = tokio::spawn(async move { client.echo_blocking(request).await });
        tokio::time::sleep(Duration::from_millis(1500)).await;
        server.terminate();
        // Sooner it would be the same wish.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        until("nobody listens any more", || std::net::TcpStream::connect(server.address).is_err()).await;
        server.signal(second);
        let ended = tokio::task::spawn_blocking(|| server.killed());
        let ended = tokio::time::timeout(PATIENCE, ended).await.expect("at once");
        assert_eq!(ended.unwrap(), Some(exit_code));
        assert!(call.await.unwrap().is_err(), "nobody answers it any more");
    }
}
