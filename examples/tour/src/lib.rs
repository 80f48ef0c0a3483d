//! A guestbook in a file: what blocks is a `fn`, what waits is an `async fn`.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;

use ambidex::{Status, Stream};
use tokio::sync::broadcast;
use tokio_stream::{StreamExt, wrappers::BroadcastStream};

use v1::*;

pub mod v1 {
    //! Messages, the trait, the server and the client, as `build.rs` generated them.
    ambidex::include_proto!("guestbook.v1");
}

/// The book: a file with a line an entry, and everyone who watches it.
pub struct Book {
    path: PathBuf,
    watchers: broadcast::Sender<Entry>,
}

#[ambidex::service]
impl Guestbook for Book {
    // Blocking code is a plain `fn`. It runs on a thread of the scheduler and may take its time.
    fn sign(&self, request: SignRequest) -> Result<Entry, BookError> {
        if request.guest.contains(['\t', '\n']) || request.text.contains(['\t', '\n']) {
            return Err(BookError::NotALine);
        }
        let mut file = OpenOptions::new().append(true).open(&self.path)?;
        file.lock()?;
        writeln!(file, "{}\t{}", request.guest, request.text)?;
        let entry = self.entries()?.last().ok_or(BookError::NoSuchEntry)??;
        // Nobody may be watching, and that is no error.
        let _ = self.watchers.send(entry.clone());
        Ok(entry)
    }

    fn get_entry(&self, request: GetEntryRequest) -> Result<Entry, BookError> {
        let mut entries = self.entries()?.filter_map(Result::ok);
        entries.find(|entry| entry.name == request.name).ok_or(BookError::NoSuchEntry)
    }

    // A blocking stream is an iterator. A slow reader holds no thread.
    fn list_entries(
        &self,
        _: ListEntriesRequest,
    ) -> Result<impl Iterator<Item = Result<Entry, BookError>>, BookError> {
        self.entries()
    }

    // Waiting code is an `async fn`, and streams with a `Stream`. Thousands of these cost no thread.
    async fn watch_entries(
        &self,
        _: WatchEntriesRequest,
    ) -> Result<impl Stream<Item = Result<Entry, Status>>, Status> {
        let entries = BroadcastStream::new(self.watchers.subscribe());
        Ok(entries.map(|entry| entry.map_err(|missed| Status::data_loss(missed.to_string()))))
    }
}

impl Book {
    /// Opens the book at `path`, a new one if there is none.
    pub fn open(path: impl Into<PathBuf>) -> std::io::Result<Self> {
        let path = path.into();
        OpenOptions::new().create(true).append(true).open(&path)?;
        Ok(Self { path, watchers: broadcast::channel(64).0 })
    }

    fn entries(&self) -> Result<impl Iterator<Item = Result<Entry, BookError>> + use<>, BookError> {
        let lines = BufReader::new(File::open(&self.path)?).lines();
        Ok(lines.enumerate().map(|(index, line)| {
            let line = line?;
            let (guest, text) = line.split_once('\t').ok_or(BookError::NotALine)?;
            let name = format!("entries/{}", index + 1);
            Ok(Entry { name, guest: guest.to_owned(), text: text.to_owned() })
        }))
    }
}

/// What can go wrong with a book.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    #[error("there is no such entry")]
    NoSuchEntry,
    #[error("an entry is one line without tabs")]
    NotALine,
    #[error("the book cannot be read or written")]
    Io(#[from] std::io::Error),
}

// Any error that becomes a `Status` can be returned by a handler. What the caller may know goes into it.
impl From<BookError> for Status {
    fn from(error: BookError) -> Self {
        let message = error.to_string();
        match error {
            BookError::NoSuchEntry => Status::not_found(message),
            BookError::NotALine => Status::invalid_argument(message),
            BookError::Io(_) => Status::internal(message),
        }
    }
}
