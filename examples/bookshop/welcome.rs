//! Owns what is printed when the shop opens: where it is, and calls to try.

use std::io::{self, Write};
use std::net::SocketAddr;

/// `HOST` stands for the address.
const WELCOME: &str = r#"The bookshop is open, for gRPC and for HTTP, at http://HOST

REST
  curl 'http://HOST/v1/shelves'
  curl 'http://HOST/v1/shelves/adventure/books?pageSize=3'
  curl 'http://HOST/v1/shelves/adventure/books/moby-dick'
  curl 'http://HOST/v1/shelves/adventure/books' --json '{"title": "The Sea-Wolf", "author": "Jack London", "year": 1904}'
  curl -X PATCH 'http://HOST/v1/shelves/adventure/books/the-sea-wolf' --json '{"priceCents": 799, "tags": ["sea"]}'
  curl -X DELETE 'http://HOST/v1/shelves/adventure/books/the-sea-wolf'
  curl 'http://HOST/v1/books:search?query=wells+time'
  curl 'http://HOST/v1/catalog.csv'

Streams
  curl -N 'http://HOST/v1/books:watch' -H 'Accept: text/event-stream'
  curl -N 'http://HOST/v1/books:watch?parent=shelves/adventure&count=2' -H 'Accept: application/x-ndjson'
  printf '%s\n' '{"parent": "shelves/poetry", "book": {"title": "Leaves of Grass"}}' \
                '{"parent": "shelves/poetry", "book": {"title": "The Waste Land"}}' |
    curl 'http://HOST/v1/books:import' -H 'Content-Type: application/x-ndjson' --data-binary @-

RPC with JSON
  curl 'http://HOST/bookshop.v1.Bookshop/GetBook' --json '{"name": "shelves/gothic/books/dracula"}'

gRPC
  buf curl --protocol grpc --http2-prior-knowledge --schema proto \
    -d '{"name": "shelves/gothic/books/dracula"}' http://HOST/bookshop.v1.Bookshop/GetBook
  buf curl --protocol grpc --http2-prior-knowledge --schema proto \
    -d '{"liked": "shelves/love/books/emma"}' http://HOST/bookshop.v1.Bookshop/RecommendBooks
"#;

/// Prints it at once, also where the output is a pipe: whoever waits for the address waits for this.
pub fn print(address: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", WELCOME.replace("HOST", &address.to_string()))?;
    out.flush()
}
