//! A server as a process of its own, and its end.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use crate::Error;
use crate::servers::Server;

/// Servers, each in its own process.
#[derive(Debug)]
pub(crate) struct Running(HashMap<Server, ServerProcess>);

/// One server in a process of its own; killed on drop, also when that is a panic's. Should this process be
/// killed without a drop, the server sees its standard input end and leaves.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Running {
    /// Starts each of these servers and waits until they listen.
    pub(crate) fn start(servers: HashSet<Server>) -> Result<Self, Error> {
        let start = |server| Ok((server, ServerProcess::start(server, None)?));
        servers.into_iter().map(start).collect::<Result<_, Error>>().map(Self)
    }

    pub(crate) fn get(&self, server: Server) -> &ServerProcess {
        self.0.get(&server).expect("all that are called were started")
    }
}

impl ServerProcess {
    /// Starts a server with so many threads for blocking code.
    pub(crate) fn start(server: Server, threads: Option<usize>) -> Result<Self, Error> {
        let child = Command::new(std::env::current_exe()?)
            .args(["serve", server.name()])
            .args(threads.map(|threads| threads.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        // Put together before anything can fail, so that a failure kills it too.
        let mut process = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let out = process.child.stdout.take().expect("it was asked to be piped");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        process.address = line
            .trim()
            .parse()
            .map_err(|_| format!("the {} server did not say where it listens", server.name()))?;
        Ok(process)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Either fails only for a process that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
