//! What the scheduler is said to do better than others, in virtual time: goodput under overload, work that is
//! not wasted, and machines that are shared.

use super::world::Fate;
use super::*;
use crate::scheduler::config::SchedulerConfig;
use crate::scheduler::lane::LaneConfig;

const US: u64 = 1_000;
const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

fn eight_threads() -> SchedulerConfig {
    SchedulerConfig {
        processors: Some(8),
        threads_max: 8,
        threads_hard_max: 8,
        compensation_max: 0,
        ..SchedulerConfig::default()
    }
}

struct Overloaded {
    /// Work that was done in time, of what the machine can do.
    goodput: f64,
    /// Thread time given to jobs that came too late, of all.
    wasted: f64,
}

/// The mean of what several seeds give.
fn overload(times: f64, law: Law) -> Overloaded {
    const SEEDS: u64 = if cfg!(debug_assertions) { 1 } else { 5 };
    let seen: Vec<_> = (0..SEEDS).map(|seed| overload_from(seed, times, law)).collect();
    let mean = |what: fn(&Overloaded) -> f64| seen.iter().map(what).sum::<f64>() / SEEDS as f64;
    Overloaded { goodput: mean(|seen| seen.goodput), wasted: mean(|seen| seen.wasted) }
}

/// Jobs of 10 ms with deadlines of 100 ms on eight threads, at so many times what they can do.
fn overload_from(seed: u64, times: f64, law: Law) -> Overloaded {
    let (run, end) = (10 * MS, 20 * SECOND);
    let every = (run as f64 / 8.0 / times) as u64;
    let source = Source {
        law,
        deadline: Some(100 * MS),
        until: end,
        ..Source::new(0, every, run - 100 * US, 100 * US)
    };
    let mut world = World::new(seed, eight_threads(), vec![source]);
    world.run_until(end);
    let (mut useful, mut wasted) = (0, 0);
    for job in world.jobs.iter().filter(|job| job.came > 2 * SECOND) {
        match job.fate {
            Fate::Completed { in_time: true } => useful += job.ended - job.started,
            Fate::Completed { in_time: false } => wasted += job.ended - job.started,
            _ => {}
        }
    }
    Overloaded {
        goodput: useful as f64 / (8 * (end - 2 * SECOND)) as f64,
        wasted: wasted as f64 / (useful + wasted) as f64,
    }
}

#[test]
fn overload_costs_no_goodput_and_wastes_no_work() {
    for times in [1.2, 2.0, 10.0] {
        for (law, wasted_max) in [(Law::Always, 0.02), (Law::Exponential, 0.02), (Law::Lognormal, 0.06)] {
            let Overloaded { goodput, wasted } = overload(times, law);
            println!("{times} times, {law:?}: goodput {goodput:.3}, wasted {wasted:.4}");
            assert!(wasted <= wasted_max, "{times} times, {law:?}: wasted {wasted}");
            let useful = 0.95 * (1.0 - wasted);
            assert!(goodput >= useful, "{times} times, {law:?}: goodput {goodput}");
        }
    }
}

/// Jain's index: 1 if all have the same, 1/n if one has everything.
fn jain(shares: &[u64]) -> f64 {
    let sum: f64 = shares.iter().map(|&share| share as f64).sum();
    let squares: f64 = shares.iter().map(|&share| (share as f64).powi(2)).sum();
    sum * sum / (shares.len() as f64 * squares)
}

#[test]
fn lanes_that_want_more_than_there_is_share_the_time() {
    let end = 20 * SECOND;
    let sources = vec![Source::new(0, 100 * US, 0, MS), Source::new(1, 2 * MS, 0, 20 * MS)];
    let mut world = World::new(11, eight_threads(), sources);
    world.run_until(end);
    let jain = jain(&world.attained);
    println!("Jain's index {jain:.4}, {:?}", world.attained);
    assert!(jain >= 0.98, "{jain}");
}

