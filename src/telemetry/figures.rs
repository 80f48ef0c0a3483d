//! Every figure of a server by its name: the one list that a registry of Prometheus and a meter of OpenTelemetry are both
//! filled from, so that neither has one that the other lacks.
//!
//! Names are OpenTelemetry's, with dots; those of its [conventions for RPC
//! metrics](https://opentelemetry.io/docs/specs/semconv/rpc/rpc-metrics/) where they have a word. Sizes of messages they
//! had until version 1.37, and have no other name for since. What they never had begins with `ambidex.`. Labels are
//! methods that are registered, protocols, codes, lanes and reasons, so that no caller can add a series.

use super::meter::{duration_bounds_seconds, size_bounds_bytes};
use super::span::is_fault_of_server;
use super::{Calls, Distribution, Runtime, Snapshot, rpc_system};
use crate::call::code_name;
use crate::scheduler::{self, LaneSnapshot};

/// A label and its value.
pub(super) type Label<'a> = (&'static str, &'a str);

/// What a series is at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Count(u64),
    /// Time that has been counted.
    Seconds(f64),
    Level(i64),
    /// Of which a sum would mean nothing; no number where nobody knows it.
    Share(f64),
    Spread(&'a Distribution),
}

/// Hears of each series of a figure.
pub(super) type Tell<'t> = dyn FnMut(&[Label<'_>], Value<'_>) + 't;

/// What kind of values a figure has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Count,
    Seconds,
    Level,
    Share,
    /// Counted in buckets of these bounds.
    Spread(
        #[cfg_attr(
            not(feature = "opentelemetry"),
            expect(dead_code, reason = "a series of Prometheus has its bounds with it")
        )]
        fn() -> Vec<f64>,
    ),
}

/// One figure of what `S` shows.
pub(super) struct Figure<S: 'static> {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    /// As OpenTelemetry writes units.
    pub(super) unit: &'static str,
    pub(super) kind: Kind,
    pub(super) read: fn(&S, &mut Tell<'_>),
}

/// The label that only OpenTelemetry has: it says once more what the code says.
pub(super) const ERROR_TYPE: &str = "error.type";

/// Of calls and connections.
pub(super) static OF_SERVER: [Figure<Snapshot>; 10] = [
    Figure {
        name: "ambidex.build.info",
        help: "Which build of which program runs",
        unit: "1",
        kind: Kind::Level,
        read: |now, tell| {
            let said = now.build.said();
            let labels = said.each_ref().map(|(name, value)| (*name, value.as_str()));
            tell(&labels, Value::Level(1));
        },
    },
    Figure {
        name: "rpc.server.calls.started",
        help: "Calls that were started, refused ones included",
        unit: "{call}",
        kind: Kind::Count,
        read: |now, tell| now.calls.iter().for_each(|of| tell(&labels(of), Value::Count(of.started))),
    },
    Figure {
        name: "rpc.server.active_calls",
        help: "Calls that have started and not ended",
        unit: "{call}",
        kind: Kind::Level,
        read: |now, tell| {
            now.calls.iter().for_each(|of| tell(&labels(of), Value::Level(of.in_flight as i64)));
        },
    },
    Figure {
        name: "rpc.server.call.duration",
        help: "How long calls took, to the last message of a stream",
        unit: "s",
        kind: Kind::Spread(duration_bounds_seconds),
        read: |now, tell| {
            for calls in &now.calls {
                for (code, durations) in &calls.finished {
                    let [method, system] = labels(calls);
                    let name = code_name(*code);
                    let all = [method, system, ("rpc.response.status_code", name), (ERROR_TYPE, name)];
                    let labels = if is_fault_of_server(*code) { &all[..] } else { &all[..3] };
                    tell(labels, Value::Spread(durations));
                }
            }
        },
    },
    Figure {
        name: "rpc.server.request.size",
        help: "Sizes of request messages that handlers read",
        unit: "By",
        kind: Kind::Spread(size_bounds_bytes),
        read: |now, tell| now.calls.iter().for_each(|of| tell(&labels(of), Value::Spread(&of.requests))),
    },
    Figure {
        name: "rpc.server.response.size",
        help: "Sizes of reply messages",
        unit: "By",
        kind: Kind::Spread(size_bounds_bytes),
        read: |now, tell| now.calls.iter().for_each(|of| tell(&labels(of), Value::Spread(&of.replies))),
    },
    Figure {
        name: "ambidex.server.connections.open",
        help: "Connections that are open, WebSockets included",
        unit: "{connection}",
        kind: Kind::Level,
        read: |now, tell| tell(&[], Value::Level(now.connections_open as i64)),
    },
    Figure {
        name: "ambidex.server.connections.accepted",
        help: "Connections accepted",
        unit: "{connection}",
        kind: Kind::Count,
        read: |now, tell| tell(&[], Value::Count(now.connections_accepted)),
    },
    Figure {
        name: "ambidex.server.connections.closed",
        help: "Connections that were ended because of what their client did",
        unit: "{connection}",
        kind: Kind::Count,
        read: |now, tell| {
            for closed in &now.closed_connections {
                tell(&[("reason", closed.reason)], Value::Count(closed.count));
            }
        },
    },
    Figure {
        name: "ambidex.server.requests.refused",
        help: "Requests that were refused before they were calls",
        unit: "{request}",
        kind: Kind::Count,
        read: |now, tell| {
            for refused in &now.refused_requests {
                let labels = [("protocol", refused.protocol), ("reason", refused.reason)];
                tell(&labels, Value::Count(refused.count));
            }
        },
    },
];

