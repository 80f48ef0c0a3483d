//! The policy in virtual time: threads, callers and processors are made up, the decisions are those that ship.
//!
//! Everything follows from a seed, so a failure is told by its seed and can be looked at again and again. After
//! every single event the books are compared with the world ([`World::audit`]); at its end every job must have
//! had exactly one end.

mod chance;
mod claims;
mod fuzz;
mod machine;
mod world;

use chance::Chance;
use world::{Law, Source, World};
