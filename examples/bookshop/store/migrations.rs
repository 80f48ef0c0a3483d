//! Owns the tables of the database and how they came to be.
//!
//! Each migration is applied once, in order; the database counts them in its `user_version`. One that has been
//! released is never edited: what has to change is a migration more.

use rusqlite::Connection;

use super::OpenError;

const MIGRATIONS: [&str; KNOWN as usize] =
    [include_str!("migrations/1_shelves_and_books.sql"), include_str!("migrations/2_what_goes_together.sql")];

/// The version of a database to which every migration has been applied.
const KNOWN: u32 = 2;

/// Applies what is missing, and tells how many migrations there were before: none in a new database. It belongs
/// in a transaction, so that two shops which open a database at once do not both do it.
pub(super) fn apply(db: &Connection) -> Result<u32, OpenError> {
    let applied: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if applied > KNOWN {
        return Err(OpenError::TooNew { applied, known: KNOWN });
    }
    for migration in &MIGRATIONS[applied as usize..] {
        db.execute_batch(migration)?;
    }
    db.pragma_update(None, "user_version", KNOWN)?;
    Ok(applied)
}
