//! The span of a call, by OpenTelemetry's conventions for
//! [RPC](https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/) and
//! [HTTP](https://opentelemetry.io/docs/specs/semconv/http/http-spans/), as `tracing` has it.
//!
//! A span's name is fixed where it is written, so that of the method is in `otel.name`, where tracing-opentelemetry looks
//! for it. `rpc.service` is not in the conventions any more; it is there for whoever groups by it.

use http::StatusCode;
use tonic::Code;
use tracing::field::Empty;
use tracing::{Level, Span};

use super::{SPAN_TARGET, rpc_system};
use crate::call::{Call, HttpRequest, TraceContext, code_name};

/// Opens the span of a call, if somebody wants to know. The call has a trace from then on.
pub(super) fn open(call: &mut Call) -> Span {
    let told = call.extensions.remove::<Box<HttpRequest>>();
    if !tracing::span_enabled!(target: SPAN_TARGET, Level::INFO) {
        return Span::none();
    }
    let context = call.context();
    let caller = TraceContext::from_metadata(&call.metadata);
    let trace = caller.as_ref().map_or_else(TraceContext::root, TraceContext::child);
    let (method, route, peer) = (context.method(), context.http_route(), context.peer().address);
    let told = told.as_deref();
    // gRPC's requests are POSTs to a path that says the method once more.
    let http = told.filter(|_| route.is_some());
    let span = tracing::info_span!(
        target: SPAN_TARGET,
        "call",
        otel.name = method.full_name(),
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system.name = rpc_system(context.protocol()),
        rpc.service = method.service(),
        rpc.method = method.full_name(),
        rpc.response.status_code = Empty,
        "error.type" = Empty,
        http.request.method = http.map(HttpRequest::method),
        http.request.method_original = http.and_then(HttpRequest::own_method),
        http.route = route.map(|route| &*route.template),
        http.response.status_code = Empty,
        url.path = http.map(HttpRequest::path),
        url.scheme = http.map(|http| http.scheme(context.peer().tls)),
        server.address = told.and_then(HttpRequest::host),
        server.port = told.and_then(HttpRequest::port),
        user_agent.original = told.and_then(HttpRequest::user_agent),
        network.protocol.version = told.and_then(HttpRequest::version),
        client.address = peer.map(|peer| tracing::field::display(peer.ip())),
        client.port = peer.map(|peer| peer.port()),
        trace_id = Empty,
        span_id = Empty,
        parent_id = trace.parent_id(),
    );
    if !span.is_disabled() {
        #[cfg(feature = "opentelemetry")]
        let trace = crate::call::adopt_span(&span, caller.as_ref(), trace);
        // Only now: where OpenTelemetry has a span of its own, its ids are the ones that others see.
        span.record("trace_id", trace.trace_id());
        span.record("span_id", trace.span_id());
        context.set_trace(trace);
    }
    span
}

/// Says how the call ended, and over HTTP with which status, as far as that is known.
pub(super) fn close(span: &Span, code: Code, http_status: Option<StatusCode>) {
    span.record("rpc.response.status_code", code_name(code));
    if let Some(status) = http_status {
        span.record("http.response.status_code", status.as_u16());
    }
    if is_fault_of_server(code) {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", code_name(code));
    }
}

/// What the conventions call an error of the server: a caller who asks for what is not there is none.
pub(super) fn is_fault_of_server(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}
