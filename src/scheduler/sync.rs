//! Owns the choice of lock for the parts that are model-checked: the standard one, or loom's.
//!
//! A cfg of our own rather than plain `loom`, because that one would also change how dependencies build.

#[cfg(all(test, ambidex_loom))]
pub(super) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(all(test, ambidex_loom)))]
pub(super) use std::sync::{Mutex, MutexGuard};
