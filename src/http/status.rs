//! HTTP status ↔ gRPC code, both ways by table. The one place that knows HTTP status numbers.
//!
//! The table is the one in
//! [`google/rpc/code.proto`](https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto), which
//! AIP-193 refers to; [Connect's](https://connectrpc.com/docs/protocol/#error-codes) is the same.

use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use tonic::{Code, Status};

use crate::call::{Context, HttpResponse, MethodKind, Protocol};
use crate::telemetry::Reason;

/// Says of an error what HTTP has a word of its own for and no gRPC code has, such as 415.
fn in_own_words(error: Status, status: StatusCode, header: Option<(HeaderName, HeaderValue)>) -> Status {
    let own = HttpResponse::of_edge(status);
    header.into_iter().fold(own, |own, (name, value)| own.header(name, value)).on(error)
}

/// A request body over its limit: RESOURCE_EXHAUSTED everywhere, 413 here.
pub(super) fn body_too_large(limit_bytes: usize) -> Status {
    let message = format!("the request body is larger than {limit_bytes} bytes");
    in_own_words(Status::resource_exhausted(message), StatusCode::PAYLOAD_TOO_LARGE, None)
}

/// A request body that does not come at the pace it has to: 408 here.
pub(super) fn body_too_slow(error: Status) -> Status {
    in_own_words(error, StatusCode::REQUEST_TIMEOUT, None)
}

/// No route has this path's method; `allowed` are those that some have.
pub(super) fn method_not_allowed(method: &Method, allowed: &str) -> Status {
    let error = Status::unimplemented(format!("{method} is not allowed here; allowed: {allowed}"));
    let header = HeaderValue::try_from(allowed).ok().map(|allowed| (header::ALLOW, allowed));
    in_own_words(error, StatusCode::METHOD_NOT_ALLOWED, header)
}

/// The body is of a type we do not read. What would be has a header for POST, another for PATCH (RFC 5789, section 2.2),
/// and for the others the one that all may have (RFC 9110, section 15.5.16).
pub(super) fn unsupported_media_type(method: &Method, expected: &'static str) -> Status {
    let error = Status::invalid_argument(format!("send the body as {expected}"));
    let name = match *method {
        Method::POST => HeaderName::from_static("accept-post"),
        Method::PATCH => HeaderName::from_static("accept-patch"),
        _ => header::ACCEPT,
    };
    let types = HeaderValue::from_static(expected);
    in_own_words(error, StatusCode::UNSUPPORTED_MEDIA_TYPE, Some((name, types)))
}

/// The path and query of a request are over their limit.
pub(super) fn target_too_long(limit_bytes: usize) -> Status {
    let message = format!("path and query are longer than {limit_bytes} bytes together");
    in_own_words(Status::invalid_argument(message), StatusCode::URI_TOO_LONG, None)
}

/// The body is in a coding we do not read.
pub(super) fn unsupported_coding() -> Status {
    let message = format!("the content codings read here are {}", super::coding::NAMES);
    let known = (header::ACCEPT_ENCODING, HeaderValue::from_static(super::coding::NAMES));
    in_own_words(Status::unimplemented(message), StatusCode::UNSUPPORTED_MEDIA_TYPE, Some(known))
}

/// A Connect GET names a codec that there is not: the type of a body, had it one.
pub(super) fn unknown_get_encoding(name: &str) -> Status {
    let error =
        Status::invalid_argument(format!("encoding: there is no codec {name:?}; write json or proto"));
    in_own_words(error, StatusCode::UNSUPPORTED_MEDIA_TYPE, None)
}

/// The client takes no type that we can answer with.
pub(super) fn not_acceptable() -> Status {
    let error = Status::invalid_argument("none of the types in Accept can be answered with");
    in_own_words(error, StatusCode::NOT_ACCEPTABLE, None)
}

/// Why a request was refused that has this answer and was no call; nothing if it was answered well.
pub(super) fn reason_of_refusal<B>(answer: &Response<B>) -> Option<Reason> {
    match answer.status() {
        StatusCode::NOT_FOUND => Some(Reason::NotFound),
        StatusCode::METHOD_NOT_ALLOWED => Some(Reason::MethodNotAllowed),
        // Connect has no other word for a coding that it does not know.
        StatusCode::UNSUPPORTED_MEDIA_TYPE | StatusCode::NOT_IMPLEMENTED => Some(Reason::MediaType),
        StatusCode::NOT_ACCEPTABLE => Some(Reason::NotAcceptable),
        StatusCode::FORBIDDEN => Some(Reason::Origin),
        StatusCode::URI_TOO_LONG => Some(Reason::HeadTooLarge),
        // An error of a Connect stream is in its last envelope.
        StatusCode::OK => {
            let content_type = answer.headers().get(header::CONTENT_TYPE)?;
            content_type.as_bytes().starts_with(b"application/connect+").then_some(Reason::Malformed)
        }
        other if other.is_client_error() || other.is_server_error() => Some(Reason::Malformed),
        _ => None,
    }
}

/// There is nothing to say but headers.
pub(super) const NO_CONTENT: StatusCode = StatusCode::NO_CONTENT;

/// Whether an answer of this status has no body.
pub(super) fn has_no_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Whether an answer says that there is nothing new.
pub(super) fn is_not_modified(status: StatusCode) -> bool {
    status == StatusCode::NOT_MODIFIED
}

