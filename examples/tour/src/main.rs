//! Serves a guestbook over gRPC and HTTP.

use guestbook::{Book, v1::GuestbookServer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = ambidex::Server::builder()
        .service(GuestbookServer::new(Book::open("guestbook.txt")?))
        .bind("127.0.0.1:8080")
        .await?;
    println!("listening on http://{}", server.address());
    server.serve().await?;
    Ok(())
}
