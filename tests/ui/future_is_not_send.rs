//! An `async fn` holds what cannot move between threads while it awaits.
include!("support/shop.rs");

use std::rc::Rc;

struct Shop;

#[ambidex::service]
impl Bookshop for Shop {
    async fn get_book(&self, _: GetBookRequest) -> Result<Book, Status> {
        let title = Rc::new("Emma".to_owned());
        tokio::task::yield_now().await;
        Ok(Book { title: title.to_string() })
    }

    fn watch(&self, _: GetBookRequest) -> Result<impl Iterator<Item = Result<Book, Status>>, Status> {
        Ok(std::iter::empty())
    }

    fn import(&self, _: BlockingStreaming<Book>) -> Result<Book, Status> {
        Err(Status::aborted("closed"))
    }
}

fn main() {}
