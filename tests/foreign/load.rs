//! Clients that call without a pause, and count: over gRPC, each kind of method, and over HTTP/1.1 with keep-alive, replies
//! of one message and streams as NDJSON.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ambidex::{Response, metadata::MetadataMap};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::parity_v1::{CountRequest, EchoRequest, ParityClient, Plan, SumRequest};

/// What a client speaks, and whether it is answered with a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Speech {
    Grpc,
    GrpcStream,
    Http,
    HttpStream,
}

impl Speech {
    pub const ALL: [Self; 4] = [Self::Grpc, Self::GrpcStream, Self::Http, Self::HttpStream];

    pub fn streams(self) -> bool {
        matches!(self, Self::GrpcStream | Self::HttpStream)
    }
}

/// So many messages a stream of replies has.
const MESSAGES: i32 = 5;

/// Clients at work.
pub struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    tally: Mutex<Tally>,
}

/// What became of the calls.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Answered calls by how they were made and who served them.
    pub answered: BTreeMap<(Speech, String), u64>,
    pub failed: Vec<String>,
}

impl Tally {
    pub fn answers(&self) -> u64 {
        self.answered.values().sum()
    }

    /// The answers to calls that were made like this.
    pub fn answers_to(&self, speech: Speech) -> u64 {
        self.answered.iter().filter(|((known, _), _)| *known == speech).map(|(_, count)| count).sum()
    }

    /// Whether this server has answered calls over gRPC and over HTTP.
    pub fn knows(&self, server: &str) -> bool {
        [Speech::Grpc, Speech::Http]
            .iter()
            .all(|&speech| self.answered.contains_key(&(speech, server.to_owned())))
    }
}

/// Whether clients go on after a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    GoOn,
    End,
}

impl Load {
    /// Sets so many clients of each kind to work, each with a connection of its own. A handler sleeps for `sleep_ms`.
    pub fn begin(address: SocketAddr, each: usize, sleep_ms: i32, after: AfterFailure) -> Self {
        Self::begin_at([address; 2], each, sleep_ms, after)
    }

    /// The same where gRPC and HTTP have an address each.
    pub fn begin_at([grpc, http]: [SocketAddr; 2], each: usize, sleep_ms: i32, after: AfterFailure) -> Self {
        let shared = Arc::new(Shared::default());
        let mut clients = JoinSet::new();
        for number in 0..each {
            clients.spawn(over_grpc(grpc, number, sleep_ms, after, Arc::clone(&shared)));
            clients.spawn(over_http(http, number, sleep_ms, after, Arc::clone(&shared)));
        }
        Self { shared, clients }
    }

    /// What became of the calls so far.
    pub fn tally(&self) -> Tally {
        self.shared.tally.lock().expect("no client panics with the lock").clone()
    }

    /// Waits for every client, which ends after the call it makes, or has by itself.
    pub async fn end(self) -> Tally {
        self.shared.over.store(true, Ordering::SeqCst);
        self.ended().await
    }

