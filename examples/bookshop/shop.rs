//! Owns what the shop does when it is called: one function for each rpc of the proto.
//!
//! A plain `fn` may block, and all that ask the database do. An `async fn` must not, and is for calls that
//! mostly wait: for the next change, for the next question. Which is which is all the difference; errors,
//! messages and names are the same on both sides. Each function reads its request into something that cannot
//! be wrong, and hands it on.

use ambidex::google::api::HttpBody;
use ambidex::{BlockingStreaming, Request, RequestExt, Stream, Streaming};
use tokio_stream::StreamExt;

use crate::bookshop::v1::*;
use crate::catalog::Catalog;
use crate::details::Details;
use crate::error::ShopError;
use crate::field_mask::BookMask;
use crate::new_book::NewBook;
use crate::new_shelf::NewShelf;
use crate::page::Page;
use crate::resource_name::{BookName, ShelfName};
use crate::search::Query;
use crate::store::{Store, books, shelves};
use crate::violations::Violations;

/// How many books one import may bring.
const IMPORT_BOOKS_MAX: usize = 10_000;

/// The shop behind the counter.
pub struct Shop {
    store: Store,
}

impl Shop {
    pub fn new(store: Store) -> Self {
        Self { store }
    }
}

#[ambidex::service]
impl Bookshop for Shop {
    fn create_shelf(&self, request: CreateShelfRequest) -> Result<Shelf, ShopError> {
        let shelf = NewShelf::parse(request)?;
        self.store.write(|writing| shelves::insert(writing, shelf))
    }

    fn list_shelves(&self, request: ListShelvesRequest) -> Result<ListShelvesResponse, ShopError> {
        let ListShelvesRequest { page_size, page_token } = request;
        let page = Page::parse(page_size, &page_token, |name| ShelfName::parse(name).is_ok())?;
        let mut shelves = self.store.read(|db| shelves::list(db, &page))?;
        let next_page_token = page.cut(&mut shelves, |shelf| &shelf.name);
        Ok(ListShelvesResponse { shelves, next_page_token })
    }

    fn get_shelf(&self, request: GetShelfRequest) -> Result<Shelf, ShopError> {
        let name = ShelfName::parse(&request.name).map_err(ShopError::in_field("name"))?;
        self.store.read(|db| shelves::find(db, &name))
    }

    fn delete_shelf(&self, request: DeleteShelfRequest) -> Result<(), ShopError> {
        let name = ShelfName::parse(&request.name).map_err(ShopError::in_field("name"))?;
        self.store.write(|writing| shelves::delete(writing, &name))
    }

    fn create_book(&self, request: CreateBookRequest) -> Result<Book, ShopError> {
        let book = NewBook::parse(request)?;
        self.store.write(|writing| books::insert(writing, book))
    }

    fn get_book(&self, request: GetBookRequest) -> Result<Book, ShopError> {
        let name = BookName::parse(&request.name).map_err(ShopError::in_field("name"))?;
        self.store.read(|db| books::find(db, &name))
    }

    fn list_books(&self, request: ListBooksRequest) -> Result<ListBooksResponse, ShopError> {
        let ListBooksRequest { parent, page_size, page_token } = request;
        let shelf = ShelfName::parse_or_all(&parent).map_err(ShopError::in_field("parent"))?;
        let page = Page::parse(page_size, &page_token, |name| {
            BookName::parse(name).is_ok_and(|book| shelf.as_ref().is_none_or(|shelf| book.shelf() == shelf))
        })?;
        let mut books = self.store.read(|db| books::list(db, shelf.as_ref(), &page))?;
        let next_page_token = page.cut(&mut books, |book| &book.name);
        Ok(ListBooksResponse { books, next_page_token })
    }

    fn update_book(&self, request: UpdateBookRequest) -> Result<Book, ShopError> {
        let UpdateBookRequest { book, update_mask } = request;
        let values = book.unwrap_or_default();
        let name = BookName::parse(&values.name).map_err(ShopError::in_field("book.name"))?;
        let mask = BookMask::parse(update_mask)?;
        self.store.write(|writing| {
            let mut book = books::find(writing.db(), &name)?;
            mask.apply(&values, &mut book);
            let details = Details::parse(book).map_err(|violations| violations.within("book"))?;
            books::update(writing, &name, details)
        })
    }

