//! Ambidex, scheduling branch: the call's deadline and cancellation, and the scheduler that honours them.

pub mod call;
pub mod scheduler;
