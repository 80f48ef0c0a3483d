//! Owns the names of things: `shelves/{shelf}` and `shelves/{shelf}/books/{book}`.
//!
//! A name is read once, where it comes in, into a type that cannot be wrong. That a thing has a name does not
//! mean that it is there.

use std::fmt;

use crate::resource_id::{MalformedId, ResourceId};

/// The name of a shelf, `shelves/{shelf}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShelfName {
    id: ResourceId,
}

/// The name of a book, `shelves/{shelf}/books/{book}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookName {
    shelf: ShelfName,
    id: ResourceId,
}

/// A text that is no name of the kind it should be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MalformedName {
    #[error("must have the form {0}")]
    Form(&'static str),
    #[error("must have the form {0}, where each part in braces {1}")]
    Id(&'static str, MalformedId),
}

impl ShelfName {
    const FORM: &'static str = "shelves/{shelf}";

    pub fn new(id: ResourceId) -> Self {
        Self { id }
    }

    pub fn parse(text: &str) -> Result<Self, MalformedName> {
        let id = text.strip_prefix("shelves/").ok_or(MalformedName::Form(Self::FORM))?;
        Ok(Self { id: parse_id(id, Self::FORM)? })
    }

    /// Reads the name of one shelf, or of all of them together: nothing, or `shelves/-`.
    pub fn parse_or_all(text: &str) -> Result<Option<Self>, MalformedName> {
        if text.is_empty() || text == "shelves/-" { Ok(None) } else { Self::parse(text).map(Some) }
    }

    pub fn id(&self) -> &ResourceId {
        &self.id
    }

    /// The name of a book on this shelf.
    pub fn book(&self, id: ResourceId) -> BookName {
        BookName { shelf: self.clone(), id }
    }
}

impl BookName {
    const FORM: &'static str = "shelves/{shelf}/books/{book}";

    pub fn parse(text: &str) -> Result<Self, MalformedName> {
        let form = MalformedName::Form(Self::FORM);
        let Some(("shelves", rest)) = text.split_once('/') else { return Err(form) };
        let Some((shelf, rest)) = rest.split_once('/') else { return Err(form) };
        let Some(("books", book)) = rest.split_once('/') else { return Err(form) };
        let shelf = ShelfName::new(parse_id(shelf, Self::FORM)?);
        Ok(Self { shelf, id: parse_id(book, Self::FORM)? })
    }

    pub fn shelf(&self) -> &ShelfName {
        &self.shelf
    }

    pub fn id(&self) -> &ResourceId {
        &self.id
    }
}

fn parse_id(text: &str, form: &'static str) -> Result<ResourceId, MalformedName> {
    ResourceId::parse(text).map_err(|malformed| MalformedName::Id(form, malformed))
}

impl fmt::Display for ShelfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shelves/{}", self.id)
    }
}

impl fmt::Display for BookName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/books/{}", self.shelf, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_alike() {
        let name = "shelves/adventure/books/moby-dick";
        let book = BookName::parse(name).expect("a name");
        assert_eq!(book.to_string(), name);
        assert_eq!(book.shelf().to_string(), "shelves/adventure");
        assert_eq!(ShelfName::parse("shelves/adventure").as_ref(), Ok(book.shelf()));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let not_books =
            ["", "moby-dick", "shelves/a", "shelves/a/books/", "shelves//books/b", "shelves/a/books/b/c"];
        for text in not_books {
            assert!(BookName::parse(text).is_err(), "{text:?}");
        }
        for text in ["", "shelves", "shelves/", "shelves/A", "shelves/a/books/b", "books/a"] {
            assert!(ShelfName::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn all_shelves_have_two_names() {
        assert_eq!(ShelfName::parse_or_all(""), Ok(None));
        assert_eq!(ShelfName::parse_or_all("shelves/-"), Ok(None));
        assert!(ShelfName::parse_or_all("shelves/gothic").is_ok_and(|shelf| shelf.is_some()));
    }
}
