//! What is agreed on with a client before its call, and needed again when there is an answer.
//!
//! Kept small: it lives as long as the call. Of the headers nothing is left but what they came to.

use http::Response;
use tonic::Status;

use super::answer_body::AnswerBody;
use super::coding::{self, Coding};
use super::content::{self, BodyType, Encoding};
use super::endpoint::{Endpoint, ReplySpelling, Spelling};
use super::heads::Heads;
use super::system::{Alt, System};
use super::{HttpConfig, Shared, coded_body, error, reply, stream_reply, without_body};
use crate::call::{Body as Messages, Protocol, Reply, Share, is_sent_as_it_is};
use crate::dispatch::Dispatched;

/// One request on its way to its answer.
pub(super) struct Exchange {
    errors: ErrorForm,
    /// How the client likes the body packed.
    packed: Option<Coding>,
    is_head: bool,
    /// Nothing as long as the call has not begun.
    pub(super) agreed: Option<Agreed>,
}

/// How a call was read, and so is answered.
pub(super) struct Agreed {
    pub(super) spelling: Spelling,
    /// The last event that a client knows which lost its stream.
    pub(super) last_event: u64,
}

/// The form of an error.
#[derive(Debug, Clone, Copy)]
enum ErrorForm {
    Rest(RestError),
    Connect,
    /// In the last envelope of a stream, with 200.
    ConnectStream(Encoding),
}

/// The form of an error on a REST route, or where no route is.
#[derive(Debug, Clone, Copy)]
pub(super) struct RestError {
    pub(super) encoding: Encoding,
    /// JSON for people.
    pub(super) is_pretty: bool,
}

impl RestError {
    /// As `Accept` has it.
    fn of_head(heads: &Heads<'_>) -> Self {
        let encoding = content::reply_encoding(heads).unwrap_or(Encoding::Json);
        Self { encoding, is_pretty: false }
    }

    /// As a request has it that came no further than its head.
    #[cold]
    pub(super) fn of(heads: &Heads<'_>, query: Option<&str>, config: &HttpConfig) -> Self {
        Self::of_head(heads).asked_for(&System::of_failed(query), config)
    }

    fn asked_for(self, system: &System, config: &HttpConfig) -> Self {
        self.with(system.alt, system.json(&config.json_out).pretty)
    }

    /// As the query has it, over what `Accept` says.
    fn with(self, alt: Option<Alt>, is_pretty: bool) -> Self {
        let encoding = match alt {
            Some(Alt::Proto) => Encoding::Proto,
            Some(Alt::Json | Alt::Sse) => Encoding::Json,
            // An error is no file.
            Some(Alt::Media) | None => self.encoding,
        };
        Self { encoding, is_pretty }
    }
}

impl ErrorForm {
    fn new(endpoint: &Endpoint, heads: &Heads<'_>) -> Self {
        if endpoint.protocol != Protocol::Rpc {
            return Self::Rest(RestError::of_head(heads));
        }
        let kind = endpoint.route.spec.kind();
        match content::of_request(heads) {
            Some(BodyType::Envelopes(encoding)) if kind.client_streams() || kind.server_streams() => {
                Self::ConnectStream(encoding)
            }
            _ => Self::Connect,
        }
    }
}

impl Exchange {
    pub(super) fn new(endpoint: &Endpoint, heads: &Heads<'_>, is_head: bool, config: &HttpConfig) -> Self {
        let packs = config.compress_replies && !heads.accept_encoding.is_empty();
        let ordered = endpoint.protocol == Protocol::Rpc;
        Self {
            errors: ErrorForm::new(endpoint, heads),
            packed: if packs { coding::accepted(heads.accept_encoding.iter(), ordered) } else { None },
            is_head,
            agreed: None,
        }
    }

    /// What the query says of errors, of a request with which nothing could be agreed on.
    #[cold]
    pub(super) fn disagreed(mut self, query: Option<&str>, config: &HttpConfig) -> Self {
        if let ErrorForm::Rest(form) = &mut self.errors {
            *form = form.asked_for(&System::of_failed(query), config);
        }
        self
    }

    /// The answer to a request that failed, in the protocol of its endpoint and as its client reads it.
    #[cold]
    pub(super) fn failed(&self, status: Status, edge: &Shared) -> Response<AnswerBody> {
        let mut response = match self.errors {
            ErrorForm::Rest(form) => {
                let said = self.agreed.as_ref().map(|agreed| &agreed.spelling);
                let form = said.map_or(form, |said| form.with(said.alt, said.view.json.pretty));
                edge.rest_error(status, form)
            }
            ErrorForm::Connect => error::connect(status, &edge.schema).map(AnswerBody::from),
            ErrorForm::ConnectStream(encoding) => stream_reply::failed_envelopes(status, encoding, edge),
        };
        self.finish(&mut response, edge);
        response
    }

