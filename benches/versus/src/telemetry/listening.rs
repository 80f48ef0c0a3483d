//! Those who listen: subscribers as a program would have them, which throw away what they have made.

use std::io;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::Mode;
use crate::Error;

pub(super) fn set(mode: Mode) -> Result<(), Error> {
    let registry = tracing_subscriber::registry().with(LevelFilter::INFO);
    match mode {
        Mode::Off | Mode::Metrics => {}
        Mode::Spans => registry.try_init()?,
        Mode::Tracer => registry.with(tracer()).try_init()?,
        Mode::AccessLog => registry.with(lines()).try_init()?,
        Mode::All => registry.with(tracer()).with(lines()).try_init()?,
    }
    Ok(())
}

fn lines<S>() -> impl Layer<S>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
{
    tracing_subscriber::fmt::layer().with_ansi(false).with_writer(io::sink)
}

fn tracer<S>() -> impl Layer<S>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
{
    let provider = SdkTracerProvider::builder().with_batch_exporter(Nowhere).build();
    let tracer = provider.tracer("versus");
    // As long as the process serves.
    std::mem::forget(provider);
    // Spans alone: the line of the access log is no event of a span there.
    let is_span = tracing_subscriber::filter::filter_fn(|metadata| metadata.is_span());
    tracing_opentelemetry::layer().with_tracer(tracer).with_filter(is_span)
}

#[derive(Debug)]
struct Nowhere;

impl SpanExporter for Nowhere {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        drop(batch);
        Ok(())
    }
}
