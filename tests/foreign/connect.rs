//! Connect's own clients from npm, for Node.js and for browsers: each module of `node/` with tests is one here.

use crate::node::passes;

#[test]
fn calls_of_every_kind() {
    passes("kinds.mjs");
}

#[test]
fn metadata() {
    passes("metadata.mjs");
}

#[test]
fn errors() {
    passes("errors.mjs");
}

#[test]
fn sizes() {
    passes("sizes.mjs");
}

#[test]
fn deadlines() {
    passes("deadlines.mjs");
}

#[test]
fn cancellation() {
    passes("cancellation.mjs");
}

#[test]
fn compression() {
    passes("compression.mjs");
}

#[test]
fn get() {
    passes("get.mjs");
}