    /// Waits for clients that end by themselves.
    pub async fn ended(mut self) -> Tally {
        while let Some(client) = self.clients.join_next().await {
            client.expect("a client does not panic");
        }
        self.tally()
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Counts the end of a call; true where it was answered.
    fn count(&self, speech: Speech, ended: Result<String, String>) -> bool {
        let mut tally = self.tally.lock().expect("no client panics with the lock");
        match ended {
            Ok(server) => {
                *tally.answered.entry((speech, server)).or_default() += 1;
                true
            }
            Err(error) => {
                tally.failed.push(format!("{speech:?}: {error}"));
                false
            }
        }
    }
}

fn server_of(metadata: &MetadataMap) -> String {
    metadata.get("x-served-by").and_then(|name| name.to_str().ok()).unwrap_or("nobody").to_owned()
}

async fn over_grpc(
    address: SocketAddr,
    number: usize,
    sleep_ms: i32,
    after: AfterFailure,
    shared: Arc<Shared>,
) {
    let client =
        ParityClient::connect(format!("http://{address}")).await.expect("the address is listened on");
    // Who counts calls, in a server that goes away, makes only those whose request is one message.
    let kinds = if after == AfterFailure::End { 4 } else { 6 };
    let mut call = number;
    while !shared.is_over() {
        call += 1;
        let kind = call % kinds;
        let speech = if [2, 3, 5].contains(&kind) { Speech::GrpcStream } else { Speech::Grpc };
        let ended = one_over_grpc(&client, kind, sleep_ms).await;
        let answered = shared.count(speech, ended);
        if !answered && after == AfterFailure::End {
            return;
        }
    }
}

/// Makes a call of one kind, and says who served it.
async fn one_over_grpc(client: &ParityClient, kind: usize, sleep_ms: i32) -> Result<String, String> {
    let echo = || EchoRequest {
        text: "hello".to_owned(),
        plan: Some(Plan { sleep_ms, ..Plan::default() }),
        ..EchoRequest::default()
    };
    let numbers = || {
        let plan = Some(Plan { sleep_ms, ..Plan::default() });
        tokio_stream::iter([SumRequest { number: 1, plan }, SumRequest { number: 2, plan: None }])
    };
    let count = CountRequest { to: MESSAGES, pause_ms: sleep_ms, plan: None };
    let failed = |status: ambidex::Status| format!("kind {kind}: {status}");
    let (server, right) = match kind {
        0 | 1 => {
            let called =
                if kind == 0 { client.echo(echo()).await } else { client.echo_blocking(echo()).await };
            let response = called.map_err(failed)?;
            (server_of(response.metadata()), response.get_ref().text == "hello")
        }
        2 | 3 => {
            let called =
                if kind == 2 { client.count(count).await } else { client.count_blocking(count).await };
            let response: Response<_> = called.map_err(failed)?;
            let server = server_of(response.metadata());
            let (mut replies, mut sum) = (response.into_inner(), 0);
            while let Some(reply) = replies.message().await.map_err(failed)? {
                sum += reply.number;
            }
            (server, sum == (1..=MESSAGES).sum::<i32>())
        }
        4 => {
            let response = client.sum(numbers()).await.map_err(failed)?;
            (server_of(response.metadata()), response.get_ref().sum == 3)
        }
        _ => {
            let response = client.running_blocking(numbers()).await.map_err(failed)?;
            let server = server_of(response.metadata());
            let (mut replies, mut last) = (response.into_inner(), 0);
            while let Some(reply) = replies.message().await.map_err(failed)? {
                last = reply.sum;
            }
            (server, last == 3)
        }
    };
    if right { Ok(server) } else { Err(format!("kind {kind}: a wrong answer")) }
}

async fn over_http(
    address: SocketAddr,
    number: usize,
    sleep_ms: i32,
    after: AfterFailure,
    shared: Arc<Shared>,
) {
    let mut kept = None;
    let mut call = number;
    while !shared.is_over() {
        call += 1;
        let (speech, path) = match call % 4 {
            0 => (Speech::Http, "/v1/echo"),
            1 => (Speech::Http, "/v1/blocking/echo"),
            2 => (Speech::HttpStream, "/v1/count"),
            _ => (Speech::HttpStream, "/v1/blocking/count"),
        };
        let ended = one_over_http(address, &mut kept, speech, path, sleep_ms).await;
        let answered = shared.count(speech, ended);
        if !answered && after == AfterFailure::End {
            return;
        }
    }
}

/// Makes a call on the connection that is kept, or on a new one where the last was closed after its answer.
async fn one_over_http(
    address: SocketAddr,
    kept: &mut Option<SendRequest<Full<Bytes>>>,
    speech: Speech,
    path: &str,
    sleep_ms: i32,
) -> Result<String, String> {
    let mut sender = match kept.take() {
        Some(sender) => sender,
        None => connect(address).await?,
    };
    if sender.ready().await.is_err() {
        sender = connect(address).await?;
    }
    let response = sender.send_request(request(speech, path, sleep_ms)).await;
    let response = response.map_err(|error| format!("{path}: {error}"))?;
    let server = response.headers().get("x-served-by").and_then(|name| name.to_str().ok());
    let (server, status) = (server.unwrap_or("nobody").to_owned(), response.status());
    let body = response.collect().await.map_err(|error| format!("{path}: {error}"))?.to_bytes();
    let is_right = if speech.streams() { is_whole(&body) } else { says_hello(&body) };
    if status != 200 || !is_right {
        return Err(format!("{path}: {status}: {}", String::from_utf8_lossy(&body)));
    }
    *kept = Some(sender);
    Ok(server)
}

fn request(speech: Speech, path: &str, sleep_ms: i32) -> http::Request<Full<Bytes>> {
    if speech.streams() {
        let uri = format!("{path}?to={MESSAGES}&pauseMs={sleep_ms}");
        let request = http::Request::get(uri).header("host", "a").header("accept", "application/x-ndjson");
        return request.body(Full::default()).expect("a request");
    }
    let body = json!({"text": "hello", "plan": {"sleepMs": sleep_ms}}).to_string();
    let request = http::Request::post(path).header("host", "a").header("content-type", "application/json");
    request.body(Full::from(body)).expect("a request")
}

fn says_hello(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|reply| reply["text"] == "hello")
}

/// Every message of a stream, and the record that says it ended well.
fn is_whole(body: &[u8]) -> bool {
    let lines = body.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let lines: Result<Vec<Value>, _> = lines.map(serde_json::from_slice).collect();
    let Ok(lines) = lines else { return false };
    let Some((end, messages)) = lines.split_last() else { return false };
    let numbers: Vec<_> = messages.iter().map(|line| line["result"]["number"].as_i64()).collect();
    end["status"]["code"] == 0 && numbers == (1..=i64::from(MESSAGES)).map(Some).collect::<Vec<_>>()
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| format!("connecting: {error}"))?;
    let (sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|error| format!("connecting: {error}"))?;
    tokio::spawn(connection);
    Ok(sender)
}