    /// Makes a new response the answer to a call, if it is there; else says what it has to be awaited with. Most are there,
    /// and should not be moved through futures of futures, each as large as all that it may ever hold.
    pub(super) fn answer(
        mut self,
        response: &mut Response<AnswerBody>,
        endpoint: &Endpoint,
        reply: Result<Reply, Status>,
        call: &mut Dispatched,
        edge: &Shared,
    ) -> Result<(), Box<Unanswered>> {
        let reply = match reply {
            Ok(reply) => reply,
            Err(status) => {
                *response = self.failed(status, edge);
                return Ok(());
            }
        };
        if self.packed.is_some() && is_sent_as_it_is(&reply.extensions) {
            self.packed = None;
        }
        let Some(Agreed { spelling, .. }) = &self.agreed else {
            *response = self.failed(Status::internal("internal error"), edge);
            return Ok(());
        };
        let encoding = match spelling.reply {
            ReplySpelling::One(encoding) => Some(encoding),
            ReplySpelling::Raw if !endpoint.route.spec.kind().server_streams() => None,
            _ => return Err(self.unanswered(reply)),
        };
        let Reply { metadata, body, trailers, extensions } = reply;
        match body {
            Messages::Message(message) => {
                let rest = reply::Rest { metadata, trailers, extensions };
                match reply::one(response, endpoint, encoding, &spelling.view, message, rest) {
                    Ok(()) => self.finish(response, edge),
                    Err(status) => *response = self.refused(status, call, edge),
                }
                Ok(())
            }
            body => {
                let reply = Reply { metadata, body, trailers, extensions };
                Err(self.unanswered(reply))
            }
        }
    }

    #[inline(never)]
    fn unanswered(self, reply: Reply) -> Box<Unanswered> {
        Box::new(Unanswered { exchange: self, reply })
    }

    /// The answer to a call whose reply cannot be sent.
    #[cold]
    fn refused(&self, status: Status, call: &mut Dispatched, edge: &Shared) -> Response<AnswerBody> {
        call.refuse(&status);
        self.failed(status, edge)
    }

    fn responded(
        &self,
        response: Result<Response<AnswerBody>, Status>,
        edge: &Shared,
    ) -> Response<AnswerBody> {
        match response {
            Ok(mut response) => {
                self.finish(&mut response, edge);
                response
            }
            Err(status) => self.failed(status, edge),
        }
    }

    /// Packs it, or takes its body away, as was asked for.
    #[inline]
    fn finish(&self, response: &mut Response<AnswerBody>, edge: &Shared) {
        if self.packed.is_some() || self.is_head {
            self.change(response, edge);
        }
    }

    #[inline(never)]
    fn change(&self, response: &mut Response<AnswerBody>, edge: &Shared) {
        if let Some(coding) = self.packed {
            *response = coded_body::pack(std::mem::take(response), coding, edge.config.compress_min_bytes);
        }
        if self.is_head {
            *response = without_body(std::mem::take(response));
        }
    }
}

/// A call whose reply is still to come, or comes in many messages.
pub(super) struct Unanswered {
    exchange: Exchange,
    reply: Reply,
}

impl Unanswered {
    pub(super) async fn answer(
        self,
        endpoint: &Share<Endpoint>,
        edge: &Share<Shared>,
    ) -> Response<AnswerBody> {
        let Self { exchange, reply } = self;
        let response = Self::respond(&exchange, endpoint, reply, edge).await;
        exchange.responded(response, edge)
    }

    async fn respond(
        exchange: &Exchange,
        endpoint: &Share<Endpoint>,
        reply: Reply,
        edge: &Share<Shared>,
    ) -> Result<Response<AnswerBody>, Status> {
        let Some(Agreed { spelling, last_event }) = &exchange.agreed else {
            return Err(Status::internal("internal error"));
        };
        let encoding = match spelling.reply {
            ReplySpelling::Stream(form) => {
                return stream_reply::many(endpoint, form, spelling, *last_event, reply, edge).await;
            }
            ReplySpelling::Raw if endpoint.route.spec.kind().server_streams() => {
                return stream_reply::raw(endpoint, reply).await;
            }
            ReplySpelling::Raw => None,
            ReplySpelling::One(encoding) => Some(encoding),
        };
        let Reply { metadata, body, trailers, extensions } = reply;
        let mut messages = body.into_stream();
        let message = messages.only().await?;
        let rest = reply::Rest { metadata, trailers, extensions };
        let mut response = Response::default();
        reply::one(&mut response, endpoint, encoding, &spelling.view, message, rest)
            .inspect_err(|status| messages.refuse(status))?;
        Ok(response)
    }
}
