//! The scheduling core beside tokio's `spawn_blocking` and a plain pool behind a channel: what offloading a call
//! costs, and what becomes of everything else meanwhile.
//!
//! All contestants run in one process, round by round in rotating order, and every figure is a ratio within its
//! round; the table shows medians, with the least and the most. [`contestant`] has the contestants, [`cases`] what
//! they are made to do, [`report`] the table with the goals beside it. [`trials`] has promises with a number in them
//! that are no race.

mod cases;
mod contestant;
mod load;
mod report;
mod trials;

use std::process::ExitCode;

/// Rounds, unless the command line says otherwise.
const ROUNDS: usize = 7;

/// How long the watchdog has to keep silent on a saturated machine, unless the command line says otherwise.
const SATURATED: std::time::Duration = std::time::Duration::from_secs(20);

fn main() -> ExitCode {
    let mut rounds = ROUNDS;
    let mut wanted = Vec::new();
    for argument in std::env::args().skip(1) {
        match argument.parse() {
            Ok(number) => rounds = number,
            Err(_) if argument.starts_with('-') => {
                eprintln!(
                    "usage: bench-scheduler [ROUNDS] [CASE…]\n       bench-scheduler SECONDS trials\ncases: {}",
                    cases::names().join(", ")
                );
                return ExitCode::FAILURE;
            }
            Err(_) => wanted.push(argument),
        }
    }
    if cfg!(debug_assertions) {
        eprintln!("a debug build compares nothing: run it with `cargo run --release`");
        return ExitCode::FAILURE;
    }
    if wanted.iter().any(|name| name == "trials") {
        // Then the number is how many seconds the watchdog has to keep silent.
        print!("{}", trials::run(std::time::Duration::from_secs(rounds as u64)));
        return ExitCode::SUCCESS;
    }
    print!("{}", report::run(rounds.max(1), &wanted));
    if wanted.is_empty() {
        println!("\n{}", trials::run(SATURATED));
    }
    ExitCode::SUCCESS
}
