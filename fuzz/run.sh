#!/usr/bin/env bash
# Fuzzes: run.sh SECONDS|RUNSx [TARGET…], as in `run.sh 1800 templates` or `run.sh 50000x`. Each target runs that long,
# or that many inputs, one after the other; a crash ends the run. A count always tries the same inputs, when it starts
# from the same corpus: it cannot fail today and pass tomorrow.
#
# The targets are the parsers of crates/ambidex-schema, and here the HTTP edge as a whole. The corpus grows from run to
# run below each fuzz/corpus, which git ignores. No sanitizer is built in: the crates have no unsafe code for one to
# watch, the fuzzer is several times faster without, and needs no nightly toolchain.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

length=${1:?run.sh SECONDS|RUNSx [TARGET…]}
shift
[ $# -gt 0 ] || set -- json_to_wire wire_to_json query_to_wire templates differential connections queries bodies frames

PATH=$PWD/target/tools/bin:$PATH
cargo fuzz --version >/dev/null 2>&1 || {
  echo "run.sh needs cargo-fuzz: cargo install cargo-fuzz --version 0.13.2 --locked" >&2
  exit 1
}
for target in "$@"; do
  # A whole connection takes a hundred times as long as a parser, and so has fewer inputs, where they are counted.
  room=crates/ambidex-schema
  share=1
  if [ -e "fuzz/fuzz_targets/$target.rs" ]; then
    room=.
    share=20
  fi
  case $length in
    *x) bound=(-runs=$((${length%x} / share)) -seed=1) ;;
    *) bound=(-max_total_time="$length") ;;
  esac
  mkdir -p "$room/fuzz/corpus/$target" "$room/fuzz/artifacts/$target"
  echo "== $target, $length"
  # Memory and allocations are bounded: input of 4 KB has no business with more.
  (cd $room && cargo fuzz run --sanitizer none "$target" -- "${bound[@]}" -max_len=4096 \
    -rss_limit_mb=512 -malloc_limit_mb=64 -print_final_stats=1 2>"fuzz/artifacts/$target.log") || {
    tail -n 40 "$room/fuzz/artifacts/$target.log" >&2
    exit 1
  }
  grep -E 'DONE|number_of_executed_units|peak_rss' "$room/fuzz/artifacts/$target.log"
  echo "corpus: $(find "$room/fuzz/corpus/$target" -type f | wc -l) inputs"
done
