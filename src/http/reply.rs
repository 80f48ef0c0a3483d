//! From a reply of one message to a response.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use prost::Message as _;
use tonic::Status;

use super::HttpConfig;
use super::content::{self, Encoding};
use super::endpoint::{Endpoint, ReplyForm};
use super::metadata;
use crate::call::Reply;
use crate::google::api::HttpBody;

pub(super) async fn one(
    endpoint: &Endpoint,
    encoding: Encoding,
    reply: Reply,
    config: &HttpConfig,
) -> Result<Response<Body>, Status> {
    let Reply { metadata, body, mut trailers, extensions: _ } = reply;
    if endpoint.reply.raw_body && endpoint.route.spec.kind().server_streams() {
        return super::stream_reply::raw(metadata, body).await;
    }
    let message = body.single().await?;
    let (content_type, data) = if endpoint.reply.raw_body {
        raw_body(message)?
    } else {
        match encoding {
            Encoding::Proto => (HeaderValue::from_static(content::PROTO), message),
            Encoding::Json => {
                let mut json = Vec::with_capacity(message.len() * 2 + 16);
                push_json(&endpoint.reply, &message, config, &mut json)?;
                (HeaderValue::from_static(content::JSON), json.into())
            }
        }
    };
    let mut response = Response::new(Body::from(data));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    metadata::push(metadata, headers);
    metadata::push_trailers(trailers.take(), headers);
    Ok(response)
}

/// Appends the JSON of a reply message, or of the field that `response_body` names.
pub(super) fn push_json(
    form: &ReplyForm,
    message: &[u8],
    config: &HttpConfig,
    json: &mut Vec<u8>,
) -> Result<(), Status> {
    let pushed = match &form.field {
        None => form.message.wire_to_json(message, &config.json_out, json),
        Some(field) => form.message.wire_to_json_field(field, message, &config.json_out, json),
    };
    pushed.map_err(|error| {
        let mut status = Status::internal("the reply cannot be spelled as JSON");
        status.set_source(std::sync::Arc::new(error));
        status
    })
}

/// The type and bytes of a `google.api.HttpBody`.
pub(super) fn raw_body(message: Bytes) -> Result<(HeaderValue, Bytes), Status> {
    let HttpBody { content_type, data, .. } =
        HttpBody::decode(message).map_err(|_| Status::internal("the reply is not a google.api.HttpBody"))?;
    let content_type = HeaderValue::try_from(content_type)
        .ok()
        .filter(|value| !value.is_empty())
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    Ok((content_type, data))
}
