//! More calls than a server can serve: how many are answered in time all the same, and what becomes of the others.
//!
//! A blocking method of 10 ms on eight threads serves 800 calls a second. Callers come at a multiple of that, at random
//! and whether or not those before them were answered, and each waits for 100 ms. What is compared is a plain `fn` of
//! Ambidex with what one writes on raw tonic: `spawn_blocking`, in a pool of as many threads.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ambidex::{Code, Request};
use tokio::task::JoinSet;

use crate::Error;
use crate::child::ServerProcess;
use crate::messages::{VersusClient, WaitRequest};
use crate::servers::Server;

const THREADS: usize = 8;
const RUN: Duration = Duration::from_millis(10);
const TIMEOUT: Duration = Duration::from_millis(100);
const LENGTH: Duration = Duration::from_secs(4);
/// So many of a server's calls can be under way at once on one connection.
const CONNECTIONS: usize = 16;

/// What became of a call.
enum Outcome {
    InTime,
    Late,
    Refused,
}

#[derive(Default)]
struct Seen {
    came: usize,
    ran: i64,
    /// How long each took, in seconds.
    in_time: Vec<f64>,
    refused: Vec<f64>,
    late: usize,
}

pub(crate) fn run() -> Result<String, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let capacity = THREADS as f64 / RUN.as_secs_f64();
    let mut page = format!(
        "A blocking method of {} ms on {THREADS} threads, with deadlines of {} ms, over gRPC: {capacity} calls a second \
         can be served.\n\n\
         | load | server | answered in time ÷ what can be | refused | late | p50 and p99 of answers, ms | of refusals, ms \
         | work wasted |\n|---|---|---|---|---|---|---|---|\n",
        RUN.as_millis(),
        TIMEOUT.as_millis(),
    );
    for times in [0.8, 1.0, 1.2, 2.0, 10.0] {
        for (name, server) in [("raw tonic", Server::Tonic), ("Ambidex", Server::Ambidex)] {
            eprintln!("{times} × {name}");
            let process = ServerProcess::start(server, Some(THREADS))?;
            let seen = runtime.block_on(drive(&process, capacity * times))?;
            let can_be = capacity * times.min(1.0) * LENGTH.as_secs_f64();
            let goodput = seen.in_time.len() as f64 / can_be.min(seen.came as f64);
            let part = |count: usize| count as f64 / seen.came as f64 * 100.0;
            let wasted = 1.0 - (seen.in_time.len() as f64 / (seen.ran as f64).max(1.0)).min(1.0);
            writeln!(
                page,
                "| {times} × | {name} | {goodput:.2} | {:.0} % | {:.0} % | {} | {} | {:.1} % |",
                part(seen.refused.len()),
                part(seen.late),
                middle_and_slow(seen.in_time),
                middle_and_slow(seen.refused),
                wasted * 100.0,
            )?;
        }
    }
    Ok(page)
}

async fn drive(process: &ServerProcess, per_second: f64) -> Result<Seen, Error> {
    let endpoint = format!("http://{}", process.address);
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(VersusClient::connect(endpoint.clone()).await?);
    }
    let clients = Arc::new(clients);
    // Learns how long the method takes, as any server has by the time it is overloaded.
    for client in clients.iter() {
        client.wait(WaitRequest { micros: RUN.as_micros() as i64 }).await?;
    }
    let before = ran(&clients[0]).await?;
    let began = Instant::now();
    let mut chance = 1_u64;
    let (mut due, mut number) = (0.0, 0);
    let mut calls = JoinSet::new();
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    while began.elapsed() < LENGTH {
        tick.tick().await;
        while due <= began.elapsed().as_secs_f64() {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let unit = ((chance >> 11) + 1) as f64 / (1_u64 << 53) as f64;
            due += -unit.ln() / per_second;
            let clients = clients.clone();
            number += 1;
            calls.spawn(async move { call(&clients[number % CONNECTIONS]).await });
        }
    }
    let mut seen = Seen { came: calls.len(), ..Seen::default() };
    while let Some(done) = calls.join_next().await {
        match done?? {
            (Outcome::InTime, took) => seen.in_time.push(took),
            (Outcome::Refused, took) => seen.refused.push(took),
            (Outcome::Late, _) => seen.late += 1,
        }
    }
    // What still stands in line is work that nobody waits for; it counts, too.
    loop {
        let now = ran(&clients[0]).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        if ran(&clients[0]).await? == now {
            seen.ran = now - before;
            return Ok(seen);
        }
    }
}

async fn call(client: &VersusClient) -> Result<(Outcome, f64), String> {
    let mut request = Request::new(WaitRequest { micros: RUN.as_micros() as i64 });
    request.set_timeout(TIMEOUT);
    let began = Instant::now();
    let answer = tokio::time::timeout(TIMEOUT, client.wait(request)).await;
    let took = began.elapsed();
    let outcome = match answer {
        Ok(Ok(_)) if took <= TIMEOUT => Outcome::InTime,
        Ok(Ok(_)) | Err(_) => Outcome::Late,
        // A deadline that is told before it has passed is a refusal.
        Ok(Err(status)) => match status.code() {
            Code::DeadlineExceeded | Code::Cancelled if took >= TIMEOUT - Duration::from_millis(5) => {
                Outcome::Late
            }
            Code::DeadlineExceeded | Code::ResourceExhausted => Outcome::Refused,
            _ => return Err(status.to_string()),
        },
    };
    Ok((outcome, took.as_secs_f64()))
}

/// How many calls have run so far.
async fn ran(client: &VersusClient) -> Result<i64, Error> {
    Ok(client.count_waits(WaitRequest { micros: 0 }).await?.into_inner().ran)
}

fn middle_and_slow(mut seconds: Vec<f64>) -> String {
    if seconds.is_empty() {
        return "–".to_owned();
    }
    seconds.sort_by(f64::total_cmp);
    let at = |part: f64| seconds[(seconds.len() as f64 * part) as usize] * 1000.0;
    format!("{:.0}, {:.0}", at(0.5), at(0.99))
}
