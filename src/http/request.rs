//! From a request's path, query and body to the wire bytes of its messages.
//!
//! Protobuf merges by concatenation, so a message is put together by appending: first the body, then the
//! query, then the path, whose fields win. No body is read before the handler, behind its interceptors, asks for it; nor is
//! anything else where there are interceptors.

use std::borrow::Cow;
use std::pin::Pin;
use std::task::{Context, Poll};

use ambidex_schema::{BodyBinding, bind_query, mask_from_json};
use axum::body::Body as HttpBody;
use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderValue, Request, Uri};
use pin_project_lite::pin_project;
use prost::Message as _;
use tokio_stream::StreamExt;
use tonic::{Code, Status};

use super::captures::Captures;
use super::chunks::{Chunks, whole};
use super::content::Encoding;
use super::endpoint::{Endpoint, RequestForm, RequestSpelling, Spelling};
use super::envelopes::Envelopes;
use super::json_array::Elements;
use super::lines::Lines;
use super::{HttpConfig, Shared, connect_get, system};
use crate::call::{self, Body, Share};

/// What the head of a request says of its message.
pub(super) struct Target {
    /// The decoded values of the template's variables.
    pub(super) captures: Captures,
    /// The target itself, of which captures and query are read; shared with the request, and so for nothing.
    pub(super) uri: Uri,
    /// The type of a raw body.
    pub(super) content_type: Option<HeaderValue>,
}

impl Target {
    /// The message of a body, with what the target says.
    pub(super) fn message(
        &self,
        form: &RequestForm,
        encoding: Encoding,
        body: Bytes,
        config: &HttpConfig,
    ) -> Result<Bytes, Status> {
        message(form, encoding, body, &self.captures.values(self.uri.path()), &self.uri, config)
    }
}

