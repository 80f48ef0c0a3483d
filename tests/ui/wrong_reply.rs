//! The reply is not the method's.
include!("support/shop.rs");

struct Shop;

#[ambidex::service]
impl Bookshop for Shop {
    fn get_book(&self, _: GetBookRequest) -> Result<GetBookRequest, Status> {
        Err(Status::not_found("sold"))
    }

    fn watch(&self, _: GetBookRequest) -> Result<impl Iterator<Item = Result<String, Status>>, Status> {
        Ok(std::iter::empty())
    }

    fn import(&self, _: BlockingStreaming<Book>) -> Book {
        Book::default()
    }
}

fn main() {}
