//! Owns the catalogue as a file: comma-separated values as RFC 4180 has them, written a piece at a time.
//!
//! Each piece is read from the database when the one before it has been sent, so that a slow download holds
//! neither a connection nor memory. A book that comes or goes meanwhile is in the file or is not; every other
//! one is in it exactly once.

use ambidex::google::api::HttpBody;

use crate::bookshop::v1::Book;
use crate::error::ShopError;
use crate::page::Page;
use crate::store::{Store, books};

const CONTENT_TYPE: &str = "text/csv; charset=utf-8; header=present";
const HEADER: &str = "name,title,author,year,price_cents,tags,in_stock\r\n";
const BOOKS_PER_PIECE: u32 = 100;

/// The pieces of the catalogue.
pub struct Catalog<'a> {
    store: &'a Store,
    next: Next,
}

enum Next {
    Header,
    BooksAfter(String),
    Nothing,
}

impl<'a> Catalog<'a> {
    pub fn new(store: &'a Store) -> Self {
        Self { store, next: Next::Header }
    }

    /// The rows behind a name, and the last name among them; none behind the last book.
    fn rows_after(&self, after: String) -> Result<Option<(String, String)>, ShopError> {
        let page = Page { after, size: BOOKS_PER_PIECE };
        let books = self.store.read(|db| books::list(db, None, &page))?;
        let mut rows = String::new();
        for book in &books {
            push_row(book, &mut rows);
        }
        Ok(books.into_iter().next_back().map(|last| (rows, last.name)))
    }
}

impl Iterator for Catalog<'_> {
    type Item = Result<HttpBody, ShopError>;

    fn next(&mut self) -> Option<Self::Item> {
        match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Header => {
                self.next = Next::BooksAfter(String::new());
                Some(Ok(piece(HEADER.to_owned())))
            }
            Next::BooksAfter(after) => match self.rows_after(after) {
                Ok(Some((rows, last))) => {
                    self.next = Next::BooksAfter(last);
                    Some(Ok(piece(rows)))
                }
                Ok(None) => None,
                Err(error) => Some(Err(error)),
            },
            Next::Nothing => None,
        }
    }
}

fn piece(text: String) -> HttpBody {
    HttpBody { content_type: CONTENT_TYPE.to_owned(), data: text.into(), extensions: Vec::new() }
}

fn push_row(book: &Book, out: &mut String) {
    let Book { name, title, author, year, price_cents, tags, in_stock, update_time: _ } = book;
    let in_stock = in_stock.map(|in_stock| in_stock.to_string()).unwrap_or_default();
    let fields =
        [name, title, author, &year.to_string(), &price_cents.to_string(), &tags.join(" "), &in_stock];
    for (index, field) in fields.into_iter().enumerate() {
        out.extend((index > 0).then_some(','));
        push_field(field, out);
    }
    out.push_str("\r\n");
}

/// A field is quoted where it holds what would end it; a quote inside of quotes is doubled.
fn push_field(field: &str, out: &mut String) {
    if !field.contains([',', '"', '\r', '\n']) {
        out.push_str(field);
        return;
    }
    out.push('"');
    out.push_str(&field.replace('"', "\"\""));
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let cases = [
            ("Emma", "Emma"),
            ("Strange, but true", "\"Strange, but true\""),
            ("The \"Sign\"", "\"The \"\"Sign\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("", ""),
        ];
        for (field, expected) in cases {
            let mut out = String::new();
            push_field(field, &mut out);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn a_row_has_a_field_for_each_of_the_header() {
        let mut row = String::new();
        push_row(
            &Book { tags: vec!["love".into(), "war".into()], in_stock: Some(false), ..Book::default() },
            &mut row,
        );
        assert_eq!(row, ",,,0,0,love war,false\r\n");
        assert_eq!(row.matches(',').count(), HEADER.matches(',').count());
    }
}
