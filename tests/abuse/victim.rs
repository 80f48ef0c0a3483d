//! A server in a process of its own, as its attackers' test sees it: what it costs, and what is left at the end.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use ambidex::Code;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::honest::{Calls, Honest};
use super::role::{CONTROL, SETTINGS, raise_descriptors};
use crate::support::parity_v1::{EchoRequest, ParityClient, Plan};

/// What an attack may leave: caches of the runtime and of the allocator's users that grew once, whatever its size.
pub const SLACK: usize = 512 * 1024;

/// Calls that may be under way at once, so that all places can be tried afterwards.
const IN_FLIGHT_MAX: usize = 2000;

/// How long something that is going to happen may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Victim {
    pub address: SocketAddr,
    control: BufReader<TcpStream>,
    _child: Child,
    before: Value,
    base: usize,
}

/// What an attack came to.
#[derive(Debug)]
pub struct Outcome {
    pub attack: &'static str,
    pub size: String,
    pub said: String,
    pub base: usize,
    pub peak: usize,
    pub resident_peak_kb: u64,
    pub after: usize,
    pub honest: usize,
    pub idle_cpu_ms: u64,
}

fn number(figures: &Value, name: &str) -> u64 {
    figures[name].as_u64().unwrap_or_else(|| panic!("no figure {name}: {figures}"))
}

impl Victim {
    /// Starts a server with these settings, and has it serve until its memory is what it will be from then on.
    pub async fn start(settings: &str) -> Self {
        raise_descriptors();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = if settings.contains("in_flight_max") {
            String::new()
        } else {
            format!(",in_flight_max={IN_FLIGHT_MAX}")
        };
        let mut child = Command::new(std::env::current_exe().expect("the test runs from a file"))
            .args(["--exact", "--ignored", "--nocapture", "abuse::role::a_server_to_abuse"])
            .env(CONTROL, listener.local_addr().expect("an address").to_string())
            .env(SETTINGS, format!("{settings}{own}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the test starts again");
        let control = tokio::select! {
            accepted = listener.accept() => accepted.expect("a connection").0,
            ended = child.wait() => panic!("the server ended before it began: {ended:?}"),
        };
        let mut control = BufReader::new(control);
        let hello = answer(&mut control).await;
        let address = hello["address"].as_str().and_then(|text| text.parse().ok()).expect("an address");
        let mut victim = Self { address, control, _child: child, before: Value::Null, base: 0 };
        let before = victim.figures().await;
        // What a server sets up once it does now: threads, lanes, its runtime's caches.
        victim.all_places_are_free(64).await;
        let honest = victim.honest().await;
        honest.until(30).await;
        honest.end().await;
        victim.quiet(number(&before, "descriptors")).await;
        victim.base = victim.settled().await;
        victim.before = before;
        victim.ask("forget").await;
        victim
    }

    async fn ask(&mut self, what: &str) -> Value {
        self.control.write_all(format!("{what}\n").as_bytes()).await.expect("the server listens");
        answer(&mut self.control).await
    }

    pub async fn figures(&mut self) -> Value {
        self.ask("figures").await
    }

    pub async fn figure(&mut self, name: &str) -> u64 {
        number(&self.figures().await, name)
    }

    /// Bytes it has allocated, once it is done with what it is at.
    pub async fn settled(&mut self) -> usize {
        number(&self.ask("settled").await, "live") as usize
    }

    /// Bytes it had allocated before the attack.
    pub fn base(&self) -> usize {
        self.base
    }

    pub async fn honest(&self) -> Honest {
        Honest::begin(self.address).await
    }

    /// Waits until a figure is as it should be.
    pub async fn until(&mut self, what: &str, mut is_so: impl FnMut(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                let figures = self.figures().await;
                if is_so(&figures) {
                    return figures;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        match timeout(PATIENCE, waiting).await {
            Ok(figures) => figures,
            Err(_) => panic!("never happened: {what}; {}", self.figures().await),
        }
    }

    /// Waits until no connection is open and no call is under way.
    async fn quiet(&mut self, descriptors: u64) {
        self.until("every connection is closed and every call has ended", |now| {
            number(now, "descriptors") <= descriptors
                && number(now, "under_way") == 0
                && number(now, "jobs") == 0
        })
        .await;
    }

    /// As many calls at once as the server takes, of which it would refuse one for each place that was not given back.
    async fn all_places_are_free(&self, places: usize) {
        let mut calls = JoinSet::new();
        for first in (0..places).step_by(200) {
            let client = ParityClient::connect(format!("http://{}", self.address)).await.expect("it listens");
            for _ in first..places.min(first + 200) {
                let client = client.clone();
                calls.spawn(async move {
                    let plan = Some(Plan { sleep_ms: 500, ..Plan::default() });
                    client.echo(EchoRequest { plan, ..EchoRequest::default() }).await.map(drop)
                });
            }
        }
        while let Some(ended) = calls.join_next().await {
            let code = ended.expect("a call").map_err(|status| status.code());
            assert_ne!(code, Err(Code::ResourceExhausted), "a place in flight was never given back");
            assert_eq!(code, Ok(()));
        }
    }

    /// Looks at the server after its attackers have left; `honest` is what the others met with meanwhile.
    pub async fn unharmed(
        mut self,
        attack: &'static str,
        size: String,
        said: String,
        honest: Calls,
    ) -> Outcome {
        honest.are_fine();
        let descriptors = number(&self.before, "descriptors");
        self.quiet(descriptors).await;
        let after = self.settled().await;
        let figures = self.figures().await;
        let limit = self.base + SLACK;
        assert!(after < limit, "{attack} left something: {} bytes before, {after} after", self.base);
        // With nobody there it has nothing to do.
        sleep(Duration::from_millis(500)).await;
        let idle_cpu_ms = self.figure("cpu_ms").await - number(&figures, "cpu_ms");
        assert!(idle_cpu_ms < 250, "it is still at work: {idle_cpu_ms} of 500 ms");
        self.all_places_are_free(IN_FLIGHT_MAX).await;
        self.quiet(descriptors).await;
        let stopped = self.ask("stop").await;
        assert_eq!(stopped["stopped"], "Ok(())", "it drains");
        Outcome {
            attack,
            size,
            said,
            base: self.base,
            peak: number(&figures, "peak") as usize,
            resident_peak_kb: number(&figures, "resident_peak_kb"),
            after,
            honest: honest.count,
            idle_cpu_ms,
        }
    }
}

async fn answer(control: &mut BufReader<TcpStream>) -> Value {
    let mut line = String::new();
    let read = timeout(PATIENCE * 2, control.read_line(&mut line)).await;
    read.expect("the server answers").expect("the server is there");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("the server is gone: {error}: {line:?}"))
}
