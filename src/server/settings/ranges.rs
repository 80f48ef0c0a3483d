//! Numbers that a type lets pass, and that would leave a server without service.
//!
//! A program that sets them is taken at its word: where a zero cannot be meant, it is lifted to one. Who writes a file
//! or a variable is told.

use super::error::Problem;
use super::node::{Node, Path, Value};
use super::reader::integer;

/// How deep JSON nests at most, whatever anybody says: each level takes stack.
const DEPTH_MAX: i128 = 256;

/// The smallest and largest value of settings. A `*` is any name, and any item of a list.
const RANGES: &[(&str, i128, i128)] = &[
    ("connections_max", 1, i128::MAX),
    ("streams_per_connection_max", 1, i128::MAX),
    ("header_read_timeout_ms", 1, i128::MAX),
    ("connection_age_max_ms", 1, i128::MAX),
    ("headers_max_bytes", 1, i128::MAX),
    ("http2_keep_alive_interval_ms", 1, i128::MAX),
    ("http2_keep_alive_timeout_ms", 1, i128::MAX),
    ("http2_control_frames_per_second_max", 1, i128::MAX),
    ("http2_pending_resets_max", 1, i128::MAX),
    ("http2_error_resets_max", 1, i128::MAX),
    ("tls_handshake_timeout_ms", 1, i128::MAX),
    ("in_flight_max", 1, i128::MAX),
    ("timeout_default_ms", 1, i128::MAX),
    ("timeout_max_ms", 1, i128::MAX),
    ("body_max_bytes", 1, i128::MAX),
    ("request_message_max_bytes", 1, i128::MAX),
    ("reply_message_max_bytes", 1, i128::MAX),
    ("stream_chunk_max_bytes", 1, i128::MAX),
    ("json_in.max_depth", 1, DEPTH_MAX),
    ("json_out.max_depth", 1, DEPTH_MAX),
    ("methods.*.max_concurrency", 1, i128::MAX),
    ("methods.*.timeout_ms", 1, i128::MAX),
    ("scheduler.processors", 1, i128::MAX),
    ("scheduler.threads_max", 1, i128::MAX),
    ("scheduler.threads_hard_max", 1, i128::MAX),
    // Less than a page or two, and a thread cannot even begin.
    ("scheduler.thread_stack_bytes", 64 * 1024, i128::MAX),
    ("scheduler.queue_max", 1, i128::MAX),
    ("scheduler.lane_queue_max", 1, i128::MAX),
    ("scheduler.queue_wait_max_ms", 1, i128::MAX),
    ("scheduler.hand_off_threshold_us", 1, i128::MAX),
    ("scheduler.stall_step_ms", 1, i128::MAX),
    ("scheduler.stream_buffer_max", 1, i128::MAX),
    ("scheduler.lanes.*.max_concurrency", 1, i128::MAX),
    ("scheduler.lanes.*.weight", 1, i128::MAX),
];

/// Checks what was said by others than the program.
pub(super) fn check(tree: &Node, problems: &mut Vec<Problem>) {
    walk(tree, &mut Path::new(), problems);
}

/// The bounds of a setting, for its documentation.
#[cfg(test)]
pub(super) fn of(path: &[String]) -> Option<(i128, i128)> {
    range(path)
}

fn range(path: &[String]) -> Option<(i128, i128)> {
    let fits = |pattern: &str| {
        let mut names = pattern.split('.');
        path.iter().all(|name| names.next().is_some_and(|known| known == "*" || known == name))
            && names.next().is_none()
    };
    RANGES.iter().find(|(pattern, ..)| fits(pattern)).map(|&(_, min, max)| (min, max))
}

fn walk(node: &Node, path: &mut Path, problems: &mut Vec<Problem>) {
    let below = |name: String, node: &Node, path: &mut Path, problems: &mut Vec<Problem>| {
        path.push(name);
        walk(node, path, problems);
        path.pop();
    };
    match &node.value {
        Value::Table(members) => {
            members.iter().for_each(|(name, member)| below(name.clone(), member, path, problems));
        }
        Value::List(items) => {
            items.iter().enumerate().for_each(|(index, item)| below(index.to_string(), item, path, problems));
        }
        _ if node.place.is_outside() => problems.extend(out_of_range(node, path)),
        _ => {}
    }
}

fn out_of_range(node: &Node, path: &Path) -> Option<Problem> {
    let (min, max) = range(path)?;
    // What is below zero is of the wrong type already.
    let value = integer(&node.value).filter(|&value| value >= 0)?;
    if (min..=max).contains(&value) {
        return None;
    }
    let bounds = if max == i128::MAX { format!("{min} or more") } else { format!("from {min} to {max}") };
    let problem = Problem::wrong(format!("should be {bounds}, not {value}"));
    Some(Problem { path: path.clone(), place: Some(node.place.clone()), ..problem })
}
