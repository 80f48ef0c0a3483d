//! Every attack at its full size, one after the other, and the table of docs/abuse.md: `just abuse`.

use super::victim::Outcome;
use super::{bombs, deaf, floods, greedy, heads, idle, lies, panics, rapid_reset, slow_bodies, slow_heads};

fn row(outcome: &Outcome) {
    let mib = |bytes: usize| bytes as f64 / (1 << 20) as f64;
    let Outcome { attack, size, said, base, peak, resident_peak_kb, after, honest, idle_cpu_ms } = outcome;
    let (base, peak, after) = (mib(*base), mib(*peak), mib(*after));
    let resident = resident_peak_kb / 1024;
    println!(
        "| {attack} | {size} | {said} | {base:.1} | {peak:.1} | {resident} | {after:.1} | {honest}, 0 failed | {idle_cpu_ms} |"
    );
}

/// Names of attacks, with commas between them; all where it is not set.
const ONLY: &str = "AMBIDEX_ABUSE_ONLY";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: `just abuse` runs it in release"]
async fn every_attack_in_full() {
    println!(
        "\n| attack | size | what the server did | MiB before | MiB at the peak | MiB resident | MiB after | honest \
         calls | idle CPU ms of 500 |\n|---|---|---|---|---|---|---|---|---|"
    );
    let only = std::env::var(ONLY).ok();
    let is_wanted = |name| only.as_ref().is_none_or(|only| only.split(',').any(|wanted| wanted == name));
    if is_wanted("slow_heads") {
        row(&slow_heads::attack(3500).await);
    }
    if is_wanted("slow_bodies") {
        row(&slow_bodies::attack(1600).await);
    }
    if is_wanted("idle") {
        for kind in idle::KINDS {
            row(&idle::attack(kind, 10_000).await);
        }
    }
    if is_wanted("rapid_reset") {
        row(&rapid_reset::attack(400_000).await);
    }
    if is_wanted("heads") {
        row(&heads::attack(1000).await);
    }
    if is_wanted("bombs") {
        row(&bombs::attack(210, 1024).await);
    }
    if is_wanted("deaf") {
        for end in [deaf::End::Deadline, deaf::End::Leaving, deaf::End::Stall] {
            row(&deaf::attack(700, end).await);
        }
    }
    if is_wanted("greedy") {
        row(&greedy::attack(60, std::time::Duration::from_secs(20)).await);
    }
    if is_wanted("panics") {
        row(&panics::attack(64_000).await);
    }
    if is_wanted("floods") {
        row(&floods::attack(40, 200_000).await);
    }
    if is_wanted("lies") {
        row(&lies::attack(390).await);
    }
}
