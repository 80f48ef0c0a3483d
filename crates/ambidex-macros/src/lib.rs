//! `#[ambidex::service]`: the attribute that lets handlers be `async fn` or `fn`, side by side in one impl.
//!
//! This crate owns the way from what a user writes to a plain implementation of a handler trait, and the
//! words in which a wrong signature is explained. It knows syntax only. What an argument or a reply may be
//! is decided by traits of the `ambidex` crate, which the expansion calls through `ambidex::codegen`; which
//! methods there are is decided by the handler trait. In reading order: `service` reads the impl,
//! `handler` one function of it, `execution` and `timeout` its attributes; `expand` writes the result.

mod execution;
mod expand;
mod handler;
mod method_name;
mod place;
mod problems;
mod service;
mod span_name;
mod timeout;

use proc_macro::TokenStream;

/// Implements a service's handler trait with functions as they are convenient to write.
///
/// Put it on the `impl` of a handler trait that was generated from a proto service.
///
/// ```ignore
/// #[ambidex::service]
/// impl Bookshop for Shop {
///     /// Awaits, and never blocks: runs on the runtime.
///     async fn get_book(&self, request: Request<GetBookRequest>) -> Result<Response<Book>, Status> {
///         let book = self.catalogue.find(&request.get_ref().isbn).await?;
///         Ok(Response::new(book))
///     }
///
///     /// May block: runs on a thread of the scheduler.
///     fn place_order(&self, order: PlaceOrderRequest) -> Result<Order, ShopError> {
///         self.database.lock()?.place(order)
///     }
///
///     /// An iterator is a blocking stream.
///     #[blocking(lane = "database", max_concurrency = 4, timeout = "1m")]
///     fn export(&self, _: ExportRequest) -> Result<impl Iterator<Item = Result<Row, ShopError>>, ShopError> {
///         self.database.lock()?.rows()
///     }
/// }
/// ```
///
/// # Functions
///
/// - `async fn` runs on the runtime, `fn` on a thread of the scheduler, where it may block.
/// - The argument is the request message `M` or `Request<M>`. When the client streams, it is
///   `Streaming<M>` in an `async fn` and `BlockingStreaming<M>` in a `fn`, bare or in a `Request`. A
///   function that has no use for its request may leave it out.
/// - The result is `Result<M, E>` or `Result<Response<M>, E>`, where `E: Into<Status>`. When the server
///   streams, `M` is an `impl Stream<Item = Result<_, E>> + Send` in an `async fn` and an
///   `impl Iterator<Item = Result<_, E>> + Send` in a `fn`.
/// - Inside a function, `self.get_book(request).await` calls the method of the handler trait.
///
/// # Attributes of a function
///
/// - `#[blocking]` on an `async fn` runs it on a thread of the scheduler, every poll of it.
/// - `#[blocking(…)]` says more of how it runs there; every part is optional:
///   - `lane = "database"`: it queues together with every other method of that lane;
///   - `max_concurrency = 4`: so many calls of the lane run at a time;
///   - `timeout = "2s"`: as below.
/// - `#[timeout("500ms")]` bounds every call, of an `async fn` too. The units are `ms`, `s`, `m` and `h`.
///
/// Instead of a literal, each takes a constant expression: of type `&'static str`, `usize` and `Duration`.
///
/// How a method runs can also be set by hand, as the handler trait has it:
/// `const PLACE_ORDER: Execution = Execution::ASYNC;` in the same impl keeps a `fn` that never blocks on the
/// runtime.
#[proc_macro_attribute]
pub fn service(arguments: TokenStream, item: TokenStream) -> TokenStream {
    service::service(arguments.into(), item.into()).into()
}
