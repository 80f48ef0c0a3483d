//! From a request's path, query and body to the wire bytes of its messages.
//!
//! Protobuf merges by concatenation, so a message is put together by appending: first the body, then the
//! query, then the path, whose fields win. Nothing is read before the handler, behind its interceptors,
//! asks for it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ambidex_schema::{BodyBinding, mask_from_json};
use axum::body::Body as HttpBody;
use bytes::Bytes;
use futures_core::Stream;
use http::HeaderValue;
use pin_project_lite::pin_project;
use prost::Message as _;
use tokio_stream::StreamExt;
use tonic::Status;

use super::HttpConfig;
use super::content::Encoding;
use super::endpoint::{Endpoint, RequestForm};
use super::request_body::{Lines, whole};
use crate::call::Body;

/// What the head of a request says of its message.
pub(super) struct Target {
    /// The decoded values of the template's variables.
    pub(super) captures: Vec<String>,
    pub(super) query: Option<String>,
    /// The type of a raw body.
    pub(super) content_type: Option<HeaderValue>,
}

/// The messages of a request, made as they are asked for.
pub(super) fn messages(
    endpoint: Arc<Endpoint>,
    encoding: Encoding,
    target: Target,
    body: HttpBody,
    config: HttpConfig,
) -> Body {
    if endpoint.route.spec.kind().client_streams() && !endpoint.request.raw_body {
        return Body::stream(streamed(endpoint, target, body, config));
    }
    Body::stream(Once {
        making: Some(async move {
            let body = whole(body, config.body_max_bytes).await?;
            if encoding == Encoding::Proto {
                return Ok(body);
            }
            let mut wire = Vec::with_capacity(body.len() + 32);
            let form = &endpoint.request;
            if form.raw_body {
                push_raw_body(form, &target, body.clone(), &mut wire)?;
            } else {
                push_body(form, &body, &config, &mut wire)?;
            }
            push_target(form, &target, &config, &mut wire)?;
            push_mask(form, &body, &mut wire)?;
            Ok(wire.into())
        }),
    })
}

/// A message for each line of the body.
fn streamed(
    endpoint: Arc<Endpoint>,
    target: Target,
    body: HttpBody,
    config: HttpConfig,
) -> impl Stream<Item = Result<Bytes, Status>> {
    Lines::new(body, config.body_max_bytes).map(move |line| {
        let (number, line) = line?;
        let form = &endpoint.request;
        let mut wire = Vec::with_capacity(line.len() + 32);
        push_body(form, &line, &config, &mut wire).map_err(|status| {
            Status::invalid_argument(format!("line {number} of the body: {}", status.message()))
        })?;
        push_target(form, &target, &config, &mut wire)?;
        Ok(wire.into())
    })
}

fn push_body(form: &RequestForm, json: &[u8], config: &HttpConfig, wire: &mut Vec<u8>) -> Result<(), Status> {
    let pushed = match form.body() {
        BodyBinding::None if json.is_empty() => return Ok(()),
        BodyBinding::None => {
            return Err(Status::invalid_argument("this method takes no body, and one was sent"));
        }
        // An empty body is an empty message.
        _ if json.is_empty() => return Ok(()),
        BodyBinding::Whole => form.message.json_to_wire(json, &config.json_in, wire),
        BodyBinding::Field(field) => form.message.json_to_wire_field(field, json, &config.json_in, wire),
    };
    pushed.map_err(|error| Status::invalid_argument(error.to_string()))
}

fn push_target(
    form: &RequestForm,
    target: &Target,
    config: &HttpConfig,
    wire: &mut Vec<u8>,
) -> Result<(), Status> {
    let Some(binding) = &form.binding else { return Ok(()) };
    let query = target.query.as_deref().unwrap_or_default();
    binding
        .bind_query(query, config.ignore_unknown_query, wire)
        .and_then(|()| binding.bind_path(&target.captures, wire))
        .map_err(|error| Status::invalid_argument(error.to_string()))
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
