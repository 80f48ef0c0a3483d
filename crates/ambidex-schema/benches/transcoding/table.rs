//! The table: nanoseconds, and the ratios they are measured for.

use std::fmt::Write as _;

use crate::case::{Case, Way};

/// The most of pbjson's time that each way may take.
const GOAL_IN: f64 = 0.75;
const GOAL_OUT: f64 = 0.90;
/// How many times faster than prost-reflect it has to be.
const GOAL_REFLECT: f64 = 5.0;

/// Measures all cases, as Markdown.
pub(crate) fn of(cases: &mut [Case], rounds: usize) -> String {
    let mut table = format!(
        "| message | JSON / wire bytes | way | ours ns | of it prost | pbjson ns | prost-reflect ns | ours ÷ pbjson \
         | prost-reflect ÷ ours |\n|---|---|---|---|---|---|---|---|---|\n\
         | *goal* | | | | | | | in ≤ {GOAL_IN:.2}, out ≤ {GOAL_OUT:.2} | ≥ {GOAL_REFLECT:.0} |\n"
    );
    for case in cases {
        for way in Way::ALL {
            let [ours, pbjson, reflect, prost] = case.measure(way, rounds);
            let goal = if way == Way::In { GOAL_IN } else { GOAL_OUT };
            writeln!(
                table,
                "| {} | {} / {} | {} | {ours:.0} | {prost:.0} | {pbjson:.0} | {reflect:.0} | {:.2}{} | {:.1}{} |",
                case.name,
                case.json_bytes,
                case.wire_bytes,
                way.name(),
                ours / pbjson,
                missed(ours / pbjson > goal),
                reflect / ours,
                missed(reflect / ours < GOAL_REFLECT),
            )
            .expect("a string has room");
        }
    }
    table
}

fn missed(missed: bool) -> &'static str {
    if missed { " (missed)" } else { "" }
}
