//! Conversations with a server: on each stream a message is sent when the answer to the one before is there.
//!
//! h2load sends a body and is done with it, so this is a client of our own. What it costs is not the server's.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::Error;
use crate::load::{CONNECTIONS_MIN, Run};

/// Holds `in_flight` conversations of `requests` messages together. Returns messages per second.
///
/// # Errors
///
/// When a conversation ends early.
pub(crate) fn talk(run: Run<'_>) -> Result<f64, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let message = Bytes::from(run.contestant.request_body()?.ok_or("a conversation has messages")?);
        let connections = CONNECTIONS_MIN.min(run.in_flight);
        let mut senders = Vec::new();
        for _ in 0..connections {
            senders.push(connect(run.address).await?);
        }
        let mut talks = JoinSet::new();
        let began = Instant::now();
        for number in 0..run.in_flight {
            // Those that do not divide evenly are the first's.
            let more = usize::from(number < run.requests % run.in_flight);
            let count = run.requests / run.in_flight + more;
            let request = Talk {
                uri: format!("http://{}{}", run.address, run.contestant.path),
                headers: run.contestant.wire.headers(),
                message: message.clone(),
                reply_bytes: run.reply_bytes,
            };
            talks.spawn(request.hold(senders[number % connections].clone(), count));
        }
        while let Some(ended) = talks.join_next().await {
            ended??;
        }
        Ok(run.requests as f64 / began.elapsed().as_secs_f64())
    })
}

type Sender = http2::SendRequest<Messages>;

async fn connect(address: SocketAddr) -> Result<Sender, Error> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

struct Talk {
    uri: String,
    headers: &'static [(&'static str, &'static str)],
    message: Bytes,
    reply_bytes: usize,
}

impl Talk {
    async fn hold(self, mut sender: Sender, count: usize) -> Result<(), TalkError> {
        let (say, said) = mpsc::unbounded_channel();
        let mut request = Request::post(&self.uri);
        for (name, value) in self.headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Messages(said)).map_err(|_| TalkError)?;
        say.send(self.message.clone()).map_err(|_| TalkError)?;
        let mut replies = sender.send_request(request).await.map_err(|_| TalkError)?.into_body();
        let (mut heard, mut answers) = (0, 0);
        while answers < count {
            let frame = replies.frame().await.ok_or(TalkError)?.map_err(|_| TalkError)?;
            heard += frame.into_data().map_err(|_| TalkError)?.len();
            if heard == self.reply_bytes {
                (heard, answers) = (0, answers + 1);
                if answers < count {
                    say.send(self.message.clone()).map_err(|_| TalkError)?;
                }
            }
        }
        drop(say);
        while let Some(Ok(_)) = replies.frame().await {}
        Ok(())
    }
}

#[derive(Debug)]
pub(crate) struct TalkError;

impl std::fmt::Display for TalkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a conversation ended before its last answer")
    }
}

impl std::error::Error for TalkError {}

/// A body of the messages as they are said.
struct Messages(mpsc::UnboundedReceiver<Bytes>);

impl Body for Messages {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|message| message.map(|message| Ok(Frame::data(message))))
    }
}
