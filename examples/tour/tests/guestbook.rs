//! The guestbook, called as its users call it, without a socket.

use ambidex::{Code, Server};
use guestbook::Book;
use guestbook::v1::{GetEntryRequest, GuestbookClient, GuestbookServer, SignRequest};

#[tokio::test]
async fn a_guest_finds_what_was_signed() {
    let path = std::env::temp_dir().join(format!("guestbook-{}.txt", std::process::id()));
    let book = Book::open(&path).expect("a new book");
    let local = Server::builder().service(GuestbookServer::new(book)).local().expect("a server");
    let client = GuestbookClient::new(local);

    let request = SignRequest { guest: "Ada".to_owned(), text: "It computes.".to_owned() };
    let signed = client.sign(request).await.expect("signed").into_inner();
    assert_eq!(signed.name, "entries/1");

    let found = client.get_entry(GetEntryRequest { name: signed.name.clone() }).await;
    assert_eq!(found.expect("found").into_inner(), signed);
    let missing = client.get_entry(GetEntryRequest { name: "entries/2".to_owned() }).await;
    assert_eq!(missing.expect_err("missing").code(), Code::NotFound);

    std::fs::remove_file(path).expect("removed");
}
