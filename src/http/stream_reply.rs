//! From a reply of many messages to a response that grows: NDJSON, a JSON array, server-sent events, Connect's
//! envelopes, or raw bytes.
//!
//! Every stream of messages ends in a record of its status. In NDJSON each line, and in an array each element, is an
//! object with exactly one member, `{"result": message}` until the end and then
//! `{"status": {"code": …, "message": …}}`, so no message can be mistaken for the end. In SSE messages are plain
//! events, and the end is an event of the type `status`. An envelope says by its flags that it is the end. A stream
//! without that record was cut off.
//!
//! The first message is awaited before the response begins, within a bound, so that an early error has its own
//! HTTP status and a stream that is silent at first looks alive all the same.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, header};
use http_body::Frame;
use tokio::time::{Instant, Sleep};
use tokio_stream::{Stream, StreamExt};
use tonic::metadata::{KeyAndValueRef, MetadataMap};
use tonic::{Code, Status};

use super::answer_body::AnswerBody;
use super::coding::Coding;
use super::content::{Encoding, StreamForm};
use super::endpoint::{CONNECT_CONTENT_ENCODING, Endpoint, Spelling, View};
use super::heads::Heads;
use super::json_text::push_string;
use super::{Shared, envelopes, error, metadata, reply};
use crate::call::prefix::{PREFIX_BYTES, read_prefix};
use crate::call::{
    Batch, Bounds, Filled, MessageSource as _, MessageStream, Reply, Share, Trailers, is_metadata,
    is_sent_as_it_is,
};

/// Messages are asked for by their wire bytes. As JSON they have some four times as many.
const WIRE_PART: usize = 4;

/// A message of so many bytes is not copied on its way to where it is spelled.
const ALONE_MIN_BYTES: usize = 1024;

