//! Where a server listens, and what it serves there.
//!
//! A [`Listener`] is a wish: it becomes a socket when the server is bound, and whatever is wrong with it is said then.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::tls::Tls;

/// Where a server listens, and what it serves there; given to [`ServerBuilder::listen`], or in place of an address to
/// [`serve`](super::ServerBuilder::serve) and [`bind`](super::ServerBuilder::bind).
///
/// ```
/// use ambidex::server::Listener;
///
/// let server = ambidex::Server::builder()
///     .listen(Listener::at("0.0.0.0:8080").http_only())
///     .listen(Listener::at("0.0.0.0:9090").grpc_only().reuse_port())
///     .listen(Listener::at("unix:/run/shop.sock").mode(0o660));
/// ```
///
/// [`ServerBuilder::listen`]: super::ServerBuilder::listen
#[derive(Debug)]
pub struct Listener {
    pub(super) place: Place,
    pub(super) serves: Serves,
    pub(super) reuse_port: bool,
    pub(super) mode: Option<u32>,
    pub(super) tls: Option<Tls>,
}

/// A place to listen at, or a socket that listens already.
#[derive(Debug)]
pub(super) enum Place {
    Named(String),
    Tcp(std::net::TcpListener),
    TokioTcp(tokio::net::TcpListener),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener),
}

/// Which protocols a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Serves {
    All,
    Grpc,
    Http,
}

impl Listener {
    /// Listens at `host:port`, where port 0 lets the system choose, or at `unix:/path`.
    ///
    /// The file of a Unix socket is made by the server and removed at its end. One that a dead server left is replaced;
    /// one that somebody listens at is an error, and so is a file that is no socket.
    pub fn at(address: impl Into<String>) -> Self {
        Place::Named(address.into()).into()
    }

    /// Serves gRPC alone: whatever else comes is told so.
    #[must_use]
    pub fn grpc_only(mut self) -> Self {
        self.serves = Serves::Grpc;
        self
    }

    /// Serves HTTP alone.
    #[must_use]
    pub fn http_only(mut self) -> Self {
        self.serves = Serves::Http;
        self
    }

    /// Shares the port with other servers that ask for the same (`SO_REUSEPORT`): the kernel deals connections out. For
    /// TCP, and not on every system.
    #[must_use]
    pub fn reuse_port(mut self) -> Self {
        self.reuse_port = true;
        self
    }

    /// The permissions of a Unix socket's file, `0o660` say: who may write to it may connect. Without them it has those
    /// that the process gives new files. They are set before the first client can connect.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Speaks TLS, and nothing else.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// The same at another address.
    pub(super) fn moved(self, address: impl Into<String>) -> Self {
        Self { place: Place::Named(address.into()), ..self }
    }

    /// How an error names it.
    pub(super) fn name(&self) -> String {
        let addressed = |address: std::io::Result<SocketAddr>| {
            address.map_or_else(|_| "a socket without an address".to_owned(), |address| address.to_string())
        };
        match &self.place {
            Place::Named(address) => address.clone(),
            Place::Tcp(socket) => addressed(socket.local_addr()),
            Place::TokioTcp(socket) => addressed(socket.local_addr()),
            #[cfg(unix)]
            Place::Unix(_) => "a Unix socket".to_owned(),
        }
    }
}

/// Its name, and what it serves.
impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())?;
        match self.serves {
            Serves::All => {}
            Serves::Grpc => f.write_str(" for gRPC alone")?,
            Serves::Http => f.write_str(" for HTTP alone")?,
        }
        if self.tls.is_some() { f.write_str(" with TLS") } else { Ok(()) }
    }
}

impl From<Place> for Listener {
    fn from(place: Place) -> Self {
        Self { place, serves: Serves::All, reuse_port: false, mode: None, tls: None }
    }
}

impl From<&str> for Listener {
    fn from(address: &str) -> Self {
        Self::at(address)
    }
}

impl From<String> for Listener {
    fn from(address: String) -> Self {
        Self::at(address)
    }
}

impl From<&String> for Listener {
    fn from(address: &String) -> Self {
        Self::at(address)
    }
}

impl From<SocketAddr> for Listener {
    fn from(address: SocketAddr) -> Self {
        Self::at(address.to_string())
    }
}

/// A socket that listens already, such as one that systemd passed on.
impl From<std::net::TcpListener> for Listener {
    fn from(socket: std::net::TcpListener) -> Self {
        Place::Tcp(socket).into()
    }
}

/// A socket that listens already.
impl From<tokio::net::TcpListener> for Listener {
    fn from(socket: tokio::net::TcpListener) -> Self {
        Place::TokioTcp(socket).into()
    }
}

/// A socket that listens already. Its file is not the server's to remove.
#[cfg(unix)]
impl From<std::os::unix::net::UnixListener> for Listener {
    fn from(socket: std::os::unix::net::UnixListener) -> Self {
        Place::Unix(socket).into()
    }
}

/// Where a server listens, now that it does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An address of TCP, with the port that the system chose if it was asked to.
    Tcp(SocketAddr),
    /// The file of a Unix socket; empty for one that has none.
    Unix(PathBuf),
}

impl Address {
    /// The address, if it is TCP's.
    pub fn as_tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

/// As [`Listener::at`] reads it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
