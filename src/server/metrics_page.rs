//! The page of metrics: the server's own and the application's, as one text of
//! [OpenMetrics](https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md).

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry;
use tonic::Code;

use super::admin::answer;
use crate::telemetry::Metrics;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn router(metrics: Metrics, own: Arc<Registry>) -> Router {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(metrics.collector()));
    let registry = Arc::new(registry);
    let page = move || async move {
        match text(&[&registry, &own]) {
            Ok(page) => answer(Code::Ok, OPEN_METRICS, page),
            Err(fmt::Error) => {
                tracing::error!("a collector of metrics failed");
                answer(Code::Internal, "text/plain", "a collector failed\n")
            }
        }
    };
    Router::new().route("/metrics", get(page))
}

fn text(registries: &[&Registry]) -> Result<String, fmt::Error> {
    let mut page = String::new();
    for registry in registries {
        encode_registry(&mut page, registry)?;
    }
    encode_eof(&mut page)?;
    Ok(page)
}
