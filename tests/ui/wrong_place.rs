//! The attribute is not on an impl of a handler trait.
include!("support/shop.rs");

#[ambidex::service]
struct Shop;

#[ambidex::service]
impl Shop {
    #[blocking]
    fn get_book(&self, _: GetBookRequest) -> Result<Book, Status> {
        Err(Status::not_found("sold"))
    }
}

fn main() {
    let _ = Shop.get_book(GetBookRequest::default());
}
