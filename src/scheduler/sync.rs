//! Owns the choice of locks, flags and parking for the parts that are model-checked: the standard ones, or loom's.
//!
//! A cfg of our own rather than plain `loom`, because that one would also change how dependencies build.

#[cfg(all(test, ambidex_loom))]
pub(super) use loom::{
    sync::atomic::AtomicBool,
    sync::{Mutex, MutexGuard},
    thread::{Thread, current, park},
};
#[cfg(not(all(test, ambidex_loom)))]
pub(super) use std::{
    sync::atomic::AtomicBool,
    sync::{Mutex, MutexGuard},
    thread::{Thread, current, park, park_timeout},
};

/// loom has no time: whoever would wait for some of it waits for a wake.
#[cfg(all(test, ambidex_loom))]
pub(super) fn park_timeout(_: std::time::Duration) {
    park();
}