fn labels(calls: &Calls) -> [Label<'static>; 2] {
    [("rpc.method", calls.method.full_name()), ("rpc.system.name", rpc_system(calls.protocol))]
}

/// Of the tokio runtime.
pub(super) static OF_RUNTIME: [Figure<Runtime>; 5] = [
    Figure {
        name: "ambidex.runtime.workers",
        help: "Threads of the tokio runtime",
        unit: "{thread}",
        kind: Kind::Level,
        read: |now, tell| tell(&[], Value::Level(now.workers as i64)),
    },
    Figure {
        name: "ambidex.runtime.tasks.alive",
        help: "Tasks of the tokio runtime that have not ended",
        unit: "{task}",
        kind: Kind::Level,
        read: |now, tell| tell(&[], Value::Level(now.tasks_alive as i64)),
    },
    Figure {
        name: "ambidex.runtime.queue.depth",
        help: "Tasks that wait in the queue that all threads of the runtime share",
        unit: "{task}",
        kind: Kind::Level,
        read: |now, tell| tell(&[], Value::Level(now.queue_depth as i64)),
    },
    Figure {
        name: "ambidex.runtime.worker.busy",
        help: "Time that the thread was at work",
        unit: "s",
        kind: Kind::Seconds,
        read: |now, tell| {
            for (number, worker) in now.per_worker.iter().enumerate() {
                tell(&[("worker", &number.to_string())], Value::Seconds(worker.busy.as_secs_f64()));
            }
        },
    },
    Figure {
        name: "ambidex.runtime.worker.parks",
        help: "Times that the thread had nothing to do",
        unit: "{park}",
        kind: Kind::Count,
        read: |now, tell| {
            for (number, worker) in now.per_worker.iter().enumerate() {
                tell(&[("worker", &number.to_string())], Value::Count(worker.parks));
            }
        },
    },
];

