//! One call of each kind of method, async, blocking and offloaded: for what has to hold for all of them.

use serde_json::{Value, json};

use super::wires::{ALL, Case, STREAMING, Wire};

/// A call of each kind that follows `plan`, and the wires that carry it.
pub fn every_kind(plan: &Value) -> Vec<(Case, &'static [Wire])> {
    let one = |method, rest| (Case::new(method, rest, json!({"plan": plan})), &ALL[..]);
    let counting = |method, rest| (Case::new(method, rest, json!({"to": 1, "plan": plan})), &ALL[..]);
    let many = |method, rest| {
        (Case::stream(method, rest, vec![json!({"number": "1", "plan": plan})]), &STREAMING[..])
    };
    vec![
        one("Echo", "/v1/echo"),
        one("EchoBlocking", "/v1/blocking/echo"),
        one("EchoOffloaded", "/v1/offloaded/echo"),
        counting("Count", "GET /v1/count"),
        counting("CountBlocking", "GET /v1/blocking/count"),
        many("Sum", "/v1/sum"),
        many("SumBlocking", "/v1/blocking/sum"),
        many("Running", "/v1/running"),
        many("RunningBlocking", "/v1/blocking/running"),
    ]
}
