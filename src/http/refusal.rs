//! Requests that are answered before they are calls: which of the answers are refusals, and why.

use axum::body::Body;
use http::{Method, Request, Response};

use super::answer_body::AnswerBody;
use super::{Shared, status};
use crate::call::Peer;
use crate::telemetry::{Door, Refused};

impl Shared {
    /// Notes the answer to a request that is no call, if it refuses it.
    #[cold]
    #[inline(never)]
    pub(super) fn noted(
        &self,
        request: &Request<Body>,
        peer: &Peer,
        answer: Response<AnswerBody>,
    ) -> Response<AnswerBody> {
        self.note(request.method(), request.uri().path(), peer, &answer);
        answer
    }

    /// The same of a request that is taken apart already.
    pub(super) fn note(&self, method: &Method, path: &str, peer: &Peer, answer: &Response<AnswerBody>) {
        let Some(reason) = status::reason_of_refusal(answer) else { return };
        let target = Some((method, path));
        self.dispatcher.refusals().note(Refused { door: Door::Http, reason, target, peer });
    }
}
