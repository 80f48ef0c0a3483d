//! Any method over a WebSocket: a stream each way for browsers, which have no other.
//!
//! A text frame is a message as JSON, a binary frame is one as protobuf; an empty text frame ends the client's
//! stream. Replies are `{"result": message}` as text, or where the subprotocol `ambidex.proto` was agreed on, bare
//! protobuf as binary frames. At the end comes `{"status": {…}}` as text, and then the close: its code is 1000 for OK
//! and 4000 plus the gRPC code for an error, its reason the error's message as far as there is room.
//!
//! A page of another origin may not open one unless the server allows it, and then without its user's cookies unless
//! the server allows that too: browsers send them along and ask nobody.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body as HttpBody;
use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use super::answer_body::AnswerBody;
use super::captures::Captures;
use super::content::Encoding;
use super::endpoint::{Endpoint, View};
use super::exchange::Exchange;
use super::heads::Heads;
use super::origin::Origin;
use super::request::Target;
use super::routes::Found;
use super::system::{Alt, System};
use super::{HttpConfig, Shared, reply, status, stream_reply};
use crate::call::{
    self, Body, Call, Deadline, Head, HttpRequest, MessageStream, Peer, Protocol, Reply, Share,
};

const JSON_PROTOCOL: &str = "ambidex.json";
const PROTO_PROTOCOL: &str = "ambidex.proto";

/// Messages that are read ahead of a handler, so that a client which leaves is noticed meanwhile. Together they have
/// no more bytes than one may have.
const REQUESTS_AHEAD: usize = 16;

/// How long a client may take to read our last words, and to close its side.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// What is gathered before it is written: a few packets.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// What is read at once, and so what of a flood of tiny frames is looked at before anybody else has a turn.
const READ_BUFFER_BYTES: usize = 8 * 1024;

/// Pings that are answered between two frames of ours, within a minute. Their pongs wait in memory for a client that
/// does not read, and one that asks more often is up to nothing else.
const PINGS_MAX: usize = 500;
const PINGS_WITHIN: Duration = Duration::from_secs(60);

/// The close code of OK.
const CLOSE_NORMAL: u16 = 1000;

/// Codes from here on are an application's own: RFC 6455, section 7.4.2.
const CLOSE_OWN: u16 = 4000;

/// A close frame has this much room for its reason.
const REASON_MAX_BYTES: usize = 123;

/// The WebSockets of a server. Each is a connection that has left its own task, and ends here.
#[derive(Debug, Clone, Default)]
pub(crate) struct WebSockets {
    open: TaskTracker,
    cut: CancellationToken,
}

impl WebSockets {
    /// Waits until all are closed; no new one is waited for.
    pub(crate) async fn closed(&self) {
        self.open.close();
        self.open.wait().await;
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.open.len()
    }

    /// Cuts off those that are open.
    pub(crate) fn cut_off(&self) {
        self.cut.cancel();
    }
}

/// What a connection holds, handed on to what it becomes: its place among the connections of the server.
#[derive(Debug, Clone)]
pub(crate) struct Held(
    #[expect(dead_code, reason = "it is held, not used")] pub(crate) Arc<dyn Any + Send + Sync>,
);

/// Whether a request wants to become a WebSocket.
pub(crate) fn is_asked_for<B>(request: &Request<B>) -> bool {
    *request.method() == Method::GET
        && call::first_header(request.headers(), &header::UPGRADE).is_some_and(is_named)
}

/// Whether that is the protocol that somebody wants to go on with.
pub(super) fn is_named(upgrade: &HeaderValue) -> bool {
    upgrade.as_bytes().eq_ignore_ascii_case(b"websocket")
}