/// The client closed its connection before it had an answer. It reads nothing any more; who reads this is the client of a
/// handler that hands on the CANCELLED of a call of its own.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The HTTP status an error is answered with.
pub(super) fn of_status(error: &Status) -> StatusCode {
    HttpResponse::of(error).and_then(HttpResponse::status).unwrap_or_else(|| of_code(error.code()))
}

/// The HTTP status a call that failed was answered with, where that is known of it: an error of a Connect stream is in
/// its last envelope, or not, as its client has it.
pub(crate) fn of_failed_call(error: &Status, call: &Context) -> Option<StatusCode> {
    match call.protocol() {
        Protocol::Rest => Some(of_status(error)),
        Protocol::Rpc if call.method().kind() == MethodKind::Unary => Some(of_connect_status(error)),
        _ => None,
    }
}

/// The same for a Connect client, which takes no handler's word for it: what is not 200 is an error there.
pub(super) fn of_connect_status(error: &Status) -> StatusCode {
    let own = HttpResponse::of(error).filter(|own| own.is_of_edge()).and_then(HttpResponse::status);
    own.unwrap_or_else(|| of_code(error.code()))
}

/// The HTTP status of a gRPC code.
pub(crate) fn of_code(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::Cancelled => {
            StatusCode::from_u16(CLIENT_CLOSED_REQUEST).expect("three digits are a status code")
        }
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The gRPC code of an HTTP status, for code that calls services over REST by hand: the way back of the table by which
/// this server answers, and so Google's REST services. Where several codes have one status it is the most general of them
/// (409 is ABORTED, which says to try again from the start); a status that no code has is FAILED_PRECONDITION as an error
/// of the caller's, INTERNAL as one of the server's, and UNKNOWN otherwise.
///
/// An error of [AIP-193](https://google.aip.dev/193) names its code in its body, `error.status`, which says more. A gRPC
/// client that gets an HTTP error instead of an answer has
/// [another table](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md), where 404 is UNIMPLEMENTED:
/// tonic's has it built in.
///
/// ```
/// use ambidex::{Code, Status, code_of_http_status};
///
/// fn failed(status: http::StatusCode, body: &str) -> Status {
///     Status::new(code_of_http_status(status), format!("the other service: {body}"))
/// }
/// assert_eq!(failed(http::StatusCode::NOT_FOUND, "no such book").code(), Code::NotFound);
/// ```
pub fn code_of_http_status(status: StatusCode) -> Code {
    match status {
        StatusCode::BAD_REQUEST => Code::InvalidArgument,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::CONFLICT => Code::Aborted,
        StatusCode::RANGE_NOT_SATISFIABLE => Code::OutOfRange,
        StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::INTERNAL_SERVER_ERROR => Code::Internal,
        StatusCode::NOT_IMPLEMENTED => Code::Unimplemented,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        StatusCode::GATEWAY_TIMEOUT => Code::DeadlineExceeded,
        other if other.as_u16() == CLIENT_CLOSED_REQUEST => Code::Cancelled,
        other if other.is_success() => Code::Ok,
        other if other.is_client_error() => Code::FailedPrecondition,
        other if other.is_server_error() => Code::Internal,
        _ => Code::Unknown,
    }
}

/// The name of a code as Connect prints it (`not_found`; one l in `canceled`).
pub(super) fn connect_code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "canceled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_the_status_that_code_proto_gives_it() {
        let table = [
            (Code::Ok, 200),
            (Code::Cancelled, 499),
            (Code::Unknown, 500),
            (Code::InvalidArgument, 400),
            (Code::DeadlineExceeded, 504),
            (Code::NotFound, 404),
            (Code::AlreadyExists, 409),
            (Code::PermissionDenied, 403),
            (Code::Unauthenticated, 401),
            (Code::ResourceExhausted, 429),
            (Code::FailedPrecondition, 400),
            (Code::Aborted, 409),
            (Code::OutOfRange, 400),
            (Code::Unimplemented, 501),
            (Code::Internal, 500),
            (Code::Unavailable, 503),
            (Code::DataLoss, 500),
        ];
        for (code, status) in table {
            assert_eq!(of_code(code).as_u16(), status, "{code:?}");
        }
    }

    #[test]
    fn the_way_back_is_the_same_table() {
        for number in 0..=16 {
            let code = Code::from(number);
            let back = code_of_http_status(of_code(code));
            assert_eq!(of_code(back), of_code(code), "{code:?} comes back as one of those with its status");
            if let Code::FailedPrecondition | Code::OutOfRange | Code::AlreadyExists = code {
                continue;
            }
            if let Code::Unknown | Code::DataLoss = code {
                continue;
            }
            assert_eq!(back, code);
        }
        let table = [
            (204, Code::Ok),
            (302, Code::Unknown),
            (412, Code::FailedPrecondition),
            (416, Code::OutOfRange),
            (418, Code::FailedPrecondition),
            (502, Code::Internal),
            (999, Code::Unknown),
        ];
        for (status, code) in table {
            let status = StatusCode::from_u16(status).expect("three digits");
            assert_eq!(code_of_http_status(status), code, "{status}");
        }
    }

    #[test]
    fn a_body_over_its_limit_is_413() {
        let status = body_too_large(10);
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(of_status(&status), StatusCode::PAYLOAD_TOO_LARGE);
    }
}
