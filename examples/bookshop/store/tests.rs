//! Tests of the database as a whole: a real file, opened and opened again.

use tokio_stream::StreamExt;

use super::scratch::Scratch;
use super::*;
use crate::new_book::NewBook;
use crate::page::Page;
use crate::resource_id::{NewId, ResourceId};
use crate::resource_name::{BookName, ShelfName};
use crate::seed;

fn open(scratch: &Scratch) -> Store {
    Store::open(scratch.path(), seed::furnish).expect("a database")
}

fn everything() -> Page {
    Page { after: String::new(), size: 1000 }
}

fn new_book(shelf: &str, title: &str) -> NewBook {
    let book = Book { title: title.into(), tags: vec!["b".into(), "a".into()], ..Book::default() };
    NewBook {
        shelf: ShelfName::parse(shelf).expect("a name"),
        id: NewId::Made(ResourceId::from_words(title).expect("words")),
        details: crate::details::Details::parse(book).expect("details"),
    }
}

fn name(text: &str) -> BookName {
    BookName::parse(text).expect("a name")
}

#[test]
fn a_new_shop_has_a_hundred_books_in_the_order_of_their_names() {
    let scratch = Scratch::new();
    let books = open(&scratch).read(|db| books::list(db, None, &everything())).expect("books");
    assert_eq!(books.len(), 100);
    assert!(books.is_sorted_by_key(|book| &book.name));
    assert!(books.iter().all(|book| book.tags.len() >= 3 && book.update_time.is_some()));
}

#[test]
fn what_was_changed_is_there_after_a_restart_and_what_was_deleted_is_not() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    store.write(|writing| books::insert(writing, new_book("shelves/love", "Evelina"))).expect("a book");
    store.write(|writing| books::delete(writing, &name("shelves/love/books/emma"))).expect("no book");
    drop(store);

    let store = open(&scratch);
    let evelina = store.read(|db| books::find(db, &name("shelves/love/books/evelina"))).expect("a book");
    assert_eq!((evelina.title.as_str(), evelina.tags), ("Evelina", vec!["b".to_owned(), "a".to_owned()]));
    let emma = store.read(|db| books::find(db, &name("shelves/love/books/emma")));
    assert!(matches!(emma, Err(ShopError::NoSuchBook(_))));
}

#[test]
fn an_error_takes_back_what_was_done_before_it() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    let result = store.write(|writing| {
        books::insert(writing, new_book("shelves/love", "Evelina"))?;
        books::insert(writing, new_book("shelves/nowhere", "Evelina"))
    });
    assert!(matches!(result, Err(ShopError::NoSuchShelf(_))));
    assert!(store.read(|db| books::find(db, &name("shelves/love/books/evelina"))).is_err());
}

#[test]
fn books_of_one_title_get_numbers() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    let book =
        store.write(|writing| books::insert(writing, new_book("shelves/love", "Emma"))).expect("a book");
    assert_eq!(book.name, "shelves/love/books/emma-2");
}

#[test]
fn a_shelf_with_books_stays() {
    let scratch = Scratch::new();
    let shelf = ShelfName::parse("shelves/love").expect("a name");
    let result = open(&scratch).write(|writing| shelves::delete(writing, &shelf));
    assert!(matches!(result, Err(ShopError::ShelfNotEmpty { books: 10, .. })));
}

#[test]
fn an_author_goes_before_tags() {
    let scratch = Scratch::new();
    open(&scratch)
        .read(|db| {
            let dracula = books::find(db, &name("shelves/gothic/books/dracula"))?;
            assert_eq!(books::of_same_author(db, &dracula)?, None);
            let by_tags = books::of_same_tags(db, &dracula)?.expect("a book");
            assert!(by_tags.tags.iter().any(|tag| dracula.tags.contains(tag)));
            let emma = books::find(db, &name("shelves/love/books/emma"))?;
            assert_eq!(books::of_same_author(db, &emma)?.expect("a book").author, "Jane Austen");
            Ok(())
        })
        .expect("answers");
}

#[tokio::test]
async fn watchers_hear_of_what_was_done_and_not_of_what_was_taken_back() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    let mut watcher = store.changes().watch().expect("a place");
    let taken_back = store.write(|writing| {
        books::insert(writing, new_book("shelves/love", "Evelina"))?;
        Err::<(), _>(ShopError::Busy)
    });
    assert!(taken_back.is_err());
    store.write(|writing| books::delete(writing, &name("shelves/love/books/emma"))).expect("no book");
    let change = watcher.next().await.expect("a change").expect("no gap");
    assert_eq!(change.kind(), book_change::Kind::Deleted);
    assert_eq!(change.book.expect("a book").name, "shelves/love/books/emma");
}

#[test]
fn a_database_of_a_newer_shop_is_left_alone() {
    let scratch = Scratch::new();
    drop(open(&scratch));
    let db = Connection::open(scratch.path()).expect("a database");
    db.pragma_update(None, "user_version", 99).expect("a version");
    drop(db);
    let result = Store::open(scratch.path(), seed::furnish);
    assert!(matches!(result, Err(OpenError::TooNew { applied: 99, .. })));
}
