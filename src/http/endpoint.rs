//! A method with one way to spell it in HTTP: a REST binding, or its RPC route.

use std::sync::Arc;

use ambidex_schema::{BodyBinding, FieldHandle, HttpBinding, MessageType};
use http::{HeaderMap, HeaderName, header};
use tonic::Status;

use super::content::{self, Encoding, StreamForm};
use super::status::{not_acceptable, unsupported_coding, unsupported_media_type};
use crate::call::Protocol;
use crate::dispatch::Route;

/// The header by which a Connect client says what it speaks.
static PROTOCOL_VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");

/// A method with one way to spell it in HTTP.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) route: Arc<Route>,
    pub(super) protocol: Protocol,
    pub(super) request: RequestForm,
    pub(super) reply: ReplyForm,
}

/// Where the fields of a request come from.
#[derive(Debug)]
pub(super) struct RequestForm {
    pub(super) message: MessageType,
    /// The rule of a REST route; on an RPC route the body is the whole message.
    pub(super) binding: Option<HttpBinding>,
    /// The body is a raw `google.api.HttpBody`: the request itself, or the field `body` names.
    pub(super) raw_body: bool,
    /// On PATCH: the mask that is filled from the body where the caller leaves it empty, and the resource it
    /// speaks of.
    pub(super) mask: Option<Mask>,
}

/// The mask of a PATCH and the type of the resource that it masks.
#[derive(Debug)]
pub(super) struct Mask {
    pub(super) field: FieldHandle,
    pub(super) resource: MessageType,
}

impl RequestForm {
    /// What the body holds.
    pub(super) fn body(&self) -> &BodyBinding {
        self.binding.as_ref().map_or(&BodyBinding::Whole, |binding| &binding.body)
    }
}

/// What of the reply message is the body of the response.
#[derive(Debug)]
pub(super) struct ReplyForm {
    pub(super) message: MessageType,
    pub(super) field: Option<FieldHandle>,
    /// The reply is a raw `google.api.HttpBody`.
    pub(super) raw_body: bool,
}

/// The spelling one request and its reply have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spelling {
    pub(super) request: Encoding,
    pub(super) reply: Encoding,
    /// The layout of the reply where it is a stream of messages.
    pub(super) stream: Option<StreamForm>,
}

impl Endpoint {
    /// Agrees with the client on how messages are spelled, or says that they cannot.
    pub(super) fn negotiate(&self, headers: &HeaderMap) -> Result<Spelling, Status> {
        if headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(self.unsupported_coding());
        }
        if self.protocol == Protocol::Rpc
            && headers.get(&PROTOCOL_VERSION).is_some_and(|version| version != "1")
        {
            let message = format!("the only {} spoken here is 1", PROTOCOL_VERSION.as_str());
            return Err(Status::invalid_argument(message));
        }
        let kind = self.route.spec.kind();
        let request = self.request_encoding(headers, kind.client_streams())?;
        let streams = kind.server_streams() && !self.reply.raw_body;
        let stream =
            if streams { Some(content::stream_form(headers).ok_or_else(not_acceptable)?) } else { None };
        let takes_json = streams || self.reply.raw_body || content::accepts_type(headers, content::JSON);
        // Connect answers in the codec it was asked in; its `Accept` says nothing.
        if self.protocol == Protocol::Rest && !takes_json {
            return Err(not_acceptable());
        }
        Ok(Spelling { request, reply: request, stream })
    }

    /// Connect says UNIMPLEMENTED with its own HTTP status; HTTP at large says 415.
    fn unsupported_coding(&self) -> Status {
        match self.protocol {
            Protocol::Rpc => Status::unimplemented(unsupported_coding().message()),
            _ => unsupported_coding(),
        }
    }

    fn request_encoding(&self, headers: &HeaderMap, streams: bool) -> Result<Encoding, Status> {
        if self.request.raw_body || matches!(self.request.body(), BodyBinding::None) {
            return Ok(Encoding::Json);
        }
        match content::of_request(headers, streams) {
            Some(encoding) if self.protocol == Protocol::Rpc || encoding == Encoding::Json => Ok(encoding),
            // On a REST route the body may be one field: only JSON can spell that.
            _ => Err(unsupported_media_type(match (streams, self.protocol) {
                (true, _) => "application/x-ndjson",
                (false, Protocol::Rpc) => "application/json or application/proto",
                (false, _) => "application/json",
            })),
        }
    }
}
