//! A method with one way to spell it in HTTP: a REST binding, or its RPC route.

use ambidex_schema::{BodyBinding, EncodeOptions, FieldHandle, HttpBinding, MessageType, ResponseMask};
use http::{HeaderName, Method};
use tonic::Status;

use super::HttpConfig;
use super::coding::{self, Coding};
use super::connect_get;
use super::content::{self, BodyType, Encoding, StreamForm};
use super::heads::Heads;
use super::status::{not_acceptable, unsupported_media_type};
use super::system::{Alt, System};
use crate::call::{Entrance, Protocol, Spread};
use crate::dispatch::Route;

/// How the messages of a Connect stream are packed, each by itself.
pub(super) static CONNECT_CONTENT_ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");

/// A method with one way to spell it in HTTP.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) route: Spread<Route>,
    pub(super) protocol: Protocol,
    pub(super) entrance: Spread<Entrance>,
    pub(super) request: RequestForm,
    pub(super) reply: ReplyForm,
    /// What is agreed on with a client that asks for nothing in particular, as most do not.
    usual: Option<Spelling>,
}

impl Endpoint {
    /// An RPC route is one for GET or for POST, as `method` says; to a REST route it is all the same.
    pub(super) fn new(
        route: Spread<Route>,
        protocol: Protocol,
        method: &Method,
        entrance: Spread<Entrance>,
        (request, reply): (RequestForm, ReplyForm),
        config: &HttpConfig,
    ) -> Self {
        let mut endpoint = Self { route, protocol, entrance, request, reply, usual: None };
        // Without a query there is no message in one.
        if !endpoint.is_query(method) {
            endpoint.usual = endpoint.spelling(method, &Heads::default(), None, config).ok();
        }
        endpoint
    }

    /// Whether a request with this method has its message in the query: Connect's GET.
    fn is_query(&self, method: &Method) -> bool {
        self.protocol == Protocol::Rpc && matches!(*method, Method::GET | Method::HEAD)
    }

    /// The largest body, and the largest message of a streamed one.
    pub(super) fn body_max_bytes(&self, config: &HttpConfig) -> usize {
        self.route.request_max_bytes.unwrap_or(config.body_max_bytes)
    }
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
    /// What is shown is a raw `google.api.HttpBody`: the reply itself, or the field `response_body` names.
    pub(super) raw_body: bool,
    /// The field whose value is the id of a server-sent event.
    pub(super) event_id: Option<FieldHandle>,
}

/// The spelling one request and its reply have.
#[derive(Debug, Clone)]
pub(super) struct Spelling {
    pub(super) request: RequestSpelling,
    pub(super) reply: ReplySpelling,
    /// How the body, or each of its messages, is packed.
    pub(super) request_coding: Option<Coding>,
    /// How each message of the reply is packed. The other forms are packed as a whole, when they are there.
    pub(super) envelope_coding: Option<Coding>,
    pub(super) view: View,
    /// What the query says of the form of the answer, and so of an error.
    pub(super) alt: Option<Alt>,
}

/// How the messages of a request are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestSpelling {
    /// The body is one message, or a part of it.
    Whole(Encoding),
    /// The body is raw bytes of any type.
    Raw,
    /// The body is a message each line, or in JSON an array of messages.
    Lines,
    Array,
    Envelopes(Encoding),
    /// The query has it: Connect's GET.
    Query,
}

/// How the messages of a reply are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReplySpelling {
    One(Encoding),
    Raw,
    Stream(StreamForm),
}

/// What of a reply message is shown, and how as JSON.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) json: EncodeOptions,
    pub(super) mask: Option<ResponseMask>,
}

impl Endpoint {
    /// Agrees with the client on how messages are spelled, or says that they cannot.
    pub(super) fn negotiate(
        &self,
        method: &Method,
        heads: &Heads<'_>,
        query: Option<&str>,
        config: &HttpConfig,
    ) -> Result<Spelling, Status> {
        // On an RPC route the query is Connect's.
        let query_of_rest = query.filter(|_| self.protocol == Protocol::Rest);
        let asks = query_of_rest.is_some_and(|query| System::may_be_in(query, config.response_masks));
        match &self.usual {
            Some(usual) if !asks && content::is_usual(heads) => {
                debug_assert!({
                    let spelled = self.spelling(method, heads, query, config);
                    spelled.is_ok_and(|spelled| format!("{spelled:?}") == format!("{usual:?}"))
                });
                Ok(usual.clone())
            }
            _ => self.spelling(method, heads, query, config),
        }
    }

    /// The same for whatever a client asks for.
    #[inline(never)]
    fn spelling(
        &self,
        method: &Method,
        heads: &Heads<'_>,
        query: Option<&str>,
        config: &HttpConfig,
    ) -> Result<Spelling, Status> {
        let is_rest = self.protocol == Protocol::Rest;
        let system = System::of_query(query.filter(|_| is_rest), config.response_masks)?;
        let is_query = self.is_query(method);
        if self.protocol == Protocol::Rpc && !is_query {
            protocol_version(heads, config.connect_require_header)?;
        }
        let request = if is_query { RequestSpelling::Query } else { self.request_spelling(method, heads)? };
        let envelopes = matches!(request, RequestSpelling::Envelopes(_));
        let coding = if envelopes { heads.connect_content_encoding } else { heads.content_encoding };
        let request_coding = coding.map_or(Ok(None), coding::named).map_err(|status| {
            // Connect says UNIMPLEMENTED with its own HTTP status; HTTP at large says 415.
            if self.protocol == Protocol::Rpc { Status::unimplemented(status.message()) } else { status }
        })?;
        let envelope_coding = match envelopes && config.compress_replies {
            true => coding::accepted(heads.connect_accept_encoding.iter(), true),
            false => None,
        };
        let view = View { json: system.json(&config.json_out), mask: self.mask(&system)? };
        let reply = match request {
            RequestSpelling::Query => {
                let query = query.unwrap_or_default();
                ReplySpelling::One(connect_get::encoding(query, config.connect_require_header)?)
            }
            _ => self.reply_spelling(request, heads, &system)?,
        };
        Ok(Spelling { request, reply, request_coding, envelope_coding, view, alt: system.alt })
    }

