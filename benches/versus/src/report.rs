//! The figures as Markdown.

use std::fmt::{self, Display, Formatter};

use crate::arguments::{Plan, Subject};
use crate::compare::{Measured, MeasuredCase};
use crate::sample::{Sample, Spread};

/// Other work up to this much is what a quiet machine has anyway.
const QUIET_PERCENT: f64 = 3.0;

/// A page with what was measured.
pub(crate) struct Report<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) measured: &'a Measured,
}

impl Display for Report<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.fmt_head(f)?;
        self.fmt_ratios(f)?;
        self.fmt_figures(f)
    }
}

impl Report<'_> {
    fn fmt_head(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { plan, measured } = self;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (rounds, run_s) = (plan.rounds, plan.run_s);
        let title = match plan.subject {
            Subject::Servers => "Ambidex beside raw tonic and hand-written axum",
            Subject::Telemetry => "What telemetry costs",
        };
        writeln!(f, "# {title}\n")?;
        writeln!(
            f,
            "Written by `versus`; what is compared and how is in [its README](../benches/versus/README.md)."
        )?;
        writeln!(
            f,
            "{cores} cores, which servers and driver share; {rounds} rounds, runs of about {run_s} s."
        )?;
        let other = measured.other_work;
        let (processes, stolen) = (other.processes_percent, other.stolen_percent);
        if processes + stolen < QUIET_PERCENT {
            writeln!(f, "The machine was quiet: other work took {processes:.1} % of its CPU time.")?;
        } else {
            writeln!(
                f,
                "**The machine was disturbed:** other work took {processes:.0} % of its CPU time, and other \
                 machines on its host {stolen:.0} %. Requests per second mean little then, and ratios of CPU \
                 time are rougher."
            )?;
        }
        match &plan.note {
            Some(note) => writeln!(f, "{note}\n"),
            None => writeln!(f),
        }
    }

    fn fmt_ratios(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "## Ratios\n")?;
        writeln!(
            f,
            "The median over the rounds of one run divided by the other of its round, (least–most)."
        )?;
        writeln!(
            f,
            "CPU: less is better, below 1 the first is cheaper. Requests per second: more is better.\n"
        )?;
        writeln!(f, "| case | ratio | CPU a request | requests/s |")?;
        writeln!(f, "|---|---|---|---|")?;
        for measured in &self.measured.cases {
            for (first, second) in measured.case.ratios {
                let [dividend, divisor] =
                    [*first, *second].map(|index| measured.case.contestants[index].name);
                let rounds = measured.samples[*first].iter().zip(&measured.samples[*second]);
                let ratios: Vec<_> = rounds.map(|(one, other)| one.ratio(other)).collect();
                let title = measured.case.title;
                let (cpu, rate) = spreads(&ratios);
                let (cpu, rate) = (Figures(cpu, 2), Figures(rate, 2));
                writeln!(f, "| {title} | {dividend} ÷ {divisor} | {cpu} | {rate} |")?;
            }
        }
        writeln!(f)
    }

    fn fmt_figures(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "## Figures\n")?;
        writeln!(f, "Medians, (least–most). They are this machine's; only their ratios travel.\n")?;
        writeln!(f, "| case | server | CPU a request, µs | requests/s |")?;
        writeln!(f, "|---|---|---|---|")?;
        for MeasuredCase { case, samples } in &self.measured.cases {
            for (contestant, samples) in case.contestants.iter().zip(samples) {
                let (cpu, rate) = spreads(samples);
                let (title, name) = (case.title, contestant.name);
                writeln!(f, "| {title} | {name} | {} | {} |", Figures(cpu, 1), Figures(rate, 0))?;
            }
        }
        Ok(())
    }
}

fn spreads(samples: &[Sample]) -> (Spread, Spread) {
    let cpu = samples.iter().map(|sample| sample.cpu_us_per_request);
    let rate = samples.iter().map(|sample| sample.requests_per_second);
    (Spread::of(cpu), Spread::of(rate))
}

/// A spread with so many decimals.
struct Figures(Spread, usize);

impl Display for Figures {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(Spread { median, min, max }, decimals) = self;
        write!(f, "{median:.decimals$} ({min:.decimals$}–{max:.decimals$})")
    }
}
