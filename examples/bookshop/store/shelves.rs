//! Owns what is asked of the table of shelves.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Writing, row};
use crate::bookshop::v1::Shelf;
use crate::error::ShopError;
use crate::new_shelf::NewShelf;
use crate::page::Page;
use crate::resource_id::ResourceId;
use crate::resource_name::ShelfName;

pub fn find(db: &Connection, name: &ShelfName) -> Result<Shelf, ShopError> {
    let sql = format!("SELECT {} FROM shelf WHERE name = ?1", row::SHELF);
    let shelf = db.prepare_cached(&sql)?.query_row([name.to_string()], row::shelf).optional()?;
    shelf.ok_or_else(|| ShopError::NoSuchShelf(name.clone()))
}

/// The shelves of a page, and one more if there is a next page.
pub fn list(db: &Connection, page: &Page) -> Result<Vec<Shelf>, ShopError> {
    let sql = format!("SELECT {} FROM shelf WHERE name > ?1 ORDER BY name LIMIT ?2", row::SHELF);
    let mut statement = db.prepare_cached(&sql)?;
    let shelves = statement.query_map(params![page.after, page.limit()], row::shelf)?;
    Ok(shelves.collect::<Result<_, _>>()?)
}

pub fn insert(writing: &mut Writing<'_>, shelf: NewShelf) -> Result<Shelf, ShopError> {
    let NewShelf { id, theme } = shelf;
    let is_taken = |id: &ResourceId| exists(writing.db(), &ShelfName::new(id.clone()));
    let Some(free) = id.choose(is_taken)? else {
        return Err(ShopError::ShelfExists(ShelfName::new(id.first().clone())));
    };
    let shelf = Shelf { name: ShelfName::new(free).to_string(), theme };
    let mut statement = writing.db().prepare_cached("INSERT INTO shelf (name, theme) VALUES (?1, ?2)")?;
    statement.execute([&shelf.name, &shelf.theme])?;
    Ok(shelf)
}

/// Puts a shelf up if there is none of that name.
pub fn ensure(writing: &mut Writing<'_>, name: &ShelfName) -> Result<(), ShopError> {
    if !exists(writing.db(), name)? {
        insert(writing, NewShelf::named(name))?;
    }
    Ok(())
}

/// Takes an empty shelf down.
pub fn delete(writing: &mut Writing<'_>, name: &ShelfName) -> Result<(), ShopError> {
    let mut count = writing.db().prepare_cached("SELECT count(*) FROM book WHERE shelf = ?1")?;
    let books: i64 = count.query_row([name.to_string()], |row| row.get(0))?;
    if books > 0 {
        return Err(ShopError::ShelfNotEmpty { shelf: name.clone(), books });
    }
    match writing.db().execute("DELETE FROM shelf WHERE name = ?1", [name.to_string()])? {
        0 => Err(ShopError::NoSuchShelf(name.clone())),
        _ => Ok(()),
    }
}

fn exists(db: &Connection, name: &ShelfName) -> Result<bool, ShopError> {
    Ok(db.prepare_cached("SELECT 1 FROM shelf WHERE name = ?1")?.exists([name.to_string()])?)
}
