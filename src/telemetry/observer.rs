//! What is noted of a call while it lasts: the one place where a call meets metrics, spans and the access log.
//!
//! A route has an [`Observer`], each of its calls an [`Observation`]. Where nobody asked for anything, that is a `None`
//! that is looked at.

use std::sync::Arc;
use std::time::Instant;

use tonic::Code;

use super::Metrics;
use super::meter::{Meter, MethodMeters};
use crate::call::{Call, Context, MethodSpec};

/// What a server notes of its calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Telemetry {
    pub(crate) metrics: Option<Metrics>,
}

impl Telemetry {
    /// What is noted of the calls of one method.
    pub(crate) fn observer(&self, method: &'static MethodSpec) -> Observer {
        Observer { meters: self.metrics.as_ref().map(|metrics| metrics.register(method)) }
    }
}

/// What is noted of the calls of one method.
#[derive(Debug)]
pub(crate) struct Observer {
    meters: Option<Arc<MethodMeters>>,
}

impl Observer {
    /// A call begins.
    pub(crate) fn begin(&self, call: &mut Call) -> Observation {
        match &self.meters {
            None => Observation::default(),
            Some(meters) => Observation { noted: Some(Noted::begin(meters, call)) },
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
    meter: Arc<Meter>,
}

impl Noted {
    fn begin(meters: &MethodMeters, call: &mut Call) -> Self {
        let meter = Arc::clone(meters.over(call.context().protocol()));
        meter.start();
        call.body.count(meter.clone());
        Self { began: Instant::now(), meter }
    }

    fn finish(self, code: Code) {
        self.meter.finish(code, self.began.elapsed());
    }
}

impl Observation {
    /// A reply message goes out.
    pub(crate) fn reply(&self, bytes: usize) {
        if let Some(noted) = &self.noted {
            noted.meter.reply(bytes);
        }
    }

    /// The call has ended. Only the first word counts.
    pub(crate) fn finish(&mut self, _context: &Context, code: Code) {
        if let Some(noted) = self.noted.take() {
            noted.finish(code);
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        if let Some(noted) = self.noted.take() {
            noted.finish(Code::Internal);
        }
    }
}
