//! How the crate behaves as a whole, over the schemas of `tests/proto`.

#![allow(clippy::unwrap_used, reason = "tests")]

mod differential;
mod file_index;
mod generator;
mod http_rules;
mod json_in;
mod json_out;
mod oracle_faults;
mod parameters;
mod schema_loading;
mod schemas;
mod slow_paths;
mod syntaxes;
mod well_known;
