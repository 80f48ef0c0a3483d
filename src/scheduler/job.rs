//! Owns what a job says of itself before it is queued: name, lane, deadline, cancellation.
//!
//! It does not hold the work. The same description serves every turn of a stream, and is cheap to clone.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::lane::{Criticality, Lane};
use crate::call::Cancellation;
use crate::call::Deadline;

/// The description of a job.
///
/// ```
/// use std::time::Duration;
/// use ambidex::call::Deadline;
/// use ambidex::scheduler::Job;
///
/// let job = Job::new("bookshop.v1.Bookshop/PlaceOrder").deadline(Deadline::after(Duration::from_secs(5)));
/// assert_eq!(job.name.as_str(), "bookshop.v1.Bookshop/PlaceOrder");
/// ```
#[derive(Clone, Debug)]
pub struct Job {
    /// The method, or whatever else logs and snapshots should call this work.
    pub name: JobName,
    /// The lane it queues in; without one, the scheduler's default lane.
    pub lane: Option<Lane>,
    /// When its caller must have an answer. If it passes while the job runs, the caller is answered and the
    /// job's cancellation is triggered with [`DeadlineExceeded`].
    ///
    /// [`DeadlineExceeded`]: crate::call::CancelReason::DeadlineExceeded
    pub deadline: Option<Deadline>,
    /// Cancels the job: at once while it is queued; as far as it looks at its cancellation once it runs.
    pub cancellation: Option<Cancellation>,
    /// How much it matters; without this, what its lane says.
    pub criticality: Option<Criticality>,
    /// On whose behalf it runs, as a hash. Within a lane, tenants take turns.
    pub tenant: Option<u64>,
}

impl Job {
    /// A job in the default lane, without deadline or cancellation.
    pub fn new(name: impl Into<JobName>) -> Self {
        Self {
            name: name.into(),
            lane: None,
            deadline: None,
            cancellation: None,
            criticality: None,
            tenant: None,
        }
    }

    /// Queues it in `lane`.
    pub fn lane(mut self, lane: Lane) -> Self {
        self.lane = Some(lane);
        self
    }

    /// Sets, or with `None` clears, the deadline.
    pub fn deadline(mut self, deadline: impl Into<Option<Deadline>>) -> Self {
        self.deadline = deadline.into();
        self
    }

    /// Sets, or with `None` clears, the cancellation.
    pub fn cancellation(mut self, cancellation: impl Into<Option<Cancellation>>) -> Self {
        self.cancellation = cancellation.into();
        self
    }

    /// Says how much it matters.
    pub fn criticality(mut self, criticality: Criticality) -> Self {
        self.criticality = Some(criticality);
        self
    }

    /// Names the tenant on whose behalf it runs: an account, a user, an address. One who floods a lane then
    /// waits behind its own jobs, and hardly anybody else does.
    pub fn tenant(mut self, key: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        self.tenant = Some(hasher.finish());
        self
    }
}

/// Whether a job asks to be let in, or is the continuation of one that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Fresh,
    Continuing,
}

/// A name that costs nothing to clone: a literal, or text shared by everyone who says it.
#[derive(Clone)]
pub enum JobName {
    /// A name known at compile time.
    Static(&'static str),
    /// A name made at start-up.
    Shared(Arc<str>),
}

impl JobName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        match self {
            JobName::Static(name) => name,
            JobName::Shared(name) => name,
        }
    }
}

impl From<&'static str> for JobName {
    fn from(name: &'static str) -> Self {
        JobName::Static(name)
    }
}

impl From<Arc<str>> for JobName {
    fn from(name: Arc<str>) -> Self {
        JobName::Shared(name)
    }
}

impl From<String> for JobName {
    fn from(name: String) -> Self {
        JobName::Shared(name.into())
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
