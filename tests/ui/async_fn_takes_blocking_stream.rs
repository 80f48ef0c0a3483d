//! An `async fn` takes the messages that only a plain `fn` may wait for.
include!("support/shop.rs");

struct Shop;

#[ambidex::service]
impl Bookshop for Shop {
    fn get_book(&self, _: GetBookRequest) -> Result<Book, Status> {
        Err(Status::not_found("sold"))
    }

    fn watch(&self, _: GetBookRequest) -> Result<impl Iterator<Item = Result<Book, Status>>, Status> {
        Ok(std::iter::empty())
    }

    async fn import(&self, _: BlockingStreaming<Book>) -> Result<Book, Status> {
        Err(Status::aborted("closed"))
    }
}

fn main() {}
