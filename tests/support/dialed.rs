//! Clients over a connection that the test has dialed: a Unix socket, TLS, or TCP it keeps an eye on.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ambidex::call::{Call, Peer, Reply};
use ambidex::client::Channel;
use ambidex::interceptor::{self, Next};
use ambidex::{Status, tonic};
use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use super::http_client::Answer;
use super::parity_v1::ParityClient;

/// What a connection is made of, for clients that do not care.
pub trait Bytes: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Bytes for T {}

/// HTTP/1.1 or HTTP/2 on one connection, kept open as long as the server likes.
pub enum Dialed {
    Http1(hyper::client::conn::http1::SendRequest<Body>),
    Http2(hyper::client::conn::http2::SendRequest<Body>),
}

impl Dialed {
    pub async fn http1(stream: impl Bytes) -> Self {
        let (send, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a connection");
        tokio::spawn(connection);
        Self::Http1(send)
    }

    pub async fn http2(stream: impl Bytes) -> Self {
        let (send, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .expect("a connection");
        tokio::spawn(connection);
        Self::Http2(send)
    }

    /// Sends a request and returns as soon as the head of its response is there.
    pub async fn begin(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Http1(send) => {
                send.ready().await?;
                send.send_request(request).await
            }
            Self::Http2(send) => {
                send.ready().await?;
                send.send_request(request).await
            }
        }
    }

    /// Sends a request and reads its response to the end.
    pub async fn send(&mut self, request: Request<Body>) -> hyper::Result<Answer> {
        let (head, body) = self.begin(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    /// A call over REST.
    pub async fn echo(&mut self, text: &str) -> hyper::Result<Answer> {
        self.send(post("/v1/echo", format!("{{\"text\":{text:?}}}"))).await
    }

    /// Waits until the connection is closed.
    pub async fn closed(&mut self) {
        let closed = async {
            while !self.is_closed() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), closed).await.expect("it is closed");
    }

    pub fn is_closed(&self) -> bool {
        match self {
            Self::Http1(send) => send.is_closed(),
            Self::Http2(send) => send.is_closed(),
        }
    }
}

/// A POST with JSON.
pub fn post(path: &str, json: impl Into<Body>) -> Request<Body> {
    let request = Request::post(format!("http://localhost{path}"))
        .header("host", "localhost")
        .header("content-type", "application/json");
    request.body(json.into()).expect("a request")
}

/// A gRPC client whose connections are dialed by `dial`.
pub async fn grpc<S, D, F>(dial: D) -> Result<ParityClient, tonic::transport::Error>
where
    S: Bytes,
    D: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = std::io::Result<S>> + Send + 'static,
{
    let connector = tower::service_fn(move |_: http::Uri| {
        let stream = dial();
        async move { stream.await.map(TokioIo::new) }
    });
    let endpoint = tonic::transport::Endpoint::from_static("http://localhost");
    let channel = endpoint.connect_with_connector(connector).await?;
    Ok(ParityClient::new(Channel::from_tonic(channel)))
}

type Answered = futures_util::future::BoxFuture<'static, Result<Reply, Status>>;

/// Who called, as handlers and interceptors see it.
#[derive(Clone, Default)]
pub struct Peers(Arc<Mutex<Vec<Peer>>>);

impl Peers {
    /// An interceptor that notes them.
    pub fn interceptor(&self) -> interceptor::FromFn<impl Fn(Call, Next) -> Answered + Clone + use<>> {
        let peers = self.clone();
        interceptor::from_fn(move |call: Call, next: Next| -> Answered {
            peers.0.lock().unwrap().push(call.context().peer().clone());
            Box::pin(next.run(call))
        })
    }

    /// The only one since this was asked last.
    pub fn only(&self) -> Peer {
        let peers = std::mem::take(&mut *self.0.lock().unwrap());
        let [peer] = &peers[..] else { panic!("one call: {peers:?}") };
        peer.clone()
    }

    /// The last one.
    pub fn last(&self) -> Peer {
        self.0.lock().unwrap().last().expect("somebody called").clone()
    }
}
