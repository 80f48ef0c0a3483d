//! Owns the names of lanes. A lane is a line of its own: jobs of different methods queue apart, so that a
//! flood of one cannot stand in front of another.
//!
//! Lanes are made at start-up, one per method or group of methods, and live as long as the scheduler; there is
//! deliberately no way to remove one. What stands in a lane is the queue's affair.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A handle on one lane of one scheduler; see [`Scheduler::lane`](super::Scheduler::lane).
#[derive(Clone)]
pub struct Lane(Arc<LaneShared>);

/// How a lane is made; see [`Scheduler::lane_with`](super::Scheduler::lane_with).
#[derive(Clone, Debug)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct LaneConfig {
    /// The lane's name, unique within its scheduler.
    pub name: Arc<str>,
    /// How many of its jobs may run at the same time; `None` leaves that to the threads there are.
    ///
    /// A job that waits in `block_on` still counts. So a job that waits for another of the same lane needs a
    /// bound that holds both; one that does not is refused when its queue wait runs out.
    #[cfg_attr(feature = "config", serde(default))]
    pub max_concurrency: Option<usize>,
    /// How large its part of the machine is beside other lanes that want more than there is; 1 unless said
    /// otherwise. What a lane does not use is anybody's.
    #[cfg_attr(feature = "config", serde(default = "weight"))]
    pub weight: u32,
    /// Whether its jobs run one at a time, in the order they came, whatever the load.
    #[cfg_attr(feature = "config", serde(default))]
    pub ordered: bool,
    /// How much its jobs matter, unless they say so themselves.
    #[cfg_attr(feature = "config", serde(default))]
    pub criticality: Criticality,
}

/// What a lane weighs of which nothing was said.
#[cfg(feature = "config")]
fn weight() -> u32 {
    1
}

/// How long a job is worth waiting for once its lane is overloaded. It never changes whose turn it is, so it
/// starves nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "config",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Criticality {
    /// Refused after a quarter of its time.
    Sheddable,
    /// Refused after half of its time.
    #[default]
    Default,
    /// Refused after three quarters of its time.
    Critical,
}

/// What the policy must know of a lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct LaneSettings {
    pub(super) max_concurrency: usize,
    pub(super) weight: u32,
    pub(super) ordered: bool,
    pub(super) criticality: Criticality,
}

impl Default for LaneSettings {
    fn default() -> Self {
        LaneSettings::from(&LaneConfig::new(""))
    }
}

impl From<&LaneConfig> for LaneSettings {
    fn from(config: &LaneConfig) -> Self {
        let max_concurrency = config.max_concurrency.unwrap_or(usize::MAX).max(1);
        Self {
            max_concurrency: if config.ordered { 1 } else { max_concurrency },
            weight: config.weight.max(1),
            ordered: config.ordered,
            criticality: config.criticality,
        }
    }
}

impl LaneConfig {
    /// A lane without a bound of its own.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            max_concurrency: None,
            weight: 1,
            ordered: false,
            criticality: Criticality::Default,
        }
    }

    /// Lets at most `jobs` of the lane run at the same time; zero is taken as one.
    pub fn max_concurrency(mut self, jobs: usize) -> Self {
        self.max_concurrency = Some(jobs.max(1));
        self
    }

    /// Sets its part of the machine beside others; zero is taken as one.
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = weight.max(1);
        self
    }

    /// Runs its jobs one at a time, in the order they came.
    pub fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }

    /// Sets how much its jobs matter.
    pub fn criticality(mut self, criticality: Criticality) -> Self {
        self.criticality = criticality;
        self
    }
}

impl Lane {
    /// The name it was made with.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) fn index(&self) -> u32 {
        self.0.index
    }

    /// Jobs whose caller already has its answer while they still hold a thread.
    pub(super) fn orphaned(&self) -> &AtomicUsize {
        &self.0.orphaned
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lane").field(&self.name()).finish()
    }
}

struct LaneShared {
    name: Arc<str>,
    /// Which scheduler's lane this is: an index means nothing to another one.
    owner: usize,
    index: u32,
    orphaned: AtomicUsize,
}

/// Every lane of one scheduler, by name and by index.
pub(super) struct Lanes {
    owner: usize,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_name: HashMap<Arc<str>, Lane>,
    in_order: Vec<Lane>,
}

impl Lanes {
    pub(super) fn new() -> Self {
        static OWNERS: AtomicUsize = AtomicUsize::new(0);
        Self { owner: OWNERS.fetch_add(1, Ordering::Relaxed), known: Mutex::default() }
    }

    /// The lane of that name, made if it does not exist yet.
    pub(super) fn named(&self, name: &str) -> Lane {
        let mut known = self.known();
        if let Some(lane) = known.by_name.get(name) {
            return lane.clone();
        }
        let lane = Lane(Arc::new(LaneShared {
            name: name.into(),
            owner: self.owner,
            index: known.in_order.len() as u32,
            orphaned: AtomicUsize::new(0),
        }));
        known.by_name.insert(lane.0.name.clone(), lane.clone());
        known.in_order.push(lane.clone());
        lane
    }

    /// `lane` if it is ours, else our lane of the same name.
    pub(super) fn adopt(&self, lane: &Lane) -> Lane {
        if lane.0.owner == self.owner { lane.clone() } else { self.named(lane.name()) }
    }

    pub(super) fn all(&self) -> Vec<Lane> {
        self.known().in_order.clone()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
