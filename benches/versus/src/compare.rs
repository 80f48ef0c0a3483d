//! The measurement: every contestant of every case, in rounds, in rotated order.

use std::collections::HashSet;
use std::time::Duration;

use crate::Error;
use crate::arguments::Plan;
use crate::cases::Case;
use crate::child::Running;
use crate::cpu::{MachineTimes, OtherWork, ThreadTimes};
use crate::load::{Driver, Run};
use crate::probe::probe;
use crate::sample::Sample;

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) cases: Vec<MeasuredCase>,
    pub(crate) other_work: OtherWork,
}

/// What was measured of one case.
#[derive(Debug)]
pub(crate) struct MeasuredCase {
    pub(crate) case: &'static Case,
    /// The samples of each contestant, one a round.
    pub(crate) samples: Vec<Vec<Sample>>,
}

/// Each run has one of this fraction of its requests before it, unmeasured: connections, threads and caches
/// are warm by then, and the figures those of a server at work.
const WARM_UP_FRACTION: usize = 8;

/// Or of so many: a server that has just been started knows nothing of its methods.
const WARM_UP_MIN: usize = 2_000;

/// A bound on what one run sends, however fast the servers are.
const REQUESTS_MAX: usize = 1_000_000;

/// How long a server has to close its connections before its CPU time is read.
const SETTLE: Duration = Duration::from_millis(20);

/// Measures what `plan` asks for.
///
/// # Errors
///
/// When h2load is missing, a server does not start, or any answer is wrong.
pub(crate) fn compare(plan: &Plan) -> Result<Measured, Error> {
    let driver = Driver::find()?;
    let wanted = |case: &&Case| plan.only.as_ref().is_none_or(|only| case.title.contains(only));
    let cases: Vec<_> = plan.subject.cases().iter().filter(wanted).collect();
    if cases.is_empty() {
        return Err("no case has that in its title".into());
    }
    let servers = cases.iter().flat_map(|case| case.contestants).map(|contestant| contestant.server);
    let servers: HashSet<_> = servers.collect();
    let mut bench = Bench { driver, servers: Running::start(servers.clone())?, spent: Duration::ZERO };
    let mut prepared = Vec::new();
    for case in cases {
        prepared.push(bench.prepare(case, plan.run_s)?);
    }

    let machine = MachineTimes::now()?;
    bench.spent = Duration::ZERO;
    for round in 0..plan.rounds {
        eprintln!("round {} of {}", round + 1, plan.rounds);
        // Where a process has its memory decides a few parts in a hundred, and that for as long as it lives.
        bench.servers = Running::start(servers.clone())?;
        for prepared in &mut prepared {
            let contestants = prepared.measured.samples.len();
            for place in 0..contestants {
                // Another one begins each round, so that none is always the one after the same other.
                let index = (place + round) % contestants;
                let sample = bench.measure(prepared, index)?;
                prepared.measured.samples[index].push(sample);
            }
        }
    }
    let other_work = MachineTimes::now()?.other_work_since(&machine, bench.spent);
    Ok(Measured { cases: prepared.into_iter().map(|case| case.measured).collect(), other_work })
}

/// The servers and what drives them.
struct Bench {
    driver: Driver,
    servers: Running,
    /// CPU time of the servers in all runs, warm-ups included.
    spent: Duration,
}

/// A case that is being measured.
struct Prepared {
    /// The same for every contestant, so that all do the same work.
    requests: usize,
    /// The bytes of the reply's body, for each contestant.
    reply_bytes: Vec<usize>,
    measured: MeasuredCase,
}

impl Bench {
    /// Checks the answer of every contestant, and finds out how many requests fill a run.
    fn prepare(&mut self, case: &'static Case, run_s: f64) -> Result<Prepared, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut prepared = Prepared {
            requests: (case.in_flight * 20).max(1_000),
            reply_bytes: Vec::new(),
            measured: MeasuredCase { case, samples: vec![Vec::new(); case.contestants.len()] },
        };
        let mut slowest = f64::INFINITY;
        for (index, contestant) in case.contestants.iter().enumerate() {
            let address = self.servers.get(contestant.server).address;
            let named = |error| format!("{}, {}: {error}", case.title, contestant.name);
            prepared.reply_bytes.push(runtime.block_on(probe(contestant, address)).map_err(named)?);
            slowest = slowest.min(self.measure(&prepared, index)?.requests_per_second);
        }
        let requests = (slowest * run_s) as usize;
        prepared.requests = requests.clamp(case.in_flight * 10, REQUESTS_MAX);
        Ok(prepared)
    }

    /// One run of one contestant.
    fn measure(&mut self, prepared: &Prepared, index: usize) -> Result<Sample, Error> {
        let Prepared { requests, ref reply_bytes, ref measured } = *prepared;
        let contestant = &measured.case.contestants[index];
        let server = self.servers.get(contestant.server);
        let run = Run {
            contestant,
            address: server.address,
            requests,
            in_flight: measured.case.in_flight,
            reply_bytes: reply_bytes[index],
        };
        let cold = ThreadTimes::of(server.pid())?;
        self.driver
            .run(Run { requests: (requests / WARM_UP_FRACTION).max(WARM_UP_MIN).min(requests), ..run })?;
        std::thread::sleep(SETTLE);
        let before = ThreadTimes::of(server.pid())?;
        let requests_per_second = self.driver.run(run)?;
        std::thread::sleep(SETTLE);
        let after = ThreadTimes::of(server.pid())?;
        self.spent += after.since(&cold);
        let cpu_us_per_request = after.since(&before).as_secs_f64() * 1e6 / requests as f64;
        Ok(Sample { cpu_us_per_request, requests_per_second })
    }
}