/// Answers a request for a WebSocket; the call begins when it is open.
pub(super) async fn open(
    edge: Share<Shared>,
    request: Request<HttpBody>,
    peer: Peer,
) -> Response<AnswerBody> {
    let (mut parts, _) = request.into_parts();
    let refuse = |status: Status, parts: &Parts| edge.refuse(status, &Heads::of(&parts.headers), &parts.uri);
    let mut captured = ambidex_schema::Captures::default();
    let endpoint = match edge.routes.find_websocket(parts.uri.path(), &mut captured) {
        Found::Endpoint(endpoint) => endpoint.share(),
        Found::BadPath => {
            return refuse(Status::invalid_argument("the path has a malformed escape"), &parts);
        }
        Found::OtherMethods(_) => {
            let message = "several methods have routes here: open the WebSocket at /package.Service/Method";
            return refuse(Status::invalid_argument(message), &parts);
        }
        Found::Nothing => {
            return refuse(Status::not_found(format!("there is nothing at {}", parts.uri.path())), &parts);
        }
    };
    let captures = Captures::of(&captured, parts.uri.path());
    drop(captured);
    let heads = Heads::of(&parts.headers);
    let refused = |status| {
        let exchange = Exchange::new(&endpoint, &heads, false, &edge.config);
        exchange.disagreed(parts.uri.query(), &edge.config).failed(status, &edge)
    };
    let origin = Origin::of(&heads, &parts.uri, &edge.config.origins, peer.tls);
    if origin == Origin::Foreign {
        let message = "a page of this origin may not open a WebSocket here";
        return refused(Status::permission_denied(message));
    }
    let head = match super::timeout(&heads) {
        Ok(timeout) => edge.head(&endpoint, timeout, peer),
        Err(status) => return refused(status),
    };
    let (view, alt) = match view(&endpoint, parts.uri.query(), &edge.config) {
        Ok(agreed) => agreed,
        Err(status) => return refused(status),
    };
    // Its user's word counts here as little as it would in a request.
    if origin == Origin::Allowed && !edge.config.credentials {
        parts.headers.remove(header::COOKIE);
        parts.headers.remove(header::AUTHORIZATION);
    }
    // There is no answer that could be an old one.
    parts.headers.remove(header::IF_NONE_MATCH);
    parts.headers.remove(header::IF_MODIFIED_SINCE);
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(refused) => return refuse(Status::invalid_argument(refused.to_string()), &parts),
    };
    // One that is a little too large is told so; one that is far too large is cut off.
    let cut_off = endpoint.body_max_bytes(&edge.config).saturating_mul(2);
    let upgrade = upgrade
        .protocols([JSON_PROTOCOL, PROTO_PROTOCOL])
        .max_message_size(cut_off)
        .max_frame_size(cut_off)
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES);
    let told = endpoint
        .route
        .wants_request()
        .then(|| HttpRequest::of(&parts.method, &parts.uri, parts.version, &parts.headers));
    let chosen = upgrade.selected_protocol().map(|chosen| match chosen == PROTO_PROTOCOL {
        true => Encoding::Proto,
        false => Encoding::Json,
    });
    let encoding = match (alt, chosen) {
        (Some(alt), Some(chosen)) if alt != chosen => {
            let message = "$alt: the subprotocol says another form of the messages";
            return refuse(Status::invalid_argument(message), &parts);
        }
        (alt, chosen) => alt.or(chosen).unwrap_or(Encoding::Json),
    };
    let session = Session {
        metadata: call::incoming_metadata(parts.headers),
        target: Target { captures, uri: parts.uri, content_type: None },
        encoding,
        view,
        edge: edge.clone(),
        endpoint,
        head,
        told,
    };
    let held = (edge.websockets.open.token(), parts.extensions.remove::<Held>());
    let cut = edge.websockets.cut.clone();
    let response = upgrade.on_upgrade(move |socket| async move {
        cut.run_until_cancelled(session.run(socket)).await;
        drop(held);
    });
    response.map(AnswerBody::from)
}

/// What of the replies is shown, and how, as the query says it: on an RPC route the query is Connect's, which has no words
/// for that.
fn view(
    endpoint: &Endpoint,
    query: Option<&str>,
    config: &HttpConfig,
) -> Result<(View, Option<Encoding>), Status> {
    let query = query.filter(|_| endpoint.protocol == Protocol::Rest);
    let system = System::of_query(query, config.response_masks)?;
    let encoding = match system.alt {
        None => None,
        Some(Alt::Json) => Some(Encoding::Json),
        Some(Alt::Proto) if endpoint.shows_proto() => Some(Encoding::Proto),
        Some(_) => {
            return Err(Status::invalid_argument("$alt: the messages of this WebSocket have no such form"));
        }
    };
    Ok((View { json: system.json(&config.json_out), mask: endpoint.mask(&system)? }, encoding))
}

/// A call that is about to begin.
struct Session {
    edge: Share<Shared>,
    endpoint: Share<Endpoint>,
    head: Head,
    told: Option<Box<HttpRequest>>,
    metadata: MetadataMap,
    target: Target,
    /// How replies are spelled.
    encoding: Encoding,
    view: View,
}

