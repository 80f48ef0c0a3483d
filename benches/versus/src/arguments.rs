//! The command line.

use std::path::PathBuf;

use crate::Error;
use crate::cases::{CASES, Case, TELEMETRY_CASES};
use crate::servers::Server;

pub(crate) const USAGE: &str = "\
Ambidex beside raw tonic and hand-written axum.

versus [--rounds N] [--seconds S] [--only TEXT] [--note TEXT] [--output FILE]
    Compares. Prints the tables, and writes them to FILE too.
        --rounds N      rounds, each of which drives every contestant once (51)
        --seconds S     about how long one contestant is driven each time, at the most 5 (0.15)
        --only TEXT     only the cases that have TEXT in their title
        --note TEXT     a sentence for the report, such as what else the machine did

versus telemetry [--rounds N] [--seconds S] [--only TEXT] [--note TEXT] [--output FILE]
    Compares Ambidex with itself: what it costs to tell of its calls. Wants the feature `telemetry`.

versus overload
    Calls a blocking method more often than it can be served, and prints what becomes of the calls.

versus serve tonic|axum|ambidex|telemetry-off|telemetry-metrics|… [THREADS]
    Serves on a free port, which it prints, until its standard input ends; blocking code on so many threads.";

/// What to do.
#[derive(Debug)]
#[cfg_attr(test, derive(PartialEq))]
pub(crate) enum Command {
    Compare(Plan),
    Overload,
    Serve(Server, Option<usize>),
    Help,
}

/// How to compare.
#[derive(Debug)]
#[cfg_attr(test, derive(PartialEq))]
pub(crate) struct Plan {
    pub(crate) subject: Subject,
    pub(crate) rounds: usize,
    /// About how long one run takes. Shorter than any contestant keeps an idle thread, which
    /// [`cpu`](crate::cpu) relies on.
    pub(crate) run_s: f64,
    pub(crate) only: Option<String>,
    pub(crate) note: Option<String>,
    pub(crate) output: Option<PathBuf>,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Ambidex and others.
    Servers,
    /// Ambidex and what it tells.
    Telemetry,
}

impl Subject {
    pub(crate) const fn cases(self) -> &'static [Case] {
        match self {
            Self::Servers => CASES,
            Self::Telemetry => TELEMETRY_CASES,
        }
    }
}

const ROUNDS_MAX: usize = 100;
const RUN_MAX_S: f64 = 5.0;

impl Command {
    /// Reads the arguments after the program's name.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Error> {
        let subject = Subject::Servers;
        let mut plan = Plan { subject, rounds: 51, run_s: 0.15, only: None, note: None, output: None };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} takes a value\n\n{USAGE}"));
            match argument.as_str() {
                "telemetry" => plan.subject = Subject::Telemetry,
                "overload" => return Ok(Self::Overload),
                "serve" => {
                    let server = server(&value()?)?;
                    let threads = arguments.next().map(|threads| threads.parse()).transpose()?;
                    return Ok(Self::Serve(server, threads));
                }
                "--help" | "-h" => return Ok(Self::Help),
                "--rounds" => plan.rounds = value()?.parse::<usize>()?.clamp(1, ROUNDS_MAX),
                "--seconds" => plan.run_s = value()?.parse::<f64>()?.clamp(0.05, RUN_MAX_S),
                "--only" => plan.only = Some(value()?),
                "--note" => plan.note = Some(value()?),
                "--output" => plan.output = Some(value()?.into()),
                _ => return Err(format!("{argument} is no argument of versus\n\n{USAGE}").into()),
            }
        }
        Ok(Self::Compare(plan))
    }
}

fn server(name: &str) -> Result<Server, Error> {
    let found = Server::every().find(|server| server.name() == name);
    found.ok_or_else(|| format!("{name} is no server\n\n{USAGE}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, Error> {
        Command::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_plan_is_read() {
        let plan = Plan {
            subject: Subject::Servers,
            rounds: 3,
            run_s: 0.5,
            only: Some("gRPC".to_owned()),
            note: None,
            output: Some("docs/versus.md".into()),
        };
        let command = parse("--rounds 3 --seconds 0.5 --only gRPC --output docs/versus.md");
        assert_eq!(command.expect("a command"), Command::Compare(plan));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for line in ["--round 3", "--rounds", "--rounds few", "serve", "serve apache"] {
            assert!(parse(line).is_err(), "{line}");
        }
        let Ok(Command::Compare(plan)) = parse("telemetry --rounds 3") else { panic!("a plan") };
        assert_eq!((plan.subject, plan.rounds), (Subject::Telemetry, 3));
        assert_eq!(parse("serve tonic").expect("a command"), Command::Serve(Server::Tonic, None));
        assert_eq!(parse("serve ambidex 8").expect("a command"), Command::Serve(Server::Ambidex, Some(8)));
    }
}
