//! Owns the database: one SQLite file that any number of threads may read while one writes.
//!
//! Everything here blocks, and says so by being a plain `fn`: handlers that come here are plain functions too.
//! What is asked of the tables is in [`shelves`] and [`books`]; they know SQL and nothing of calls.

pub mod books;
mod migrations;
mod pool;
mod row;
#[cfg(test)]
pub mod scratch;
pub mod shelves;

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::bookshop::v1::{Book, BookChange, book_change};
use crate::changes::Changes;
use crate::error::ShopError;
use pool::Pool;

/// Enough to keep a few cores busy; a reader more costs a file descriptor and a cache of pages.
const READERS_MAX: usize = 8;

/// The shop's database. A clone is the same one.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    readers: Pool,
    writer: Pool,
    changes: Changes,
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("it is of version {applied}, and this shop knows none after {known}")]
    TooNew { applied: u32, known: u32 },
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error(transparent)]
    Shop(#[from] ShopError),
}

impl Store {
    /// Opens the database in a file. A new one is made if there is none, and `furnish` fills it.
    pub fn open(
        path: &Path,
        furnish: impl FnOnce(&mut Writing<'_>) -> Result<(), ShopError>,
    ) -> Result<Self, OpenError> {
        let writer = Pool::of_writer(path.to_owned());
        let readers = Pool::of_readers(path.to_owned(), READERS_MAX);
        let store = Self(Arc::new(Shared { readers, writer, changes: Changes::default() }));
        // Tables and books come together or not at all: a start that was cut short leaves a new database.
        store.transact(|writing| {
            if migrations::apply(writing.db())? == 0 {
                furnish(writing)?;
            }
            Ok::<_, OpenError>(())
        })?;
        Ok(store)
    }

    /// Asks the database something.
    pub fn read<T>(&self, ask: impl FnOnce(&Connection) -> Result<T, ShopError>) -> Result<T, ShopError> {
        ask(&*self.0.readers.lend()?)
    }

    /// Changes the database, all or nothing: an error takes back everything that was done before it.
    pub fn write<T>(
        &self,
        change: impl FnOnce(&mut Writing<'_>) -> Result<T, ShopError>,
    ) -> Result<T, ShopError> {
        self.transact(change)
    }

    /// What happens to books, for whoever wants to hear of it.
    pub fn changes(&self) -> &Changes {
        &self.0.changes
    }

    fn transact<T, E>(&self, change: impl FnOnce(&mut Writing<'_>) -> Result<T, E>) -> Result<T, E>
    where
        E: From<ShopError>,
    {
        let mut writer = self.0.writer.lend()?;
        let transaction =
            writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(ShopError::from)?;
        let mut writing = Writing { transaction, changes: Vec::new() };
        let value = change(&mut writing)?;
        let Writing { transaction, changes } = writing;
        transaction.commit().map_err(ShopError::from)?;
        // While we still are the only writer, so that changes are told in the order in which they were made.
        self.0.changes.publish(changes);
        Ok(value)
    }
}

/// A change of the database under way.
pub struct Writing<'a> {
    transaction: Transaction<'a>,
    changes: Vec<BookChange>,
}

impl Writing<'_> {
    /// The database as it is in the middle of this change.
    pub fn db(&self) -> &Connection {
        &self.transaction
    }

    /// Notes what watchers are to hear once everything is done.
    fn note(&mut self, kind: book_change::Kind, book: &Book) {
        self.changes.push(BookChange { kind: kind.into(), book: Some(book.clone()) });
    }
}

#[cfg(test)]
mod tests;
