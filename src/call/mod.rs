//! The protocol-neutral vocabulary of a call.

pub mod cancellation;
pub mod deadline;
