//! The scheduler's snapshot as JSON, for people and scripts that look; times are in seconds.
//!
//! Written by hand: it is one page of numbers, for which a default build need not have serde.

use std::time::Duration;

use crate::http::push_json_string;
use crate::scheduler::{Histogram, LaneSnapshot, Snapshot};

/// Appends the snapshot as a JSON object.
pub(super) fn push(now: &Snapshot, json: &mut Vec<u8>) {
    let Snapshot { threads, idle, running, waiting, orphaned, queued, open, totals, .. } = now;
    object(json, |json| {
        let counts = [
            ("threads", threads),
            ("idle", idle),
            ("running", running),
            ("waiting", waiting),
            ("orphaned", orphaned),
            ("queued", queued),
            ("open", open),
        ];
        for (name, count) in counts {
            member(name, json, |json| number(count, json));
        }
        member("totals", json, |json| {
            object(json, |json| {
                let counts = [
                    ("completed", totals.completed),
                    ("threads_started", totals.threads_started),
                    ("spawn_failures", totals.spawn_failures),
                    ("compensations", totals.compensations),
                    ("stalls", totals.stalls),
                    ("panics", totals.panics),
                    ("wakes", totals.wakes),
                ];
                for (name, count) in counts {
                    member(name, json, |json| number(count, json));
                }
            });
        });
        member("lanes", json, |json| array(json, &now.lanes, push_lane));
        member("blocked_polls", json, |json| {
            array(json, &now.blocked_polls, |seen, json| {
                object(json, |json| {
                    member("name", json, |json| push_json_string(&seen.name, json));
                    member("count", json, |json| number(seen.count, json));
                    member("longest", json, |json| seconds(seen.longest, json));
                    member("quarantined", json, |json| number(seen.quarantined, json));
                });
            });
        });
    });
}

fn push_lane(lane: &LaneSnapshot, json: &mut Vec<u8>) {
    object(json, |json| {
        member("name", json, |json| push_json_string(&lane.name, json));
        member("depth", json, |json| number(lane.depth, json));
        member("running", json, |json| number(lane.running, json));
        member("orphaned", json, |json| number(lane.orphaned, json));
        member("completed", json, |json| number(lane.completed, json));
        member("refused", json, |json| {
            object(json, |json| {
                for (reason, count) in lane.refused.by_reason() {
                    member(reason, json, |json| number(count, json));
                }
            });
        });
        member("cpu_share", json, |json| match lane.cpu_share {
            Some(share) => number(share, json),
            None => json.extend_from_slice(b"null"),
        });
        member("overloaded", json, |json| number(lane.overloaded, json));
        member("wasted", json, |json| seconds(lane.wasted, json));
        for (name, times) in
            [("queue_time", &lane.queue_time), ("run_time", &lane.run_time), ("cpu_time", &lane.cpu_time)]
        {
            member(name, json, |json| push_times(times, json));
        }
    });
}

fn push_times(times: &Histogram, json: &mut Vec<u8>) {
    object(json, |json| {
        member("count", json, |json| number(times.count(), json));
        member("sum", json, |json| seconds(times.sum(), json));
        for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
            member(name, json, |json| match times.quantile(quantile) {
                Some(time) => seconds(time, json),
                None => json.extend_from_slice(b"null"),
            });
        }
    });
}

fn object(json: &mut Vec<u8>, members: impl FnOnce(&mut Vec<u8>)) {
    json.push(b'{');
    members(json);
    json.push(b'}');
}

fn array<T>(json: &mut Vec<u8>, elements: &[T], push: impl Fn(&T, &mut Vec<u8>)) {
    json.push(b'[');
    for element in elements {
        comma(json);
        push(element, json);
    }
    json.push(b']');
}

fn member(name: &str, json: &mut Vec<u8>, value: impl FnOnce(&mut Vec<u8>)) {
    comma(json);
    push_json_string(name, json);
    json.push(b':');
    value(json);
}

/// A comma, but before what is first.
fn comma(json: &mut Vec<u8>) {
    if !matches!(json.last(), Some(b'{' | b'[')) {
        json.push(b',');
    }
}

/// Numbers and truth are spelled in JSON as Rust displays them, but for what is no number.
fn number(value: impl std::fmt::Display, json: &mut Vec<u8>) {
    json.extend_from_slice(value.to_string().as_bytes());
}

fn seconds(time: Duration, json: &mut Vec<u8>) {
    number(time.as_secs_f64(), json);
}
