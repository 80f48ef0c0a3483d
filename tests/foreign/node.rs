//! Node.js, which runs the tests in `node/`: the clients from npm call the server out of one process a module.

use std::io::Read;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use ambidex::Service;

use crate::parity_service::ParityService;
use crate::parity_v1::ParityServer;
use crate::program::{self, Program, prints};
use crate::server;

static NODE: Program = Program::new("node with the packages of Connect and gRPC", &["node"], |node| {
    let packages = folder().join("packages.mjs");
    prints(node, &[packages.to_str().expect("a path in UTF-8")]).is_some()
});

/// How long a module may take. Each of its tests has a bound of its own, and says so; this one is for a process that
/// does not come to that.
const PATIENCE: Duration = Duration::from_secs(180);

fn folder() -> PathBuf {
    program::root().join("tests/foreign/node")
}

/// Runs the tests of a module, and shows what it says where one fails.
#[track_caller]
pub fn passes(module: &str) {
    let Some(mut node) = NODE.command() else { return };
    let mut node = node
        .args(["--test-reporter", "spec", module])
        .args(descriptors())
        .current_dir(folder())
        .env("PARITY_ADDRESS", server::address().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts");
    let mut stdout = node.stdout.take().expect("a pipe");
    let (said, says) = mpsc::channel();
    let listening = thread::spawn(move || {
        let mut text = Vec::new();
        stdout.read_to_end(&mut text).expect("node's output can be read");
        // Nobody waits for it any more where node was late.
        let _ = said.send(());
        String::from_utf8_lossy(&text).into_owned()
    });
    let is_late = says.recv_timeout(PATIENCE).is_err();
    if is_late {
        node.kill().expect("node can be ended");
    }
    let status = node.wait().expect("node ends");
    let text = listening.join().expect("a thread that does not panic");
    assert!(!is_late, "{module} takes longer than {PATIENCE:?}:\n{text}");
    assert!(status.success(), "{module}: {status}\n{text}");
    print!("{text}");
}

/// Files with the descriptors of the services, and of what errors have as details.
fn descriptors() -> &'static [PathBuf] {
    static FILES: OnceLock<Vec<PathBuf>> = OnceLock::new();
    FILES.get_or_init(|| {
        let sets = [
            ("services.binpb", <ParityServer<ParityService> as Service>::FILE_DESCRIPTOR_SET),
            ("details.binpb", ambidex::tonic_types::pb::FILE_DESCRIPTOR_SET),
        ];
        let written = sets.into_iter().map(|(name, set)| {
            let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
            std::fs::write(&file, set).expect("the target folder can be written to");
            file
        });
        written.collect()
    })
}
