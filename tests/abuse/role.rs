//! The role of the server that is attacked: a process that serves, and tells of itself to who started it.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use ambidex::call::{self, Body, Call, MessageStream, Reply};
use ambidex::interceptor::{self, Next};
use ambidex::server::Config;
use ambidex::{Scheduler, Status, Stream};
use bytes::Bytes;
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::support::allocations;
use crate::support::running::{parity_builder, start};

/// Where the server finds who asks it, and what of its configuration is not as ever: `name=number,name=number`.
pub const CONTROL: &str = "AMBIDEX_ABUSE_CONTROL";
pub const SETTINGS: &str = "AMBIDEX_ABUSE_SETTINGS";

/// As many descriptors as the system lets this process have.
pub fn raise_descriptors() -> u64 {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("the soft limit may be as high as the hard one");
    hard
}

/// Calls that passed the interceptor; of those, how many have not ended; how many were dropped before they did.
static BEGUN: AtomicU64 = AtomicU64::new(0);
static UNDER_WAY: AtomicU64 = AtomicU64::new(0);
static CUT_SHORT: AtomicU64 = AtomicU64::new(0);
/// Messages that streams of replies have made.
static MADE: AtomicU64 = AtomicU64::new(0);

/// A call, or its stream of replies, for as long as it is there.
struct UnderWay {
    ended: bool,
    panics: bool,
}

impl UnderWay {
    fn new() -> Self {
        UNDER_WAY.fetch_add(1, Ordering::Relaxed);
        Self { ended: false, panics: false }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
        if !self.ended {
            CUT_SHORT.fetch_add(1, Ordering::Relaxed);
        }
        if self.panics && !std::thread::panicking() {
            panic!("the test asked for it: in a destructor");
        }
    }
}

/// The replies of a call, which is under way until they end.
struct Counted {
    messages: MessageStream,
    under_way: UnderWay,
}

impl Stream for Counted {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = std::task::ready!(Pin::new(&mut self.messages).poll_next(cx));
        match &next {
            Some(Ok(_)) => {
                MADE.fetch_add(1, Ordering::Relaxed);
            }
            _ => self.under_way.ended = true,
        }
        Poll::Ready(next)
    }
}

/// Counts calls, and panics where one asks for it with `x-panic`.
async fn counted(call: Call, next: Next) -> Result<Reply, Status> {
    BEGUN.fetch_add(1, Ordering::Relaxed);
    let mut under_way = UnderWay::new();
    let panics_in = call.metadata.get("x-panic").and_then(|place| place.to_str().ok()).map(str::to_owned);
    assert_ne!(panics_in.as_deref(), Some("interceptor"), "the test asked for it");
    let reply = next.run(call).await;
    under_way.ended = true;
    let mut reply = reply?;
    under_way.panics = panics_in.as_deref() == Some("drop");
    if let Body::Stream(messages) = reply.body {
        under_way.ended = false;
        reply.body = Body::stream(Counted { messages, under_way });
    }
    Ok(reply)
}

fn configured(settings: &str) -> Config {
    let mut config = Config::default();
    // Threads end soon, so that their memory is not counted.
    config.scheduler.keep_alive_ms = 100;
    for setting in settings.split(',').filter(|setting| !setting.is_empty()) {
        let (name, value) = setting.split_once('=').expect("name=number");
        let value: u64 = value.parse().expect("a number");
        match name {
            "header_read_timeout_ms" => config.header_read_timeout_ms = value,
            "http2_keep_alive_interval_ms" => config.http2_keep_alive_interval_ms = value,
            "http2_keep_alive_timeout_ms" => config.http2_keep_alive_timeout_ms = value,
            "stream_keep_alive_ms" => config.stream_keep_alive_ms = value,
            "body_read_timeout_ms" => config.body_read_timeout_ms = value,
            "reply_stall_timeout_ms" => config.reply_stall_timeout_ms = value,
            "connection_idle_timeout_ms" => config.connection_idle_timeout_ms = value,
            "connections_max" => config.connections_max = value as usize,
            "in_flight_max" => config.in_flight_max = value as usize,
            other => panic!("no test sets {other}"),
        }
    }
    config
}