/// A response of messages in `form`.
pub(super) async fn many(
    endpoint: &Share<Endpoint>,
    form: StreamForm,
    spelling: &Spelling,
    last_event: u64,
    reply: Reply,
    edge: &Share<Shared>,
) -> Result<Response<AnswerBody>, Status> {
    let Reply { metadata, body, trailers, extensions } = reply;
    let mut messages = body.into_stream();
    let (first, messages) = match tokio::time::timeout(edge.config.first_message_wait, messages.next()).await
    {
        Ok(Some(first)) => (Some(first?), Some(messages)),
        Ok(None) => (None, None),
        Err(_) => (None, Some(messages)),
    };
    // A stream has a line for each record, and stays within it.
    let view = View { json: spelling.view.json.clone().with_pretty(false), mask: spelling.view.mask.clone() };
    let coding = spelling.envelope_coding.filter(|_| !is_sent_as_it_is(&extensions));
    let is_sse = form == StreamForm::Sse;
    let records = Records {
        writer: Writer { endpoint: endpoint.clone(), form, view, coding, edge: edge.clone() },
        last_event,
        keep_alive: is_sse.then(|| KeepAlive::new(edge.config.keep_alive)).flatten(),
        first,
        messages,
        batch: Batch::new(Bounds {
            bytes_max: (edge.config.stream_chunk_max_bytes / WIRE_PART).max(1),
            alone_min_bytes: ALONE_MIN_BYTES,
            message_max_bytes: usize::MAX,
        }),
        begun: false,
        ended: false,
        trailers,
    };
    let mut response = Response::new(AnswerBody::from(Body::new(records)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, form.content_type());
    if let (StreamForm::Envelopes(_), Some(coding)) = (form, coding) {
        headers.insert(CONNECT_CONTENT_ENCODING.clone(), coding.header_value());
    }
    metadata::push(metadata, headers);
    reply::say_own(&mut response, &extensions, endpoint);
    // Where the handler says nothing else.
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// The number of the last event that a client knows which lost its stream.
pub(super) fn last_event(heads: &Heads<'_>) -> u64 {
    heads.last_event_id.and_then(|id| id.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// The response of a Connect stream that failed before it began: its first and only envelope is its end.
pub(super) fn failed_envelopes(error: Status, encoding: Encoding, edge: &Shared) -> Response<AnswerBody> {
    let mut out = Vec::new();
    let end = envelopes::open(&mut out);
    push_end_stream(&error, &MetadataMap::new(), edge, &mut out);
    envelopes::close(end, true, None, 0, &mut out);
    let mut response = Response::new(AnswerBody::from(Bytes::from(out)));
    response.headers_mut().insert(header::CONTENT_TYPE, StreamForm::Envelopes(encoding).content_type());
    response
}

/// Writes the records of one stream.
pub(super) struct Writer {
    pub(super) endpoint: Share<Endpoint>,
    pub(super) form: StreamForm,
    pub(super) view: View,
    /// How each envelope is packed.
    pub(super) coding: Option<Coding>,
    pub(super) edge: Share<Shared>,
}

impl Writer {
    /// Appends a message as a record. On error `out` is as it was before.
    fn push_message(&self, message: &[u8], event: u64, out: &mut Vec<u8>) -> Result<(), Status> {
        let start = out.len();
        let form = &self.endpoint.reply;
        let pushed = match self.form {
            StreamForm::Ndjson | StreamForm::Array => {
                out.extend_from_slice(b"{\"result\":");
                reply::push_json(form, message, &self.view, out).map(|()| {
                    out.extend_from_slice(if self.form == StreamForm::Array { b"}" } else { b"}\n" });
                })
            }
            StreamForm::Sse => {
                self.push_event_id(message, event, out);
                out.extend_from_slice(b"data: ");
                reply::push_json(form, message, &self.view, out).map(|()| out.extend_from_slice(b"\n\n"))
            }
            StreamForm::Envelopes(encoding) => {
                let envelope = envelopes::open(out);
                let pushed = match encoding {
                    Encoding::Json => reply::push_json(form, message, &self.view, out),
                    Encoding::Proto => {
                        out.extend_from_slice(message);
                        Ok(())
                    }
                };
                envelopes::close(envelope, false, self.coding, self.edge.config.compress_min_bytes, out);
                pushed
            }
        };
        pushed.inspect_err(|_| out.truncate(start))
    }

    /// The id by which a client that lost the stream says how far it came.
    fn push_event_id(&self, message: &[u8], event: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(b"id: ");
        let Some(field) = &self.endpoint.reply.event_id else {
            out.extend_from_slice(event.to_string().as_bytes());
            out.push(b'\n');
            return;
        };
        let start = out.len();
        let shown = self.endpoint.reply.message.wire_to_json_field(field, message, &self.view.json, out);
        let id = out.split_off(start);
        let id = id.strip_prefix(b"\"").and_then(|id| id.strip_suffix(b"\"")).unwrap_or(&id);
        // What JSON had to escape is no id; an empty one would reset the client's.
        if shown.is_err() || id.is_empty() || id.contains(&b'\\') {
            out.truncate(start - b"id: ".len());
            return;
        }
        out.extend_from_slice(id);
        out.push(b'\n');
    }

    fn push_end(&self, status: &Status, trailers: &MetadataMap, out: &mut Vec<u8>) {
        match self.form {
            StreamForm::Ndjson | StreamForm::Array => {
                out.extend_from_slice(b"{\"status\":{");
                push_status(status, trailers, &self.edge, out);
                out.extend_from_slice(if self.form == StreamForm::Array { b"}}]\n" } else { b"}}\n" });
            }
            StreamForm::Sse => {
                out.extend_from_slice(b"event: status\ndata: {");
                push_status(status, trailers, &self.edge, out);
                out.extend_from_slice(b"}\n\n");
            }
            StreamForm::Envelopes(_) => {
                let end = envelopes::open(out);
                push_end_stream(status, trailers, &self.edge, out);
                envelopes::close(end, true, self.coding, self.edge.config.compress_min_bytes, out);
            }
        }
    }
}

/// The members of a status record.
pub(super) fn push_status(status: &Status, trailers: &MetadataMap, edge: &Shared, out: &mut Vec<u8>) {
    error::push_status_members(status, &edge.schema, out);
    push_metadata(trailers, status.metadata(), b",\"metadata\":{", out);
}

/// The content of Connect's last envelope.
fn push_end_stream(status: &Status, trailers: &MetadataMap, edge: &Shared, out: &mut Vec<u8>) {
    out.push(b'{');
    if status.code() != Code::Ok {
        out.extend_from_slice(b"\"error\":");
        error::push_connect(status, &edge.schema, out);
    }
    let before = if status.code() == Code::Ok { &b"\"metadata\":{"[..] } else { b",\"metadata\":{" };
    push_metadata(trailers, status.metadata(), before, out);
    out.push(b'}');
}

/// The records of a stream as the body of a response.
struct Records {
    writer: Writer,
    /// The number of the last event.
    last_event: u64,
    keep_alive: Option<KeepAlive>,
    first: Option<Bytes>,
    /// The messages to come; none once they have ended.
    messages: Option<MessageStream>,
    /// Those that were ready together, on their way.
    batch: Batch,
    /// The first record is out.
    begun: bool,
    /// The record of the end is out.
    ended: bool,
    trailers: Trailers,
}

impl Records {
    /// Fills the batch with what is there.
    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Filled {
        match &mut self.messages {
            Some(messages) => Pin::new(messages).poll_batch(cx, &mut self.batch),
            None => Poll::Ready(None),
        }
    }

    /// A message could not be spelled, and with that the stream has ended.
    fn refuse(&mut self, status: &Status) {
        if let Some(messages) = &mut self.messages {
            messages.refuse(status);
        }
    }

    /// Appends all that is in the batch. What is behind a message that cannot be spelled is lost with it.
    fn push_batch(&mut self, out: &mut Vec<u8>) -> Result<(), Status> {
        let gathered = self.batch.take_gathered().unwrap_or_default();
        let alone = self.batch.take_alone();
        let mut rest = &gathered[..];
        while let Some((_, length)) = read_prefix(rest) {
            let (message, behind) = rest[PREFIX_BYTES..].split_at(length);
            self.push_message(message, out)?;
            rest = behind;
        }
        alone.map_or(Ok(()), |(_, message)| self.push_message(&message, out))
    }

    /// What stands before a record of an array.
    fn part(&mut self, out: &mut Vec<u8>) {
        let begun = std::mem::replace(&mut self.begun, true);
        if self.writer.form == StreamForm::Array {
            out.extend_from_slice(if begun { b",\n" } else { b"[" });
        }
    }

    fn push_message(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Status> {
        let begun = self.begun;
        let start = out.len();
        self.part(out);
        let pushed = self.writer.push_message(message, self.last_event.saturating_add(1), out);
        match &pushed {
            Ok(()) => self.last_event = self.last_event.saturating_add(1),
            Err(_) => {
                out.truncate(start);
                self.begun = begun;
            }
        }
        pushed
    }

    fn push_end(&mut self, status: &Status, out: &mut Vec<u8>) {
        self.messages = None;
        self.ended = true;
        self.part(out);
        self.writer.push_end(status, &self.trailers.take(), out);
    }
}

/// The comments that keep proxies from taking a silent stream for a dead one.
struct KeepAlive {
    every: Duration,
    next: Pin<Box<Sleep>>,
}

impl KeepAlive {
    fn new(every: Duration) -> Option<Self> {
        (!every.is_zero()).then(|| Self { every, next: Box::pin(tokio::time::sleep(every)) })
    }

    /// Something was said.
    fn spoke(&mut self) {
        self.next.as_mut().reset(Instant::now() + self.every);
    }
}

fn is_metadata_name(name: &str) -> bool {
    HeaderName::from_bytes(name.as_bytes()).is_ok_and(|name| is_metadata(&name))
}

/// The trailing metadata as `"metadata":{"name":["value"]}`, if there are any, which it returns; `before` is
/// all up to the names.
pub(super) fn push_metadata(
    trailers: &MetadataMap,
    of_status: &MetadataMap,
    before: &[u8],
    out: &mut Vec<u8>,
) -> bool {
    let mut names: Vec<(&str, Vec<&str>)> = Vec::new();
    let known = |entry: &KeyAndValueRef<'_>| match entry {
        KeyAndValueRef::Ascii(name, _) => is_metadata_name(name.as_str()),
        KeyAndValueRef::Binary(name, _) => is_metadata_name(name.as_str()),
    };
    for entry in trailers.iter().chain(of_status.iter()).filter(known) {
        let (name, value) = match entry {
            KeyAndValueRef::Ascii(name, value) => (name.as_str(), value.to_str().ok()),
            KeyAndValueRef::Binary(name, value) => {
                (name.as_str(), std::str::from_utf8(value.as_encoded_bytes()).ok())
            }
        };
        let Some(value) = value else { continue };
        match names.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => names.push((name, vec![value])),
        }
    }
    if names.is_empty() {
        return false;
    }
    out.extend_from_slice(before);
    for (index, (name, values)) in names.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_string(name, out);
        out.extend_from_slice(b":[");
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            push_string(value, out);
        }
        out.push(b']');
    }
    out.push(b'}');
    true
}

impl http_body::Body for Records {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    /// One frame of all records that are ready, within a bound: a fast handler is not a packet a message,
    /// and a slow one is not held back.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let mut out = Vec::new();
        if let Some(first) = self.first.take()
            && let Err(status) = self.push_message(&first, &mut out)
        {
            self.refuse(&status);
            self.push_end(&status, &mut out);
        }
        while !self.ended && out.len() < self.writer.edge.config.stream_chunk_max_bytes {
            let filled = self.poll_batch(cx);
            let end = match (self.push_batch(&mut out), filled) {
                (Err(status), _) => {
                    self.refuse(&status);
                    status
                }
                (Ok(()), Poll::Ready(Some(Err(status)))) => status,
                (Ok(()), Poll::Ready(None)) => Status::new(Code::Ok, ""),
                (Ok(()), Poll::Ready(Some(Ok(())))) => continue,
                (Ok(()), Poll::Pending) => break,
            };
            self.push_end(&end, &mut out);
        }
        if let Some(keep_alive) = &mut self.keep_alive {
            if out.is_empty() {
                std::task::ready!(keep_alive.next.as_mut().poll(cx));
                out.extend_from_slice(b": still here\n\n");
            }
            keep_alive.spoke();
        }
        if out.is_empty() { Poll::Pending } else { Poll::Ready(Some(Ok(Frame::data(out.into())))) }
    }
}

