//! Owns the furnishing of a new shop: the classics go through the same door as books from callers.

use crate::bookshop::v1::{Book, CreateBookRequest, CreateShelfRequest, Shelf};
use crate::classics::{Classic, ClassicShelf, SHELVES};
use crate::error::ShopError;
use crate::new_book::NewBook;
use crate::new_shelf::NewShelf;
use crate::store::{Writing, books, shelves};

/// Puts up the shelves and puts the classics on them.
pub fn furnish(writing: &mut Writing<'_>) -> Result<(), ShopError> {
    for ClassicShelf { id, theme, books: classics } in SHELVES {
        let shelf = Some(Shelf { name: String::new(), theme: theme.to_owned() });
        let shelf = NewShelf::parse(CreateShelfRequest { shelf, shelf_id: id.to_owned() })?;
        let parent = shelves::insert(writing, shelf)?.name;
        for classic in classics {
            let request = CreateBookRequest {
                parent: parent.clone(),
                book: Some(classic.into()),
                book_id: String::new(),
            };
            books::insert(writing, NewBook::parse(request)?)?;
        }
    }
    Ok(())
}

impl From<Classic> for Book {
    fn from(classic: Classic) -> Self {
        let Classic { title, author, year, price_cents, tags } = classic;
        Self {
            title: title.to_owned(),
            author: author.to_owned(),
            year,
            price_cents,
            tags: tags.split_whitespace().map(str::to_owned).collect(),
            in_stock: Some(true),
            ..Self::default()
        }
    }
}
