//! The official conformance suite of protobuf, against this crate's ProtoJSON.
//!
//! The runner is Google's own: it starts a program, the testee, and feeds it messages to translate. This
//! binary is both: without arguments it is the test, which starts the runner with itself as testee. Runner
//! and test messages come from npm, installed by `tests/foreign/install.sh`; nothing of them is kept here.
//!
//! Every required and every recommended test of JSON has to pass: the list of expected failures is empty.

mod protocol;
mod runner;
mod testee;

use std::process::ExitCode;

fn main() -> ExitCode {
    // The runner hands no arguments to its testee, so what this process is comes by the environment.
    if let Some(descriptor_set) = std::env::var_os(runner::TESTEE) {
        testee::serve(&descriptor_set);
        return ExitCode::SUCCESS;
    }
    // Test tools ask for the names first.
    if std::env::args().any(|argument| argument == "--list") {
        println!("conformance: test");
        return ExitCode::SUCCESS;
    }
    match runner::run() {
        runner::Outcome::Passed(summary) => {
            println!("\nrunning 1 test\n{summary}\ntest conformance ... ok\n");
            println!("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n");
            ExitCode::SUCCESS
        }
        runner::Outcome::Skipped(why) => {
            eprintln!("skipped: {why}");
            ExitCode::SUCCESS
        }
        runner::Outcome::Failed(why) => {
            eprintln!("{why}\ntest conformance ... FAILED");
            ExitCode::FAILURE
        }
    }
}