/// A response of raw bytes, from a stream of `google.api.HttpBody`: the first says the type. An error on the
/// way cuts the response off, since raw bytes have no place for a status.
pub(super) async fn raw(endpoint: &Share<Endpoint>, reply: Reply) -> Result<Response<AnswerBody>, Status> {
    let Reply { metadata, body, mut trailers, extensions } = reply;
    let mut messages = body.into_stream();
    let first = messages.next().await.transpose()?;
    let (content_type, first) = match first {
        Some(first) => {
            let first = reply::raw_body(&endpoint.reply, first).inspect_err(|status| messages.refuse(status));
            first.map_err(|status| trailers.along_with(status))?
        }
        None => (HeaderValue::from_static("application/octet-stream"), Bytes::new()),
    };
    let data = tokio_stream::once(Ok(first)).chain(RawMessages { messages, endpoint: endpoint.clone() });
    let mut response = Response::new(AnswerBody::from(Body::from_stream(data)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    metadata::push(metadata, headers);
    reply::say_own(&mut response, &extensions, endpoint);
    Ok(response)
}

/// The bytes of each message.
struct RawMessages {
    messages: MessageStream,
    endpoint: Share<Endpoint>,
}

impl Stream for RawMessages {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { messages, endpoint } = &mut *self;
        let message = std::task::ready!(Pin::new(&mut *messages).poll_next(cx));
        Poll::Ready(message.map(|message| {
            let raw =
                reply::raw_body(&endpoint.reply, message?).inspect_err(|status| messages.refuse(status));
            raw.map(|(_, data)| data)
        }))
    }
}
