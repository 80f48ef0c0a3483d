//! What finding a route costs with ten routes and with ten thousand: nanoseconds a request, as a table.
//!
//! Resources as real APIs have them: collections, their items, items of items, and verbs, under many names. Every
//! request is for another one, so that no path stays in the processor's cache for being asked again at once.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ambidex_schema::{Captures, HttpVerb, Match, PathTemplate, RouteTable};

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(100);

fn main() {
    // `cargo test --benches` runs this without `--bench`: then that every route is found was the test.
    if !std::env::args().any(|argument| argument == "--bench") {
        Table::new(SIZES[1]).measure();
        return;
    }
    let tables: Vec<_> = SIZES.into_iter().map(Table::new).collect();
    let mut nanos: Vec<Vec<f64>> = vec![Vec::new(); tables.len()];
    for _ in 0..ROUNDS {
        for (table, nanos) in tables.iter().zip(&mut nanos) {
            nanos.push(table.measure());
        }
    }
    println!("| routes | ns a request, median of {ROUNDS} | ÷ {} routes |\n|---|---|---|", SIZES[0]);
    let medians: Vec<_> = nanos.into_iter().map(median).collect();
    for (size, median) in SIZES.into_iter().zip(&medians) {
        println!("| {size} | {median:.0} | {:.2} |", median / medians[0]);
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

struct Table {
    routes: RouteTable<usize>,
    requests: Vec<(String, usize)>,
}

impl Table {
    fn new(size: usize) -> Self {
        let (mut routes, mut requests) = (RouteTable::new(), Vec::new());
        for number in 0..size {
            // Five routes a resource.
            let resource = format!("things-{}", number / 5);
            let (template, path) = match number % 5 {
                0 => (format!("/v1/{resource}"), format!("/v1/{resource}")),
                1 => (format!("/v1/{{name={resource}/*}}"), format!("/v1/{resource}/4711")),
                2 => (format!("/v1/{{name={resource}/*}}:move"), format!("/v1/{resource}/4711:move")),
                3 => (format!("/v1/{{parent={resource}/*}}/parts"), format!("/v1/{resource}/4711/parts")),
                _ => {
                    (format!("/v1/{{name={resource}/*/parts/*}}"), format!("/v1/{resource}/4711/parts/a%20b"))
                }
            };
            let template: PathTemplate = template.parse().expect("a template");
            routes.insert(&HttpVerb::Get, &template, number).expect("a route of its own");
            requests.push((path, number));
        }
        // Far from their neighbours.
        requests.sort_by_key(|(_, number)| number.wrapping_mul(0x9E37_79B9) % size.max(1));
        Self { routes, requests }
    }

    fn measure(&self) -> f64 {
        let (began, mut found) = (Instant::now(), 0u32);
        while began.elapsed() < ROUND {
            for (path, number) in &self.requests {
                let mut captures = Captures::default();
                match self.routes.find("GET", black_box(path), &mut captures) {
                    Match::Found { value, .. } if value == number => found += 1,
                    other => panic!("{path}: {other:?}"),
                }
            }
        }
        began.elapsed().as_nanos() as f64 / f64::from(found)
    }
}
