//! Times and limits that mean nothing.
include!("support/shop.rs");

struct Shop;

#[ambidex::service]
impl Bookshop for Shop {
    #[timeout("1.5s")]
    fn get_book(&self, _: GetBookRequest) -> Result<Book, Status> {
        Err(Status::not_found("sold"))
    }

    #[blocking(timeout = 500, max_concurrency = 0, lanes = "database")]
    fn watch(&self, _: GetBookRequest) -> Result<impl Iterator<Item = Result<Book, Status>>, Status> {
        Ok(std::iter::empty())
    }

    #[timeout("5 parsecs")]
    fn import(&self, _: BlockingStreaming<Book>) -> Result<Book, Status> {
        Err(Status::aborted("closed"))
    }
}

fn main() {}
