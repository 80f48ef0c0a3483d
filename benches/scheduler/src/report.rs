//! Rounds, and the table of what they came to.

use std::fmt::Write as _;

use crate::cases::{Beside, CASES, Case, idle};
use crate::contestant::{Contestant, Kind};
use crate::load::Seen;

/// Measures the cases that are wanted, all if none is named, and returns the table.
pub(crate) fn run(rounds: usize, wanted: &[String]) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut page = format!(
        "{rounds} rounds on {cores} processors. Ratios to `spawn_blocking` unless the figure says otherwise: median, \
         and in brackets least and most.\n\n| case | figure | goal | Ambidex | channel pool | \
         `spawn_blocking` itself |\n|---|---|---|---|---|---|\n"
    );
    for case in CASES
        .iter()
        .filter(|case| wanted.is_empty() || wanted.iter().any(|name| case.name.contains(name.as_str())))
    {
        eprint!("{} ", case.name);
        let measured: Vec<_> = (0..rounds).map(|round| measure(case, round)).collect();
        eprintln!();
        rows(&mut page, case, &measured);
    }
    page
}

/// One round: what was seen of each contestant, and of a runtime that does nothing.
struct Round {
    seen: [Seen; 3],
    idle: Seen,
}

fn measure(case: &'static Case, round: usize) -> Round {
    eprint!(".");
    let mut seen: [Seen; 3] = Default::default();
    for turn in 0..3 {
        let index = (round + turn) % 3;
        let (runtime, contestant) = Contestant::start(Kind::ALL[index]);
        seen[index] = runtime.block_on(async {
            let contestant = contestant.clone();
            tokio::spawn(async move { case.load.put_on(&contestant).await }).await.expect("no case panics")
        });
        drop(contestant);
        runtime.shutdown_background();
    }
    let needs_idle = case.figures.iter().any(|figure| figure.to == Beside::Idle);
    let idle = if needs_idle {
        let (runtime, _contestant) = Contestant::start(Kind::SpawnBlocking);
        runtime.block_on(idle())
    } else {
        Seen::default()
    };
    Round { seen, idle }
}

fn rows(page: &mut String, case: &Case, rounds: &[Round]) {
    for figure in case.figures {
        let ratios = |contestant: usize| {
            let ratio = |round: &Round| {
                let beside = match figure.to {
                    Beside::SpawnBlocking => (figure.read)(&round.seen[1]),
                    Beside::Idle => (figure.read)(&round.idle),
                };
                (figure.read)(&round.seen[contestant]) / beside
            };
            Spread::of(rounds.iter().map(ratio).collect())
        };
        let ours = ratios(0);
        let met = match figure.goal.is_met(ours.median) {
            Some(true) => " ✓",
            Some(false) => " ✗",
            None => "",
        };
        let itself = match figure.to {
            Beside::SpawnBlocking => {
                plain(&Spread::of(rounds.iter().map(|round| (figure.read)(&round.seen[1])).collect()))
            }
            Beside::Idle => ratios(1).to_string(),
        };
        let (what, name, goal, pool) = (case.what, figure.name, figure.goal, ratios(2));
        writeln!(page, "| {what} | {name} | {goal}{met} | {ours} | {pool} | {itself} |")
            .expect("a string takes any text");
    }
}

struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { least: values[0], median: values[values.len() / 2], most: values[values.len() - 1] }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { least, median, most } = self;
        write!(f, "{median:.2} ({least:.2}–{most:.2})")
    }
}

/// A median with its unit: calls a second, or seconds.
fn plain(spread: &Spread) -> String {
    match spread.median {
        seconds if seconds < 1.0 => format!("{:.1} µs", seconds * 1e6),
        number => format!("{number:.0}"),
    }
}
