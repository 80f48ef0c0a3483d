# The commands of this project; CONTRIBUTING.md says when to use which.

# Lists the commands.
default:
    @just --list

# The demo.
demo:
    cargo run --example bookshop

# Every test.
test:
    cargo test --workspace

# What must be clean before a commit.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features

# The lock-free steps of the scheduler, in every order loom can think of.
loom:
    RUSTFLAGS="--cfg ambidex_loom" cargo test --release --lib --target-dir target/loom --package ambidex loom_

# Real clients written by others; installs them below target/ first.
foreign:
    tests/foreign/install.sh
    AMBIDEX_REQUIRE_FOREIGN=1 cargo test --test foreign

# Against raw tonic and hand-written axum: requests per second and CPU per request.
versus *args:
    cargo run --profile production -p ambidex-versus --bin versus -- {{args}}

# What it costs a server to tell of its calls: CPU per request and requests per second, as ratios to telling nothing.
versus-telemetry *args:
    cargo run --profile production -p ambidex-versus --features telemetry --bin versus -- telemetry {{args}}

# More calls of a blocking method than can be served, against raw tonic with spawn_blocking.
overload:
    cargo run --profile production -p ambidex-versus --bin versus -- overload

# Every attack of tests/abuse at its full size; prints the table of docs/abuse.md.
abuse:
    cargo test --release --package ambidex --test integration abuse::in_full -- --ignored --nocapture

# Offloading a call, against spawn_blocking and a pool behind a channel: ratios, with the goals beside them.
bench-scheduler *args:
    cargo run --release -p ambidex-bench-scheduler -- {{args}}

# JSON against pbjson and prost-reflect: processor time per message, as ratios.
bench-json *args:
    cargo bench -p ambidex-schema --bench transcoding -- {{args}}

# How the cost of hostile JSON and wire bytes grows with their size.
bench-growth:
    cargo bench -p ambidex-schema --bench growth

# What finding a route costs, with ten of them and with ten thousand.
bench-routes:
    cargo bench -p ambidex-schema --bench routes

# Fuzzes the parsers and the HTTP edge, each target this many seconds, or with an x behind, this many inputs. Needs cargo-fuzz.
fuzz length *targets:
    fuzz/run.sh {{length}} {{targets}}

# What fifty messages cost a build: prost alone, with us, with pbjson.
build-cost *runs:
    benches/build_cost/run {{runs}}

# Writes the golden files of generated code anew, for review in the diff.
golden:
    UPDATE_GOLDEN=1 cargo test -p ambidex-build --test golden

# Licences and advisories of every dependency.
deny:
    cargo deny check

# Everything that CI does.
ci:
    CI=true bash .ci/run
