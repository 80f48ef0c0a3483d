//! A plain `fn` answers with a `Stream`.
include!("support/shop.rs");

use ambidex::Stream;

struct Shop;

#[ambidex::service]
impl Bookshop for Shop {
    fn get_book(&self, _: GetBookRequest) -> Result<Book, Status> {
        Err(Status::not_found("sold"))
    }

    fn watch(&self, _: GetBookRequest) -> Result<impl Stream<Item = Result<Book, Status>>, Status> {
        Ok(tokio_stream::empty())
    }

    fn import(&self, _: BlockingStreaming<Book>) -> Result<Book, Status> {
        Err(Status::aborted("closed"))
    }
}

fn main() {}
