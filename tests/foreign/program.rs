//! Finding the foreign clients, and what becomes of their tests where one is missing.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

const INSTALL: &str = "tests/foreign/install.sh";

/// A client program, looked for once.
pub struct Program {
    name: &'static str,
    /// Where it may be, best first: below `target/foreign`, or anywhere on the `PATH`.
    candidates: &'static [&'static str],
    /// Whether one of them is fit for the tests.
    probe: fn(&Path) -> bool,
    found: OnceLock<Option<PathBuf>>,
}

impl Program {
    pub const fn new(
        name: &'static str,
        candidates: &'static [&'static str],
        probe: fn(&Path) -> bool,
    ) -> Self {
        Self { name, candidates, probe, found: OnceLock::new() }
    }

    /// The program, ready for arguments. `None` where the tests are to be skipped, which was said then.
    ///
    /// # Panics
    ///
    /// Where it is missing and must not be.
    pub fn command(&self) -> Option<Command> {
        let found = self.found.get_or_init(|| self.find());
        if found.is_none() && required() {
            panic!("{} is not installed, and this run requires it: run {INSTALL}", self.name);
        }
        found.as_ref().map(Command::new)
    }

    fn find(&self) -> Option<PathBuf> {
        let installed = root().join("target/foreign");
        let candidates = self.candidates.iter().map(|candidate| match candidate.strip_prefix("./") {
            Some(inside) => installed.join(inside),
            None => PathBuf::from(candidate),
        });
        let found = candidates.into_iter().find(|path| (self.probe)(path));
        if found.is_none() && !required() {
            // Written past the test harness, which shows nothing that a passing test prints.
            let skipped = format!("skipped: {} is not installed: run {INSTALL}\n", self.name);
            std::io::stderr().write_all(skipped.as_bytes()).expect("stderr takes a line");
        }
        found
    }
}

/// Whether a missing client is a failure.
fn required() -> bool {
    let said = |name| env::var(name).ok().map(|value| !["", "0", "false"].contains(&value.as_str()));
    said("AMBIDEX_REQUIRE_FOREIGN").or_else(|| said("CI")).unwrap_or(false)
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a program prints with these arguments; `None` where it is not there or fails.
pub fn prints(program: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Both streams of an output, for the message of a failure.
pub fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr))
}
