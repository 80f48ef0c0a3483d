//! Driving a server with h2load, and reading what it says.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Error;
use crate::cases::{Contestant, Wire};
use crate::talk::talk;

/// HTTP/2 streams on one connection, at the most: well under the 200 that servers allow by default.
const STREAMS_PER_CONNECTION_MAX: usize = 64;

/// Connections for many calls in flight over HTTP/2, so that no server has all its work on one of them.
pub(crate) const CONNECTIONS_MIN: usize = 4;

/// The longest a run may take. A server that hangs fails the run rather than the evening.
const RUN_MAX: Duration = Duration::from_secs(60);

/// How often h2load is asked whether it has ended. It measures its own time, so this one costs no precision.
const ENDED_CHECK: Duration = Duration::from_millis(5);

/// h2load, found and at hand.
#[derive(Debug, Default)]
pub(crate) struct Driver {
    /// The bodies of requests, in files without a name: nothing to clean up, however this process ends.
    bodies: HashMap<Vec<u8>, File>,
}

/// What a run is to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) contestant: &'a Contestant,
    pub(crate) address: SocketAddr,
    pub(crate) requests: usize,
    pub(crate) in_flight: usize,
    /// The bytes of the body of every reply: a gRPC error has another number of them, although its HTTP
    /// status is 200.
    pub(crate) reply_bytes: usize,
}

impl Driver {
    /// Looks for h2load.
    ///
    /// # Errors
    ///
    /// When it is not installed, with how to install it.
    pub(crate) fn find() -> Result<Self, Error> {
        match Command::new("h2load").arg("--version").stdout(Stdio::null()).status() {
            Ok(status) if status.success() => Ok(Self::default()),
            _ => Err("h2load is what drives the servers, and it is not installed. It comes with nghttp2: \
                      `apt-get install nghttp2-client` on Debian and Ubuntu, `dnf install nghttp2` on Fedora, \
                      `pacman -S nghttp2` on Arch."
                .into()),
        }
    }

    /// Sends the requests and waits for every answer. Returns requests per second.
    ///
    /// # Errors
    ///
    /// When one request was not answered, or not with the right number of bytes.
    pub(crate) fn run(&mut self, run: Run<'_>) -> Result<f64, Error> {
        if run.contestant.wire == Wire::GrpcTalk {
            return talk(run);
        }
        let (clients, streams) = match run.contestant.wire {
            // One request at a time on each connection, as HTTP/1.1 clients have it.
            Wire::Json => (run.in_flight, 1),
            Wire::Grpc | Wire::GrpcTalk => {
                let streams = (run.in_flight / CONNECTIONS_MIN).clamp(1, STREAMS_PER_CONNECTION_MAX);
                (run.in_flight / streams, streams)
            }
        };
        let mut command = Command::new("h2load");
        command
            .args(["-n", &run.requests.to_string()])
            .args(["-c", &clients.to_string()])
            .args(["-m", &streams.to_string()]);
        if let Some(body) = run.contestant.request_body()? {
            command.arg("-d").arg(self.body_path(body)?);
        }
        if run.contestant.wire == Wire::Json {
            command.arg("--h1");
        }
        for (name, value) in run.contestant.wire.headers() {
            command.arg("-H").arg(format!("{name}: {value}"));
        }
        command.arg(format!("http://{}{}", run.address, run.contestant.path));
        let said = output(&mut command)?;
        let counts = Counts::parse(&said).ok_or_else(|| format!("cannot make sense of h2load:\n{said}"))?;
        if counts.succeeded != run.requests || counts.status_2xx != run.requests {
            return Err(format!("not every request was answered:\n{said}").into());
        }
        if counts.data_bytes != run.requests * run.reply_bytes {
            return Err(format!("not every answer has {} bytes:\n{said}", run.reply_bytes).into());
        }
        Ok(counts.requests_per_second)
    }

    /// The path of a file that holds the body of the requests. h2load opens it anew each time, and so reads
    /// it from its beginning.
    fn body_path(&mut self, body: Vec<u8>) -> Result<String, Error> {
        let file = match self.bodies.entry(body) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let mut file = tempfile::tempfile()?;
                file.write_all(new.key())?;
                new.insert(file)
            }
        };
        Ok(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()))
    }
}

/// What a command that says little prints, killed when it takes too long: h2load's own timeouts do not end it
/// while a server is silent.
fn output(command: &mut Command) -> Result<String, Error> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let deadline = Instant::now() + RUN_MAX;
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Err(format!("h2load had no answers to all requests after {} s", RUN_MAX.as_secs()).into());
        }
        std::thread::sleep(ENDED_CHECK);
    }
    // Only now: its page of text fits the pipe, so nothing waits for us to read it.
    let output = child.wait_with_output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What h2load counted.
#[derive(Debug, PartialEq)]
struct Counts {
    requests_per_second: f64,
    succeeded: usize,
    status_2xx: usize,
    data_bytes: usize,
}

impl Counts {
    fn parse(said: &str) -> Option<Self> {
        let line = |start: &str| said.lines().find_map(|line| line.strip_prefix(start));
        Some(Self {
            requests_per_second: before(line("finished in ")?, " req/s")?.parse().ok()?,
            succeeded: before(line("requests: ")?, " succeeded")?.parse().ok()?,
            status_2xx: before(line("status codes: ")?, " 2xx")?.parse().ok()?,
            data_bytes: before(line("traffic: ")?, ") data")?.trim_start_matches('(').parse().ok()?,
        })
    }
}

/// The word that ends where `mark` begins.
fn before<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    let (words, _) = line.split_once(mark)?;
    words.split_whitespace().next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_h2load_is_read() {
        let said = "\
progress: 100% done

finished in 1.02s, 9803.92 req/s, 1.21MB/s
requests: 10000 total, 10000 started, 10000 done, 9999 succeeded, 1 failed, 0 errored, 0 timeout
status codes: 9998 2xx, 0 3xx, 1 4xx, 1 5xx
traffic: 1.24MB (1300123) total, 312.50KB (320000) headers (space savings 89.09%), 205.08KB (210000) data
";
        let expected =
            Counts { requests_per_second: 9803.92, succeeded: 9999, status_2xx: 9998, data_bytes: 210_000 };
        assert_eq!(Counts::parse(said), Some(expected));
    }
}