    fn request_spelling(&self, method: &Method, heads: &Heads<'_>) -> Result<RequestSpelling, Status> {
        if self.request.raw_body {
            return Ok(RequestSpelling::Raw);
        }
        let kind = self.route.spec.kind();
        let streams = kind.client_streams();
        if matches!(self.request.body(), BodyBinding::None) {
            return Ok(if streams { RequestSpelling::Lines } else { RequestSpelling::Whole(Encoding::Json) });
        }
        let is_connect_stream = self.protocol == Protocol::Rpc && (streams || kind.server_streams());
        match (content::of_request(heads), streams) {
            (Some(BodyType::Envelopes(encoding)), _) if is_connect_stream => {
                Ok(RequestSpelling::Envelopes(encoding))
            }
            (Some(BodyType::One(encoding)), false) if self.takes(encoding) => {
                Ok(RequestSpelling::Whole(encoding))
            }
            (Some(BodyType::One(Encoding::Json)), true) => Ok(RequestSpelling::Array),
            (Some(BodyType::Ndjson), true) => Ok(RequestSpelling::Lines),
            _ => {
                let types = match (self.protocol, streams, kind.server_streams()) {
                    (Protocol::Rpc, true, _) => {
                        "application/x-ndjson, application/json, application/connect+json, application/connect+proto"
                    }
                    (Protocol::Rpc, false, true) => {
                        "application/json, application/proto, application/connect+json, application/connect+proto"
                    }
                    (_, true, _) => "application/x-ndjson, application/json",
                    (_, false, _) if self.takes(Encoding::Proto) => "application/json, application/proto",
                    (_, false, _) => "application/json",
                };
                Err(unsupported_media_type(method, types))
            }
        }
    }

    /// A field that is no message has no protobuf of its own.
    fn takes(&self, encoding: Encoding) -> bool {
        match (encoding, self.request.body()) {
            (Encoding::Proto, BodyBinding::Field(field)) => {
                field.message_type().is_some() && !field.is_list()
            }
            _ => true,
        }
    }

    fn reply_spelling(
        &self,
        request: RequestSpelling,
        heads: &Heads<'_>,
        system: &System,
    ) -> Result<ReplySpelling, Status> {
        if self.reply.raw_body {
            return Ok(ReplySpelling::Raw);
        }
        let streams = self.route.spec.kind().server_streams();
        match (request, streams, system.alt) {
            (RequestSpelling::Envelopes(encoding), _, _) => {
                Ok(ReplySpelling::Stream(StreamForm::Envelopes(encoding)))
            }
            // Connect answers in the codec it was asked in; its `Accept` says nothing.
            (RequestSpelling::Whole(encoding), false, None) if self.protocol == Protocol::Rpc => {
                Ok(ReplySpelling::One(encoding))
            }
            (_, true, Some(Alt::Sse)) => Ok(ReplySpelling::Stream(StreamForm::Sse)),
            (_, true, None) => {
                content::stream_form(heads).map(ReplySpelling::Stream).ok_or_else(not_acceptable)
            }
            (_, true, Some(Alt::Json)) => Ok(ReplySpelling::Stream(
                content::stream_form(heads)
                    .filter(|form| *form != StreamForm::Sse)
                    .unwrap_or(StreamForm::Ndjson),
            )),
            (_, false, Some(Alt::Json)) => Ok(ReplySpelling::One(Encoding::Json)),
            (_, false, Some(Alt::Proto)) if self.shows_proto() => Ok(ReplySpelling::One(Encoding::Proto)),
            (_, false, None) => match content::reply_encoding(heads) {
                Some(Encoding::Proto) if !self.shows_proto() => Err(not_acceptable()),
                encoding => encoding.map(ReplySpelling::One).ok_or_else(not_acceptable),
            },
            (_, _, Some(_)) => Err(Status::invalid_argument("$alt: this method's reply has no such form")),
        }
    }

    /// A field that is no message has no protobuf of its own.
    pub(super) fn shows_proto(&self) -> bool {
        self.reply.field.as_ref().is_none_or(|field| field.message_type().is_some() && !field.is_list())
    }

    pub(super) fn mask(&self, system: &System) -> Result<Option<ResponseMask>, Status> {
        let Some(fields) = &system.fields else { return Ok(None) };
        let wrong = |error: ambidex_schema::ResponseMaskError| {
            Status::invalid_argument(format!("{}: {error}", super::system::FIELDS))
        };
        let shown =
            self.reply.field.as_ref().and_then(|field| field.message_type().map(|shown| (field, shown)));
        match shown {
            Some((field, shown)) => shown.response_mask(fields).map(|mask| Some(mask.below(field))),
            None => self.reply.message.response_mask(fields).map(Some),
        }
        .map_err(wrong)
    }
}

/// Checks what a Connect client says it speaks.
fn protocol_version(heads: &Heads<'_>, required: bool) -> Result<(), Status> {
    match heads.connect_protocol_version {
        Some(version) if version == "1" => Ok(()),
        Some(_) => Err(Status::invalid_argument("the only connect-protocol-version spoken here is 1")),
        None if required => Err(Status::invalid_argument("send the header connect-protocol-version: 1")),
        None => Ok(()),
    }
}
