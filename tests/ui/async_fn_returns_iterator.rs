//! An `async fn` answers with an iterator.
include!("support/shop.rs");

struct Shop;

#[ambidex::service]
impl Bookshop for Shop {
    fn get_book(&self, _: GetBookRequest) -> Result<Book, Status> {
        Err(Status::not_found("sold"))
    }

    async fn watch(&self, _: GetBookRequest) -> Result<impl Iterator<Item = Result<Book, Status>>, Status> {
        Ok(std::iter::empty())
    }

    fn import(&self, _: BlockingStreaming<Book>) -> Result<Book, Status> {
        Err(Status::aborted("closed"))
    }
}

fn main() {}
