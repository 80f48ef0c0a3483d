//! A server as a process of its own, which is this test binary once more: started, told to stop by a signal, and asked
//! how it ended.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ambidex::Server;
use ambidex::call::{Body, Call};
use ambidex::interceptor::{self, Next};
use ambidex::server::{Admin, Config, Health};
use tokio_stream::StreamExt;

use crate::parity_service::ParityService;
use crate::parity_v1::ParityServer;

/// What a server is told when it starts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Goes with every reply as `x-served-by`.
    pub name: String,
    /// Port 0 lets the system choose.
    pub address: SocketAddr,
    pub drain_quiet_ms: u64,
    pub drain_timeout_ms: u64,
}

/// A server that runs; killed with the test that forgets it.
pub struct ServerProcess {
    pub address: SocketAddr,
    child: Child,
    stdout: BufReader<ChildStdout>,
}

/// How a server ended.
#[derive(Debug)]
pub struct Ended {
    /// `None` where a signal killed it.
    pub exit_code: Option<i32>,
    /// Calls of `Echo`, `Count` and their like whose handlers began, and those that had their answer: of a stream, all of it.
    pub begun: u64,
    pub answered: u64,
    pub stderr: String,
}

const SETTINGS: [&str; 4] = ["SERVED_BY", "SERVED_AT", "SERVED_QUIET_MS", "SERVED_DRAIN_MS"];

impl ServerProcess {
    /// Starts a server, and waits until it answers.
    pub fn start(settings: &Settings) -> Self {
        let Settings { name, address, drain_quiet_ms, drain_timeout_ms } = settings;
        let values =
            [name.clone(), address.to_string(), drain_quiet_ms.to_string(), drain_timeout_ms.to_string()];
        let mut child = Command::new(env::current_exe().expect("the test runs from a file"))
            .args(["--exact", "--ignored", "--nocapture", "server_process::serves"])
            .envs(SETTINGS.into_iter().zip(values))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the test starts again");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let address = said(&mut stdout, "listening on ").parse().expect("an address");
        let server = Self { address, child, stdout };
        server.answers();
        server
    }

    /// From the first answer on signals are listened for.
    fn answers(&self) {
        let mut stream = TcpStream::connect(self.address).expect("the server listens");
        let request = b"GET /v1/describe HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        stream.write_all(request).expect("the server reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the server answers");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends a signal, as `kill` spells it.
    pub fn signal(&self, signal: &str) {
        let killed = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(killed.expect("kill runs").success());
    }

    /// Waits for the end of one that has no time to say how it was.
    pub fn killed(mut self) -> Option<i32> {
        self.child.wait().expect("the server ends").code()
    }

    /// Waits for its end.
    pub fn ended(mut self) -> Ended {
        let counts = said(&mut self.stdout, "calls begun and answered: ");
        let (begun, answered) = counts.split_once(' ').expect("two numbers");
        let mut stderr = String::new();
        self.child.stderr.take().expect("a pipe").read_to_string(&mut stderr).expect("stderr can be read");
        let status = self.child.wait().expect("the server ends");
        let number = |text: &str| text.parse().expect("a number");
        Ended { exit_code: status.code(), begun: number(begun), answered: number(answered), stderr }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // One that has ended needs no killing, and nobody is told of one that cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The rest of the first line that begins like this. The harness says things of its own around it.
fn said(stdout: &mut BufReader<ChildStdout>, beginning: &str) -> String {
    let mut line = String::new();
    while stdout.read_line(&mut line).expect("stdout can be read") > 0 {
        if let Some((_, rest)) = line.split_once(beginning) {
            return rest.trim().to_owned();
        }
        line.clear();
    }
    panic!("the server ended before it said {beginning:?}");
}

#[test]
#[ignore = "the server of other tests, which start it as a process of its own"]
fn serves() {
    let [Ok(name), Ok(address), Ok(quiet), Ok(drain)] = SETTINGS.map(env::var) else { return };
    let mut config = Config::default();
    config.drain_quiet_ms = quiet.parse().expect("milliseconds");
    config.drain_timeout_ms = drain.parse().expect("milliseconds");
    // A machine that has more to do than this test may keep a stream silent for a while.
    config.drain_silence_ms = 10_000;
    let counts = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let counted = Arc::clone(&counts);
    let count = interceptor::from_fn(move |call: Call, next: Next| {
        let (counts, name) = (Arc::clone(&counted), name.clone());
        async move {
            let method = call.context().method().method();
            let is_counted = method.starts_with("Echo") || method.starts_with("Count");
            counts[0].fetch_add(is_counted.into(), Ordering::SeqCst);
            let mut reply = next.run(call).await?;
            reply.metadata.insert("x-served-by", name.parse().expect("a name is a header's value"));
            match reply.body {
                Body::Stream(messages) if is_counted => {
                    // Comes to it when the messages have come to their end, and only then.
                    let mut end = Some(counts);
                    let end = std::iter::from_fn(move || {
                        end.take().map(|counts| counts[1].fetch_add(1, Ordering::SeqCst));
                        None
                    });
                    reply.body = Body::stream(messages.chain(tokio_stream::iter(end)));
                }
                _ => drop(counts[1].fetch_add(is_counted.into(), Ordering::SeqCst)),
            }
            Ok(reply)
        }
    });
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let outcome = runtime.block_on(async {
        let builder = Server::builder()
            .service(ParityServer::new(ParityService::default()))
            .health(Health::new())
            .admin(Admin::below("/admin"))
            .interceptor(count)
            .config(config);
        let server = builder.bind(address).await?;
        println!("listening on {}", server.address());
        server.serve().await
    });
    let [begun, answered] = [0, 1].map(|count: usize| counts[count].load(Ordering::SeqCst));
    println!("calls begun and answered: {begun} {answered}");
    // What becomes of a result that `main` returns. Threads that are stuck are nobody's to wait for.
    std::process::exit(match outcome {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("Error: {error:?}");
            1
        }
    });
}

/// Loopback addresses of this process's own, so that nobody has taken the port when a server comes back to it.
pub fn own_address(number: u8) -> SocketAddr {
    let [high, low] = ((std::process::id() % 0xff00) as u16).to_be_bytes();
    SocketAddr::from(([127, number, high.saturating_add(1), low], 0))
}

/// How long a server has for what should take it no time.
pub const PATIENCE: Duration = Duration::from_secs(30);
