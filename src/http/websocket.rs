//! Any method over a WebSocket: a stream each way for browsers, which have no other.
//!
//! A text frame is a message as JSON, a binary frame is one as protobuf; an empty text frame ends the client's
//! stream. Replies are `{"result": message}` as text, or where the subprotocol `ambidex.proto` was agreed on, bare
//! protobuf as binary frames. At the end comes `{"status": {…}}` as text, and then the close: its code is 1000 for OK
//! and 4000 plus the gRPC code for an error, its reason the error's message as far as there is room.
//!
//! A page of another origin may not open one unless the server allows it: browsers send cookies along and ask
//! nobody.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body as HttpBody;
use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use super::content::Encoding;
use super::endpoint::{Endpoint, View};
use super::heads::Heads;
use super::request::{Target, message};
use super::routes::Found;
use super::{Shared, reply, status, stream_reply};
use crate::call::{self, Body, Call, Head, MessageStream, Peer, Reply};

const JSON_PROTOCOL: &str = "ambidex.json";
const PROTO_PROTOCOL: &str = "ambidex.proto";

/// Messages that are read ahead of a handler, so that a client which leaves is noticed meanwhile.
const REQUESTS_AHEAD: usize = 16;

/// How long a client may take to close its side once we have closed ours.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// The close code of OK.
const CLOSE_NORMAL: u16 = 1000;

/// Codes from here on are an application's own: RFC 6455, section 7.4.2.
const CLOSE_OWN: u16 = 4000;

/// A close frame has this much room for its reason.
const REASON_MAX_BYTES: usize = 123;

/// Whether a request wants to become a WebSocket.
pub(super) fn is_asked_for(request: &Request<HttpBody>) -> bool {
    let is_websocket = |name: &HeaderValue| name.as_bytes().eq_ignore_ascii_case(b"websocket");
    *request.method() == Method::GET && request.headers().get(header::UPGRADE).is_some_and(is_websocket)
}

/// Answers a request for a WebSocket; the call begins when it is open.
pub(super) async fn open(edge: &Arc<Shared>, request: Request<HttpBody>, peer: Peer) -> Response<HttpBody> {
    let (mut parts, _) = request.into_parts();
    let (endpoint, captures) = match edge.routes.find_websocket(parts.uri.path()) {
        Found::Endpoint { endpoint, captures } => (Arc::clone(endpoint), captures),
        Found::BadPath => return edge.refuse(Status::invalid_argument("the path has a malformed escape")),
        _ => return edge.refuse(Status::not_found(format!("there is nothing at {}", parts.uri.path()))),
    };
    let heads = Heads::of(&parts.headers);
    if !is_allowed(&parts.headers, &edge.config.websocket_origins) {
        let message = "a page of this origin may not open a WebSocket here";
        return edge.failed(&endpoint, &heads, Status::permission_denied(message));
    }
    let head = match edge.head(&endpoint, &heads, peer) {
        Ok(head) => head,
        Err(status) => return edge.failed(&endpoint, &heads, status),
    };
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(refused) => return edge.refuse(Status::invalid_argument(refused.to_string())),
    };
    // One that is a little too large is told so; one that is far too large is cut off.
    let cut_off = edge.config.body_max_bytes.saturating_mul(2);
    let upgrade =
        upgrade.protocols([JSON_PROTOCOL, PROTO_PROTOCOL]).max_message_size(cut_off).max_frame_size(cut_off);
    let proto = upgrade.selected_protocol().is_some_and(|chosen| chosen == PROTO_PROTOCOL);
    let session = Session {
        metadata: call::incoming_metadata(parts.headers),
        target: Target { captures, uri: parts.uri, content_type: None },
        encoding: if proto { Encoding::Proto } else { Encoding::Json },
        edge: Arc::clone(edge),
        endpoint,
        head,
    };
    let open = edge.websockets.token();
    upgrade.on_upgrade(move |socket| async move {
        session.run(socket).await;
        drop(open);
    })
}

