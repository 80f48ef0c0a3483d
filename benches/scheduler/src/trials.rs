//! What is no race: promises with a number in them, each tried once on a scheduler of its own.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use ambidex::call::Deadline;
use ambidex::scheduler::{Job, Run, Scheduler, SchedulerConfig, Snapshot};
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinSet;

use crate::load::process_cpu;

/// One promise, and whether it was kept.
struct Trial {
    what: &'static str,
    goal: &'static str,
    seen: String,
    kept: bool,
}

const MS: Duration = Duration::from_millis(1);

/// Tries everything, and returns the table. `saturated` is how long the watchdog must keep silent.
pub(crate) fn run(saturated: Duration) -> String {
    let runtime = Runtime::new().expect("a runtime can be made");
    let trials = runtime.block_on(async {
        [
            light_beside_heavy().await,
            shares().await,
            nested().await,
            memory().await,
            watchdog_cost().await,
            watchdog_delay().await,
            watchdog_silence(saturated).await,
            drain().await,
            idle().await,
        ]
        .into_iter()
        .collect::<Vec<_>>()
    });
    runtime.shutdown_background();
    let mut page = "| promise | goal | seen |\n|---|---|---|\n".to_owned();
    for Trial { what, goal, seen, kept } in trials {
        let mark = if kept { "✓" } else { "✗" };
        writeln!(page, "| {what} | {goal} {mark} | {seen} |").expect("a string takes any text");
    }
    page
}

fn scheduler(threads: usize) -> Scheduler {
    let config = SchedulerConfig {
        threads_max: threads,
        threads_hard_max: threads,
        // The trials are of order and bounds, and most of their jobs sleep.
        queue_max: 1_000_000,
        lane_queue_max: 1_000_000,
        keep_alive_ms: 500,
        ..SchedulerConfig::default()
    };
    Scheduler::new(config, Handle::current())
}

fn job(scheduler: &Scheduler, lane: &str) -> Job {
    Job::new("bench.v1.Bench/Trial").lane(scheduler.lane(lane))
}

/// Callers who call again as soon as they are answered, until `end`.
fn flood(
    calls: &mut JoinSet<u64>,
    scheduler: &Scheduler,
    lane: &str,
    callers: usize,
    run: Duration,
    end: Instant,
) {
    for _ in 0..callers {
        let (scheduler, job) = (scheduler.clone(), job(scheduler, lane));
        calls.spawn(async move {
            let mut answered = 0;
            while Instant::now() < end {
                answered +=
                    u64::from(scheduler.run(job.clone(), move || std::thread::sleep(run)).await.is_ok());
            }
            answered
        });
    }
}

async fn light_beside_heavy() -> Trial {
    let scheduler = scheduler(8);
    let end = Instant::now() + 3000 * MS;
    let mut heavy = JoinSet::new();
    flood(&mut heavy, &scheduler, "heavy", 80, 20 * MS, end);
    let mut light = JoinSet::new();
    while Instant::now() < end {
        let light_job = job(&scheduler, "light").deadline(Deadline::after(1000 * MS));
        light.spawn(scheduler.run(light_job, || std::thread::sleep(MS)));
        tokio::time::sleep(10 * MS).await;
    }
    let came = light.len();
    let mut served = 0;
    while let Some(done) = light.join_next().await {
        served += usize::from(done.is_ok_and(|outcome| outcome.is_ok()));
    }
    heavy.join_all().await;
    let kept = served as f64 >= 0.999 * came as f64;
    Trial {
        what: "a light method beside a flood of a heavy one is served",
        goal: "≥ 99.9 %",
        seen: format!("{served} of {came}"),
        kept,
    }
}