fn of_status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the system tells");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of that name");
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number")
}

fn figures(scheduler: &Scheduler) -> Value {
    let now = scheduler.snapshot();
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("the system tells");
    let time = |time: nix::sys::time::TimeVal| time.tv_sec() * 1000 + time.tv_usec() / 1000;
    json!({
        "live": allocations::live(),
        "peak": allocations::peak(),
        "resident_kb": of_status("VmRSS:"),
        "resident_peak_kb": of_status("VmHWM:"),
        "cpu_ms": time(usage.user_time()) + time(usage.system_time()),
        "descriptors": std::fs::read_dir("/proc/self/fd").expect("the system tells").count(),
        "threads": of_status("Threads:"),
        "begun": BEGUN.load(Ordering::Relaxed),
        "under_way": UNDER_WAY.load(Ordering::Relaxed),
        "cut_short": CUT_SHORT.load(Ordering::Relaxed),
        "made": MADE.load(Ordering::Relaxed),
        "jobs": now.running + now.queued + now.waiting + now.orphaned + now.open,
        "scheduler_threads": now.threads,
        "started": now.totals.threads_started,
        "completed": now.totals.completed,
        "panics": now.totals.panics,
        "cancelled": now.lanes.iter().map(|lane| lane.refused.cancelled).sum::<u64>(),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a role, not a test: the tests of attacks start it in a process of its own"]
async fn a_server_to_abuse() {
    let (Ok(control), Ok(settings)) = (std::env::var(CONTROL), std::env::var(SETTINGS)) else {
        eprintln!("nobody asks: run `cargo test abuse::` instead");
        return;
    };
    raise_descriptors();
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let asked_for = panic.payload_as_str().is_some_and(|text| text.contains("the test asked for it"));
        if !asked_for {
            report(panic);
        }
    }));
    let blocking = interceptor::blocking(|call: &mut Call| {
        let panics = call.metadata.get("x-panic").is_some_and(|place| place == "blocking");
        assert!(!panics, "the test asked for it");
        call::check()
    });
    let builder = parity_builder().interceptor(interceptor::from_fn(counted));
    let (builder, settings) = match settings.strip_prefix("blocking_interceptor=1,") {
        Some(rest) => (builder.interceptor(blocking), rest),
        None => (builder, &*settings),
    };
    let mut server = Some(start(builder.config(configured(settings))).await);
    let scheduler = server.as_ref().expect("just started").scheduler.clone();
    let mut control =
        BufReader::new(TcpStream::connect(control).await.expect("who started this one listens"));
    let address = server.as_ref().expect("just started").address;
    let mut line = format!("{}\n", json!({ "address": address.to_string() }));
    loop {
        control.write_all(line.as_bytes()).await.expect("who asked listens");
        let mut asked = String::new();
        if control.read_line(&mut asked).await.unwrap_or(0) == 0 {
            return;
        }
        let answer = match asked.trim() {
            "figures" => figures(&scheduler),
            "settled" => {
                let live = tokio::task::spawn_blocking(allocations::settled).await.expect("it counts");
                json!({ "live": live })
            }
            "forget" => {
                allocations::forget_peak();
                std::fs::write("/proc/self/clear_refs", "5").expect("one's own peak may be forgotten");
                json!({})
            }
            "stop" => {
                let stopped = server.take().expect("it stops once").stopped();
                let stopped = tokio::time::timeout(Duration::from_secs(60), stopped).await;
                let said = stopped.map_or_else(|late| late.to_string(), |ended| format!("{ended:?}"));
                json!({ "stopped": said })
            }
            other => panic!("nobody taught this server {other}"),
        };
        line = format!("{answer}\n");
    }
}
