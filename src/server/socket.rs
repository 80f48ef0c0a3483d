//! Sockets: from a wish to listen to one that does, and from a connection to a stream with a [`Peer`].
//!
//! What is above reads and writes bytes, and does not know whether they go over TCP or a Unix socket.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::config::BACKLOG;
use super::listener::{Address, Listener, Place};
#[cfg(unix)]
use super::unix_socket::UnixSocket;
use crate::call::{self, Peer};

/// A socket that listens.
pub(super) enum Socket {
    Tcp(TcpListener),
    /// One that somebody passed on, and whose queue is theirs, too.
    PassedOn(TcpListener),
    #[cfg(unix)]
    Unix(UnixSocket),
}

impl Socket {
    /// Begins to listen as `listener` wishes.
    pub(super) async fn open(listener: Listener) -> io::Result<Self> {
        let Listener { place, reuse_port, mode, .. } = listener;
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what);
        if mode.is_some() && !is_unix(&place) {
            return Err(invalid(
                "only a Unix socket that the server makes, `unix:/path`, has a file with a mode",
            ));
        }
        if reuse_port && !matches!(&place, Place::Named(address) if path_of(address).is_none()) {
            return Err(invalid("a port can be shared only where the server opens it: give `host:port`"));
        }
        match place {
            Place::Named(address) => match path_of(&address) {
                #[cfg(unix)]
                Some(path) => UnixSocket::at(path, mode).await.map(Self::Unix),
                #[cfg(not(unix))]
                Some(_) => Err(invalid("this system has no Unix sockets")),
                None if reuse_port => open_shared(&address).await.map(Self::Tcp),
                None => TcpListener::bind(&address).await.map(Self::Tcp),
            },
            Place::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                TcpListener::from_std(socket).map(Self::PassedOn)
            }
            Place::TokioTcp(socket) => Ok(Self::PassedOn(socket)),
            #[cfg(unix)]
            Place::Unix(socket) => UnixSocket::passed_on(socket).map(Self::Unix),
        }
    }

    /// Where it listens.
    pub(super) fn address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(socket) | Self::PassedOn(socket) => socket.local_addr().map(Address::Tcp),
            #[cfg(unix)]
            Self::Unix(socket) => Ok(Address::Unix(socket.path())),
        }
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(socket) | Self::PassedOn(socket) => {
                let (stream, address) = socket.accept().await?;
                Ok(connected(stream, address))
            }
            #[cfg(unix)]
            Self::Unix(socket) => {
                let (stream, peer) = socket.accept().await?;
                Ok((Stream::Unix(stream), peer))
            }
        }
    }

    /// Stops listening, and returns whom the system has let in by then: to close the socket would be to reset them. Who waits
    /// at a socket that was passed on waits for whoever listens there next.
    pub(super) fn close(self) -> Vec<(Stream, Peer)> {
        match self {
            Self::Tcp(socket) => {
                // Asked directly: the runtime learns of a connection a moment later.
                let Ok(socket) = socket.into_std() else { return Vec::new() };
                let streams = left(|| socket.accept()).into_iter();
                let streams = streams.filter_map(|(stream, address)| {
                    stream.set_nonblocking(true).ok()?;
                    Some(connected(TcpStream::from_std(stream).ok()?, address))
                });
                streams.collect()
            }
            Self::PassedOn(_) => Vec::new(),
            #[cfg(unix)]
            Self::Unix(socket) => {
                let streams = socket.close().into_iter();
                streams.map(|(stream, peer)| (Stream::Unix(stream), peer)).collect()
            }
        }
    }
}

/// A connection over TCP.
fn connected(stream: TcpStream, address: SocketAddr) -> (Stream, Peer) {
    // Replies are written whole; waiting to fill a packet only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%address, %error, "cannot set TCP_NODELAY");
    }
    (Stream::Tcp(stream), Peer::socket(address))
}

/// All that the system has let in and nobody has accepted yet.
pub(super) fn left<S>(mut accept: impl FnMut() -> io::Result<S>) -> Vec<S> {
    let mut left = Vec::new();
    // As many as it keeps. Who floods it meanwhile should not keep the server from stopping.
    for _ in 0..BACKLOG {
        match accept() {
            Ok(stream) => left.push(stream),
            // Its client has gone again; the next one may be there still.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // There is nobody else, or there cannot be.
            Err(_) => break,
        }
    }
    left
}

