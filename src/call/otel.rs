//! Where tracing-opentelemetry listens, each span has a twin of OpenTelemetry's: whose child it is, and which ids it has.
//!
//! The twin's ids are those that others see, so that a trace is one trace whoever records it.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::TraceContext;

/// Makes the twin of a call's span a child of its caller, and takes its ids over. Without a twin there is nothing to do.
pub(crate) fn adopt(span: &Span, caller: Option<&TraceContext>, own: TraceContext) -> TraceContext {
    if let Some(caller) = caller {
        let (trace_id, span_id, flags) = caller.ids();
        let trace_id = TraceId::from_bytes(trace_id.to_be_bytes());
        let span_id = SpanId::from_bytes(span_id.to_be_bytes());
        let state = caller.state().parse().unwrap_or_default();
        let remote = SpanContext::new(trace_id, span_id, TraceFlags::new(flags), true, state);
        // It fails where nobody listens, and then there is no twin.
        let _ = span.set_parent(Context::new().with_remote_span_context(remote));
    }
    match ids_of(span) {
        Some((trace_id, span_id, sampled)) => own.with_ids(trace_id, span_id, sampled),
        None => own,
    }
}

/// The place of the code that runs now: that of the innermost span, which a handler may have opened below its call's.
pub(super) fn current(call: Option<&TraceContext>) -> Option<TraceContext> {
    let (trace_id, span_id, sampled) = ids_of(&Span::current())?;
    Some(call.cloned().unwrap_or_else(TraceContext::root).with_ids(trace_id, span_id, sampled))
}

fn ids_of(span: &Span) -> Option<(u128, u64, bool)> {
    let context = span.context();
    let twin = context.span().span_context().clone();
    let trace_id = u128::from_be_bytes(twin.trace_id().to_bytes());
    let span_id = u64::from_be_bytes(twin.span_id().to_bytes());
    twin.is_valid().then(|| (trace_id, span_id, twin.is_sampled()))
}
