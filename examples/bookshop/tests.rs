//! Tests of the shop as its callers see it: a real server, a real connection, a real database.

use std::time::Duration;

use ambidex::prost_types::FieldMask;
use ambidex::server::BoundServer;
use ambidex::tonic_types::StatusExt;
use ambidex::{Code, Request, Server, Status};

use crate::bookshop::v1::*;
use crate::seed;
use crate::shop::Shop;
use crate::store::Store;
use crate::store::scratch::Scratch;

/// A shop that serves until the test ends, and somebody to call it over gRPC.
async fn open() -> (BookshopClient, Scratch) {
    let scratch = Scratch::new();
    let store = Store::open(scratch.path(), seed::furnish).expect("a database");
    let shop = BookshopServer::new(Shop::new(store));
    let server: BoundServer = Server::builder().service(shop).bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", server.address());
    tokio::spawn(server.serve_until(std::future::pending()));
    (BookshopClient::connect(endpoint).await.expect("a connection"), scratch)
}

fn titled(title: &str) -> Book {
    Book { title: title.into(), ..Book::default() }
}

fn to_create(parent: &str, book_id: &str, book: Book) -> CreateBookRequest {
    CreateBookRequest { parent: parent.into(), book_id: book_id.into(), book: Some(book) }
}

fn to_import(parent: &str, title: &str) -> ImportBooksRequest {
    ImportBooksRequest { parent: parent.into(), book: Some(titled(title)) }
}

fn liked(name: &str) -> RecommendBooksRequest {
    RecommendBooksRequest { liked: name.into() }
}

async fn get(shop: &BookshopClient, name: &str) -> Result<Book, Status> {
    shop.get_book(GetBookRequest { name: name.into() }).await.map(|reply| reply.into_inner())
}

#[tokio::test]
async fn a_book_comes_changes_and_goes() {
    let (shop, _scratch) = open().await;
    let book = Book { year: 1778, in_stock: Some(false), ..titled("Evelina") };
    let created = shop.create_book(to_create("shelves/love", "", book)).await.expect("a book").into_inner();
    assert_eq!(created.name, "shelves/love/books/evelina");
    assert_eq!(get(&shop, &created.name).await.expect("a book"), created);

    let update = UpdateBookRequest {
        book: Some(Book { name: created.name.clone(), author: "Frances Burney".into(), ..Book::default() }),
        update_mask: Some(FieldMask { paths: vec!["author".into(), "in_stock".into()] }),
    };
    let updated = shop.update_book(update).await.expect("a book").into_inner();
    assert_eq!((updated.title.as_str(), updated.year), ("Evelina", 1778), "what the mask leaves out stays");
    assert_eq!((updated.author.as_str(), updated.in_stock), ("Frances Burney", None));

    shop.delete_book(DeleteBookRequest { name: created.name.clone() }).await.expect("no book");
    assert_eq!(get(&shop, &created.name).await.expect_err("no book").code(), Code::NotFound);
}

