//! Transcoding against pbjson through serde_json, and against prost-reflect, on the same messages in one run.
//!
//! `cargo bench -p ambidex-schema --bench transcoding` prints the table of docs/transcoding.md. The whole
//! way counts: from JSON text to the struct that prost generates, and from that struct to JSON text. All
//! contestants fill and read the very same struct.
//!
//! `-- --quick` measures less, `-- --only NAME` one message, and `-- --once NAME in ours 1000` runs one way
//! of one contestant a thousand times and nothing else, for a profiler.

mod case;
mod clock;
mod contestants;
mod messages;
mod table;

use case::{Case, Contestant, Way};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let value_of = |flag: &str| {
        words.iter().position(|word| *word == flag).map(|at| words.get(at + 1..).unwrap_or_default())
    };
    let mut cases = contestants::cases();
    cases.iter().for_each(Case::check);
    if let Some(words) = value_of("--once") {
        return once(&mut cases, words);
    }
    // `cargo test --benches` runs this too, without `--bench`: then that all agree was the test.
    if !words.contains(&"--bench") {
        return println!("{} messages, all contestants agree", cases.len());
    }
    if let Some(&[name, ..]) = value_of("--only") {
        cases.retain(|case| case.name == name);
    }
    let rounds = if words.contains(&"--quick") { 5 } else { 25 };
    print!("{}", table::of(&mut cases, rounds));
}

fn once(cases: &mut [Case], words: &[&str]) {
    let &[name, way, contestant, times, ..] = words else {
        panic!("--once takes a message, `in` or `out`, `ours`, `pbjson`, `reflect` or `prost`, and a number");
    };
    let way = Way::ALL.into_iter().find(|each| each.name() == way).expect("`in` or `out`");
    let contestant = Contestant::ALL
        .into_iter()
        .find(|each| each.name() == contestant)
        .expect("`ours`, `pbjson`, `reflect` or `prost`");
    let case = cases.iter_mut().find(|case| case.name == name).expect("one of the messages");
    case.run(way, contestant, times.parse().expect("a number"));
}
