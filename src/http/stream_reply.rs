//! From a reply of many messages to a response that grows: NDJSON, server-sent events, or raw bytes.
//!
//! Every stream of messages ends in a record of its status. In NDJSON each line is an object with exactly one
//! member, `{"result": message}` until the end and then `{"status": {"code": …, "message": …}}`, so no
//! message can be mistaken for the end. In SSE messages are plain events, and the end is an event of the type
//! `status`. A stream without that record was cut off.
//!
//! The first message is awaited before the response begins, within a bound, so that an early error has its own
//! HTTP status and a stream that is silent at first looks alive all the same.

use std::pin::Pin;
use std::task::{Context, Poll};

use ambidex_schema::Schema;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, header};
use http_body::Frame;
use tokio_stream::{Stream, StreamExt};
use tonic::metadata::{KeyAndValueRef, MetadataMap};
use tonic::{Code, Status};

use super::HttpConfig;
use super::content::StreamForm;
use super::endpoint::Endpoint;
use super::json_text::push_string;
use super::{error, metadata, reply};
use crate::call::{Body as Messages, MessageStream, Reply, Trailers, is_metadata};

/// A response of messages in `form`.
pub(super) async fn many(
    endpoint: &std::sync::Arc<Endpoint>,
    form: StreamForm,
    reply: Reply,
    config: &HttpConfig,
    schema: &Schema,
) -> Result<Response<Body>, Status> {
    let Reply { metadata, body, trailers, extensions: _ } = reply;
    let mut messages = body.into_stream();
    let (first, messages) = match tokio::time::timeout(config.first_message_wait, messages.next()).await {
        Ok(Some(first)) => (Some(first?), Some(messages)),
        Ok(None) => (None, None),
        Err(_) => (None, Some(messages)),
    };
    let records = Records {
        endpoint: std::sync::Arc::clone(endpoint),
        form,
        config: config.clone(),
        schema: schema.clone(),
        first,
        messages,
        ended: false,
        trailers,
    };
    let mut response = Response::new(Body::new(records));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, form.content_type());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    metadata::push(metadata, headers);
    Ok(response)
}

/// The records of a stream as the body of a response.
struct Records {
    endpoint: std::sync::Arc<Endpoint>,
    form: StreamForm,
    config: HttpConfig,
    schema: Schema,
    first: Option<Bytes>,
    /// The messages to come; none once they have ended.
    messages: Option<MessageStream>,
    /// The record of the end is out.
    ended: bool,
    trailers: Trailers,
}

impl Records {
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        match &mut self.messages {
            Some(messages) => Pin::new(messages).poll_next(cx),
            None => Poll::Ready(None),
        }
    }

    fn push_message(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Status> {
        let start = out.len();
        out.extend_from_slice(match self.form {
            StreamForm::Ndjson => b"{\"result\":",
            StreamForm::Sse => b"data: ",
        });
        if let Err(status) = reply::push_json(&self.endpoint.reply, message, &self.config, out) {
            out.truncate(start);
            return Err(status);
        }
        out.extend_from_slice(match self.form {
            StreamForm::Ndjson => b"}\n",
            StreamForm::Sse => b"\n\n",
        });
        Ok(())
    }

    fn push_end(&mut self, status: &Status, out: &mut Vec<u8>) {
        self.messages = None;
        self.ended = true;
        out.extend_from_slice(match self.form {
            StreamForm::Ndjson => b"{\"status\":{",
            StreamForm::Sse => b"event: status\ndata: {",
        });
        error::push_status_members(status, &self.schema, out);
        push_metadata(&self.trailers.take(), status.metadata(), out);
        out.extend_from_slice(match self.form {
            StreamForm::Ndjson => b"}}\n",
            StreamForm::Sse => b"}\n\n",
        });
    }
}

fn is_metadata_name(name: &str) -> bool {
    HeaderName::from_bytes(name.as_bytes()).is_ok_and(|name| is_metadata(&name))
}

/// The trailing metadata as `"metadata":{"name":["value"]}`.
fn push_metadata(trailers: &MetadataMap, of_status: &MetadataMap, out: &mut Vec<u8>) {
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
        return;
    }
    out.extend_from_slice(b",\"metadata\":{");
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
        while out.len() < self.config.stream_chunk_max_bytes {
            match self.poll_message(cx) {
                Poll::Pending if out.is_empty() => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(Some(message)) => {
                    let pushed = message.and_then(|message| self.push_message(&message, &mut out));
                    if let Err(status) = pushed {
                        self.push_end(&status, &mut out);
                        break;
                    }
                }
                Poll::Ready(None) => {
                    self.push_end(&Status::new(Code::Ok, ""), &mut out);
                    break;
                }
            }
        }
        Poll::Ready(Some(Ok(Frame::data(out.into()))))
    }
}

/// A response of raw bytes, from a stream of `google.api.HttpBody`: the first says the type. An error on the
/// way cuts the response off, since raw bytes have no place for a status.
pub(super) async fn raw(metadata: MetadataMap, body: Messages) -> Result<Response<Body>, Status> {
    let mut messages = body.into_stream();
    let first = messages.next().await.transpose()?;
    let (content_type, first) = match first {
        Some(first) => reply::raw_body(first)?,
        None => (HeaderValue::from_static("application/octet-stream"), Bytes::new()),
    };
    let rest = messages.map(|message| message.and_then(|message| Ok(reply::raw_body(message)?.1)));
    let data = tokio_stream::once(Ok(first)).chain(rest);
    let mut response = Response::new(Body::from_stream(data));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    metadata::push(metadata, headers);
    Ok(response)
}
