//! What a server tells of its calls while it is measured, and to whom.

#[cfg(feature = "telemetry")]
mod listening;

use ambidex::server::{Config, ServerBuilder};

use crate::Error;

/// What a server tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Mode {
    Off,
    Metrics,
    /// A span a call, in a registry that keeps it and does no more.
    Spans,
    /// The same, handed to OpenTelemetry's SDK, whose exporter throws it away.
    Tracer,
    /// A line a call, written as text to nowhere.
    AccessLog,
    All,
}

impl Mode {
    pub(crate) const ALL: [Self; 6] =
        [Self::Off, Self::Metrics, Self::Spans, Self::Tracer, Self::AccessLog, Self::All];

    /// The name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Off => "telemetry-off",
            Self::Metrics => "telemetry-metrics",
            Self::Spans => "telemetry-spans",
            Self::Tracer => "telemetry-tracer",
            Self::AccessLog => "telemetry-access-log",
            Self::All => "telemetry-all",
        }
    }

    /// What the server itself is told to do.
    pub(crate) fn configure(self, builder: ServerBuilder, mut config: Config) -> ServerBuilder {
        config.call_spans = matches!(self, Self::Spans | Self::Tracer | Self::All);
        config.access_log = matches!(self, Self::AccessLog | Self::All);
        let builder = builder.config(config);
        match self {
            Self::Metrics | Self::All => builder.metrics(ambidex::telemetry::Metrics::new()),
            _ => builder,
        }
    }

    /// Sets who listens to it.
    #[cfg(feature = "telemetry")]
    pub(crate) fn listen(self) -> Result<(), Error> {
        listening::set(self)
    }

    #[cfg(not(feature = "telemetry"))]
    pub(crate) fn listen(self) -> Result<(), Error> {
        Err("who listens is a feature of this program: build it with `--features telemetry`".into())
    }
}
