//! What is agreed on with a client before its call, and needed again when there is an answer.
//!
//! Kept small: it lives as long as the call. Of the headers nothing is left but what they came to.

use std::sync::Arc;

use axum::body::Body;
use http::Response;
use tonic::Status;

use super::coding::Coding;
use super::content::{self, BodyType, Encoding};
use super::endpoint::{Endpoint, ReplySpelling, Spelling};
use super::heads::Heads;
use super::{HttpConfig, Shared, coded_body, error, reply, stream_reply, without_body};
use crate::call::{Protocol, Reply};

/// One request on its way to its answer.
pub(super) struct Exchange {
    endpoint: Arc<Endpoint>,
    errors: ErrorForm,
    /// How the client likes the body packed.
    packed: Option<Coding>,
    is_head: bool,
    /// Nothing as long as the call has not begun.
    agreed: Option<Agreed>,
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
    Rest(Encoding),
    Connect,
    /// In the last envelope of a stream, with 200.
    ConnectStream(Encoding),
}

impl ErrorForm {
    fn new(endpoint: &Endpoint, heads: &Heads) -> Self {
        if endpoint.protocol != Protocol::Rpc {
            return Self::Rest(content::reply_encoding(heads).unwrap_or(Encoding::Json));
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
    pub(super) fn new(endpoint: &Arc<Endpoint>, heads: &Heads, is_head: bool, config: &HttpConfig) -> Self {
        let packs = config.compress_replies && !heads.accept_encoding.is_empty();
        let ordered = endpoint.protocol == Protocol::Rpc;
        Self {
            endpoint: Arc::clone(endpoint),
            errors: ErrorForm::new(endpoint, heads),
            packed: if packs { Coding::accepted(heads.accept_encoding.iter(), ordered) } else { None },
            is_head,
            agreed: None,
        }
    }

    pub(super) fn agreed(mut self, agreed: Agreed) -> Self {
        self.agreed = Some(agreed);
        self
    }

    /// The answer to a request that failed, in the protocol of its endpoint and as its client reads it.
    pub(super) fn failed(&self, status: Status, edge: &Shared) -> Response<Body> {
        let response = match self.errors {
            ErrorForm::Rest(encoding) => edge.rest_error(status, encoding),
            ErrorForm::Connect => error::connect(status, &edge.schema).map(Body::from),
            ErrorForm::ConnectStream(encoding) => stream_reply::failed_envelopes(status, encoding, edge),
        };
        self.finished(response, edge)
    }

    /// The answer to a call.
    pub(super) async fn answer(self, reply: Result<Reply, Status>, edge: &Arc<Shared>) -> Response<Body> {
        let response = match reply {
            Ok(reply) => self.respond(reply, edge).await,
            Err(status) => Err(status),
        };
        match response {
            Ok(response) => self.finished(response, edge),
            Err(status) => self.failed(status, edge),
        }
    }

    async fn respond(&self, reply: Reply, edge: &Arc<Shared>) -> Result<Response<Body>, Status> {
        let endpoint = &self.endpoint;
        let Some(Agreed { spelling, last_event }) = &self.agreed else {
            return Err(Status::internal("internal error"));
        };
        match spelling.reply {
            ReplySpelling::One(encoding) => reply::one(endpoint, Some(encoding), &spelling.view, reply).await,
            ReplySpelling::Raw if endpoint.route.spec.kind().server_streams() => {
                Box::pin(stream_reply::raw(endpoint, reply)).await
            }
            ReplySpelling::Raw => reply::one(endpoint, None, &spelling.view, reply).await,
            ReplySpelling::Stream(form) => {
                Box::pin(stream_reply::many(endpoint, form, spelling, *last_event, reply, edge)).await
            }
        }
    }

    fn finished(&self, response: Response<Body>, edge: &Shared) -> Response<Body> {
        let response = match self.packed {
            Some(coding) => coded_body::pack(response, coding, edge.config.compress_min_bytes),
            None => response,
        };
        if self.is_head { without_body(response) } else { response }
    }
}