/// Whether the page that asks, if it is one, is of this server or one of those it trusts.
fn is_allowed(headers: &HeaderMap, trusted: &[String]) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    // Whoever is no browser could claim any origin.
    let Some(origin) = text(header::ORIGIN) else { return true };
    if trusted.iter().any(|trusted| trusted == "*" || trusted.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let host = text(header::HOST).unwrap_or_default();
    let authority = origin.parse::<Uri>().ok().and_then(|origin| origin.authority().cloned());
    authority.is_some_and(|authority| authority.as_str().eq_ignore_ascii_case(host))
}

/// A call that is about to begin.
struct Session {
    edge: Arc<Shared>,
    endpoint: Arc<Endpoint>,
    head: Head,
    metadata: MetadataMap,
    target: Target,
    /// How replies are spelled.
    encoding: Encoding,
}

impl Session {
    async fn run(self, socket: WebSocket) {
        let Self { edge, endpoint, head, metadata, target, encoding } = self;
        let (sink, mut source) = socket.split();
        let (requests, received) = mpsc::channel(REQUESTS_AHEAD);
        let call = Call::new(head, metadata, Body::stream(ReceiverStream::new(received)));
        let call = call.by(Arc::clone(&endpoint.seen));
        let view = View { json: edge.config.json_out.clone().with_pretty(false), mask: None };
        let mut replies = Replies { edge: &edge, endpoint: &endpoint, view, encoding, sink };
        let mut reader = Reader { edge: &edge, endpoint: &endpoint, target, requests: Some(requests) };
        let status = tokio::select! {
            biased;
            status = replies.answer(call) => status,
            ended = reader.read(&mut source) => match ended {
                Ended::Gone => return,
                Ended::Wrong(status) => Some((status, MetadataMap::new())),
            },
        };
        let Some((status, trailers)) = status else { return };
        if replies.close(&status, &trailers).await.is_ok() {
            // The client's close is the last frame there is.
            let closed = async { while let Some(Ok(_)) = source.next().await {} };
            let _ = timeout(CLOSE_WAIT, closed).await;
        }
    }
}

/// Why nothing is read any more.
enum Ended {
    /// The client closed, or its connection broke: nobody waits for an answer.
    Gone,
    Wrong(Status),
}

/// From frames to the messages of the request.
struct Reader<'a> {
    edge: &'a Arc<Shared>,
    endpoint: &'a Arc<Endpoint>,
    target: Target,
    /// None once the client's stream has ended.
    requests: Option<mpsc::Sender<Result<Bytes, Status>>>,
}

impl Reader<'_> {
    /// Reads until the client leaves, also behind the end of its stream: only so is its leaving seen.
    async fn read(&mut self, source: &mut SplitStream<WebSocket>) -> Ended {
        let streams = self.endpoint.route.spec.kind().client_streams();
        loop {
            let Some(frame) = self.next_frame(source).await else { return Ended::Gone };
            let (encoding, data) = match frame {
                Message::Text(text) if text.is_empty() => {
                    self.requests = None;
                    continue;
                }
                Message::Text(text) => (Encoding::Json, Bytes::from(text)),
                Message::Binary(data) => (Encoding::Proto, data),
                Message::Close(_) => return Ended::Gone,
                // A pong is a sign of life, and a ping was answered already.
                Message::Ping(_) | Message::Pong(_) => continue,
            };
            let Some(requests) = &self.requests else {
                let what =
                    if streams { "a message after the end of the stream" } else { "more than one message" };
                return Ended::Wrong(Status::invalid_argument(format!("{what} was sent")));
            };
            let limit_bytes = self.edge.config.body_max_bytes;
            let made = if data.len() > limit_bytes {
                Err(status::body_too_large(limit_bytes))
            } else {
                message(&self.endpoint.request, encoding, data, &self.target, &self.edge.config)
            };
            let failed = made.is_err();
            // A handler that does not want the rest has let go of its stream.
            let taken = requests.send(made).await.is_ok();
            if failed || !taken || !streams {
                self.requests = None;
            }
        }
    }

    /// The next frame; none when the client is gone, or silent for so long that it must be.
    async fn next_frame(&self, source: &mut SplitStream<WebSocket>) -> Option<Message> {
        let every = self.edge.config.keep_alive;
        let next = source.next();
        let next = if every.is_zero() { next.await } else { timeout(every * 3, next).await.ok()? };
        next?.ok()
    }
}

