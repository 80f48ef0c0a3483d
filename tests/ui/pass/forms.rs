//! The forms a handler may have, all of them accepted.
include!("../support/shop.rs");

use std::sync::Arc;
use std::time::Duration;

use ambidex::{Execution, Stream};

struct ShopError;

impl From<ShopError> for Status {
    fn from(_: ShopError) -> Self {
        Status::internal("closed")
    }
}

type Outcome<T> = Result<T, ShopError>;

/// Generic, with replies that borrow from it.
struct Shop<T, const LIMIT: usize> {
    titles: Vec<T>,
}

const PATIENCE: Duration = Duration::from_secs(3);

#[ambidex::service]
impl<T, const LIMIT: usize> Bookshop for Shop<T, LIMIT>
where
    T: AsRef<str> + Send + Sync + 'static,
{
    /// Gets a book.
    #[timeout("500ms")]
    async fn get_book(&self, mut request: Request<GetBookRequest>) -> Result<Book, ShopError> {
        let title = std::mem::take(&mut request.get_mut().isbn);
        tokio::task::yield_now().await;
        Ok(Book { title })
    }

    #[blocking(lane = "database", max_concurrency = LIMIT, timeout = PATIENCE)]
    fn watch(&self, _: GetBookRequest) -> Outcome<Response<impl Iterator<Item = Outcome<Book>>>> {
        Ok(Response::new(self.titles.iter().map(|title| Ok(Book { title: title.as_ref().to_owned() }))))
    }

    /// Calls another method by its own name.
    #[blocking]
    async fn import(&self, mut books: Streaming<Book>) -> Outcome<Book> {
        let request = Request::new(GetBookRequest::default());
        let found = self.get_book(request).await.map_err(|_| ShopError)?.into_inner();
        Ok(books.message().await.map_err(|_| ShopError)?.unwrap_or(found))
    }
}

/// A type of another crate around one's own, and constants by hand.
struct Shared;

#[ambidex::service]
impl Bookshop for Arc<Shared> {
    const GET_BOOK: Execution = Execution::ASYNC;

    fn get_book(&self) -> Result<Response<Book>, Status> {
        Ok(Response::new(Book::default()))
    }

    async fn watch(&self, _: GetBookRequest) -> Result<impl Stream<Item = Outcome<Book>>, ShopError> {
        let shared = Arc::clone(self);
        Ok(tokio_stream::iter(std::iter::once_with(move || {
            let _ = &shared;
            Err(ShopError)
        })))
    }

    #[cfg(any())]
    async fn import(&self, _: Streaming<Book>) -> Result<Book, Status> {
        Err(Status::aborted("never compiled"))
    }

    #[cfg(not(any()))]
    fn import(&self, books: Request<BlockingStreaming<Book>>) -> Result<Book, Status> {
        books.into_inner().next().unwrap_or_else(|| Ok(Book::default()))
    }
}

fn main() {
    type Generic = Shop<String, 4>;
    assert_eq!(<Generic as Bookshop>::GET_BOOK, Execution::ASYNC.timeout(Duration::from_millis(500)));
    assert_eq!(
        <Generic as Bookshop>::WATCH,
        Execution::BLOCKING.lane("database").max_concurrency(4).timeout(PATIENCE).message_only()
    );
    assert!(<Generic as Bookshop>::IMPORT.is_blocking());

    assert!(!<Arc<Shared> as Bookshop>::GET_BOOK.is_blocking(), "set by hand");
    assert!(<Arc<Shared> as Bookshop>::IMPORT.is_blocking(), "the function that is compiled decides");

    // The impl may be inside a function, like the type.
    struct Local;

    #[ambidex::service]
    impl Bookshop for Local {
        fn get_book(&self, _: GetBookRequest) -> Result<Book, Status> {
            Ok(Book::default())
        }

        async fn watch(&self) -> Result<Response<impl Stream<Item = Result<Book, Status>>>, Status> {
            Ok(Response::new(tokio_stream::empty()))
        }

        fn import(&self, mut books: BlockingStreaming<Book>) -> Result<Book, Status> {
            books.next().unwrap_or_else(|| Ok(Book::default()))
        }
    }

    assert!(<Local as Bookshop>::GET_BOOK.is_blocking());
}
