//! Owns the reasons a job can end without its value.
//!
//! The messages are for whoever reads a log. What a client is told is decided at the edges, by variant.

use std::sync::Arc;
use std::time::Duration;

use super::policy::Why;
use crate::call::CancelReason;
use crate::scheduler::tuning::overload::{RETRY_AFTER_MAX, RETRY_AFTER_MIN};

/// Why a job has no value to give.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A bound was reached and this job was the one to go, or it waited longer than jobs may.
    #[error("overloaded: the job was refused to keep the queue within its bounds")]
    Overloaded {
        /// How long the refused job had waited, within sensible limits: the best estimate of how long the
        /// line is, and so of when another attempt may succeed.
        retry_after: Duration,
    },
    /// The scheduler is shutting down: no new work, or the drain ended before the job's turn came.
    #[error("the scheduler is draining")]
    Draining,
    /// The deadline passed before the job was done. If it had begun, it goes on unobserved.
    #[error("the deadline has passed")]
    DeadlineExceeded,
    /// The job's cancellation was triggered.
    #[error("cancelled: {0}")]
    Cancelled(CancelReason),
    /// The job panicked. The scheduler has logged it and its thread lives on.
    #[error("the job panicked")]
    Panicked {
        /// What the panic said, for logs and tests; it must not be shown to a client.
        message: Arc<str>,
    },
}

impl RunError {
    /// What the caller of a job is told that was refused after it had waited for `waited`.
    pub(super) fn refused(why: Why, waited: Duration) -> Self {
        match why {
            Why::Full | Why::Overloaded => Self::overloaded(waited),
            Why::Expired | Why::Infeasible => Self::DeadlineExceeded,
            Why::Cancelled => Self::Cancelled(CancelReason::ClientGone),
            Why::Draining => Self::Draining,
        }
    }

    /// The refusal of a job that has waited for `waited`.
    fn overloaded(waited: Duration) -> Self {
        Self::Overloaded { retry_after: waited.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX) }
    }
}
