//! The impl has a method that the service does not.
include!("support/shop.rs");

struct Shop;

#[ambidex::service]
impl Bookshop for Shop {
    fn get_bok(&self, _: GetBookRequest) -> Result<Book, Status> {
        Err(Status::not_found("sold"))
    }

    fn get_book(&self, _: GetBookRequest) -> Result<Book, Status> {
        Err(Status::not_found("sold"))
    }

    fn watch(&self, _: GetBookRequest) -> Result<impl Iterator<Item = Result<Book, Status>>, Status> {
        Ok(std::iter::empty())
    }

    fn import(&self, _: BlockingStreaming<Book>) -> Result<Book, Status> {
        Err(Status::aborted("closed"))
    }
}

fn main() {}
