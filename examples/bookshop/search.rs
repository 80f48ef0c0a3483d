//! Owns the search for words: which books have them, found the slow way.
//!
//! It stands for any code that takes its time and holds a thread while it does: it sleeps a little for every
//! book. What makes it a good citizen is one line, which asks whether anybody still waits for the answer.

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use ambidex::call;

use crate::bookshop::v1::Book;
use crate::error::ShopError;
use crate::page::Page;
use crate::store::{Store, books};
use crate::violations::Violations;

/// How long it looks at a book.
const LOOK: Duration = Duration::from_millis(5);

/// How many books it takes from the shelves at once. No connection is held while it looks at them.
const ARMFUL: u32 = 100;

const QUERY_LENGTH_MAX: usize = 300;

/// The words to look for.
#[derive(Debug)]
pub struct Query {
    words: Vec<String>,
}

impl Query {
    pub fn parse(text: &str) -> Result<Self, ShopError> {
        let words: Vec<_> = words(text).collect();
        if words.is_empty() {
            return Err(Violations::of("query", "must have a word in it").into());
        }
        if text.chars().count() > QUERY_LENGTH_MAX {
            let too_long = format_args!("must not be longer than {QUERY_LENGTH_MAX} characters");
            return Err(Violations::of("query", too_long).into());
        }
        Ok(Self { words })
    }

    /// Whether title and author together have all the words.
    pub fn matches(&self, book: &Book) -> bool {
        let there: HashSet<_> = words(&book.title).chain(words(&book.author)).collect();
        self.words.iter().all(|word| there.contains(word))
    }

    /// Looks at every book there is.
    pub fn run(&self, store: &Store) -> Result<Vec<Book>, ShopError> {
        let mut found = Vec::new();
        let mut page = Page { after: String::new(), size: ARMFUL };
        loop {
            let armful = store.read(|db| books::list(db, None, &page))?;
            let Some(last) = armful.last() else { return Ok(found) };
            page.after.clone_from(&last.name);
            for book in armful {
                call::check()?;
                thread::sleep(LOOK);
                if self.matches(&book) {
                    found.push(book);
                }
            }
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_words_must_be_there_in_any_order_and_case() {
        let book = Book { title: "Les Misérables".into(), author: "Victor Hugo".into(), ..Book::default() };
        for (query, expected) in [
            ("hugo", true),
            ("MISÉRABLES victor", true),
            ("hugo hugo", true),
            ("hugo notre-dame", false),
            ("hug", false),
        ] {
            assert_eq!(Query::parse(query).expect("a query").matches(&book), expected, "{query}");
        }
    }

    #[test]
    fn a_query_without_words_is_refused() {
        assert!(Query::parse(" - ").is_err());
    }
}