    fn delete_book(&self, request: DeleteBookRequest) -> Result<(), ShopError> {
        let name = BookName::parse(&request.name).map_err(ShopError::in_field("name"))?;
        self.store.write(|writing| books::delete(writing, &name))
    }

    /// Slow, and so kept to two at a time: more of them wait for each other and for nobody else.
    #[blocking(max_concurrency = 2)]
    fn search_books(&self, request: SearchBooksRequest) -> Result<SearchBooksResponse, ShopError> {
        let books = Query::parse(&request.query)?.run(&self.store)?;
        Ok(SearchBooksResponse { books })
    }

    async fn watch_books(
        &self,
        request: Request<WatchBooksRequest>,
    ) -> Result<impl Stream<Item = Result<BookChange, ShopError>>, ShopError> {
        let WatchBooksRequest { parent, count } = request.get_ref();
        let shelf = ShelfName::parse_or_all(parent).map_err(ShopError::in_field("parent"))?;
        let count = usize::try_from(*count).map_err(|_| Violations::of("count", "must not be negative"))?;

        // Listening begins before the shelf is looked for, so that nothing happens unheard in between.
        let changes = self.store.changes().watch()?;
        if let Some(shelf) = shelf.clone() {
            let store = self.store.clone();
            request.scheduler().run_blocking(move || store.read(|db| shelves::find(db, &shelf))).await??;
        }

        let changes = changes.filter(move |change| match (change, &shelf) {
            (Ok(change), Some(shelf)) => is_on(shelf, change),
            _ => true,
        });
        Ok(changes.take(if count == 0 { usize::MAX } else { count }))
    }

    /// All books are read before the first is put in: however slowly they come, nobody else who wants to write
    /// waits for them.
    fn import_books(
        &self,
        requests: BlockingStreaming<ImportBooksRequest>,
    ) -> Result<ImportBooksResponse, ShopError> {
        let mut new = Vec::new();
        for (index, request) in requests.enumerate() {
            if index == IMPORT_BOOKS_MAX {
                return Err(ShopError::ImportTooLarge(IMPORT_BOOKS_MAX));
            }
            new.push(NewBook::parse_import(index, request?)?);
        }
        let imported = i32::try_from(new.len()).expect("an import has at most IMPORT_BOOKS_MAX books");
        self.store.write(|writing| {
            for book in new {
                shelves::ensure(writing, &book.shelf)?;
                books::insert(writing, book)?;
            }
            Ok(ImportBooksResponse { imported })
        })
    }

    /// A conversation, which waits for its caller most of the time and holds no thread meanwhile. Each answer
    /// comes from the database, and so from a thread of the scheduler.
    async fn recommend_books(
        &self,
        request: Request<Streaming<RecommendBooksRequest>>,
    ) -> Result<impl Stream<Item = Result<RecommendBooksResponse, ShopError>>, ShopError> {
        let scheduler = request.scheduler().clone();
        Ok(request.into_inner().then(move |question| {
            let (scheduler, store) = (scheduler.clone(), self.store.clone());
            async move {
                let question = question?;
                scheduler.run_blocking(move || recommend(&store, question)).await?
            }
        }))
    }

    fn download_catalog(
        &self,
        _: DownloadCatalogRequest,
    ) -> Result<impl Iterator<Item = Result<HttpBody, ShopError>>, ShopError> {
        Ok(Catalog::new(&self.store))
    }
}

fn is_on(shelf: &ShelfName, change: &BookChange) -> bool {
    let book = change.book.as_ref().map(|book| BookName::parse(&book.name));
    book.is_some_and(|name| name.is_ok_and(|name| name.shelf() == shelf))
}

fn recommend(store: &Store, question: RecommendBooksRequest) -> Result<RecommendBooksResponse, ShopError> {
    let liked = BookName::parse(&question.liked).map_err(ShopError::in_field("liked"))?;
    let recommended = store.read(|db| {
        let liked = books::find(db, &liked)?;
        match books::of_same_author(db, &liked)? {
            None => books::of_same_tags(db, &liked),
            found => Ok(found),
        }
    })?;
    Ok(RecommendBooksResponse { liked: question.liked, recommended })
}
