//! What the contestants are made to do, and what is read off while they do it.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use tokio::task::JoinSet;

use crate::contestant::Contestant;

/// One kind of blocking work.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    Nothing,
    Sleeps(Duration),
    Computes(Duration),
}

impl Work {
    pub(crate) fn run(self) {
        match self {
            Work::Nothing => {}
            Work::Sleeps(time) => std::thread::sleep(time),
            Work::Computes(time) => compute(time),
        }
    }
}

/// Computes for about so long on a processor of its own, and longer on a shared one: it is a number of steps, not
/// a time.
fn compute(time: Duration) {
    let steps = time.as_nanos() as u64 * steps_per_nano() / 1000;
    let mut state = 1_u64;
    for _ in 0..steps {
        state = std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

/// A thousand times the steps of `compute` in a nanosecond.
fn steps_per_nano() -> u64 {
    use std::sync::OnceLock;
    static STEPS: OnceLock<u64> = OnceLock::new();
    *STEPS.get_or_init(|| {
        const STEPS: u64 = 20_000_000;
        let began = Instant::now();
        let mut state = 1_u64;
        for _ in 0..STEPS {
            state = std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
        (STEPS * 1000 / began.elapsed().as_nanos().max(1) as u64).max(1)
    })
}

/// What was read off.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Calls a second, of each method.
    pub(crate) throughput: [f64; 2],
    /// Seconds of processor a call.
    pub(crate) cpu: f64,
    /// Seconds, the middle call and the slowest of a hundred.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Seconds by which a timer of one millisecond was late, one of a hundred.
    pub(crate) timer_p99: f64,
}

/// Callers who call again as soon as they are answered: so many of each of two methods.
pub(crate) async fn closed(
    contestant: &Contestant,
    callers: [usize; 2],
    work: [Work; 2],
    length: Duration,
) -> Seen {
    // Threads are started and estimates are learned before anything is read off.
    let warm = Instant::now() + length / 4;
    let end = warm + length;
    let mut tasks = JoinSet::new();
    for method in 0..2 {
        for _ in 0..callers[method] {
            let contestant = contestant.clone();
            let work = work[method];
            tasks.spawn(async move {
                let mut calls = 0_u64;
                while Instant::now() < warm {
                    contestant.call(method, move || work.run()).await;
                }
                while Instant::now() < end {
                    contestant.call(method, move || work.run()).await;
                    calls += 1;
                }
                (method, calls)
            });
        }
    }
    let timer = tokio::spawn(lateness(warm, end));
    tokio::time::sleep_until(warm.into()).await;
    let cpu_before = process_cpu();
    tokio::time::sleep_until(end.into()).await;
    let cpu = process_cpu() - cpu_before;
    let mut calls = [0_u64; 2];
    while let Some(done) = tasks.join_next().await {
        let (method, count) = done.expect("no caller panics");
        calls[method] += count;
    }
    let throughput = calls.map(|calls| calls as f64 / length.as_secs_f64());
    let all = (calls[0] + calls[1]).max(1);
    let timer_p99 = timer.await.expect("the timer does not panic");
    Seen { throughput, cpu: cpu / all as f64, timer_p99, ..Seen::default() }
}

/// Calls that come at a pace, whatever becomes of those before them.
pub(crate) async fn paced(contestant: &Contestant, per_second: u32, work: Work, length: Duration) -> Seen {
    let gap = Duration::from_secs(1) / per_second;
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    let cpu_before = process_cpu();
    let mut next = tokio::time::interval(gap);
    while began.elapsed() < length {
        next.tick().await;
        let contestant = contestant.clone();
        tasks.spawn(async move {
            let came = Instant::now();
            contestant.call(0, move || work.run()).await;
            came.elapsed().as_secs_f64()
        });
    }
    let cpu = process_cpu() - cpu_before;
    let mut times = Vec::new();
    while let Some(time) = tasks.join_next().await {
        times.push(time.expect("no caller panics"));
    }
    times.sort_by(f64::total_cmp);
    let [p50, p99] = [quantile(&times, 0.5), quantile(&times, 0.99)];
    Seen { cpu: cpu / times.len().max(1) as f64, p50, p99, ..Seen::default() }
}

/// How late a timer of a millisecond is, one time of a hundred.
pub(crate) async fn lateness(from: Instant, until: Instant) -> f64 {
    tokio::time::sleep_until(from.into()).await;
    let mut late = Vec::new();
    while Instant::now() < until {
        let due = Instant::now() + Duration::from_millis(1);
        tokio::time::sleep_until(due.into()).await;
        late.push(due.elapsed().as_secs_f64());
    }
    late.sort_by(f64::total_cmp);
    quantile(&late, 0.99)
}

fn quantile(sorted: &[f64], quantile: f64) -> f64 {
    sorted.get((sorted.len() as f64 * quantile) as usize).or(sorted.last()).copied().unwrap_or(f64::NAN)
}

/// Seconds of processor this process has used.
pub(crate) fn process_cpu() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("a process may ask what it has used");
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6)
        .sum()
}
