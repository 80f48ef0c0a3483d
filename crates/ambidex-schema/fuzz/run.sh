#!/usr/bin/env bash
# Fuzzes: run.sh SECONDS [TARGET…]. Each target runs that long, one after the other; a crash ends the run.
#
# The corpus grows from run to run below fuzz/corpus, which git ignores. No sanitizer is built in: the crate has no
# unsafe code for one to watch, and the fuzzer is several times faster without.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:?run.sh SECONDS [TARGET…]}
shift
[ $# -gt 0 ] || set -- json_to_wire wire_to_json query_to_wire templates differential

cargo +nightly fuzz --version >/dev/null 2>&1 || {
  echo "run.sh needs a nightly toolchain and cargo-fuzz: cargo install cargo-fuzz --version 0.13.2 --locked" >&2
  exit 1
}
for target in "$@"; do
  mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
  echo "== $target, $seconds s"
  # Memory and allocations are bounded: input of 4 KB has no business with more.
  cargo +nightly fuzz run --sanitizer none "$target" -- -max_total_time="$seconds" -max_len=4096 \
    -rss_limit_mb=512 -malloc_limit_mb=64 -print_final_stats=1 2>"fuzz/artifacts/$target.log" || {
    tail -n 40 "fuzz/artifacts/$target.log" >&2
    exit 1
  }
  grep -E 'DONE|number_of_executed_units|peak_rss' "fuzz/artifacts/$target.log"
  echo "corpus: $(find "fuzz/corpus/$target" -type f | wc -l) inputs"
done