impl Session {
    async fn run(self, socket: WebSocket) {
        let Self { edge, endpoint, head, told, metadata, target, encoding, view } = self;
        let (sink, mut source) = socket.split();
        let (requests, received) = mpsc::channel(REQUESTS_AHEAD);
        // What a message holds of the room for those read ahead it gives back when the handler has it.
        let received = ReceiverStream::new(received).map(|(message, _room): Ahead| message);
        let deadline = head.deadline;
        let mut call = Call::new(head, metadata, Body::stream(received));
        if let Some(told) = told {
            call.extensions.insert(told);
        }
        let next_ping = Instant::now() + edge.config.keep_alive;
        let sent = AtomicUsize::new(0);
        let mut replies =
            Replies { edge: &edge, endpoint: &endpoint, view, encoding, sink, sent: &sent, next_ping };
        let mut reader = Reader::new(&edge, &endpoint, target, requests, &sent);
        let status = tokio::select! {
            biased;
            status = replies.answer(call) => status,
            ended = reader.read(&mut source) => match ended {
                Ended::Closed => {
                    // Ours is the answer to the client's close.
                    let _ = timeout(CLOSE_WAIT, replies.sink.close()).await;
                    return;
                }
                Ended::Gone => return,
                Ended::Wrong(status) => Some((status, MetadataMap::new())),
            },
            // The call has ended by then; who does not read what it said is not waited for.
            () = past(deadline) => return,
        };
        let Some((status, trailers)) = status else { return };
        if matches!(timeout(CLOSE_WAIT, replies.close(&status, &trailers)).await, Ok(Some(()))) {
            // The client's close is the last frame there is.
            let closed = async { while let Some(Ok(_)) = source.next().await {} };
            let _ = timeout(CLOSE_WAIT, closed).await;
        }
    }
}

/// Resolves when nobody can be saying anything about the call any more.
async fn past(deadline: Option<Deadline>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.instant() + CLOSE_WAIT).await,
        None => std::future::pending().await,
    }
}

/// A message that was read ahead, and its room.
type Ahead = (Result<Bytes, Status>, Option<OwnedSemaphorePermit>);

/// Why nothing is read any more.
enum Ended {
    /// The client closed.
    Closed,
    /// Its connection broke, or it is silent: nobody waits for an answer.
    Gone,
    Wrong(Status),
}

/// From frames to the messages of the request.
struct Reader<'a> {
    edge: &'a Share<Shared>,
    endpoint: &'a Share<Endpoint>,
    target: Target,
    requests: Requests,
    /// Bytes that may be read ahead.
    room: Arc<Semaphore>,
    room_bytes: u32,
    /// Frames that were sent, and how many there were when pings were counted last.
    sent: &'a AtomicUsize,
    sent_before: usize,
    pings: usize,
    counted_since: Instant,
}

/// What becomes of the messages of the request.
enum Requests {
    Open(mpsc::Sender<Ahead>),
    /// The client said that there is no more.
    Ended,
    /// Nobody wants them: one was wrong, or the handler let go of its stream.
    Unwanted,
}

impl<'a> Reader<'a> {
    fn new(
        edge: &'a Share<Shared>,
        endpoint: &'a Share<Endpoint>,
        target: Target,
        requests: mpsc::Sender<Ahead>,
        sent: &'a AtomicUsize,
    ) -> Self {
        let room_bytes = u32::try_from(endpoint.body_max_bytes(&edge.config)).unwrap_or(u32::MAX).max(1);
        let room = Arc::new(Semaphore::new(room_bytes as usize));
        let requests = Requests::Open(requests);
        let counted_since = Instant::now();
        Self {
            edge,
            endpoint,
            target,
            requests,
            room,
            room_bytes,
            sent,
            sent_before: 0,
            pings: 0,
            counted_since,
        }
    }

    /// Whether a client asks whether we are there so often that it cannot mean it.
    fn is_flooded(&mut self) -> bool {
        let sent = self.sent.load(Ordering::Relaxed);
        if sent != self.sent_before || self.counted_since.elapsed() > PINGS_WITHIN {
            (self.sent_before, self.pings, self.counted_since) = (sent, 0, Instant::now());
        }
        self.pings += 1;
        self.pings > PINGS_MAX
    }

    /// Reads until the client leaves, also behind the end of its stream: only so is its leaving seen.
    async fn read(&mut self, source: &mut SplitStream<WebSocket>) -> Ended {
        let streams = self.endpoint.route.spec.kind().client_streams();
        loop {
            // One who always has a frame ready would leave the thread to nobody else.
            tokio::task::coop::consume_budget().await;
            let Some(frame) = self.next_frame(source).await else { return Ended::Gone };
            let (encoding, data) = match frame {
                Message::Text(text) if text.is_empty() && streams => {
                    self.requests = match self.requests {
                        Requests::Unwanted => Requests::Unwanted,
                        _ => Requests::Ended,
                    };
                    continue;
                }
                // Of a method that takes one message it is the empty one.
                Message::Text(text) => (Encoding::Json, Bytes::from(text)),
                Message::Binary(data) => (Encoding::Proto, data),
                Message::Close(_) => return Ended::Closed,
                // A ping was answered already.
                Message::Ping(_) if self.is_flooded() => return Ended::Gone,
                Message::Ping(_) | Message::Pong(_) => continue,
            };
            match &self.requests {
                Requests::Open(requests) => {
                    let requests = requests.clone();
                    self.pass_on(&requests, encoding, data, streams).await;
                }
                Requests::Unwanted => {}
                // The end that one message implies may be said as well.
                Requests::Ended if !streams && data.is_empty() => {}
                Requests::Ended => {
                    let what = if streams {
                        "a message after the end of the stream"
                    } else {
                        "more than one message"
                    };
                    return Ended::Wrong(Status::invalid_argument(format!("{what} was sent")));
                }
            }
        }
    }

