//! A server whose spans and figures go to a collector by OTLP, on port 4317 or where `OTEL_EXPORTER_OTLP_ENDPOINT` says:
//! `cargo run --example otlp`. The health service stands for yours.

use ambidex::Server;
use ambidex::server::Health;
use ambidex::telemetry::Otlp;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let otlp = Otlp::from_env("bookshop")?;
    let shown = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_filter(shown))
        .with(otlp.layer())
        .init();
    Server::builder().otlp(otlp).health(Health::new()).serve("127.0.0.1:50051").await?;
    Ok(())
}
