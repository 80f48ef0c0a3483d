//! The page of metrics: the server's own and the application's, as one text of
//! [OpenMetrics](https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md).
//!
//! A family may be there only once, so the application's holds where it has registered the server's figures, too.

use std::collections::HashSet;
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
        match text(&registry, &own) {
            Ok(page) => answer(Code::Ok, OPEN_METRICS, page),
            Err(fmt::Error) => {
                tracing::error!("a collector of metrics failed");
                answer(Code::Internal, "text/plain", "a collector failed\n")
            }
        }
    };
    Router::new().route("/metrics", get(page))
}

fn text(servers: &Registry, own: &Registry) -> Result<String, fmt::Error> {
    let (mut page, mut all, mut others) = (String::new(), String::new(), String::new());
    encode_registry(&mut all, servers)?;
    encode_registry(&mut others, own)?;
    let known: HashSet<_> = others.lines().filter_map(family).collect();
    let mut is_new = true;
    for line in all.split_inclusive('\n') {
        if let Some(name) = family(line) {
            is_new = !known.contains(name);
        }
        if is_new {
            page.push_str(line);
        }
    }
    page.push_str(&others);
    encode_eof(&mut page)?;
    Ok(page)
}

/// The name of the family that begins, or goes on, with a line of what is said of it.
fn family(line: &str) -> Option<&str> {
    let said = ["# HELP ", "# TYPE ", "# UNIT "].iter().find_map(|what| line.strip_prefix(what))?;
    said.split_ascii_whitespace().next()
}