    async fn pass_on(
        &mut self,
        requests: &mpsc::Sender<Ahead>,
        encoding: Encoding,
        data: Bytes,
        streams: bool,
    ) {
        let limit_bytes = self.endpoint.body_max_bytes(&self.edge.config);
        let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX).min(self.room_bytes);
        let made = if data.len() > limit_bytes {
            Err(status::body_too_large(limit_bytes))
        } else {
            self.target.message(&self.endpoint.request, encoding, data, &self.edge.config)
        };
        let failed = made.is_err();
        let send = async {
            let room = Arc::clone(&self.room).acquire_many_owned(bytes).await.ok();
            requests.send((made, room)).await
        };
        // A handler that lets go while we wait for room never gives any back.
        let taken = tokio::select! {
            biased;
            sent = send => sent.is_ok(),
            () = requests.closed() => false,
        };
        if failed || !taken {
            self.requests = Requests::Unwanted;
        } else if !streams {
            self.requests = Requests::Ended;
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
    edge: &'a Share<Shared>,
    endpoint: &'a Share<Endpoint>,
    view: View,
    encoding: Encoding,
    sink: SplitSink<WebSocket, Message>,
    sent: &'a AtomicUsize,
    /// When the client is asked again whether it is there; a client that only listens says nothing else.
    next_ping: Instant,
}

impl Replies<'_> {
    /// Makes the call and sends what it replies, up to its status; none if there is nobody to send it to.
    async fn answer(&mut self, call: Call) -> Option<(Status, MetadataMap)> {
        let mut call = self.edge.dispatcher.call(&self.endpoint.route, call);
        let reply = match self.alive(&mut call).await? {
            Ok(reply) => reply,
            Err(status) => return Some((status, MetadataMap::new())),
        };
        let Reply { metadata, body, mut trailers, .. } = reply;
        let mut record = Vec::new();
        if stream_reply::push_metadata(&metadata, &MetadataMap::new(), b"{\"metadata\":{", &mut record) {
            record.push(b'}');
            self.send(text(record)).await?;
        }
        let mut messages: MessageStream = body.into_stream();
        let status = loop {
            match self.alive(messages.next()).await? {
                Some(Ok(message)) => match self.frame(message) {
                    Ok(frame) => self.send(frame).await?,
                    Err(status) => {
                        call.refuse(&status);
                        messages.refuse(&status);
                        break status;
                    }
                },
                Some(Err(status)) => break status,
                None => break Status::new(Code::Ok, ""),
            }
        };
        Some((status, trailers.take()))
    }

    /// Waits for `work`, and asks now and then whether the client is there, however busy the stream is.
    async fn alive<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let every = self.edge.config.keep_alive;
        let mut work = std::pin::pin!(work);
        if every.is_zero() {
            return Some(work.await);
        }
        loop {
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(self.next_ping) => {
                    self.next_ping = Instant::now() + every;
                    self.send(Message::Ping(Bytes::new())).await?;
                }
                done = work.as_mut() => return Some(done),
            }
        }
    }

    fn frame(&self, message: Bytes) -> Result<Message, Status> {
        match self.encoding {
            Encoding::Proto => reply::proto(&self.endpoint.reply, message, &self.view).map(Message::Binary),
            Encoding::Json => {
                let mut record = Vec::with_capacity(message.len() * 2 + 16);
                record.extend_from_slice(b"{\"result\":");
                reply::push_json(&self.endpoint.reply, &message, &self.view, &mut record)?;
                record.push(b'}');
                Ok(text(record))
            }
        }
    }

    async fn close(&mut self, status: &Status, trailers: &MetadataMap) -> Option<()> {
        let mut record = b"{\"status\":{".to_vec();
        stream_reply::push_status(status, trailers, self.edge, &mut record);
        record.extend_from_slice(b"}}");
        self.send(text(record)).await?;
        let code = match status.code() {
            Code::Ok => CLOSE_NORMAL,
            code => CLOSE_OWN + code as u16,
        };
        let reason = shortened(status.message(), REASON_MAX_BYTES).to_owned().into();
        self.send(Message::Close(Some(CloseFrame { code, reason }))).await
    }

    async fn send(&mut self, frame: Message) -> Option<()> {
        self.sink.send(frame).await.ok()?;
        self.sent.fetch_add(1, Ordering::Relaxed);
        Some(())
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
    fn a_reason_is_cut_between_characters() {
        assert_eq!(shortened("aé", 2), "a");
        assert_eq!(shortened("aé", 3), "aé");
        assert_eq!(shortened("", 3), "");
    }
}
