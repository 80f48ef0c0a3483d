//! Those who only want to be served: over gRPC and HTTP, by async and by blocking handlers, one message and streams.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::support::parity_v1::{CountRequest, EchoRequest, ParityClient};

/// A call that takes longer than this has failed: nobody waits any more.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two calls of one client; it is the attackers who are to be busy.
const PAUSE: Duration = Duration::from_millis(3);

pub struct Honest {
    over: Arc<AtomicBool>,
    /// Calls of each that were answered as they should.
    answered: Vec<Arc<AtomicUsize>>,
    clients: JoinSet<Vec<String>>,
}

/// What became of their calls.
#[derive(Debug)]
pub struct Calls {
    pub count: usize,
    pub failures: Vec<String>,
    fewest: usize,
}

impl Calls {
    /// Those, and these.
    pub fn and(mut self, more: Self) -> Self {
        self.failures.extend(more.failures);
        Self { count: self.count + more.count, failures: self.failures, fewest: self.fewest.min(more.fewest) }
    }

    #[track_caller]
    pub fn are_fine(&self) {
        assert!(
            self.failures.is_empty(),
            "{} of {} failed: {:?}",
            self.failures.len(),
            self.count,
            self.failures
        );
        assert!(self.fewest > 0, "each kind of client was served");
    }
}

impl Honest {
    pub async fn begin(address: SocketAddr) -> Self {
        let mut honest = Self { over: Arc::default(), answered: Vec::new(), clients: JoinSet::new() };
        let grpc = ParityClient::connect(format!("http://{address}")).await.expect("it listens");
        let http: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).build_http();
        let asks = || EchoRequest { text: "hi".into(), ..EchoRequest::default() };
        let client = grpc.clone();
        honest.client("gRPC, async", move || {
            let client = client.clone();
            async move { Ok(client.echo(asks()).await.map_err(said)?.into_inner().text == "hi") }
        });
        let client = grpc.clone();
        honest.client("gRPC, blocking", move || {
            let client = client.clone();
            async move { Ok(client.echo_blocking(asks()).await.map_err(said)?.into_inner().text == "hi") }
        });
        honest.client("gRPC, a stream", move || {
            let client = grpc.clone();
            async move {
                let request = CountRequest { to: 3, ..CountRequest::default() };
                let mut numbers = client.count_blocking(request).await.map_err(said)?.into_inner();
                let mut sum = 0;
                while let Some(next) = numbers.message().await.map_err(said)? {
                    sum += next.number;
                }
                Ok(sum == 6)
            }
        });
        for (name, path) in [("HTTP, async", "/v1/echo"), ("HTTP, blocking", "/v1/blocking/echo")] {
            let client = http.clone();
            honest.client(name, move || {
                let client = client.clone();
                async move {
                    let request = Request::post(format!("http://{address}{path}"));
                    let request = request.header("content-type", "application/json");
                    let request = request.body(Body::from(r#"{"text":"hi"}"#)).expect("a request");
                    let (head, body) = client.request(request).await.map_err(said)?.into_parts();
                    let body = body.collect().await.map_err(said)?.to_bytes();
                    Ok(head.status == StatusCode::OK && body.starts_with(b"{\"text\":\"hi\""))
                }
            });
        }
        honest
    }

    fn client<F>(&mut self, name: &'static str, call: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = Result<bool, String>> + Send + 'static,
    {
        let answered = Arc::new(AtomicUsize::new(0));
        self.answered.push(Arc::clone(&answered));
        let over = Arc::clone(&self.over);
        self.clients.spawn(async move {
            let mut failures = Vec::new();
            while !over.load(Ordering::Relaxed) {
                match timeout(PATIENCE, call()).await {
                    Ok(Ok(true)) => {
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(Ok(false)) => failures.push(format!("{name}: something else was answered")),
                    Ok(Err(error)) => failures.push(format!("{name}: {error}")),
                    Err(late) => failures.push(format!("{name}: {late}")),
                }
                sleep(PAUSE).await;
            }
            failures
        });
    }

    /// Waits until each was answered so often from now on.
    pub async fn until(&self, count: usize) {
        let before: Vec<_> = self.answered.iter().map(|answered| answered.load(Ordering::Relaxed)).collect();
        let waiting = async {
            while self
                .answered
                .iter()
                .zip(&before)
                .any(|(now, then)| now.load(Ordering::Relaxed) < then + count)
            {
                sleep(PAUSE).await;
            }
        };
        // Those who fail are heard at the end.
        let _ = timeout(PATIENCE * 2, waiting).await;
    }

    /// Ends when those calls have that are under way.
    pub async fn end(mut self) -> Calls {
        self.over.store(true, Ordering::Relaxed);
        let mut failures = Vec::new();
        while let Some(client) = self.clients.join_next().await {
            failures.extend(client.expect("a client"));
        }
        let answered = self.answered.iter().map(|answered| answered.load(Ordering::Relaxed));
        let (count, fewest) = (answered.clone().sum::<usize>() + failures.len(), answered.min().unwrap_or(0));
        Calls { count, failures, fewest }
    }
}

fn said(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}
