//! Owns the open connections to the database: lends them, takes them back, and opens more up to a bound.
//!
//! At the bound a caller waits until one comes back, and not for ever. It knows nothing of tables.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use crate::error::ShopError;

/// How long a caller waits for a connection, or for another process that is writing.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Connections to one database, at most so many at a time.
pub(super) struct Pool {
    path: PathBuf,
    flags: OpenFlags,
    connections_max: usize,
    connections: Mutex<Connections>,
    one_came_back: Condvar,
}

struct Connections {
    idle: Vec<Connection>,
    /// The idle ones and those that are lent.
    open: usize,
}

impl Pool {
    /// Connections that can only read. They are opened when they are needed.
    pub(super) fn of_readers(path: PathBuf, connections_max: usize) -> Self {
        Self::new(path, OpenFlags::SQLITE_OPEN_READ_ONLY, connections_max)
    }

    /// The one connection that writes, since SQLite has no more than one writer at a time anyway: to wait here
    /// is to wait in line, where SQLite would have us try again and again.
    pub(super) fn of_writer(path: PathBuf) -> Self {
        Self::new(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE, 1)
    }

    fn new(path: PathBuf, flags: OpenFlags, connections_max: usize) -> Self {
        let connections = Mutex::new(Connections { idle: Vec::new(), open: 0 });
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self { path, flags, connections_max, connections, one_came_back: Condvar::new() }
    }

    /// Lends a connection.
    pub(super) fn lend(&self) -> Result<Lent<'_>, ShopError> {
        let wait_until = Instant::now() + WAIT_MAX;
        let mut connections = self.lock();
        loop {
            if let Some(connection) = connections.idle.pop() {
                return Ok(Lent { pool: self, connection: Some(connection) });
            }
            if connections.open < self.connections_max {
                connections.open += 1;
                drop(connections);
                // Lent before it is open, so that its place is given back if it cannot be opened.
                let mut lent = Lent { pool: self, connection: None };
                lent.connection = Some(self.open()?);
                return Ok(lent);
            }
            let left = wait_until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ShopError::Busy);
            }
            (connections, _) =
                self.one_came_back.wait_timeout(connections, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(&self.path, self.flags)?;
        connection.busy_timeout(WAIT_MAX)?;
        if !self.flags.contains(OpenFlags::SQLITE_OPEN_READ_ONLY) {
            // With a write-ahead log readers go on while one writes. In that mode `NORMAL` cannot corrupt the
            // file; what a power cut can cost is the last moment.
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            connection.pragma_update(None, "foreign_keys", true)?;
        }
        Ok(connection)
    }

    /// The counts are right whatever panicked: nothing of a user's runs under the lock.
    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that goes back to the pool when it is dropped.
pub(super) struct Lent<'a> {
    pool: &'a Pool,
    connection: Option<Connection>,
}

impl Deref for Lent<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("it is there from the opening to the drop")
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("it is there from the opening to the drop")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut connections = self.pool.lock();
        match self.connection.take() {
            Some(connection) => connections.idle.push(connection),
            None => connections.open -= 1,
        }
        drop(connections);
        self.pool.one_came_back.notify_one();
    }
}
