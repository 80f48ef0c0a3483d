//! Random services under random loads: whatever is configured and whatever comes, the books are right after every
//! event, and every job ends once.

use super::*;
use crate::scheduler::config::SchedulerConfig;
use crate::scheduler::lane::{Criticality, LaneConfig};

const MS: f64 = 1e6;
const SECOND: u64 = 1_000_000_000;

/// Worlds that are tried: some thousand calls each. An optimised build has the time for millions.
const SEEDS: u64 = if cfg!(debug_assertions) { 60 } else { 1500 };

fn random_world(seed: u64) -> World {
    let mut chance = Chance::new(seed ^ 0xA5A5);
    let threads_max = chance.magnitude(1.0, 100.0) as usize;
    let config = SchedulerConfig {
        processors: Some(chance.magnitude(1.0, 65.0) as usize),
        threads_min: chance.below(5) as usize,
        threads_max,
        threads_hard_max: threads_max * (1 + chance.below(3) as usize),
        keep_alive_ms: chance.magnitude(1.0, 5000.0) as u64,
        queue_max: chance.magnitude(4.0, 8192.0) as usize,
        lane_queue_max: chance.magnitude(2.0, 1024.0) as usize,
        queue_wait_max_ms: chance.magnitude(50.0, 10_000.0) as u64,
        hand_off_threshold_us: chance.magnitude(20.0, 2000.0) as u64,
        ..SchedulerConfig::default()
    };
    let lanes = 1 + chance.below(6) as u32;
    let sources = (0..lanes).map(|lane| random_source(lane, &mut chance)).collect();
    let refuses = if chance.says_yes(0.2) { chance.unit() * 0.9 } else { 0.0 };
    let drains = chance.says_yes(0.3).then(|| chance.magnitude(10.0 * MS, 2000.0 * MS) as u64);
    let settings: Vec<_> = (0..lanes).map(|_| random_lane(&mut chance)).collect();
    let mut world = World::new(seed, config, sources).refuses_threads(refuses);
    for (lane, settings) in settings.into_iter().enumerate() {
        world.lane(lane as u32, settings);
    }
    if let Some(begin) = drains {
        world.drains_at(begin, begin + chance.magnitude(1.0 * MS, 500.0 * MS) as u64);
    }
    world
}

fn random_source(lane: u32, chance: &mut Chance) -> Source {
    let (sleeps, computes) = match chance.below(3) {
        0 => (0, chance.magnitude(500.0, 20.0 * MS) as u64),
        1 => (chance.magnitude(1000.0, 50.0 * MS) as u64, 2000),
        _ => (chance.magnitude(1000.0, 10.0 * MS) as u64, chance.magnitude(500.0, 10.0 * MS) as u64),
    };
    let from = chance.below(SECOND / 4);
    // So many calls, in whatever time that takes.
    let every = chance.magnitude(1000.0, 20.0 * MS) as u64;
    let calls = chance.magnitude(10.0, 2000.0) as u64;
    Source {
        burst: if chance.says_yes(0.2) { chance.magnitude(2.0, 300.0) as u32 } else { 1 },
        law: [Law::Always, Law::Exponential, Law::Lognormal][chance.below(3) as usize],
        deadline: chance.says_yes(0.6).then(|| chance.magnitude(0.1 * MS, 3000.0 * MS) as u64),
        leaves: if chance.says_yes(0.4) { chance.unit() } else { 0.0 },
        hangs: if chance.says_yes(0.2) { chance.magnitude(0.001, 0.1) } else { 0.0 },
        continues: if chance.says_yes(0.3) { chance.unit() } else { 0.0 },
        tenants: if chance.says_yes(0.2) { 1 + chance.below(30) } else { 0 },
        from,
        until: from + every.saturating_mul(calls).min(5 * SECOND),
        ..Source::new(lane, every, sleeps, computes)
    }
}

fn random_lane(chance: &mut Chance) -> LaneConfig {
    let mut lane = LaneConfig::new("").weight(1 + chance.below(10) as u32);
    if chance.says_yes(0.3) {
        lane = lane.max_concurrency(1 + chance.below(8) as usize);
    }
    if chance.says_yes(0.1) {
        lane = lane.ordered();
    }
    let criticality = [Criticality::Sheddable, Criticality::Default, Criticality::Critical];
    lane.criticality(criticality[chance.below(3) as usize])
}

#[test]
fn whatever_comes_every_job_ends_once_and_the_books_are_right() {
    let mut calls = 0;
    for seed in 0..SEEDS {
        let told = std::panic::catch_unwind(|| {
            let mut world = random_world(seed);
            world.run_until(u64::MAX);
            world.everyone_has_ended();
            world.jobs.len()
        });
        calls += told.unwrap_or_else(|_| panic!("seed {seed} broke a promise; see above"));
    }
    println!("{calls} calls in {SEEDS} worlds");
}
