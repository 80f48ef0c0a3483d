//! The access log: one event a call, when it has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tonic::Code;

use super::ACCESS_TARGET;
use super::meter::Meter;
use crate::call::{CancelReason, Context, CountMessages, Peer, TraceContext, UnixPeer, code_name};

/// Whether somebody reads the log.
pub(super) fn is_read() -> bool {
    tracing::enabled!(target: ACCESS_TARGET, tracing::Level::INFO)
}

/// The messages of one call.
#[derive(Debug)]
pub(super) struct Tally {
    requests: AtomicU64,
    request_bytes: AtomicU64,
    /// Who counts those of all calls.
    meter: Option<Arc<Meter>>,
}

impl Tally {
    pub(super) fn new(meter: Option<Arc<Meter>>) -> Self {
        Self { requests: AtomicU64::new(0), request_bytes: AtomicU64::new(0), meter }
    }
}

impl CountMessages for Tally {
    fn message(&self, bytes: usize) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.request_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if let Some(meter) = &self.meter {
            meter.message(bytes);
        }
    }
}

/// A line of the log that is being gathered.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) requests: Arc<Tally>,
    pub(super) replies: u64,
    pub(super) reply_bytes: u64,
}

impl Line {
    /// Writes the line. Where the call has a span, it is written in it; where it has none, it names the trace itself.
    pub(super) fn write(&self, context: &Context, code: Code, took: Duration, has_span: bool) {
        let trace = context.trace().filter(|_| !has_span);
        tracing::info!(
            target: ACCESS_TARGET,
            method = context.method().full_name(),
            protocol = context.protocol().as_str(),
            route = context.http_route().map(|route| &*route.template),
            code = code_name(code),
            duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            peer = name_of(context.peer()),
            request_messages = self.requests.requests.load(Ordering::Relaxed),
            request_bytes = self.requests.request_bytes.load(Ordering::Relaxed),
            reply_messages = self.replies,
            reply_bytes = self.reply_bytes,
            had_deadline = context.deadline().is_some(),
            cut_by = context.cancellation().reason().map(cut_by),
            trace_id = trace.map(TraceContext::trace_id),
            "call ended"
        );
    }
}

/// Where a call came from: an address, or a process at the other end of a Unix socket.
pub(super) fn name_of(peer: &Peer) -> Option<String> {
    let process = |peer: UnixPeer| match peer.pid {
        Some(pid) => format!("unix:{pid}"),
        None => "unix".to_owned(),
    };
    peer.address.map(|address| address.to_string()).or_else(|| peer.unix.map(process))
}

/// Who ended a call before its work was done.
fn cut_by(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::DeadlineExceeded => "deadline",
        CancelReason::ClientGone => "client",
        CancelReason::Shutdown => "shutdown",
        CancelReason::Requested => "program",
    }
}
