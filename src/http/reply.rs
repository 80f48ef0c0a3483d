//! From a reply of one message to a response.

use ambidex_schema::WireError;
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use prost::Message as _;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Status};

use super::answer_body::AnswerBody;
use super::content::{self, Encoding};
use super::endpoint::{Endpoint, ReplyForm, View};
use super::{metadata, status};
use crate::call::{self, HttpResponse, Protocol, Trailers};
use crate::google::api::HttpBody;

/// Room for the names of a small message's fields: one that has to move for more room is written twice.
const JSON_ROOM_BYTES: usize = 256;

/// What comes with the one message of a reply.
pub(super) struct Rest {
    pub(super) metadata: MetadataMap,
    pub(super) trailers: Trailers,
    pub(super) extensions: Extensions,
}

/// Makes a new response one of one message, or without an encoding, of the raw bytes it holds. A response is large, and
/// is made where it is wanted.
pub(super) fn one(
    response: &mut Response<AnswerBody>,
    endpoint: &Endpoint,
    encoding: Option<Encoding>,
    view: &View,
    message: Bytes,
    rest: Rest,
) -> Result<(), Status> {
    let Rest { metadata, mut trailers, extensions } = rest;
    let spelled = spelled(endpoint, encoding, view, message);
    let (content_type, data) = spelled.map_err(|status| trailers.along_with(status))?;
    *response.body_mut() = AnswerBody::from(data);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    metadata::push(metadata, headers);
    if let Some(trailers) = trailers.take_if_any() {
        metadata::push_trailers(*trailers, headers);
    }
    say_own(response, &extensions, endpoint);
    Ok(())
}

fn spelled(
    endpoint: &Endpoint,
    encoding: Option<Encoding>,
    view: &View,
    message: Bytes,
) -> Result<(HeaderValue, Bytes), Status> {
    match encoding {
        None => raw_body(&endpoint.reply, message),
        Some(Encoding::Proto) => {
            let is_rest = endpoint.protocol == Protocol::Rest;
            let content_type = if is_rest { content::X_PROTOBUF } else { content::PROTO };
            Ok((HeaderValue::from_static(content_type), proto(&endpoint.reply, message, view)?))
        }
        Some(Encoding::Json) => {
            let room = message.len() * 2 + JSON_ROOM_BYTES;
            let json = call::gathered(room, |json| push_json(&endpoint.reply, &message, view, json))?;
            Ok((HeaderValue::from_static(content::JSON), json))
        }
    }
}

/// Says what the handler chose to say over HTTP alone. A Connect client takes no status but 200 for success.
#[inline]
pub(super) fn say_own(response: &mut Response<AnswerBody>, extensions: &Extensions, endpoint: &Endpoint) {
    if let Some(own) = extensions.get::<HttpResponse>() {
        say(own, response, endpoint);
    }
}

#[inline(never)]
fn say(own: &HttpResponse, response: &mut Response<AnswerBody>, endpoint: &Endpoint) {
    metadata::push_own(own, response.headers_mut());
    // Only with a handler's words can an answer be one that caches keep.
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    if let (Protocol::Rest, Some(status)) = (endpoint.protocol, own.status()) {
        *response.status_mut() = status;
        if status::has_no_body(status) {
            *response.body_mut() = AnswerBody::empty();
            response.headers_mut().remove(header::CONTENT_TYPE);
        }
    }
}

/// The wire bytes of a reply message, or of the field that `response_body` names, as far as they are to be seen.
#[inline(never)]
pub(super) fn proto(form: &ReplyForm, message: Bytes, view: &View) -> Result<Bytes, Status> {
    let message = match &view.mask {
        Some(mask) => mask.apply(&message).map_err(unspeakable)?.into(),
        None => message,
    };
    match &form.field {
        None => Ok(message),
        Some(field) => field.content(&message).map(Bytes::from).map_err(unspeakable),
    }
}

/// Appends the JSON of a reply message, or of the field that `response_body` names.
pub(super) fn push_json(
    form: &ReplyForm,
    message: &[u8],
    view: &View,
    json: &mut Vec<u8>,
) -> Result<(), Status> {
    match &view.mask {
        None => push_all_json(form, message, view, json),
        Some(mask) => push_all_json(form, &mask.apply(message).map_err(unspeakable)?, view, json),
    }
}

fn push_all_json(form: &ReplyForm, message: &[u8], view: &View, json: &mut Vec<u8>) -> Result<(), Status> {
    let pushed = match &form.field {
        None => form.message.wire_to_json(message, &view.json, json),
        Some(field) => form.message.wire_to_json_field(field, message, &view.json, json),
    };
    pushed.map_err(unspeakable)
}

#[cold]
fn unspeakable(error: WireError) -> Status {
    let mut status = Status::internal("the reply cannot be spelled as it was asked for");
    status.set_source(std::sync::Arc::new(error));
    status
}

/// The type and bytes of the `google.api.HttpBody` that a reply message is, or that the field holds which
/// `response_body` names.
#[inline(never)]
pub(super) fn raw_body(form: &ReplyForm, message: Bytes) -> Result<(HeaderValue, Bytes), Status> {
    let message = match &form.field {
        None => message,
        Some(field) => field.content(&message).map_err(unspeakable)?.into(),
    };
    let HttpBody { content_type, data, .. } =
        HttpBody::decode(message).map_err(|_| Status::internal("the reply is not a google.api.HttpBody"))?;
    let content_type = HeaderValue::try_from(content_type)
        .ok()
        .filter(|value| !value.is_empty())
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    Ok((content_type, data))
}
