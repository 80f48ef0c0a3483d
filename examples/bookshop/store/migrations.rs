//! Owns the tables of the database and how they came to be.
//!
//! Each migration is applied once, in order; the database counts them in its `user_version`. One that has been
//! released is never edited: what has to change is a migration more.

use rusqlite::Connection;

use super::OpenError;

const MIGRATIONS: [&str; 2] = [
    include_str!("migrations/1_shelves_and_books.sql"),
    include_str!("migrations/2_what_goes_together.sql"),
];

/// Applies what is missing, and tells how many migrations there were before: none in a new database. It belongs
/// in a transaction, so that two shops which open a database at once do not both do it.
pub(super) fn apply(db: &Connection) -> Result<usize, OpenError> {
    let applied: usize = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if applied > MIGRATIONS.len() {
        return Err(OpenError::TooNew { applied, known: MIGRATIONS.len() });
    }
    for migration in &MIGRATIONS[applied..] {
        db.execute_batch(migration)?;
    }
    db.pragma_update(None, "user_version", MIGRATIONS.len())?;
    Ok(applied)
}