/// The path of `unix:/path`, which may have the slashes of a URI.
fn path_of(address: &str) -> Option<&str> {
    let path = address.strip_prefix("unix:")?;
    Some(path.strip_prefix("//").unwrap_or(path))
}

fn is_unix(place: &Place) -> bool {
    matches!(place, Place::Named(address) if path_of(address).is_some())
}

/// Listens on a port that others may listen on too. As tokio does without: the first address that can be had.
async fn open_shared(address: &str) -> io::Result<TcpListener> {
    let mut last = None;
    for address in tokio::net::lookup_host(address).await? {
        match share(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the name has no address")))
}

fn share(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
    socket.set_reuseport(true)?;
    #[cfg(not(all(unix, not(any(target_os = "solaris", target_os = "illumos")))))]
    return Err(io::Error::new(io::ErrorKind::Unsupported, "this system does not share ports"));
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Up to so many bytes in several pieces are written as one: to copy them costs less than what the system does about
/// pieces.
const GATHERED_MAX_BYTES: usize = 4 * 1024;

/// The bytes of a connection.
pub(super) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
    /// Either of them, encrypted.
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::server::TlsStream<Stream>>),
}

macro_rules! each {
    ($stream:expr, $inner:ident => $what:expr) => {
        match $stream {
            Stream::Tcp($inner) => $what,
            #[cfg(unix)]
            Stream::Unix($inner) => $what,
            #[cfg(feature = "tls")]
            Stream::Tls($inner) => $what,
        }
    };
}

impl Stream {
    /// Whether what is written is copied in any case.
    fn is_encrypted(&self) -> bool {
        match self {
            Self::Tcp(_) => false,
            #[cfg(unix)]
            Self::Unix(_) => false,
            #[cfg(feature = "tls")]
            Self::Tls(_) => true,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(&mut *self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(&mut *self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [one] = bufs {
            return self.poll_write(cx, one);
        }
        let of_all = bufs.iter().map(|buf| buf.len()).sum::<usize>();
        if of_all > GATHERED_MAX_BYTES || self.is_encrypted() {
            return each!(&mut *self, stream => Pin::new(stream).poll_write_vectored(cx, bufs));
        }
        call::with_scratch(|gathered| {
            bufs.iter().for_each(|buf| gathered.extend_from_slice(buf));
            self.poll_write(cx, gathered)
        })
    }

    fn is_write_vectored(&self) -> bool {
        each!(self, stream => stream.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut *self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut *self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tokio::io::AsyncReadExt;

    use super::*;

    /// Nobody has accepted them, and they have their call in the pipe.
    async fn late(client: &mut impl Write, socket: Socket) {
        client.write_all(b"a call").unwrap();
        let mut late = socket.close();
        let (mut stream, _) = late.pop().expect("whom the system has let in");
        assert!(late.is_empty());
        let mut call = [0; 6];
        stream.read_exact(&mut call).await.unwrap();
        assert_eq!(&call, b"a call");
    }

    #[tokio::test]
    async fn who_has_connected_is_not_cut_off_by_the_end_of_listening() {
        let socket = Socket::open(Listener::at("127.0.0.1:0")).await.unwrap();
        let address = socket.address().unwrap().as_tcp().unwrap();
        let mut client = std::net::TcpStream::connect(address).unwrap();
        late(&mut client, socket).await;
        std::net::TcpStream::connect(address).expect_err("nobody listens any more");
        let none = Socket::open(Listener::at("127.0.0.1:0")).await.unwrap();
        assert!(none.close().is_empty());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn nor_is_who_has_come_to_a_unix_socket() {
        let path = std::env::temp_dir().join(format!("ambidex-late-{}", std::process::id()));
        let socket = Socket::open(Listener::at(format!("unix:{}", path.display()))).await.unwrap();
        let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        late(&mut client, socket).await;
        assert!(!path.exists(), "its file went with it");
    }

    #[test]
    fn a_unix_socket_is_named_by_its_path() {
        for (address, path) in [
            ("unix:/run/a.sock", Some("/run/a.sock")),
            ("unix:///run/a.sock", Some("/run/a.sock")),
            ("unix:a.sock", Some("a.sock")),
            ("127.0.0.1:80", None),
            ("unix.example:80", None),
        ] {
            assert_eq!(path_of(address), path, "{address}");
        }
    }
}