async fn shares() -> Trial {
    let scheduler = scheduler(8);
    let end = Instant::now() + 3000 * MS;
    let mut calls = JoinSet::new();
    flood(&mut calls, &scheduler, "short", 64, MS, end);
    flood(&mut calls, &scheduler, "long", 64, 20 * MS, end);
    calls.join_all().await;
    let snapshot = scheduler.snapshot();
    let attained = |lane: &str| snapshot.lane(lane).map_or(0.0, |lane| lane.run_time.sum().as_secs_f64());
    let (short, long) = (attained("short"), attained("long"));
    let jain = (short + long).powi(2) / (2.0 * (short * short + long * long));
    Trial {
        what: "two lanes that want everything, of calls twenty times apart, share the time: Jain's index",
        goal: "≥ 0.98",
        seen: format!("{jain:.4}"),
        kept: jain >= 0.98,
    }
}

async fn nested() -> Trial {
    let scheduler = scheduler(40);
    let began = Instant::now();
    let mut most = 0;
    let mut outer = JoinSet::new();
    for _ in 0..40 {
        let inner = scheduler.clone();
        outer.spawn(scheduler.run(job(&scheduler, "outer"), move || {
            std::thread::sleep(5 * MS);
            inner.block_on(inner.run_blocking(|| std::thread::sleep(5 * MS)))
        }));
    }
    while !outer.is_empty() {
        most = most.max(scheduler.snapshot().threads);
        let _at_most = tokio::time::timeout(MS, outer.join_next()).await;
    }
    let took = began.elapsed();
    Trial {
        what: "40 calls that each offload again end on 40 threads",
        goal: "within 1 s",
        seen: format!("{} ms, on at most {most} threads", took.as_millis()),
        kept: took < 1000 * MS,
    }
}

