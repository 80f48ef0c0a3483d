//! What is compared, each case with what is read off it and the goal it is held against.

use std::time::Duration;

use crate::contestant::Contestant;
use crate::load::{Seen, Work, closed, lateness, paced};

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) load: Load,
    pub(crate) figures: &'static [Figure],
}

#[derive(Clone, Copy)]
pub(crate) enum Load {
    Closed([usize; 2], [Work; 2]),
    Paced(u32, Work),
}

/// One number of a case, as a ratio to `spawn_blocking`'s unless it says otherwise.
#[derive(Clone, Copy)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) read: fn(&Seen) -> f64,
    pub(crate) goal: Goal,
    pub(crate) to: Beside,
}

/// What a figure is divided by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    SpawnBlocking,
    /// The same runtime with nothing to do.
    Idle,
}

#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    None,
}

const LENGTH: Duration = Duration::from_millis(1000);

const fn throughput(goal: Goal) -> Figure {
    Figure { name: "calls a second", read: |seen| seen.throughput[0], goal, to: Beside::SpawnBlocking }
}

const fn others(name: &'static str, goal: Goal) -> Figure {
    Figure { name, read: |seen| seen.throughput[1], goal, to: Beside::SpawnBlocking }
}

const fn cpu(goal: Goal) -> Figure {
    Figure { name: "CPU a call", read: |seen| seen.cpu, goal, to: Beside::SpawnBlocking }
}

const fn p50(goal: Goal) -> Figure {
    Figure { name: "p50", read: |seen| seen.p50, goal, to: Beside::SpawnBlocking }
}

const P99: Figure =
    Figure { name: "p99", read: |seen| seen.p99, goal: Goal::None, to: Beside::SpawnBlocking };

const fn timer(goal: Goal) -> Figure {
    Figure { name: "timer p99 ÷ idle", read: |seen| seen.timer_p99, goal, to: Beside::Idle }
}

const NOTHING: Work = Work::Nothing;
const US_100: Work = Work::Sleeps(Duration::from_micros(100));
const MS_1: Work = Work::Sleeps(Duration::from_millis(1));
const MS_10: Work = Work::Sleeps(Duration::from_millis(10));
const COMPUTES_2_MS: Work = Work::Computes(Duration::from_millis(2));
const COMPUTES_50_US: Work = Work::Computes(Duration::from_micros(50));

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "empty-1",
        what: "empty calls, 1 caller",
        load: Load::Closed([1, 0], [NOTHING; 2]),
        figures: &[throughput(Goal::None), cpu(Goal::None)],
    },
    Case {
        name: "empty-8",
        what: "empty calls, 8 callers",
        load: Load::Closed([8, 0], [NOTHING; 2]),
        figures: &[throughput(Goal::AtLeast(3.0)), cpu(Goal::None)],
    },
    Case {
        name: "empty-64",
        what: "empty calls, 64 callers",
        load: Load::Closed([64, 0], [NOTHING; 2]),
        figures: &[throughput(Goal::AtLeast(7.0)), cpu(Goal::None)],
    },
    Case {
        name: "empty-512",
        what: "empty calls, 512 callers",
        load: Load::Closed([512, 0], [NOTHING; 2]),
        figures: &[throughput(Goal::AtLeast(9.0)), cpu(Goal::None)],
    },
    Case {
        name: "paced-200",
        what: "empty calls, 200 a second",
        load: Load::Paced(200, NOTHING),
        figures: &[p50(Goal::AtMost(1.1)), P99, cpu(Goal::AtMost(1.1))],
    },
    Case {
        name: "paced-2000",
        what: "empty calls, 2,000 a second",
        load: Load::Paced(2000, NOTHING),
        figures: &[p50(Goal::AtMost(1.1)), P99, cpu(Goal::AtMost(1.1))],
    },
    Case {
        name: "sleep-100us",
        what: "calls that sleep 100 µs, 64 callers",
        load: Load::Closed([64, 0], [US_100; 2]),
        figures: &[throughput(Goal::None), cpu(Goal::None)],
    },
    Case {
        name: "sleep-1ms",
        what: "calls that sleep 1 ms, 64 callers",
        load: Load::Closed([64, 0], [MS_1; 2]),
        figures: &[throughput(Goal::None), cpu(Goal::None)],
    },
    Case {
        name: "cpu-50us",
        what: "calls that compute 50 µs, 64 callers",
        load: Load::Closed([64, 0], [COMPUTES_50_US; 2]),
        figures: &[throughput(Goal::None), timer(Goal::None)],
    },
    Case {
        name: "cpu-2ms",
        what: "calls that compute 2 ms, 64 callers",
        load: Load::Closed([64, 0], [COMPUTES_2_MS; 2]),
        figures: &[throughput(Goal::AtLeast(1.0)), timer(Goal::AtMost(3.0))],
    },
    Case {
        name: "mixed",
        what: "64 callers of 2 ms computing beside 64 of 10 ms sleeping",
        load: Load::Closed([64, 64], [COMPUTES_2_MS, MS_10]),
        figures: &[
            others("calls a second that sleep", Goal::AtLeast(4.0)),
            Figure {
                name: "calls a second that compute",
                read: |seen| seen.throughput[0],
                goal: Goal::AtLeast(0.8),
                to: Beside::SpawnBlocking,
            },
            timer(Goal::None),
        ],
    },
];

pub(crate) fn names() -> Vec<&'static str> {
    CASES.iter().map(|case| case.name).collect()
}

impl Load {
    pub(crate) async fn put_on(self, contestant: &Contestant) -> Seen {
        match self {
            Load::Closed(callers, work) => closed(contestant, callers, work, LENGTH).await,
            Load::Paced(per_second, work) => paced(contestant, per_second, work, 2 * LENGTH).await,
        }
    }
}

/// What an idle runtime's timer does.
pub(crate) async fn idle() -> Seen {
    let now = std::time::Instant::now();
    let timer_p99 = tokio::spawn(lateness(now, now + LENGTH)).await.expect("the timer does not panic");
    Seen { timer_p99, ..Seen::default() }
}

impl Goal {
    pub(crate) fn is_met(self, ratio: f64) -> Option<bool> {
        match self {
            Goal::AtLeast(least) => Some(ratio >= least),
            Goal::AtMost(most) => Some(ratio <= most),
            Goal::None => None,
        }
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Goal::AtLeast(least) => write!(f, "≥ {least}"),
            Goal::AtMost(most) => write!(f, "≤ {most}"),
            Goal::None => f.write_str("–"),
        }
    }
}
