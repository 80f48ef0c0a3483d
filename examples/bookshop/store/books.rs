//! Owns what is asked of the tables of books and their tags.
//!
//! Whatever changes a book notes the change for watchers, here, where it cannot be forgotten.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Writing, row, shelves};
use crate::bookshop::v1::{Book, book_change::Kind};
use crate::details::Details;
use crate::error::ShopError;
use crate::new_book::NewBook;
use crate::page::Page;
use crate::resource_id::ResourceId;
use crate::resource_name::{BookName, ShelfName};

pub fn find(db: &Connection, name: &BookName) -> Result<Book, ShopError> {
    let sql = format!("SELECT {} FROM book WHERE name = ?1", row::BOOK);
    let book = db.prepare_cached(&sql)?.query_row([name.to_string()], row::book).optional()?;
    book.ok_or_else(|| ShopError::NoSuchBook(name.clone()))
}

/// The books of a page, of one shelf or of all, and one more if there is a next page.
pub fn list(db: &Connection, shelf: Option<&ShelfName>, page: &Page) -> Result<Vec<Book>, ShopError> {
    let Some(shelf) = shelf else {
        let sql = format!("SELECT {} FROM book WHERE name > ?1 ORDER BY name LIMIT ?2", row::BOOK);
        let mut statement = db.prepare_cached(&sql)?;
        let books = statement.query_map(params![page.after, page.limit()], row::book)?;
        return Ok(books.collect::<Result<_, _>>()?);
    };
    shelves::find(db, shelf)?;
    let sql = format!("SELECT {} FROM book WHERE shelf = ?1 AND name > ?2 ORDER BY name LIMIT ?3", row::BOOK);
    let mut statement = db.prepare_cached(&sql)?;
    let books = statement.query_map(params![shelf.to_string(), page.after, page.limit()], row::book)?;
    Ok(books.collect::<Result<_, _>>()?)
}

/// Another book of the same author, the one with most tags in common.
pub fn of_same_author(db: &Connection, liked: &Book) -> Result<Option<Book>, ShopError> {
    let sql = format!(
        "SELECT {} FROM book WHERE author = ?1 AND author != '' AND name != ?2 \
         ORDER BY (SELECT count(*) FROM tag AS common WHERE common.book = book.name \
                   AND common.word IN (SELECT word FROM tag WHERE book = ?2)) DESC, name LIMIT 1",
        row::BOOK
    );
    Ok(db.prepare_cached(&sql)?.query_row([&liked.author, &liked.name], row::book).optional()?)
}

/// The book that has most tags in common with another, if any has one.
pub fn of_same_tags(db: &Connection, liked: &Book) -> Result<Option<Book>, ShopError> {
    let sql = format!(
        "SELECT {} FROM tag AS mine \
         JOIN tag AS common ON common.word = mine.word AND common.book != mine.book \
         JOIN book ON book.name = common.book \
         WHERE mine.book = ?1 GROUP BY book.name ORDER BY count(*) DESC, book.name LIMIT 1",
        row::BOOK
    );
    Ok(db.prepare_cached(&sql)?.query_row([&liked.name], row::book).optional()?)
}

/// Puts a book on a shelf that is there.
pub fn insert(writing: &mut Writing<'_>, new: NewBook) -> Result<Book, ShopError> {
    let NewBook { shelf, id, details } = new;
    shelves::find(writing.db(), &shelf)?;
    let is_taken = |id: &ResourceId| exists(writing.db(), &shelf.book(id.clone()));
    let Some(free) = id.choose(is_taken)? else {
        return Err(ShopError::BookExists(shelf.book(id.first().clone())));
    };
    let now_micros = row::now_micros();
    let book = details.into_book(shelf.book(free).to_string(), row::timestamp(now_micros));
    let mut insert = writing.db().prepare_cached(
        "INSERT INTO book (name, shelf, title, author, year, price_cents, in_stock, update_time_micros) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let Book { name, title, author, year, price_cents, in_stock, .. } = &book;
    insert.execute(params![
        name,
        shelf.to_string(),
        title,
        author,
        year,
        price_cents,
        in_stock,
        now_micros
    ])?;
    drop(insert);
    insert_tags(writing.db(), &book)?;
    writing.note(Kind::Created, &book);
    Ok(book)
}

/// Replaces all that is known of a book.
pub fn update(writing: &mut Writing<'_>, name: &BookName, details: Details) -> Result<Book, ShopError> {
    let now_micros = row::now_micros();
    let book = details.into_book(name.to_string(), row::timestamp(now_micros));
    let mut update = writing.db().prepare_cached(
        "UPDATE book SET title = ?2, author = ?3, year = ?4, price_cents = ?5, in_stock = ?6, \
         update_time_micros = ?7 WHERE name = ?1",
    )?;
    let Book { name: text, title, author, year, price_cents, in_stock, .. } = &book;
    if update.execute(params![text, title, author, year, price_cents, in_stock, now_micros])? == 0 {
        return Err(ShopError::NoSuchBook(name.clone()));
    }
    drop(update);
    writing.db().prepare_cached("DELETE FROM tag WHERE book = ?1")?.execute([text])?;
    insert_tags(writing.db(), &book)?;
    writing.note(Kind::Updated, &book);
    Ok(book)
}

pub fn delete(writing: &mut Writing<'_>, name: &BookName) -> Result<(), ShopError> {
    if writing.db().execute("DELETE FROM book WHERE name = ?1", [name.to_string()])? == 0 {
        return Err(ShopError::NoSuchBook(name.clone()));
    }
    writing.note(Kind::Deleted, &Book { name: name.to_string(), ..Book::default() });
    Ok(())
}

fn insert_tags(db: &Connection, book: &Book) -> Result<(), ShopError> {
    let mut insert = db.prepare_cached("INSERT INTO tag (book, position, word) VALUES (?1, ?2, ?3)")?;
    for (position, word) in (0_u32..).zip(&book.tags) {
        insert.execute(params![book.name, position, word])?;
    }
    Ok(())
}

fn exists(db: &Connection, name: &BookName) -> Result<bool, ShopError> {
    Ok(db.prepare_cached("SELECT 1 FROM book WHERE name = ?1")?.exists([name.to_string()])?)
}