/// From a reply to frames.
struct Replies<'a> {
    edge: &'a Arc<Shared>,
    endpoint: &'a Arc<Endpoint>,
    view: View,
    encoding: Encoding,
    sink: SplitSink<WebSocket, Message>,
}

impl Replies<'_> {
    /// Makes the call and sends what it replies, up to its status; none if there is nobody to send it to.
    async fn answer(&mut self, call: Call) -> Option<(Status, MetadataMap)> {
        let reply = match self.alive(self.edge.dispatcher.call(&self.endpoint.route, call)).await? {
            Ok(reply) => reply,
            Err(status) => return Some((status, MetadataMap::new())),
        };
        let Reply { metadata, body, mut trailers, .. } = reply;
        if !metadata.is_empty() {
            let mut record = Vec::new();
            if stream_reply::push_metadata(&metadata, &MetadataMap::new(), b"{\"metadata\":{", &mut record) {
                record.push(b'}');
                self.send(text(record)).await?;
            }
        }
        let mut messages: MessageStream = body.into_stream();
        let status = loop {
            match self.alive(messages.next()).await? {
                Some(Ok(message)) => match self.frame(message) {
                    Ok(frame) => self.send(frame).await?,
                    Err(status) => break status,
                },
                Some(Err(status)) => break status,
                None => break Status::new(Code::Ok, ""),
            }
        };
        Some((status, trailers.take()))
    }

    /// Waits for `work`, and meanwhile asks now and then whether the client is there.
    async fn alive<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let every = self.edge.config.keep_alive;
        let mut work = std::pin::pin!(work);
        if every.is_zero() {
            return Some(work.await);
        }
        let mut next = Instant::now() + every;
        loop {
            tokio::select! {
                biased;
                done = work.as_mut() => return Some(done),
                () = tokio::time::sleep_until(next) => self.send(Message::Ping(Bytes::new())).await?,
            }
            next = Instant::now() + every;
        }
    }

    fn frame(&self, message: Bytes) -> Result<Message, Status> {
        match self.encoding {
            Encoding::Proto => Ok(Message::Binary(message)),
            Encoding::Json => {
                let mut record = Vec::with_capacity(message.len() * 2 + 16);
                record.extend_from_slice(b"{\"result\":");
                reply::push_json(&self.endpoint.reply, &message, &self.view, &mut record)?;
                record.push(b'}');
                Ok(text(record))
            }
        }
    }

    async fn close(&mut self, status: &Status, trailers: &MetadataMap) -> Result<(), ()> {
        let mut record = b"{\"status\":{".to_vec();
        stream_reply::push_status(status, trailers, self.edge, &mut record);
        record.extend_from_slice(b"}}");
        self.send(text(record)).await.ok_or(())?;
        let code = match status.code() {
            Code::Ok => CLOSE_NORMAL,
            code => CLOSE_OWN + code as u16,
        };
        let reason = shortened(status.message(), REASON_MAX_BYTES).to_owned().into();
        self.send(Message::Close(Some(CloseFrame { code, reason }))).await.ok_or(())
    }

    async fn send(&mut self, frame: Message) -> Option<()> {
        self.sink.send(frame).await.ok()
    }
}

/// A frame of JSON, which is UTF-8 as we write it.
fn text(json: Vec<u8>) -> Message {
    Message::Text(String::from_utf8_lossy(&json).into_owned().into())
}

/// As many whole characters as fit.
fn shortened(text: &str, max_bytes: usize) -> &str {
    let mut end = text.len().min(max_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_origins_are_refused_unless_trusted() {
        let cases = [
            (None, "a.example", true),
            (Some("https://a.example"), "a.example", true),
            (Some("http://A.example:8080"), "a.example:8080", true),
            (Some("https://evil.example"), "a.example", false),
            (Some("https://trusted.example"), "a.example", true),
            (Some("null"), "a.example", false),
        ];
        for (origin, host, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().expect("a value"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().expect("a value"));
            }
            assert_eq!(is_allowed(&headers, &["https://trusted.example".into()]), expected, "{origin:?}");
        }
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        assert_eq!(shortened("aé", 2), "a");
        assert_eq!(shortened("aé", 3), "aé");
        assert_eq!(shortened("", 3), "");
    }
}
