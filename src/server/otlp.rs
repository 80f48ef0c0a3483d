//! A server that exports by OTLP: what it sets up before the first call, and sends after the last.

use std::time::Duration;

use super::ServerBuilder;
use super::lifespan::Lifespan;
use crate::telemetry::Otlp;

/// How much of a stop hook's time the last export may take: the rest is for saying that it did not.
const SHARE_OF_HOOK: f64 = 0.9;

impl ServerBuilder {
    /// Sends a span of each call, and all that the server counts, to a collector by OTLP; see [`Otlp`]. What is left is
    /// sent at the end, after the last stop hook, within [`Config::stop_hook_timeout_ms`]. A collector that is not there
    /// does no harm. With the feature `otlp`.
    ///
    /// [`Config::stop_hook_timeout_ms`]: super::Config::stop_hook_timeout_ms
    #[must_use]
    pub fn otlp(mut self, otlp: Otlp) -> Self {
        self.otlp = Some(otlp);
        self
    }

    /// Turns on what is exported.
    pub(super) fn begin_otlp(&mut self) {
        let Some(otlp) = self.otlp.take() else { return };
        if self.config.metrics {
            otlp.export(self.metrics.get_or_insert_default());
        }
        otlp.listen();
        self.config.call_spans = true;
        let timeout = self.config.stop_hook_timeout().mul_f64(SHARE_OF_HOOK);
        self.hooks.on_last_stop("export by OTLP", move |server| end(otlp, server, timeout));
    }
}

/// Sends what is left. That nobody is there to take it is not the server's failure.
async fn end(otlp: Otlp, server: Lifespan, timeout: Duration) -> Result<(), std::convert::Infallible> {
    let last = server.scheduler().run_blocking(move || otlp.end(timeout));
    match tokio::time::timeout(timeout, last).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::warn!(%error, "the last spans and figures could not be exported"),
        Ok(Err(error)) => tracing::warn!(%error, "the last spans and figures could not be exported"),
        Err(_) => tracing::warn!("the last spans and figures could not be exported in time"),
    }
    Ok(())
}
