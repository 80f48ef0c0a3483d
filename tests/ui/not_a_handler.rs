//! Functions that are no handlers, for several reasons at once.
include!("support/shop.rs");

struct Shop;

#[ambidex::service(blocking)]
impl Bookshop for Shop {
    unsafe fn get_book<R: Into<GetBookRequest>>(&self, request: R) -> Result<Book, Status> {
        let _ = request.into();
        Err(Status::not_found("sold"))
    }

    type WatchStream = Vec<Book>;

    fn watch(&self, _: GetBookRequest) -> impl Future<Output = Result<Vec<Book>, Status>> {
        std::future::ready(Ok(Vec::new()))
    }

    async fn import(&self, _: Streaming<Book>) {}
}

fn main() {}