#[tokio::test]
async fn pages_put_together_are_the_whole_list() {
    let (shop, _scratch) = open().await;
    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListBooksRequest { page_size: 30, page_token, ..ListBooksRequest::default() };
        let page = shop.list_books(request).await.expect("a page").into_inner();
        names.extend(page.books.into_iter().map(|book| book.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(names.len(), 100);
    assert!(names.is_sorted());
}

#[tokio::test]
async fn an_id_that_was_asked_for_is_given_once() {
    let (shop, _scratch) = open().await;
    let request = to_create("shelves/love", "emma", titled("Emma"));
    let status = shop.create_book(request).await.expect_err("there is one");
    assert_eq!(status.code(), Code::AlreadyExists);
    let details = status.get_details_resource_info().expect("which one");
    assert_eq!(details.resource_name, "shelves/love/books/emma");
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let (shop, _scratch) = open().await;
    let book = Book { price_cents: -1, ..Book::default() };
    let status = shop.create_book(to_create("love", "", book)).await.expect_err("a bad request");
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_details_bad_request().expect("fields");
    let fields: Vec<_> = details.field_violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["parent", "book.title", "book.price_cents"]);
}

#[tokio::test]
async fn an_import_is_all_or_nothing() {
    let (shop, _scratch) = open().await;
    let good = vec![to_import("shelves/poetry", "Hymns"), to_import("shelves/love", "Emma")];
    let mut bad = good.clone();
    bad.push(to_import("shelves/love", ""));

    let status = shop.import_books(tokio_stream::iter(bad)).await.expect_err("a book without a title");
    assert_eq!(status.code(), Code::InvalidArgument);
    let poetry = GetShelfRequest { name: "shelves/poetry".into() };
    assert_eq!(shop.get_shelf(poetry.clone()).await.expect_err("no shelf").code(), Code::NotFound);

    let reply = shop.import_books(tokio_stream::iter(good)).await.expect("books").into_inner();
    assert_eq!(reply.imported, 2);
    assert_eq!(shop.get_shelf(poetry).await.expect("a shelf").into_inner().theme, "Poetry");
    assert!(get(&shop, "shelves/love/books/emma-2").await.is_ok());
}

#[tokio::test]
async fn a_watcher_hears_of_its_shelf_as_often_as_it_asked() {
    let (shop, _scratch) = open().await;
    let request = WatchBooksRequest { parent: "shelves/love".into(), count: 2 };
    // The reply may come as late as the first change, so it is awaited beside the changes.
    let watching = tokio::spawn({
        let shop = shop.clone();
        async move {
            let mut changes = shop.watch_books(request).await?.into_inner();
            let mut heard = Vec::new();
            while let Some(change) = changes.message().await? {
                heard.push((change.kind(), change.book.unwrap_or_default().name));
            }
            Ok::<_, Status>(heard)
        }
    });
    while !watching.is_finished() {
        for parent in ["shelves/gothic", "shelves/love"] {
            let id = format!("found-{parent}").replace('/', "-");
            let made = shop.create_book(to_create(parent, &id, titled("Found"))).await.expect("a book");
            let name = made.into_inner().name;
            shop.delete_book(DeleteBookRequest { name }).await.expect("no book");
        }
    }
    let mut heard = watching.await.expect("no panic").expect("no error");
    // It may have begun to listen between the two changes of a round.
    heard.sort_unstable_by_key(|(kind, _)| *kind);
    let name = "shelves/love/books/found-shelves-love".to_owned();
    let kinds = [book_change::Kind::Created, book_change::Kind::Deleted];
    assert_eq!(heard, kinds.map(|kind| (kind, name.clone())));
}

#[tokio::test]
async fn recommendations_are_a_conversation() {
    let (shop, _scratch) = open().await;
    let questions = ["shelves/love/books/emma", "shelves/gothic/books/dracula"].map(liked);
    let answers = shop.recommend_books(tokio_stream::iter(questions)).await.expect("answers");
    let mut answers = answers.into_inner();
    let same_author = answers.message().await.expect("an answer").expect("one").recommended.expect("a book");
    assert_eq!(same_author.author, "Jane Austen");
    let same_tags = answers.message().await.expect("an answer").expect("one").recommended.expect("a book");
    assert!(same_tags.tags.contains(&"horror".to_owned()));
    assert!(answers.message().await.expect("the end").is_none());
}

#[tokio::test]
async fn a_search_ends_with_the_patience_of_its_caller() {
    let (shop, _scratch) = open().await;
    let query = || SearchBooksRequest { query: "WELLS time".into() };
    let found = shop.search_books(query()).await.expect("books").into_inner().books;
    assert_eq!(found.iter().map(|book| book.title.as_str()).collect::<Vec<_>>(), ["The Time Machine"]);

    let mut hurried = Request::new(query());
    hurried.set_timeout(Duration::from_millis(20));
    assert_eq!(shop.search_books(hurried).await.expect_err("too slow").code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn the_catalogue_has_a_row_for_every_book() {
    let (shop, _scratch) = open().await;
    let mut pieces = shop.download_catalog(DownloadCatalogRequest {}).await.expect("pieces").into_inner();
    let mut rows = String::new();
    while let Some(piece) = pieces.message().await.expect("a piece") {
        assert!(piece.content_type.starts_with("text/csv"));
        rows += std::str::from_utf8(&piece.data).expect("text");
    }
    assert_eq!(rows.lines().count(), 101);
}
