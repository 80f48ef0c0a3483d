//! A server under attack: it serves the others unharmed meanwhile, and afterwards there is nothing left of it.
//!
//! Each attack is made on a server in a process of its own, so that its memory, its descriptors and its processor time
//! are nobody else's. Honest clients call it all the while over gRPC and HTTP, async and blocking handlers, and not one
//! of their calls may fail. Then the attackers leave, and [`victim::Victim::unharmed`] looks at what they left behind.
//! The tests make small attacks; [`in_full`] makes large ones, and prints the table of docs/abuse.md.

mod bombs;
mod deaf;
mod floods;
mod frames;
mod greedy;
mod heads;
mod honest;
mod idle;
mod in_full;
mod lies;
mod panics;
mod rapid_reset;
mod role;
mod slow_bodies;
mod slow_heads;
mod small_steps;
mod victim;
