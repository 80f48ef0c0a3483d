//! Why TLS cannot be spoken as configured.

use std::error::Error;

/// Why TLS cannot be spoken as configured: a file that cannot be read, a key of another certificate.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct TlsError {
    what: String,
    why: Box<dyn Error + Send + Sync>,
}

impl TlsError {
    pub(super) fn new(what: impl Into<String>, why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { what: what.into(), why: why.into() }
    }
}
