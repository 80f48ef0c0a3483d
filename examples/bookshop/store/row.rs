//! Owns how a row of the database becomes a message.

use ambidex::prost_types::Timestamp;
use rusqlite::Row;

use crate::bookshop::v1::{Book, Shelf};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// What a query selects to be read by [`shelf`].
pub(super) const SHELF: &str = "shelf.name, shelf.theme";

pub(super) fn shelf(row: &Row<'_>) -> rusqlite::Result<Shelf> {
    Ok(Shelf { name: row.get(0)?, theme: row.get(1)? })
}

/// What a query selects to be read by [`book`]. Tags are single words, so a space between them loses nothing.
pub(super) const BOOK: &str = "book.name, book.title, book.author, book.year, book.price_cents, book.in_stock, \
     book.update_time_micros, \
     (SELECT group_concat(word, ' ' ORDER BY position) FROM tag WHERE tag.book = book.name)";

pub(super) fn book(row: &Row<'_>) -> rusqlite::Result<Book> {
    let tags: Option<String> = row.get(7)?;
    Ok(Book {
        name: row.get(0)?,
        title: row.get(1)?,
        author: row.get(2)?,
        year: row.get(3)?,
        price_cents: row.get(4)?,
        in_stock: row.get(5)?,
        update_time: Some(timestamp(row.get(6)?)),
        tags: tags.unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
    })
}

/// The time of a row, in microseconds, as the wire has it.
pub(super) fn timestamp(micros: i64) -> Timestamp {
    let nanos = micros.rem_euclid(MICROS_PER_SECOND) * 1000;
    let nanos = i32::try_from(nanos).expect("less than a second has fewer nanoseconds than i32 holds");
    Timestamp { seconds: micros.div_euclid(MICROS_PER_SECOND), nanos }
}

/// The time that it is, in microseconds.
pub(super) fn now_micros() -> i64 {
    let now = Timestamp::from(std::time::SystemTime::now());
    now.seconds * MICROS_PER_SECOND + i64::from(now.nanos) / 1000
}
