//! Owns which fields of a book an update sets.
//!
//! A mask is read once into the fields it names; applying it cannot fail then.

use ambidex::prost_types::FieldMask;

use crate::bookshop::v1::Book;
use crate::error::ShopError;
use crate::violations::Violations;

/// A field of a book that callers can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Title,
    Author,
    Year,
    PriceCents,
    Tags,
    InStock,
}

impl Field {
    const ALL: [Self; 6] =
        [Self::Title, Self::Author, Self::Year, Self::PriceCents, Self::Tags, Self::InStock];
}

/// The fields that an update sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookMask(Vec<Field>);

impl BookMask {
    /// Reads a mask. One that is left out means every field, and so does `*`; one that names nothing means
    /// nothing, so that a change without content cannot empty a book.
    pub fn parse(mask: Option<FieldMask>) -> Result<Self, ShopError> {
        let Some(FieldMask { paths }) = mask else { return Ok(Self(Field::ALL.to_vec())) };
        let mut violations = Violations::default();
        let mut fields = Vec::new();
        for path in &paths {
            match path.as_str() {
                "*" => fields.extend(Field::ALL),
                "title" => fields.push(Field::Title),
                "author" => fields.push(Field::Author),
                "year" => fields.push(Field::Year),
                "price_cents" => fields.push(Field::PriceCents),
                "tags" => fields.push(Field::Tags),
                "in_stock" => fields.push(Field::InStock),
                // Fields of a book that are not the caller's to set are passed over, so that a book can be
                // got, changed and sent back whole.
                "name" | "update_time" => {}
                unknown => {
                    violations.add("update_mask", format_args!("names {unknown:?}, which no book has"))
                }
            }
        }
        violations.into_result()?;
        Ok(Self(fields))
    }

    /// Sets the fields of `book` to what they are in `values`, also where they are unset there.
    pub fn apply(&self, values: &Book, book: &mut Book) {
        for field in &self.0 {
            match field {
                Field::Title => book.title.clone_from(&values.title),
                Field::Author => book.author.clone_from(&values.author),
                Field::Year => book.year = values.year,
                Field::PriceCents => book.price_cents = values.price_cents,
                Field::Tags => book.tags.clone_from(&values.tags),
                Field::InStock => book.in_stock = values.in_stock,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(paths: &[&str]) -> Book {
        applied_mask(Some(FieldMask { paths: paths.iter().map(|&path| path.to_owned()).collect() }))
    }

    fn applied_mask(mask: Option<FieldMask>) -> Book {
        let mut book = Book { title: "Emma".into(), year: 1815, in_stock: Some(true), ..Book::default() };
        let values = Book { name: "another".into(), title: "Persuasion".into(), ..Book::default() };
        BookMask::parse(mask).expect("a mask").apply(&values, &mut book);
        book
    }

    #[test]
    fn only_what_is_named_is_set() {
        let book = applied(&["title"]);
        assert_eq!((book.title.as_str(), book.year, book.in_stock), ("Persuasion", 1815, Some(true)));
    }

    #[test]
    fn what_is_named_and_has_no_value_is_cleared() {
        assert_eq!(applied(&["year", "in_stock"]).in_stock, None);
    }

    #[test]
    fn without_a_mask_every_field_is_set_but_the_name() {
        let everything = [applied_mask(None), applied(&["*"])];
        for book in everything {
            assert_eq!((book.name.as_str(), book.title.as_str(), book.year), ("", "Persuasion", 0));
        }
    }

    #[test]
    fn a_mask_without_a_field_to_set_sets_nothing() {
        assert_eq!(applied(&[]).title, "Emma");
        assert_eq!(applied(&["name", "update_time"]).title, "Emma");
    }

    #[test]
    fn unknown_fields_are_refused() {
        for path in ["colour", "tags.first", "priceCents", ""] {
            assert!(BookMask::parse(Some(FieldMask { paths: vec![path.into()] })).is_err(), "{path:?}");
        }
    }
}
