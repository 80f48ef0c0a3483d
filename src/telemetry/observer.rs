//! What is noted of a call while it lasts: the one place where a call meets metrics, spans and the access log.
//!
//! A route has an [`Observer`], each of its calls an [`Observation`]. Where nobody asked for anything, or nobody listens,
//! that is a `None` that is looked at.

use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use tonic::{Code, Status};
use tracing::Span;
use tracing::span::Entered;

use super::access_log::{self, Line, Tally};
use super::meter::{Meter, MethodMeters};
use super::{Metrics, Refusals, span};
use crate::call::{Call, Context, MethodSpec};

/// Which HTTP status an error is, over a protocol that has such.
pub(crate) type HttpStatusOf = fn(&Status, &Context) -> Option<StatusCode>;

/// What a server notes of its calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Telemetry {
    pub(crate) metrics: Option<Metrics>,
    pub(crate) spans: bool,
    pub(crate) access_log: bool,
    /// The HTTP edge's knowledge.
    pub(crate) http_status_of: Option<HttpStatusOf>,
}

impl Telemetry {
    /// What is noted of requests that are no calls.
    pub(crate) fn refusals(&self) -> Refusals {
        Refusals::new(self.metrics.clone(), self.access_log)
    }

    /// What is noted of the calls of one method.
    pub(crate) fn observer(&self, method: &'static MethodSpec) -> Observer {
        Observer {
            meters: self.metrics.as_ref().map(|metrics| metrics.register(method)),
            spans: self.spans,
            access_log: self.access_log,
            http_status_of: self.http_status_of,
        }
    }
}

/// What is noted of the calls of one method.
#[derive(Debug)]
pub(crate) struct Observer {
    meters: Option<Arc<MethodMeters>>,
    spans: bool,
    access_log: bool,
    http_status_of: Option<HttpStatusOf>,
}

impl Observer {
    /// Whether spans want to know of the request that a call came by, an `HttpRequest` among its extensions.
    pub(crate) fn has_spans(&self) -> bool {
        self.spans
    }

    /// A call begins.
    #[inline]
    pub(crate) fn begin(&self, call: &mut Call) -> Observation {
        if self.meters.is_none() && !self.spans && !self.access_log {
            return Observation::default();
        }
        Observation { noted: self.note(call) }
    }

    fn note(&self, call: &mut Call) -> Option<Noted> {
        let meter = self.meters.as_ref().map(|meters| Arc::clone(meters.over(call.context().protocol())));
        let story = self.story(call, meter.as_ref());
        if meter.is_none() && story.is_none() {
            return None;
        }
        match (&meter, story.as_ref().and_then(|story| story.line.as_ref())) {
            (_, Some(line)) => call.body.count(line.requests.clone()),
            (Some(meter), None) => call.body.count(meter.clone()),
            (None, None) => {}
        }
        if let Some(meter) = &meter {
            meter.start();
        }
        Some(Noted { began: Instant::now(), meter, story })
    }

    /// The part of it that is told call by call, if somebody listens.
    fn story(&self, call: &mut Call, meter: Option<&Arc<Meter>>) -> Option<Box<Story>> {
        let span = if self.spans { span::open(call) } else { Span::none() };
        let line = (self.access_log && access_log::is_read()).then(|| Line {
            requests: Arc::new(Tally::new(meter.cloned())),
            replies: 0,
            reply_bytes: 0,
        });
        if span.is_disabled() && line.is_none() {
            return None;
        }
        Some(Box::new(Story { span, line, http_status_of: self.http_status_of }))
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End<'a> {
    /// Well; the handler may have chosen an HTTP status.
    Well(Option<StatusCode>),
    /// With an error in place of a reply.
    Failed(&'a Status),
    /// With an error after the reply had begun.
    Broke(&'a Status),
}

impl End<'_> {
    fn code(self) -> Code {
        match self {
            Self::Well(_) => Code::Ok,
            Self::Failed(status) | Self::Broke(status) => status.code(),
        }
    }
}

/// What is noted of one call. One that ends without a word has lost its way, which is the server's fault.
#[derive(Debug, Default)]
pub(crate) struct Observation {
    noted: Option<Noted>,
}

#[derive(Debug)]
struct Noted {
    began: Instant,
    meter: Option<Arc<Meter>>,
    story: Option<Box<Story>>,
}

/// What is told of one call alone.
#[derive(Debug)]
struct Story {
    span: Span,
    line: Option<Line>,
    http_status_of: Option<HttpStatusOf>,
}

impl Observation {
    /// Enters the span of the call, for as long as something is done for it.
    pub(crate) fn enter(&self) -> Option<Entered<'_>> {
        let story = self.noted.as_ref()?.story.as_ref()?;
        Some(story.span.enter())
    }

    /// Whether anybody is still to be told how the call ends.
    pub(crate) fn is_wanted(&self) -> bool {
        self.noted.is_some()
    }

    /// A reply message goes out.
    pub(crate) fn reply(&mut self, bytes: usize) {
        let Some(noted) = &mut self.noted else { return };
        if let Some(meter) = &noted.meter {
            meter.reply(bytes);
        }
        if let Some(line) = noted.story.as_mut().and_then(|story| story.line.as_mut()) {
            line.replies += 1;
            line.reply_bytes += bytes as u64;
        }
    }

    /// The call has ended. Only the first word counts.
    pub(crate) fn finish(&mut self, context: &Context, end: End<'_>) {
        let Some(Noted { began, meter, story }) = self.noted.take() else { return };
        let took = began.elapsed();
        if let Some(meter) = meter {
            meter.finish(end.code(), took);
        }
        let Some(story) = story else { return };
        let Story { span, line, http_status_of } = *story;
        if let Some(line) = line {
            span.in_scope(|| line.write(context, end.code(), took, !span.is_disabled()));
        }
        if !span.is_disabled() {
            span::close(&span, end.code(), http_status(context, end, http_status_of));
        }
    }
}

/// The HTTP status a call ended with, where it is known: the head of a stream is out before its end.
fn http_status(context: &Context, end: End<'_>, of: Option<HttpStatusOf>) -> Option<StatusCode> {
    context.http_route()?;
    match end {
        End::Well(chosen) => Some(chosen.unwrap_or_default()),
        End::Failed(status) => of.and_then(|of| of(status, context)),
        End::Broke(_) => None,
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        // The story ends with its span, and without a word.
        if let Some(Noted { began, meter: Some(meter), .. }) = self.noted.take() {
            meter.finish(Code::Internal, began.elapsed());
        }
    }
}
