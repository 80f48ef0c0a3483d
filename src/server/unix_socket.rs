//! Unix sockets: a file that is there while its server is, and clients whom the kernel knows.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::net::{UnixListener, UnixStream};

use super::config::BACKLOG;
use super::socket::left;
use crate::call::Peer;

/// How often a folder that others have locked is asked for: they have it for less than a millisecond.
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// For how long: whoever has it for longer does something else with it.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// A Unix socket that listens.
pub(super) struct UnixSocket {
    /// Removed with the socket, and while it still holds its number; none where it came from elsewhere.
    file: Option<SocketFile>,
    listener: UnixListener,
}

impl UnixSocket {
    /// Listens at `path`, in place of what a dead server left there.
    pub(super) async fn at(path: &str, mode: Option<u32>) -> io::Result<Self> {
        let path = Path::new(path);
        let _alone = Folder::alone(path).await?;
        let socket = tokio::net::UnixSocket::new_stream()?;
        match socket.bind(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                remove_stale(path).await?;
                socket.bind(path)?;
            }
            Err(error) => return Err(error),
        }
        let file = SocketFile::new(path)?;
        // Before it listens: until then nobody can connect.
        if let Some(mode) = mode {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        Ok(Self { listener: socket.listen(BACKLOG)?, file: Some(file) })
    }

    /// Uses a socket that listens already.
    pub(super) fn passed_on(socket: std::os::unix::net::UnixListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { listener: UnixListener::from_std(socket)?, file: None })
    }

    /// Its file; empty for a socket without one.
    pub(super) fn path(&self) -> PathBuf {
        if let Some(file) = &self.file {
            return file.path.clone();
        }
        let address = self.listener.local_addr().ok();
        address.and_then(|address| address.as_pathname().map(Path::to_owned)).unwrap_or_default()
    }

    /// The next connection. One of nobody knows whom is an error: handlers may decide by who it is.
    pub(super) async fn accept(&self) -> io::Result<(UnixStream, Peer)> {
        let (stream, _) = self.listener.accept().await?;
        known(stream)
    }

    /// Stops listening, and returns whom the system has let in by then; nobody at a socket that was passed on, whose queue is
    /// not ours alone.
    pub(super) fn close(self) -> Vec<(UnixStream, Peer)> {
        if self.file.is_none() {
            return Vec::new();
        }
        let Ok(listener) = self.listener.into_std() else { return Vec::new() };
        let streams = left(|| listener.accept()).into_iter();
        let streams = streams.filter_map(|(stream, _)| {
            stream.set_nonblocking(true).ok()?;
            known(UnixStream::from_std(stream).ok()?).ok()
        });
        streams.collect()
    }
}

/// A connection, and who is at its other end.
fn known(stream: UnixStream) -> io::Result<(UnixStream, Peer)> {
    let who = stream.peer_cred()?;
    let peer = Peer::unix(who.pid(), who.uid(), who.gid());
    Ok((stream, peer))
}

/// The folder of a socket, while nobody else sets one up there.
///
/// What is stale for two servers that start together is stale for one: the other would remove the file of the first. And
/// a socket is there before it listens, when it looks as stale as any. So each does all of it alone. The lock is the
/// folder's, and the system's: it leaves no file behind, and a server that dies gives it back.
struct Folder {
    _locked: Option<File>,
}

impl Folder {
    async fn alone(path: &Path) -> io::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // One that may be written to and not be read cannot be locked; nor can some that are far away.
        let Ok(folder) = File::open(folder) else { return Ok(Self { _locked: None }) };
        let began = Instant::now();
        loop {
            match folder.try_lock() {
                Ok(()) => return Ok(Self { _locked: Some(folder) }),
                Err(TryLockError::Error(_)) => return Ok(Self { _locked: None }),
                // Asked again rather than waited for: who has it may be waiting for this very thread.
                Err(TryLockError::WouldBlock) if began.elapsed() < LOCK_TIMEOUT => {
                    tokio::time::sleep(LOCK_PAUSE).await;
                }
                // It guards against servers that start at the same time. Whoever may read the folder may lock it, and
                // must not keep a server from starting.
                Err(TryLockError::WouldBlock) => {
                    tracing::warn!(path = %path.display(), "another program has the folder of the socket locked");
                    return Ok(Self { _locked: None });
                }
            }
        }
    }
}

/// Removes the file of a server that is gone.
async fn remove_stale(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        let what = "there is a file that is no socket: remove it, or listen elsewhere";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    }
    let error = match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return fs::remove_file(path),
        // One whose queue of connections is full lives as well.
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => error,
        Ok(_) | Err(_) => io::Error::new(io::ErrorKind::AddrInUse, "another server listens there"),
    };
    Err(error)
}

/// The file of a socket of ours, by what cannot be another's.
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        // Whoever changes the folder meanwhile must not make us look for it elsewhere.
        let path = std::path::absolute(path)?;
        let metadata = fs::symlink_metadata(&path)?;
        Ok(Self { path, device: metadata.dev(), inode: metadata.ino() })
    }

    fn is_ours(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // A successor may have replaced it.
        if self.is_ours()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the file of a Unix socket");
        }
    }
}
