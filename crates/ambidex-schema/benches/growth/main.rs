//! How the cost of hostile input grows: nanoseconds per byte at 1, 10 and 100 times its size.
//!
//! `cargo bench -p ambidex-schema --bench growth` prints the table of docs/transcoding.md. What is linear costs
//! the same for every byte, however many there are; what is quadratic costs a hundred times as much at the end.
//! Refused input counts as much as accepted: an attacker does not mind an error.

mod hostile;

use std::hint::black_box;
use std::time::{Duration, Instant};

use hostile::Input;

/// The sizes, as multiples of the first.
const SIZES: [usize; 3] = [1, 10, 100];

/// Beyond this, the last size's cost per byte against the first's is called growth.
const GROWTH_MAX: f64 = 3.0;

fn main() {
    let cases = hostile::cases();
    // `cargo test --benches` runs this without `--bench`: then that nothing panics was the test.
    if !std::env::args().any(|argument| argument == "--bench") {
        cases.iter().for_each(|case| (case.make)(1).run());
        return println!("{} kinds of hostile input", cases.len());
    }
    println!(
        "| input | bytes at 1× | ns/byte at 1× | at 10× | at 100× | answer |\n|---|---|---|---|---|---|"
    );
    for case in cases {
        let inputs = SIZES.map(case.make);
        let [once, tenfold, hundredfold] = SIZES.map(|size| nanos_per_byte(&(case.make)(size)));
        let grows = if hundredfold / once > GROWTH_MAX { " (grows)" } else { "" };
        println!(
            "| {} | {} | {once:.2} | {tenfold:.2} | {hundredfold:.2}{grows} | {} |",
            case.name,
            inputs[0].bytes(),
            inputs[2].answer(),
        );
    }
}

/// The best of several rounds: growth is a property of the work, and noise only adds.
fn nanos_per_byte(input: &Input) -> f64 {
    const ROUND: Duration = Duration::from_millis(10);
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        let mut times = 0u32;
        while start.elapsed() < ROUND {
            black_box(input).run();
            times += 1;
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(times));
    }
    best / input.bytes() as f64
}
