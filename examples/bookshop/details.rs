//! Owns what may be said of a book, apart from its name and its time: everything a caller can set.
//!
//! A `Book` of the wire can hold anything; [`Details`] hold only what the shop takes. They can be had in no
//! other way than by reading a `Book`, so nothing behind this file has to check again.

use crate::bookshop::v1::Book;
use crate::violations::Violations;

const TEXT_LENGTH_MAX: usize = 300;
const TAGS_MAX: usize = 20;
const TAG_LENGTH_MAX: usize = 50;

/// What is known of a book.
#[derive(Debug, Clone, PartialEq)]
pub struct Details {
    title: String,
    author: String,
    year: i32,
    price_cents: i64,
    tags: Vec<String>,
    in_stock: Option<bool>,
}

impl Details {
    /// Reads the fields of a book. The violations name fields of `Book`.
    pub fn parse(book: Book) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        if book.title.trim().is_empty() {
            violations.add("title", "must not be empty");
        }
        check_length(&mut violations, "title", &book.title, TEXT_LENGTH_MAX);
        check_length(&mut violations, "author", &book.author, TEXT_LENGTH_MAX);
        if book.price_cents < 0 {
            violations.add("price_cents", "must not be negative");
        }
        check_tags(&mut violations, &book.tags);
        if !violations.is_empty() {
            return Err(violations);
        }
        let Book { title, author, year, price_cents, tags, in_stock, name: _, update_time: _ } = book;
        Ok(Self { title, author, year, price_cents, tags, in_stock })
    }

    pub fn title(&self) -> &str {
        &self.title
    }

    /// The book of the wire that these are the details of.
    pub fn into_book(self, name: String, update_time: ambidex::prost_types::Timestamp) -> Book {
        let Self { title, author, year, price_cents, tags, in_stock } = self;
        Book { name, title, author, year, price_cents, tags, in_stock, update_time: Some(update_time) }
    }
}

fn check_length(violations: &mut Violations, field: &str, text: &str, length_max: usize) {
    if text.chars().count() > length_max {
        violations.add(field, format_args!("must not be longer than {length_max} characters"));
    }
}

fn check_tags(violations: &mut Violations, tags: &[String]) {
    if tags.len() > TAGS_MAX {
        violations.add("tags", format_args!("must not be more than {TAGS_MAX}"));
        return;
    }
    for (index, tag) in tags.iter().enumerate() {
        let field = format!("tags[{index}]");
        if tag.is_empty() || tag.contains(char::is_whitespace) {
            violations.add(&field, "must be a single word");
        }
        check_length(violations, &field, tag, TAG_LENGTH_MAX);
        if tags[..index].contains(tag) {
            violations.add(&field, "must not be there twice");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(book: Book) -> Vec<String> {
        let violations = Details::parse(book).expect_err("violations");
        violations.into_fields().into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn a_title_is_enough() {
        assert!(Details::parse(Book { title: "Emma".into(), ..Book::default() }).is_ok());
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let book = Book {
            title: " ".into(),
            author: "x".repeat(301),
            price_cents: -1,
            tags: vec!["two words".into(), "love".into(), "love".into()],
            ..Book::default()
        };
        assert_eq!(fields(book), ["title", "author", "price_cents", "tags[0]", "tags[2]"]);
    }
}