async fn memory() -> Trial {
    const JOBS: usize = 200_000;
    let scheduler = scheduler(1);
    let (open, opened) = std::sync::mpsc::channel::<()>();
    let held = scheduler.run(job(&scheduler, "held"), move || {
        let _closed = opened.recv();
    });
    let mut runs: Vec<Run<()>> = Vec::with_capacity(JOBS);
    let queued = job(&scheduler, "queued");
    let before = resident_bytes();
    runs.extend((0..JOBS).map(|_| scheduler.run(queued.clone(), || ())));
    let each = (resident_bytes() - before) as f64 / JOBS as f64 - size_of::<Run<()>>() as f64;
    drop(runs);
    drop(open);
    held.await.expect("it is let go");
    Trial {
        what: "memory of a queued call beyond its payload",
        goal: "≤ 256 B",
        seen: format!("{each:.0} B"),
        kept: each <= 256.0,
    }
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

async fn watchdog_cost() -> Trial {
    const POLLS: u32 = 20_000_000;
    let scheduler = scheduler(1);
    let watched = scheduler.watch("bench");
    // On a thread of the runtime, as polls are.
    let measured = tokio::spawn(async move {
        let time = |poll: &dyn Fn()| {
            let began = Instant::now();
            (0..POLLS).for_each(|_| poll());
            began.elapsed().as_nanos() as f64 / f64::from(POLLS)
        };
        let mut rounds: Vec<f64> = (0..7)
            .map(|_| time(&|| watched.during(|| _ = black_box(1))) - time(&|| _ = black_box(1)))
            .collect();
        rounds.sort_by(f64::total_cmp);
        rounds[3]
    });
    let ns = measured.await.expect("nothing panics");
    Trial {
        what: "what the watchdog costs a poll",
        goal: "≤ 5 ns",
        seen: format!("{ns:.1} ns"),
        kept: ns <= 5.0,
    }
}

async fn watchdog_delay() -> Trial {
    let scheduler = scheduler(1);
    let mut delays = Vec::new();
    for round in 0..7 {
        let watched = scheduler.watch(format!("bench {round}"));
        let blocked = std::thread::spawn(move || watched.during(|| std::thread::sleep(200 * MS)));
        let began = Instant::now();
        while scheduler.snapshot().blocked_polls.len() <= round {
            std::thread::sleep(MS / 10);
        }
        delays.push(began.elapsed());
        blocked.join().expect("it only sleeps");
    }
    delays.sort_unstable();
    Trial {
        what: "the watchdog has seen a poll that blocks",
        goal: "within 120 ms",
        seen: format!("{} ms, at most {} ms", delays[3].as_millis(), delays[6].as_millis()),
        kept: delays[6] <= 120 * MS,
    }
}

/// Every processor is wanted several times, by jobs and by tasks that are watched and never block.
async fn watchdog_silence(length: Duration) -> Trial {
    let scheduler = scheduler(512);
    let end = Instant::now() + length;
    let busy = |until: Duration| {
        let until = Instant::now() + until;
        while Instant::now() < until {
            black_box(());
        }
    };
    let mut calls = JoinSet::new();
    for number in 0..16 {
        let (scheduler, job) = (scheduler.clone(), job(&scheduler, "busy"));
        calls.spawn(async move {
            let watched = scheduler.watch(format!("busy {number}"));
            while Instant::now() < end {
                // Where others take the processors, a lane without deadlines is overloaded, and may refuse.
                let _ = scheduler.run(job.clone(), move || busy(2 * MS)).await;
                watched.during(|| busy(MS));
                tokio::task::yield_now().await;
            }
        });
    }
    // Others who want the processors, and know nothing of us.
    let others: Vec<_> = (0..4).map(|_| std::thread::spawn(move || busy(length))).collect();
    calls.join_all().await;
    others.into_iter().for_each(|other| other.join().expect("it only computes"));
    let alarms: u64 = scheduler.snapshot().blocked_polls.iter().map(|seen| seen.count).sum();
    Trial {
        what: "false alarms of the watchdog on a saturated machine",
        goal: "none",
        seen: format!("{alarms} in {} s", length.as_secs()),
        kept: alarms == 0,
    }
}

async fn drain() -> Trial {
    let scheduler = scheduler(1);
    // Stuck for longer than anybody waits for it.
    let _stuck = scheduler.run(job(&scheduler, "stuck"), || std::thread::sleep(3000 * MS));
    let mut queued = JoinSet::new();
    (0..100).for_each(|_| drop(queued.spawn(scheduler.run(job(&scheduler, "queued"), || ()))));
    let deadline = Instant::now() + 200 * MS;
    let drained = tokio::spawn({
        let scheduler = scheduler.clone();
        async move {
            let outcome = scheduler.drain(Deadline::after(200 * MS)).await;
            (outcome, Instant::now())
        }
    });
    let answers = queued.join_all().await;
    let answered = deadline.elapsed();
    let (outcome, over) = drained.await.expect("nothing panics");
    let over = over.saturating_duration_since(deadline);
    let all = answers.iter().all(Result::is_err) && outcome.left_running == 1;
    Trial {
        what: "a drain with a stuck thread: the queue is answered, and it is over, so long after its deadline",
        goal: "≤ 50 and ≤ 100 ms",
        seen: format!("{} and {} ms", answered.as_millis(), over.as_millis()),
        kept: all && answered <= 50 * MS && over <= 100 * MS,
    }
}

async fn idle() -> Trial {
    let scheduler = scheduler(512);
    let mut calls = JoinSet::new();
    (0..64).for_each(|_| {
        drop(calls.spawn(scheduler.run(job(&scheduler, "wave"), || std::thread::sleep(50 * MS))))
    });
    calls.join_all().await;
    let threads = |snapshot: Snapshot| snapshot.threads;
    let most = threads(scheduler.snapshot());
    // Twice the keep-alive of this scheduler, which is half a second; then the watcher has gone to sleep, too.
    tokio::time::sleep(1000 * MS).await;
    let left = threads(scheduler.snapshot());
    tokio::time::sleep(1500 * MS).await;
    let before = process_cpu();
    tokio::time::sleep(2000 * MS).await;
    let cpu = process_cpu() - before;
    let floor = SchedulerConfig::default().threads_min;
    Trial {
        what: "threads left after twice the keep-alive, and what an idle process computes",
        goal: "the floor, and nothing",
        seen: format!("{left} of {most}, and {:.2} % of a processor", cpu / 2.0 * 100.0),
        kept: left <= floor && cpu < 0.002,
    }
}
