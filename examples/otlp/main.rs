//! A server whose spans and figures go to a collector by OTLP, on port 4317 or where `OTEL_EXPORTER_OTLP_ENDPOINT` says:
//! `cargo run --example otlp`. The health service stands for yours.

use ambidex::Server;
use ambidex::server::{Config, Health};
use ambidex::telemetry::Metrics;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{MetricExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let resource = Resource::builder().with_service_name("bookshop").build();
    let spans = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        .with_batch_exporter(SpanExporter::builder().with_tonic().build()?)
        .build();
    let figures = SdkMeterProvider::builder()
        .with_resource(resource)
        .with_periodic_exporter(MetricExporter::builder().with_tonic().build()?)
        .build();
    tracing_subscriber::registry()
        // The exporters speak gRPC themselves: what they tell of that is not to be exported.
        .with(
            EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| EnvFilter::new("info,h2=off,hyper=off,tonic=off")),
        )
        .with(tracing_subscriber::fmt::layer())
        .with(tracing_opentelemetry::layer().with_tracer(spans.tracer("ambidex")))
        .init();

    let metrics = Metrics::new();
    metrics.export_to(&figures.meter("ambidex"));
    let mut config = Config::default();
    config.call_spans = true;
    let server = Server::builder().config(config).metrics(metrics).health(Health::new());
    let served = server.serve("127.0.0.1:50051").await;

    // What has been gathered last goes out, too, and most of all where something went wrong.
    let (spans, figures) = (spans.shutdown(), figures.shutdown());
    served?;
    spans?;
    figures?;
    Ok(())
}
