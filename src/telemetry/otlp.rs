//! Spans and figures to a collector by [OTLP](https://opentelemetry.io/docs/specs/otlp/) over gRPC, as the environment
//! says: OpenTelemetry's SDK and exporter, put together.
//!
//! What OpenTelemetry's [variables](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/) can
//! say is not said a second time here.

use std::time::Duration;

use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::Metrics;

/// Who makes what is exported.
const SCOPE: &str = "ambidex";

/// What the exporters say while they export. Exported itself, it would never come to an end.
const OWN_TARGETS: [&str; 6] = ["h2", "hyper", "hyper_util", "opentelemetry", "tonic", "tower"];

/// Spans and figures on their way to a collector by OTLP over gRPC; given to
/// [`ServerBuilder::otlp`](crate::server::ServerBuilder::otlp). With the feature `otlp`.
///
/// ```no_run
/// use ambidex::telemetry::Otlp;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// ambidex::Server::builder().otlp(Otlp::from_env("bookshop")?).serve("0.0.0.0:8080").await?;
/// # Ok(()) }
/// ```
///
/// A program with a subscriber of its own adds the [`layer`](Self::layer) to it:
///
/// ```no_run
/// use ambidex::telemetry::Otlp;
/// use tracing_subscriber::layer::SubscriberExt;
/// use tracing_subscriber::util::SubscriberInitExt;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let otlp = Otlp::from_env("bookshop")?;
/// tracing_subscriber::registry().with(tracing_subscriber::fmt::layer()).with(otlp.layer()).init();
/// let server = ambidex::Server::builder().otlp(otlp);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Otlp {
    spans: SdkTracerProvider,
    figures: SdkMeterProvider,
}

/// A collector that nothing can be sent to.
#[derive(Debug, thiserror::Error)]
#[error("otlp: {0}")]
pub struct OtlpError(#[from] ExporterBuildError);

impl Otlp {
    /// To the collector at `OTEL_EXPORTER_OTLP_ENDPOINT`, or on port 4317 of this machine; `service` is the name by which
    /// it is to know this program, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` says another. The other
    /// variables that OpenTelemetry has for exporters, samplers and batches hold, too, such as
    /// `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER` and `OTEL_METRIC_EXPORT_INTERVAL`.
    ///
    /// # Errors
    ///
    /// When a variable says what cannot be.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn from_env(service: &str) -> Result<Self, OtlpError> {
        let spans = SpanExporter::builder().with_tonic().build()?;
        let figures = MetricExporter::builder().with_tonic().build()?;
        Ok(Self::new(service, spans, figures))
    }

    /// The same to the collector at `endpoint`, `http://127.0.0.1:4317`, whatever the environment says of that.
    ///
    /// # Errors
    ///
    /// When this is no address, or a variable says what cannot be.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn to(endpoint: &str, service: &str) -> Result<Self, OtlpError> {
        let spans = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
        let figures = MetricExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
        Ok(Self::new(service, spans, figures))
    }

    fn new(service: &str, spans: SpanExporter, figures: MetricExporter) -> Self {
        let resource = resource(service);
        let spans =
            SdkTracerProvider::builder().with_resource(resource.clone()).with_batch_exporter(spans).build();
        let figures =
            SdkMeterProvider::builder().with_resource(resource).with_periodic_exporter(figures).build();
        Self { spans, figures }
    }

    /// What takes the spans of a subscriber, from level INFO on, and the events in them. A server does without one where
    /// nobody has set a subscriber: it then sets one of this alone.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let layer = tracing_opentelemetry::layer().with_tracer(self.spans.tracer(SCOPE));
        layer.with_filter(filter_fn(is_exported)).with_filter(LevelFilter::INFO)
    }

    /// What makes the spans, for spans and baggage that are not `tracing`'s.
    pub fn tracer_provider(&self) -> &SdkTracerProvider {
        &self.spans
    }

    /// What exports the figures, for instruments of your own.
    pub fn meter_provider(&self) -> &SdkMeterProvider {
        &self.figures
    }

    /// Exports these figures.
    pub(crate) fn export(&self, metrics: &Metrics) {
        metrics.export_to(&self.figures.meter(SCOPE));
    }

    /// Has spans exported where nobody else listens to them.
    pub(crate) fn listen(&self) {
        if tracing::dispatcher::has_been_set() {
            return;
        }
        use tracing_subscriber::layer::SubscriberExt;
        // Somebody who comes in between has one of their own.
        let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(self.layer()));
    }

    /// Sends what is left, and ends. Blocks meanwhile.
    pub(crate) fn end(&self, timeout: Duration) -> OTelSdkResult {
        let spans = self.spans.shutdown_with_timeout(timeout);
        self.figures.shutdown_with_timeout(timeout).and(spans)
    }
}

/// Who is exported: what the environment says, and else `service`.
fn resource(service: &str) -> Resource {
    let said = Resource::builder().build();
    let key = opentelemetry::Key::from_static_str("service.name");
    let is_said = said.get(&key).is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    if is_said { said } else { Resource::builder().with_service_name(service.to_owned()).build() }
}

fn is_exported(metadata: &Metadata<'_>) -> bool {
    let root = metadata.target().split("::").next().unwrap_or_default();
    !OWN_TARGETS.contains(&root) && !root.starts_with("opentelemetry")
}