#[test]
fn a_lane_of_twice_the_weight_gets_twice_the_time() {
    let sources = vec![Source::new(0, 100 * US, 0, MS), Source::new(1, 100 * US, 0, MS)];
    let mut world = World::new(13, eight_threads(), sources);
    world.lane(1, LaneConfig::new("").weight(2));
    world.run_until(10 * SECOND);
    let ratio = world.attained[1] as f64 / world.attained[0] as f64;
    assert!((1.9..2.1).contains(&ratio), "{ratio}");
}

#[test]
fn a_light_lane_is_served_beside_a_flood_of_a_heavy_one() {
    let end = 20 * SECOND;
    let light = Source { deadline: Some(SECOND), until: end, ..Source::new(0, 10 * MS, 0, MS) };
    // Five times what the machine can do.
    let heavy = Source { deadline: Some(SECOND), ..Source::new(1, 500 * US, 0, 20 * MS) };
    let mut world = World::new(17, eight_threads(), vec![light, heavy]);
    world.run_until(end + SECOND);
    let light: Vec<_> = world.jobs.iter().filter(|job| job.lane == 0).collect();
    let served = light.iter().filter(|job| job.fate == (Fate::Completed { in_time: true })).count();
    println!("served {served} of {}", light.len());
    assert!(served as f64 >= 0.999 * light.len() as f64, "{served} of {}", light.len());
}

#[test]
fn one_tenant_who_floods_delays_himself() {
    let end = 10 * SECOND;
    let flood = Source { tenants: 1, deadline: Some(SECOND), ..Source::new(0, 300 * US, 0, 10 * MS) };
    let others =
        Source { tenants: 40, deadline: Some(SECOND), until: end, ..Source::new(0, 20 * MS, 0, 10 * MS) };
    let mut world = World::new(19, eight_threads(), vec![flood, others]);
    world.run_until(end + SECOND);
    // Those who share no line with the flood are nearly all of the other source; it is told apart by its pace.
    let served = world.jobs.iter().filter(|job| job.fate == (Fate::Completed { in_time: true })).count();
    assert!(served > 7000, "{served}");
}

#[test]
fn jobs_that_compute_run_one_a_processor_and_sleepers_by_the_hundred() {
    let config = SchedulerConfig { processors: Some(4), ..SchedulerConfig::default() };
    let computing = Source { burst: 64, until: 1, ..Source::new(0, SECOND, 0, 5 * MS) };
    let mut world = World::new(23, config.clone(), vec![computing]);
    world.run_until(20 * MS);
    assert_eq!(world.policy.counts().running, 4);

    let sleeping =
        Source { law: Law::Always, burst: 200, until: 1, ..Source::new(0, SECOND, 5 * SECOND, 10 * US) };
    let mut world = World::new(29, config, vec![sleeping]);
    world.run_until(50 * MS);
    assert_eq!(world.policy.counts().running, 200);
}

#[test]
fn sleepers_do_not_wait_behind_those_who_compute_nor_take_their_processors() {
    let config = SchedulerConfig { processors: Some(4), ..SchedulerConfig::default() };
    let end = 5 * SECOND;
    // Ten times what the machine can compute, and sleepers who want half of it.
    let computing = Source { deadline: Some(SECOND), ..Source::new(0, 50 * US, 0, 2 * MS) };
    let sleeping = Source { law: Law::Always, until: end, ..Source::new(1, 250 * US, 10 * MS, 20 * US) };
    let mut world = World::new(31, config, vec![computing, sleeping]);
    world.run_until(end);
    let mut waits: Vec<_> = world
        .jobs
        .iter()
        .filter(|job| job.lane == 1 && job.started > 0)
        .map(|job| job.started - job.came)
        .collect();
    waits.sort_unstable();
    let p99 = waits[waits.len() * 99 / 100];
    println!("a sleeper waits {p99} ns, one time of a hundred");
    assert!(p99 < MS, "{p99}");
    let computed: u64 = world
        .jobs
        .iter()
        .filter(|job| job.lane == 0 && job.fate == (Fate::Completed { in_time: true }))
        .map(|job| job.computes())
        .sum();
    let share = computed as f64 / (4 * end) as f64;
    println!("and those who compute get {share:.2} of the machine");
    assert!(share > 0.85, "{share}");
}
