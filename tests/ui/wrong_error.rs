//! The error is no `Status` and does not become one.
include!("support/shop.rs");

struct Shop;

#[derive(Debug)]
struct ShopError;

#[ambidex::service]
impl Bookshop for Shop {
    fn get_book(&self, _: GetBookRequest) -> Result<Book, ShopError> {
        Err(ShopError)
    }

    fn watch(&self, _: GetBookRequest) -> Result<impl Iterator<Item = Result<Book, ShopError>>, Status> {
        Ok(std::iter::empty())
    }

    fn import(&self, _: BlockingStreaming<Book>) -> Result<Book, Status> {
        Err(Status::aborted("closed"))
    }
}

fn main() {}
