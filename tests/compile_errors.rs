//! Compile errors are the user's first documentation: each file in `ui/` makes a mistake, and beside it is what
//! the compiler says of it. What it says of correct code in `ui/pass/` is nothing.

use std::io::Write;
use std::process::Command;

/// The compiler whose words are written down. Another one says the same in other words.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn mistakes_are_explained_and_correct_code_is_not() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    let version = Command::new("rustc").arg("--version").output().expect("cargo finds rustc, and so do we");
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    if version.starts_with(COMPILER) {
        cases.compile_fail("tests/ui/*.rs");
    } else {
        let skipped = format!(
            "skipped: what is expected of compile errors is in the words of {COMPILER}x, this is {version}"
        );
        std::io::stderr().write_all(skipped.as_bytes()).expect("stderr takes a line");
    }
}
