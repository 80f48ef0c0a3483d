//! nginx before servers: HTTP/2 on one port and HTTP/1.1 on another, as docs/production.md has it.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use crate::program::Program;
use crate::server_process::own_address;

static NGINX: Program = Program::new("nginx 1.13.10 or later", &["nginx", "/usr/sbin/nginx"], |nginx| {
    // It says so on stderr: "nginx version: nginx/1.22.1".
    let Ok(said) = std::process::Command::new(nginx).arg("-v").output() else { return false };
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    let number = said.split("nginx/").nth(1).unwrap_or_default();
    let mut parts = number.split(['.', ' ', '\n']).map_while(|part| part.parse::<u32>().ok());
    let version: Vec<_> = parts.by_ref().take(3).collect();
    version >= vec![1, 13, 10]
});

/// A balancer that runs, until the test is over.
pub struct Nginx {
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    child: Child,
    folder: PathBuf,
}

impl Nginx {
    /// Starts one before these servers; `None` where its tests are to be skipped.
    pub fn start(servers: &[SocketAddr]) -> Option<Self> {
        let mut nginx = NGINX.command()?;
        let [grpc, http] = [91, 92].map(free);
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("nginx-{}", grpc.port()));
        std::fs::create_dir_all(&folder).expect("the target folder can be written to");
        let config = folder.join("nginx.conf");
        std::fs::write(&config, configuration(servers, grpc, http)).expect("it can be written to");
        let log = File::create(folder.join("log")).expect("it can be written to");
        let child = nginx
            .arg("-p")
            .arg(&folder)
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("nginx starts");
        Some(Self { grpc, http, child, folder })
    }

    /// What it has to say: each call that it made again or gave up.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).expect("the log can be read")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Not killed: its worker is a process of its own, and is told by it.
        let _ = std::process::Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// nginx takes over no socket: a port of an address that no other process uses stays free.
fn free(number: u8) -> SocketAddr {
    let listener = TcpListener::bind(own_address(number)).expect("a port");
    listener.local_addr().expect("an address")
}

fn configuration(servers: &[SocketAddr], grpc: SocketAddr, http: SocketAddr) -> String {
    let servers: String = servers.iter().map(|at| format!("server {at} max_fails=0; ")).collect();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|what| format!("    {what}_temp_path {what};\n"))
        .collect();
    format!(
        r#"
daemon off;
worker_processes 1;
pid pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
{temporary}
    upstream grpc {{ {servers} keepalive 16; }}
    upstream http {{ {servers} keepalive 16; }}
    server {{
        listen {grpc} http2;
        location / {{
            grpc_pass grpc://grpc;
            grpc_next_upstream error timeout non_idempotent;
        }}
    }}
    server {{
        listen {http};
        location / {{
            proxy_pass http://http;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_next_upstream error timeout non_idempotent;
        }}
    }}
}}
"#
    )
}
