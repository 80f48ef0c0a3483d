//! The argument is not the method's request.
include!("support/shop.rs");

struct Shop;

#[ambidex::service]
impl Bookshop for Shop {
    fn get_book(&self, _: Book) -> Result<Book, Status> {
        Err(Status::not_found("sold"))
    }

    fn watch(&self, _: Request<Book>) -> Result<impl Iterator<Item = Result<Book, Status>>, Status> {
        Ok(std::iter::empty())
    }

    fn import(&self, _: Book) -> Result<Book, Status> {
        Err(Status::aborted("closed"))
    }
}

fn main() {}
