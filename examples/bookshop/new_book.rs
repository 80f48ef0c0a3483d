//! Owns the reading of a request for a new book: where it is to stand, under which id, and what it is.

use crate::bookshop::v1::{Book, CreateBookRequest, ImportBooksRequest};
use crate::details::Details;
use crate::error::ShopError;
use crate::resource_id::{NewId, ResourceId};
use crate::resource_name::{BookName, ShelfName};
use crate::violations::Violations;

/// A book that can be put on a shelf.
#[derive(Debug, Clone)]
pub struct NewBook {
    pub shelf: ShelfName,
    pub id: NewId,
    pub details: Details,
}

impl NewBook {
    pub fn parse(request: CreateBookRequest) -> Result<Self, ShopError> {
        let CreateBookRequest { parent, book, book_id } = request;
        Ok(Self::read(&parent, &book_id, book)?)
    }

    /// Reads the message of an import that has so many before it.
    pub fn parse_import(index: usize, request: ImportBooksRequest) -> Result<Self, ShopError> {
        let ImportBooksRequest { parent, book } = request;
        Ok(Self::read(&parent, "", book)
            .map_err(|violations| violations.within(&format!("requests[{index}]")))?)
    }

    fn read(parent: &str, book_id: &str, book: Option<Book>) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let shelf = violations.note("parent", ShelfName::parse(parent));
        let Some(book) = book else {
            violations.add("book", "must be given");
            return Err(violations);
        };
        let asked = asked_id(shelf.as_ref(), &book.name, book_id, &mut violations);
        let details = Details::parse(book).map_err(|wrong| violations.extend(wrong.within("book"))).ok();
        let (Some(shelf), Some(details)) = (shelf, details) else { return Err(violations) };
        let id = asked.or_else(|| ResourceId::from_words(details.title()).map(NewId::Made));
        if id.is_none() {
            violations.add("book_id", "must be given, since the title has no letters to make it from");
        }
        match id {
            Some(id) if violations.is_empty() => Ok(Self { shelf, id, details }),
            _ => Err(violations),
        }
    }
}

/// The id the caller asked for, by `book.name` or `book_id` or both; none where it is left to us.
fn asked_id(
    shelf: Option<&ShelfName>,
    name: &str,
    book_id: &str,
    violations: &mut Violations,
) -> Option<NewId> {
    let asked =
        if book_id.is_empty() { None } else { violations.note("book_id", ResourceId::parse(book_id)) };
    if name.is_empty() {
        return asked.map(NewId::Asked);
    }
    let named = violations.note("book.name", BookName::parse(name))?;
    if shelf.is_some_and(|shelf| shelf != named.shelf()) {
        violations.add("book.name", "must be of a book on the shelf that parent names");
    }
    if asked.is_some_and(|asked| asked != *named.id()) {
        violations.add("book_id", "must agree with book.name where both are given");
    }
    Some(NewId::Asked(named.id().clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parent: &str, book_id: &str, name: &str, title: &str) -> Result<NewBook, Vec<String>> {
        let book = Book { name: name.into(), title: title.into(), ..Book::default() };
        NewBook::read(parent, book_id, Some(book))
            .map_err(|wrong| wrong.into_fields().into_iter().map(|violation| violation.field).collect())
    }

    fn id(text: &str) -> ResourceId {
        ResourceId::parse(text).expect("an id")
    }

    #[test]
    fn an_id_is_made_unless_one_is_asked_for() {
        let cases = [
            ("", "", NewId::Made(id("emma"))),
            ("my-emma", "", NewId::Asked(id("my-emma"))),
            ("", "shelves/love/books/my-emma", NewId::Asked(id("my-emma"))),
            ("my-emma", "shelves/love/books/my-emma", NewId::Asked(id("my-emma"))),
        ];
        for (book_id, name, expected) in cases {
            assert_eq!(read("shelves/love", book_id, name, "Emma").expect("a book").id, expected);
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let fields = |result: Result<NewBook, Vec<String>>| result.expect_err("violations");
        assert_eq!(fields(read("shelves/love", "", "shelves/war/books/emma", "Emma")), ["book.name"]);
        assert_eq!(fields(read("shelves/love", "a", "shelves/love/books/b", "Emma")), ["book_id"]);
        assert_eq!(fields(read("love", "E!", "", "")), ["parent", "book_id", "book.title"]);
        assert_eq!(fields(read("shelves/love", "", "", "源氏物語")), ["book_id"]);
    }
}
