//! HAProxy before servers: HTTP/2 and HTTP/1.1 on one port, health checks, and nothing that would hide a failure.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use crate::program::{Program, prints};

static HAPROXY: Program =
    Program::new("haproxy 2.4 or later", &["haproxy", "/usr/sbin/haproxy"], |haproxy| {
        // Which it is: "HAProxy version 2.6.12-1 2023/12/16 - https://haproxy.org/".
        let version = prints(haproxy, &["-v"]).unwrap_or_default();
        let number = version.split_whitespace().nth(2).unwrap_or_default();
        let mut parts = number.split('.').map_while(|part| part.parse::<u32>().ok());
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (2, 4)
    });

/// A balancer that runs, until the test is over.
pub struct Haproxy {
    pub address: SocketAddr,
    child: Child,
    config: PathBuf,
    log: PathBuf,
}

impl Haproxy {
    /// Starts one before these servers; `None` where its tests are to be skipped.
    pub fn start(servers: &[SocketAddr]) -> Option<Self> {
        let mut haproxy = HAPROXY.command()?;
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let file = |suffix| {
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("haproxy-{}.{suffix}", address.port()))
        };
        let (config, log) = (file("cfg"), file("log"));
        std::fs::write(&config, configuration(servers)).expect("the target folder can be written to");
        // The listener goes along as stdin, so that nobody can take its port meanwhile.
        let child = haproxy
            .args(["-db", "-f"])
            .arg(&config)
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stderr(File::create(&log).expect("the target folder can be written to"))
            .spawn()
            .expect("haproxy starts");
        Some(Self { address, child, config, log })
    }

    /// What it has to say: which server it took for well, and when.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("the log can be read")
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        [&self.config, &self.log].into_iter().for_each(|file| drop(std::fs::remove_file(file)));
    }
}

/// As docs/production.md has it, but for two things: checks are more frequent, so that a test need not wait, and what
/// fails is not tried again, so that it is seen.
fn configuration(servers: &[SocketAddr]) -> String {
    let servers = |options: &str| {
        let lines = servers.iter().enumerate();
        lines.map(|(number, at)| format!("    server s{number} {at} {options}\n")).collect::<String>()
    };
    format!(
        r#"
global
    nbthread 1
defaults
    mode http
    retries 0
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    timeout check 10s
    option httpchk
    default-server check check-proto h1 inter 250ms fall 2 rise 1
frontend all
    bind fd@0
    use_backend grpc if {{ req.hdr(content-type) -m beg application/grpc }}
    default_backend http
backend grpc
    http-check send meth POST uri /grpc.health.v1.Health/Check hdr content-type application/json body "{{}}"
    http-check expect rstring "\"SERVING\""
{}backend http
    http-check send meth GET uri /admin/readyz
    http-check expect status 200
{}"#,
        servers("proto h2"),
        servers("")
    )
}
