// A service in the shape of generated code, and what handlers are written with. The cases include it: a crate
// that is compiled by itself has no build script to generate code for it.

#[allow(unused_imports, reason = "no case needs all of them")]
use ambidex::{BlockingStreaming, Request, Response, Status, Streaming};

#[derive(Clone, PartialEq, ::prost::Message)]
pub struct GetBookRequest {
    #[prost(string, tag = "1")]
    pub isbn: String,
}

#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Book {
    #[prost(string, tag = "1")]
    pub title: String,
}

pub trait Bookshop: bookshop_rpc::Methods + Send + Sync + 'static {
    const GET_BOOK: ::ambidex::Execution = ::ambidex::Execution::ASYNC;
    fn get_book(
        &self,
        request: ::ambidex::Request<GetBookRequest>,
    ) -> impl Future<Output = Result<::ambidex::Response<Book>, ::ambidex::Status>> + Send;

    const WATCH: ::ambidex::Execution = ::ambidex::Execution::ASYNC;
    fn watch(
        &self,
        request: ::ambidex::Request<GetBookRequest>,
    ) -> impl Future<
        Output = Result<
            ::ambidex::Response<impl ::ambidex::codegen::Stream<Item = Result<Book, ::ambidex::Status>> + Send>,
            ::ambidex::Status,
        >,
    > + Send;

    const IMPORT: ::ambidex::Execution = ::ambidex::Execution::ASYNC;
    fn import(
        &self,
        request: ::ambidex::Request<::ambidex::Streaming<Book>>,
    ) -> impl Future<Output = Result<::ambidex::Response<Book>, ::ambidex::Status>> + Send;
}

pub mod bookshop_rpc {
    use super::{Book, GetBookRequest};
    use ambidex::{MethodKind, MethodSpec, codegen};

    pub struct GetBook;
    impl codegen::Rpc for GetBook {
        type Request = GetBookRequest;
        type Response = Book;
        type Input = GetBookRequest;
        type Reply = codegen::One;
        const SPEC: &'static MethodSpec =
            &MethodSpec::new("shop.v1.Bookshop", "GetBook", "/shop.v1.Bookshop/GetBook", MethodKind::Unary);
    }

    pub struct Watch;
    impl codegen::Rpc for Watch {
        type Request = GetBookRequest;
        type Response = Book;
        type Input = GetBookRequest;
        type Reply = codegen::Many;
        const SPEC: &'static MethodSpec =
            &MethodSpec::new("shop.v1.Bookshop", "Watch", "/shop.v1.Bookshop/Watch", MethodKind::ServerStreaming);
    }

    pub struct Import;
    impl codegen::Rpc for Import {
        type Request = Book;
        type Response = Book;
        type Input = ambidex::Streaming<Book>;
        type Reply = codegen::One;
        const SPEC: &'static MethodSpec =
            &MethodSpec::new("shop.v1.Bookshop", "Import", "/shop.v1.Bookshop/Import", MethodKind::ClientStreaming);
    }

    pub trait Methods {
        type GetBook: codegen::Rpc<Request = GetBookRequest, Response = Book, Input = GetBookRequest, Reply = codegen::One>;
        type Watch: codegen::Rpc<Request = GetBookRequest, Response = Book, Input = GetBookRequest, Reply = codegen::Many>;
        type Import: codegen::Rpc<Request = Book, Response = Book, Input = ambidex::Streaming<Book>, Reply = codegen::One>;
    }
    impl<T: ?Sized> Methods for T {
        type GetBook = GetBook;
        type Watch = Watch;
        type Import = Import;
    }
}