/// Of the scheduler as a whole: a figure that is as it is now.
const fn level(
    name: &'static str,
    help: &'static str,
    unit: &'static str,
    read: fn(&scheduler::Snapshot, &mut Tell<'_>),
) -> Figure<scheduler::Snapshot> {
    Figure { name, help, unit, kind: Kind::Level, read }
}

/// The same of what was counted since the start.
const fn count(
    name: &'static str,
    help: &'static str,
    unit: &'static str,
    read: fn(&scheduler::Snapshot, &mut Tell<'_>),
) -> Figure<scheduler::Snapshot> {
    Figure { name, help, unit, kind: Kind::Count, read }
}

/// Tells one figure of each lane.
fn each_lane(
    now: &scheduler::Snapshot,
    tell: &mut Tell<'_>,
    read: impl for<'l> Fn(&'l LaneSnapshot) -> Value<'l>,
) {
    now.lanes.iter().for_each(|lane| tell(&[("lane", &lane.name)], read(lane)));
}

/// Tells how long the jobs of each lane took.
fn each_lane_spread(
    now: &scheduler::Snapshot,
    tell: &mut Tell<'_>,
    read: fn(&LaneSnapshot) -> &scheduler::Histogram,
) {
    for lane in &now.lanes {
        let times = Distribution::from(read(lane));
        tell(&[("lane", &lane.name)], Value::Spread(&times));
    }
}

fn job_bounds_seconds() -> Vec<f64> {
    Distribution::from(&scheduler::Histogram::default()).bounds().to_vec()
}

const JOB: &str = "{job}";
const THREAD: &str = "{thread}";

/// Of the scheduler.
pub(super) static OF_SCHEDULER: [Figure<scheduler::Snapshot>; 24] = [
    level("ambidex.scheduler.threads", "Threads that exist or are being started", THREAD, |now, tell| {
        tell(&[], Value::Level(now.threads as i64));
    }),
    level("ambidex.scheduler.threads.idle", "Threads parked without work", THREAD, |now, tell| {
        tell(&[], Value::Level(now.idle as i64));
    }),
    level("ambidex.scheduler.jobs.running", "Jobs that hold a thread", JOB, |now, tell| {
        tell(&[], Value::Level(now.running as i64));
    }),
    level("ambidex.scheduler.jobs.waiting", "Jobs whose thread waits in block_on", JOB, |now, tell| {
        tell(&[], Value::Level(now.waiting as i64));
    }),
    level(
        "ambidex.scheduler.jobs.orphaned",
        "Jobs that hold a thread although nobody waits for them",
        JOB,
        |now, tell| tell(&[], Value::Level(now.orphaned as i64)),
    ),
    level("ambidex.scheduler.jobs.queued", "Jobs in line", JOB, |now, tell| {
        tell(&[], Value::Level(now.queued as i64));
    }),
    level(
        "ambidex.scheduler.streams.open",
        "Streams and futures that have begun and not ended",
        "{stream}",
        |now, tell| tell(&[], Value::Level(now.open as i64)),
    ),
    count("ambidex.scheduler.threads.started", "Threads started", THREAD, |now, tell| {
        tell(&[], Value::Count(now.totals.threads_started));
    }),
    count("ambidex.scheduler.spawn_failures", "Threads that the system refused", THREAD, |now, tell| {
        tell(&[], Value::Count(now.totals.spawn_failures));
    }),
    count(
        "ambidex.scheduler.compensations",
        "Threads started to stand in for one that waits",
        THREAD,
        |now, tell| tell(&[], Value::Count(now.totals.compensations)),
    ),
    count("ambidex.scheduler.stalls", "Threads started because nothing completed", THREAD, |now, tell| {
        tell(&[], Value::Count(now.totals.stalls));
    }),
    count("ambidex.scheduler.panics", "Jobs that panicked", JOB, |now, tell| {
        tell(&[], Value::Count(now.totals.panics));
    }),
    count("ambidex.scheduler.wakes", "Threads woken or started for the queue", THREAD, |now, tell| {
        tell(&[], Value::Count(now.totals.wakes));
    }),
    level("ambidex.scheduler.lane.depth", "Jobs of the lane in line", JOB, |now, tell| {
        each_lane(now, tell, |lane| Value::Level(lane.depth as i64));
    }),
    level("ambidex.scheduler.lane.running", "Jobs of the lane that hold a thread", JOB, |now, tell| {
        each_lane(now, tell, |lane| Value::Level(lane.running as i64));
    }),
    Figure {
        name: "ambidex.scheduler.lane.overloaded",
        help: "Whether the lane cannot carry its load",
        unit: "1",
        kind: Kind::Share,
        read: |now, tell| {
            each_lane(now, tell, |lane| Value::Share(f64::from(u8::from(lane.overloaded))));
        },
    },
    Figure {
        name: "ambidex.scheduler.lane.cpu_share",
        help: "Share of their time that jobs of the lane compute",
        unit: "1",
        kind: Kind::Share,
        read: |now, tell| each_lane(now, tell, |lane| Value::Share(lane.cpu_share.unwrap_or(f64::NAN))),
    },
    Figure {
        name: "ambidex.scheduler.queue_time",
        help: "How long jobs waited that ran",
        unit: "s",
        kind: Kind::Spread(job_bounds_seconds),
        read: |now, tell| each_lane_spread(now, tell, |lane| &lane.queue_time),
    },
    Figure {
        name: "ambidex.scheduler.run_time",
        help: "How long jobs ran",
        unit: "s",
        kind: Kind::Spread(job_bounds_seconds),
        read: |now, tell| each_lane_spread(now, tell, |lane| &lane.run_time),
    },
    Figure {
        name: "ambidex.scheduler.cpu_time",
        help: "How long jobs computed, of a sample",
        unit: "s",
        kind: Kind::Spread(job_bounds_seconds),
        read: |now, tell| each_lane_spread(now, tell, |lane| &lane.cpu_time),
    },
    count("ambidex.scheduler.jobs.completed", "Jobs that ran to their end", JOB, |now, tell| {
        each_lane(now, tell, |lane| Value::Count(lane.completed));
    }),
    count("ambidex.scheduler.jobs.refused", "Jobs that never ran, by the reason", JOB, |now, tell| {
        for lane in &now.lanes {
            for (reason, count) in lane.refused.by_reason() {
                tell(&[("lane", &lane.name), ("reason", reason)], Value::Count(count));
            }
        }
    }),
    Figure {
        name: "ambidex.scheduler.wasted",
        help: "Time that jobs ran whose caller was gone by the end",
        unit: "s",
        kind: Kind::Seconds,
        read: |now, tell| each_lane(now, tell, |lane| Value::Seconds(lane.wasted.as_secs_f64())),
    },
    count(
        "ambidex.scheduler.blocked_polls",
        "Polls of async code that held a runtime thread for too long",
        "{poll}",
        |now, tell| {
            for seen in &now.blocked_polls {
                tell(&[("method", &seen.name)], Value::Count(seen.count));
            }
        },
    ),
];