/// The message of a request that is all there, before a handler asks for it: where path and query are all of it, and no
/// interceptor comes before the handler who might refuse the call.
pub(super) fn at_once(
    endpoint: &Endpoint,
    spelling: &Spelling,
    captures: &[Cow<'_, str>],
    request: &Request<HttpBody>,
    config: &HttpConfig,
) -> Option<Body> {
    let RequestSpelling::Whole(encoding) = spelling.request else { return None };
    if !endpoint.route.is_direct() || !http_body::Body::is_end_stream(request.body()) {
        return None;
    }
    let made = message(&endpoint.request, encoding, Bytes::new(), captures, request.uri(), config);
    Some(made.map_or_else(wrong_message, Body::Message))
}

/// What is wrong is to be found by who asks for the message, as it would be of one that comes later.
#[cold]
fn wrong_message(status: Status) -> Body {
    Body::stream(AtOnce(Some(move || Err(status))))
}

/// The messages of a request, made as they are asked for.
pub(super) fn messages(
    endpoint: Share<Endpoint>,
    spelling: &Spelling,
    target: Target,
    body: HttpBody,
    edge: Share<Shared>,
) -> Body {
    let coding = spelling.request_coding;
    let limit_bytes = endpoint.body_max_bytes(&edge.config);
    match spelling.request {
        RequestSpelling::Lines => {
            let lines = Lines::new(Chunks::new(body, coding, limit_bytes), limit_bytes);
            Body::stream(parts("line", Encoding::Json, lines, endpoint, target, edge))
        }
        RequestSpelling::Array => {
            let elements = Elements::new(Chunks::new(body, coding, limit_bytes), limit_bytes);
            Body::stream(parts("element", Encoding::Json, elements, endpoint, target, edge))
        }
        RequestSpelling::Envelopes(encoding) => {
            let envelopes = Envelopes::new(Chunks::new(body, None, limit_bytes), coding, limit_bytes);
            Body::stream(parts("message", encoding, envelopes, endpoint, target, edge))
        }
        RequestSpelling::Query => Body::stream(Once {
            making: Some(async move {
                let query = target.uri.query().unwrap_or_default();
                connect_get::message(query, &endpoint.request.message, limit_bytes, &edge.config)
            }),
        }),
        RequestSpelling::Raw if endpoint.route.spec.kind().client_streams() => {
            let chunks = Chunks::new(body, coding, limit_bytes);
            Body::stream(RawChunks { chunks, endpoint, target, edge, first: true, rest: Bytes::new() })
        }
        RequestSpelling::Raw => Body::stream(Once {
            making: Some(async move {
                let data = whole(body, coding, limit_bytes, edge.config.request_pace).await?;
                raw(&endpoint.request, &target, data, &edge.config)
            }),
        }),
        // Nothing to await: what path and query say is all of it.
        RequestSpelling::Whole(encoding) if http_body::Body::is_end_stream(&body) => {
            let make = move || target.message(&endpoint.request, encoding, Bytes::new(), &edge.config);
            Body::stream(AtOnce(Some(make)))
        }
        RequestSpelling::Whole(encoding) => Body::stream(Once {
            making: Some(async move {
                let body = whole(body, coding, limit_bytes, edge.config.request_pace).await?;
                target.message(&endpoint.request, encoding, body, &edge.config)
            }),
        }),
    }
}

/// One message: its body, what query and path say, and the mask of a PATCH.
fn message(
    form: &RequestForm,
    encoding: Encoding,
    body: Bytes,
    captures: &[Cow<'_, str>],
    uri: &Uri,
    config: &HttpConfig,
) -> Result<Bytes, Status> {
    if encoding == Encoding::Proto && form.binding.is_none() {
        return Ok(body);
    }
    // What the target says is hardly longer as wire bytes.
    let said = uri.path_and_query().map_or(0, |target| target.as_str().len());
    let room = body.len() + if form.binding.is_some() { said } else { 0 };
    call::gathered(room, |wire| {
        match encoding {
            Encoding::Json => push_body(form, &body, config, wire)?,
            Encoding::Proto => push_proto(form, &body, wire)?,
        }
        push_target(form, captures, uri, config, wire)?;
        match encoding {
            Encoding::Json => push_mask(form, &body, wire),
            Encoding::Proto => Ok(()),
        }
    })
}

/// A message for each part of the body.
fn parts(
    part: &'static str,
    encoding: Encoding,
    parts: impl Stream<Item = Result<(usize, Bytes), Status>>,
    endpoint: Share<Endpoint>,
    target: Target,
    edge: Share<Shared>,
) -> impl Stream<Item = Result<Bytes, Status>> {
    parts.map(move |found| {
        let (number, body) = found?;
        target.message(&endpoint.request, encoding, body, &edge.config).map_err(|mut status| {
            if status.code() == Code::InvalidArgument {
                let metadata = std::mem::take(status.metadata_mut());
                let text = format!("{part} {number} of the body: {}", status.message());
                return Status::with_metadata(status.code(), text, metadata);
            }
            status
        })
    })
}

/// A message of raw bytes for each chunk of the body: the first has the type, and what query and path say.
struct RawChunks {
    chunks: Chunks,
    endpoint: Share<Endpoint>,
    target: Target,
    edge: Share<Shared>,
    first: bool,
    /// What of a chunk is more than a message may be.
    rest: Bytes,
}

impl Stream for RawChunks {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let mut data = std::mem::take(&mut this.rest);
        if data.is_empty() {
            data = match std::task::ready!(this.chunks.poll_chunk(cx)) {
                Some(Ok(data)) => data,
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                // An empty body is a message too: it has a type and a path.
                None if this.first => Bytes::new(),
                None => return Poll::Ready(None),
            };
        }
        // Where one chunk ends and the next begins says nothing.
        let limit_bytes = this.endpoint.body_max_bytes(&this.edge.config).max(1);
        if data.len() > limit_bytes {
            this.rest = data.split_off(limit_bytes);
        }
        if !std::mem::replace(&mut this.first, false) {
            this.target.content_type = None;
        }
        Poll::Ready(Some(raw(&this.endpoint.request, &this.target, data, &this.edge.config)))
    }
}

/// One message around raw bytes.
fn raw(form: &RequestForm, target: &Target, data: Bytes, config: &HttpConfig) -> Result<Bytes, Status> {
    let mut wire = Vec::with_capacity(data.len() + 32);
    push_raw_body(form, target, data, &mut wire)?;
    push_target(form, &target.captures.values(target.uri.path()), &target.uri, config, &mut wire)?;
    Ok(wire.into())
}

/// A body of protobuf, which is the message or a field of it.
fn push_proto(form: &RequestForm, body: &[u8], wire: &mut Vec<u8>) -> Result<(), Status> {
    match form.body() {
        BodyBinding::None if body.is_empty() => {}
        BodyBinding::None => return Err(no_body()),
        BodyBinding::Whole => wire.extend_from_slice(body),
        BodyBinding::Field(field) => prost::encoding::bytes::encode(field.number(), &body.to_vec(), wire),
    }
    Ok(())
}

fn no_body() -> Status {
    Status::invalid_argument("this method takes no body, and one was sent")
}

fn push_body(form: &RequestForm, json: &[u8], config: &HttpConfig, wire: &mut Vec<u8>) -> Result<(), Status> {
    let pushed = match form.body() {
        BodyBinding::None if json.is_empty() => return Ok(()),
        BodyBinding::None => return Err(no_body()),
        // An empty body is an empty message.
        _ if json.is_empty() => return Ok(()),
        BodyBinding::Whole => form.message.json_to_wire(json, &config.json_in, wire),
        BodyBinding::Field(field) => form.message.json_to_wire_field(field, json, &config.json_in, wire),
    };
    pushed.map_err(|error| wrong(&error))
}

#[cold]
fn wrong(error: &dyn std::error::Error) -> Status {
    Status::invalid_argument(error.to_string())
}

fn push_target(
    form: &RequestForm,
    captures: &[Cow<'_, str>],
    uri: &Uri,
    config: &HttpConfig,
    wire: &mut Vec<u8>,
) -> Result<(), Status> {
    let Some(binding) = &form.binding else { return Ok(()) };
    if config.refuse_contradictions && !wire.is_empty() {
        binding.check_path(captures, wire).map_err(|error| wrong(&error))?;
    }
    if let Some(query) = uri.query().filter(|query| !query.is_empty()) {
        let system = if config.response_masks { &[system::FIELDS][..] } else { &[] };
        let options =
            binding.query_options().with_ignore_unknown(config.ignore_unknown_query).with_system(system);
        bind_query(binding.request(), query, &options, wire).map_err(|error| wrong(&error))?;
    }
    binding.bind_path(captures, wire).map_err(|error| wrong(&error))
}

/// Fills the mask of a PATCH that says none: what the body holds is what is to change.
fn push_mask(form: &RequestForm, json: &[u8], wire: &mut Vec<u8>) -> Result<(), Status> {
    let Some(mask) = &form.mask else { return Ok(()) };
    let said = form.message.field_is_empty(&mask.field, wire).map(|empty| !empty);
    if said.map_err(|error| Status::internal(error.to_string()))? {
        return Ok(());
    }
    // An empty body is an empty object: it names nothing, and so the mask does.
    let json = if json.is_empty() { b"{}" } else { json };
    let paths =
        mask_from_json(&mask.resource, json).map_err(|error| Status::invalid_argument(error.to_string()))?;
    mask.field.put_field_mask(&paths, wire);
    Ok(())
}

fn push_raw_body(form: &RequestForm, target: &Target, data: Bytes, wire: &mut Vec<u8>) -> Result<(), Status> {
    let content_type = target.content_type.as_ref().and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    let raw = crate::google::api::HttpBody { content_type, data, extensions: Vec::new() };
    match form.body() {
        BodyBinding::Field(field) => prost::encoding::message::encode(field.number(), &raw, wire),
        _ => raw.encode(wire).map_err(|error| Status::internal(error.to_string()))?,
    }
    Ok(())
}

/// A stream of the one message that is made when it is asked for.
struct AtOnce<F>(Option<F>);

impl<F: FnOnce() -> Result<Bytes, Status> + Unpin> Stream for AtOnce<F> {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(|make| make()))
    }
}

pin_project! {
    /// A stream of the one message a future makes.
    struct Once<F> {
        #[pin]
        making: Option<F>,
    }
}

impl<F: Future<Output = Result<Bytes, Status>>> Stream for Once<F> {
    type Item = F::Output;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let Some(making) = this.making.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let made = std::task::ready!(making.poll(cx));
        this.making.set(None);
        Poll::Ready(Some(made))
    }
}
