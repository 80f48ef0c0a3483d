//! What a handler may see of HTTP, and say to it. Over other protocols it sees nothing, and what it says means
//! nothing and harms nothing.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tonic::Status;

/// Which way a call came in over HTTP; see [`Context::http_route`](super::Context::http_route).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpRoute {
    /// The method of the binding as its rule spells it, such as `GET`; `*` for one that takes every method.
    pub method: String,
    /// The template of the binding, such as `/v1/{name=shelves/*}`; on an RPC route its path.
    pub template: String,
    /// Which of the rule's bindings it is: 0 for the rule itself, then its additional bindings.
    pub binding: usize,
}

/// What an answer over HTTP says besides its message: a status of its own, and headers.
///
/// Put among the extensions of a [`Response`](crate::Response), or [on an error](Self::on). Over gRPC it is passed
/// over, so that a handler needs no `if`. Statuses that have no body (204, 304) leave the message out.
///
/// ```
/// use ambidex::call::HttpResponse;
/// use ambidex::{Response, Status};
///
/// fn create() -> Response<String> {
///     let mut response = Response::new("a book".to_owned());
///     response.extensions_mut().insert(HttpResponse::created("/v1/books/17"));
///     response
/// }
///
/// fn missing() -> Status {
///     HttpResponse::new(http::StatusCode::GONE).on(Status::not_found("it was here until yesterday"))
/// }
/// # create(); missing();
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HttpResponse {
    status: Option<StatusCode>,
    headers: HeaderMap,
    /// It is the edge that has a word which gRPC lacks, and not a handler.
    of_edge: bool,
}

/// What a `Location` cannot hold as it is.
const NOT_IN_A_LOCATION: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`');

impl HttpResponse {
    /// An answer with this status. An informational one is no answer, and passed over.
    pub fn new(status: StatusCode) -> Self {
        Self { status: Some(status), ..Self::default() }
    }

    /// What the edge itself says of an error.
    pub(crate) fn of_edge(status: StatusCode) -> Self {
        Self { of_edge: true, ..Self::new(status) }
    }

    pub(crate) fn is_of_edge(&self) -> bool {
        self.of_edge
    }

    /// The usual status, for an answer that only has headers to add.
    pub fn ok() -> Self {
        Self::default()
    }

    /// 201 with the `Location` of what was made. What a header cannot hold is percent-encoded.
    pub fn created(location: &str) -> Self {
        Self::new(StatusCode::CREATED).location(location)
    }

    /// 303: the answer is to be fetched with GET from `location`.
    pub fn see_other(location: &str) -> Self {
        Self::new(StatusCode::SEE_OTHER).location(location)
    }

    /// 304: what the client has is still right. [`Preconditions::answer`](super::Preconditions::answer) finds out.
    pub fn not_modified() -> Self {
        Self::new(StatusCode::NOT_MODIFIED)
    }

    /// Whether it is 304, whose message is left out, and so need not be made.
    pub fn is_not_modified(&self) -> bool {
        self.status == Some(StatusCode::NOT_MODIFIED)
    }

    /// 412: FAILED_PRECONDITION on every other wire.
    pub(super) fn precondition_failed(message: &str) -> Status {
        Self::new(StatusCode::PRECONDITION_FAILED).on(Status::failed_precondition(message))
    }

    /// Adds a header, beside others of its name. Those that frame the message are passed over: `Content-Length`,
    /// `Content-Encoding`, `Transfer-Encoding` and those of the connection.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Says the same of an error, whose code stays what it is on every other wire. Replaces the error's source.
    #[must_use]
    pub fn on(self, mut error: Status) -> Status {
        error.set_source(Arc::new(OnError(self)));
        error
    }

    /// What was said of an error.
    pub(crate) fn of(error: &Status) -> Option<&Self> {
        let source = std::error::Error::source(error)?;
        source.downcast_ref::<OnError>().map(|OnError(own)| own)
    }

    /// The status, if it is one that an answer can have.
    pub(crate) fn status(&self) -> Option<StatusCode> {
        self.status.filter(|status| !status.is_informational())
    }

    /// The headers that an answer may have.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.headers.iter().filter(|(name, _)| !frames_the_message(name))
    }

    fn location(self, location: &str) -> Self {
        let encoded = utf8_percent_encode(location, NOT_IN_A_LOCATION).to_string();
        match HeaderValue::try_from(encoded) {
            Ok(value) => self.header(header::LOCATION, value),
            Err(_) => self,
        }
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse").field("status", &self.status).field("headers", &self.headers).finish()
    }
}

fn frames_the_message(name: &HeaderName) -> bool {
    let names = [
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    names.contains(name) || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// Travels as the source of a status, and so survives the way through interceptors.
#[derive(Debug)]
struct OnError(HttpResponse);

impl fmt::Display for OnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.status {
            Some(status) => write!(f, "HTTP status {status}"),
            None => f.write_str("HTTP headers"),
        }
    }
}

impl std::error::Error for OnError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_cannot_begin_a_header_of_its_own() {
        let response = HttpResponse::created("/v1/bücher/1\r\nset-cookie: a=b");
        let headers: Vec<_> = response.headers().collect();
        assert_eq!(headers.len(), 1);
        assert_eq!(headers[0].1, "/v1/b%C3%BCcher/1%0D%0Aset-cookie:%20a=b");
    }

    #[test]
    fn what_frames_the_message_is_not_the_handlers() {
        let response = HttpResponse::ok()
            .header(header::CONTENT_LENGTH, HeaderValue::from_static("3"))
            .header(header::ETAG, HeaderValue::from_static("\"a\""));
        assert_eq!(
            response.headers().collect::<Vec<_>>(),
            [(&header::ETAG, &HeaderValue::from_static("\"a\""))]
        );
        assert_eq!(HttpResponse::new(StatusCode::CONTINUE).status(), None);
    }

    #[test]
    fn an_error_keeps_what_was_said_of_it() {
        let error = HttpResponse::new(StatusCode::GONE).on(Status::not_found("gone"));
        let error = error.clone();
        assert_eq!(HttpResponse::of(&error).and_then(HttpResponse::status), Some(StatusCode::GONE));
        assert_eq!(HttpResponse::of(&Status::not_found("")), None);
    }
}
