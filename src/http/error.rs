//! Errors as HTTP clients read them: [AIP-193](https://google.aip.dev/193) JSON on REST routes,
//! [Connect's](https://connectrpc.com/docs/protocol/#error-end-stream) on RPC routes.
//!
//! Details are typed messages that travel as `google.rpc.Status` bytes. AIP-193 shows them as JSON; one whose
//! type the server has no descriptor of is shown with its type and its bytes, rather than left out.

use ambidex_schema::{EncodeOptions, Schema};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use prost::Message;
use tonic::Status;

use super::content::Encoding;
use super::exchange::RestError;
use super::json_text::{self, push_string};
use super::{metadata, status};
use crate::call::{HttpResponse, RETRY_PUSHBACK_MS, code_name};

/// The answer to a call on a REST route that failed, in JSON, or for who reads only protobuf as `google.rpc.Status`.
pub(super) fn aip_193(error: Status, form: RestError, schema: &Schema) -> Response<Bytes> {
    if form.encoding == Encoding::Proto {
        let said = tonic_types::pb::Status {
            code: error.code() as i32,
            message: error.message().to_owned(),
            details: details(&error),
        };
        let http_status = status::of_status(&error);
        let content_type = HeaderValue::from_static(super::content::X_PROTOBUF);
        return respond(error, http_status, content_type, said.encode_to_vec());
    }
    let mut json = Vec::with_capacity(128);
    let http_status = status::of_status(&error);
    json.extend_from_slice(b"{\"error\":{\"code\":");
    json.extend_from_slice(http_status.as_str().as_bytes());
    json.extend_from_slice(b",\"message\":");
    push_string(error.message(), &mut json);
    json.extend_from_slice(b",\"status\":\"");
    json.extend_from_slice(code_name(error.code()).as_bytes());
    json.push(b'"');
    push_details(&error, schema, &mut json);
    json.extend_from_slice(b"}}");
    let json = if form.is_pretty { json_text::pretty(&json) } else { json };
    respond(error, http_status, Encoding::Json.content_type(), json)
}

/// The answer to a call on an RPC route that failed: Connect's error, in JSON whatever the codec.
pub(super) fn connect(error: Status, schema: &Schema) -> Response<Bytes> {
    let mut json = Vec::with_capacity(128);
    push_connect(&error, schema, &mut json);
    let http_status = status::of_connect_status(&error);
    respond(error, http_status, Encoding::Json.content_type(), json)
}

/// Appends an error as Connect spells it.
pub(super) fn push_connect(error: &Status, schema: &Schema, json: &mut Vec<u8>) {
    json.extend_from_slice(b"{\"code\":\"");
    json.extend_from_slice(status::connect_code_name(error.code()).as_bytes());
    json.push(b'"');
    if !error.message().is_empty() {
        json.extend_from_slice(b",\"message\":");
        push_string(error.message(), json);
    }
    let details = details(error);
    if !details.is_empty() {
        json.extend_from_slice(b",\"details\":[");
        for (index, any) in details.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            json.extend_from_slice(b"{\"type\":");
            push_string(type_name(any), json);
            json.extend_from_slice(b",\"value\":\"");
            json.extend_from_slice(STANDARD_NO_PAD.encode(&any.value).as_bytes());
            json.push(b'"');
            push_debug(any, schema, json);
            json.push(b'}');
        }
        json.push(b']');
    }
    json.push(b'}');
}

/// What a detail says, for people who read the error; nothing where its type is not known here.
fn push_debug(any: &prost_types::Any, schema: &Schema, json: &mut Vec<u8>) {
    let Some(message) = schema.message(type_name(any)) else { return };
    let start = json.len();
    json.extend_from_slice(b",\"debug\":");
    if message.wire_to_json(&any.value, &EncodeOptions::default(), json).is_err() {
        json.truncate(start);
    }
}

fn type_name(any: &prost_types::Any) -> &str {
    any.type_url.rsplit('/').next().unwrap_or_default()
}

/// The members of `google.rpc.Status` as JSON, for the record that ends a stream:
/// `"code":5,"message":"…","details":[…]`.
pub(super) fn push_status_members(error: &Status, schema: &Schema, json: &mut Vec<u8>) {
    json.extend_from_slice(b"\"code\":");
    json.extend_from_slice((error.code() as i32).to_string().as_bytes());
    json.extend_from_slice(b",\"message\":");
    push_string(error.message(), json);
    push_details(error, schema, json);
}

fn push_details(error: &Status, schema: &Schema, json: &mut Vec<u8>) {
    let details = details(error);
    if details.is_empty() {
        return;
    }
    json.extend_from_slice(b",\"details\":[");
    for (index, any) in details.iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        push_any(any, schema, json);
    }
    json.push(b']');
}

fn push_any(any: &prost_types::Any, schema: &Schema, json: &mut Vec<u8>) {
    let start = json.len();
    if let Some(any_type) = schema.message("google.protobuf.Any") {
        if any_type.wire_to_json(&any.encode_to_vec(), &EncodeOptions::default(), json).is_ok() {
            return;
        }
        json.truncate(start);
    }
    json.extend_from_slice(b"{\"@type\":");
    push_string(&any.type_url, json);
    json.extend_from_slice(b",\"value\":\"");
    json.extend_from_slice(STANDARD.encode(&any.value).as_bytes());
    json.extend_from_slice(b"\"}");
}

/// The details of a status; bytes that are no `google.rpc.Status` are none.
fn details(error: &Status) -> Vec<prost_types::Any> {
    if error.details().is_empty() {
        return Vec::new();
    }
    tonic_types::pb::Status::decode(error.details()).map(|status| status.details).unwrap_or_default()
}

fn respond(
    mut error: Status,
    http_status: StatusCode,
    content_type: HeaderValue,
    body: Vec<u8>,
) -> Response<Bytes> {
    let own = HttpResponse::of(&error).cloned().unwrap_or_default();
    let has_body = !status::has_no_body(http_status);
    let mut response = Response::new(if has_body { Bytes::from(body) } else { Bytes::new() });
    *response.status_mut() = http_status;
    let headers = response.headers_mut();
    if has_body {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    if let Some(seconds) = retry_after(&error) {
        headers.insert(header::RETRY_AFTER, seconds);
    }
    metadata::push(std::mem::take(error.metadata_mut()), headers);
    metadata::push_own(&own, headers);
    response
}

/// gRPC's push-back in milliseconds as HTTP's in seconds, rounded up.
fn retry_after(error: &Status) -> Option<HeaderValue> {
    let millis: u64 = error.metadata().get(RETRY_PUSHBACK_MS)?.to_str().ok()?.parse().ok()?;
    HeaderValue::try_from(millis.div_ceil(1000).to_string()).ok()
}
