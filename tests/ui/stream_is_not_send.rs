//! A reply streams what cannot move between threads.
include!("support/shop.rs");

use std::rc::Rc;

struct Shop;

#[ambidex::service]
impl Bookshop for Shop {
    fn get_book(&self, _: GetBookRequest) -> Result<Book, Status> {
        Err(Status::not_found("sold"))
    }

    fn watch(&self, _: GetBookRequest) -> Result<impl Iterator<Item = Result<Book, Status>>, Status> {
        let title = Rc::new("Emma".to_owned());
        Ok(std::iter::once_with(move || Ok(Book { title: title.to_string() })))
    }

    fn import(&self, _: BlockingStreaming<Book>) -> Result<Book, Status> {
        Err(Status::aborted("closed"))
    }
}

fn main() {}
