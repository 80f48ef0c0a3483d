//! A handler asks for its service alone, or takes it away.
include!("support/shop.rs");

struct Shop;

#[ambidex::service]
impl Bookshop for Shop {
    fn get_book(&mut self, _: GetBookRequest) -> Result<Book, Status> {
        Err(Status::not_found("sold"))
    }

    fn watch(self, _: GetBookRequest) -> Result<impl Iterator<Item = Result<Book, Status>>, Status> {
        Ok(std::iter::empty())
    }

    fn import(_: BlockingStreaming<Book>) -> Result<Book, Status> {
        Err(Status::aborted("closed"))
    }
}

fn main() {}
