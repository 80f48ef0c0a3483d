//! Ambidex beside raw tonic and hand-written axum: server CPU and requests per second, as ratios.
//!
//! One program is all three servers and what compares them, so that they share a compiler, an allocator and a
//! runtime. [`cases`] says what is compared, [`servers`] has the contestants, [`mod@compare`] measures, [`report`]
//! prints. The README says how to read it.

mod arguments;
mod cases;
mod child;
mod compare;
mod cpu;
mod json;
mod load;
mod messages;
mod overload;
mod probe;
mod report;
mod sample;
mod servers;
mod talk;
mod telemetry;

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use arguments::{Command, Plan, USAGE};
use report::Report;

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("versus: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    match Command::parse(std::env::args().skip(1))? {
        Command::Help => println!("{USAGE}"),
        Command::Serve(server, threads) => server.serve(threads)?,
        Command::Overload => print!("{}", overload::run()?),
        Command::Compare(plan) => compare(&plan)?,
    }
    Ok(())
}

fn compare(plan: &Plan) -> Result<(), Error> {
    if cfg!(debug_assertions) {
        return Err("a debug build compares nothing: run it with `cargo run --release`".into());
    }
    // Opened before minutes of measuring, so that a wrong path is told at once.
    let output = plan.output.as_deref().map(open).transpose()?;
    let measured = compare::compare(plan)?;
    let page = Report { plan, measured: &measured }.to_string();
    print!("{page}");
    if let Some(mut output) = output {
        output.set_len(0)?;
        output.write_all(page.as_bytes())?;
    }
    Ok(())
}

/// Opens the file for the page. What is in it stays until there is something better.
fn open(path: &Path) -> Result<File, Error> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    file.map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}
