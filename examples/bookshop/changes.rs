//! Owns who hears of changes, and that nobody who is slow to listen holds up the shop.
//!
//! Each watcher has an inbox of its own, which holds so many batches; a batch is what one change of the database
//! did to books. Whoever lets the inbox overflow is told what came before the gap, then that there is one, and
//! has to begin again: a watcher that silently missed something would be worse off than one that knows.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use ambidex::Stream;
use tokio::sync::mpsc;

use crate::bookshop::v1::BookChange;
use crate::error::ShopError;

/// How many batches wait for one watcher.
const INBOX_BATCHES_MAX: usize = 256;

/// How many may watch at once.
const WATCHERS_MAX: usize = 1000;

type Batch = Arc<[BookChange]>;

/// Tells watchers of changes.
#[derive(Default)]
pub struct Changes {
    inboxes: Mutex<Vec<mpsc::Sender<Batch>>>,
}

impl Changes {
    /// Everything that happens from now on.
    pub fn watch(&self) -> Result<Watcher, ShopError> {
        let mut inboxes = self.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
        inboxes.retain(|inbox| !inbox.is_closed());
        if inboxes.len() >= WATCHERS_MAX {
            return Err(ShopError::TooManyWatchers(WATCHERS_MAX));
        }
        let (inbox, batches) = mpsc::channel(INBOX_BATCHES_MAX);
        inboxes.push(inbox);
        Ok(Watcher { batches: Some(batches), batch: Batch::default(), told: 0 })
    }

    /// Tells everyone, and waits for no one.
    pub fn publish(&self, changes: Vec<BookChange>) {
        if changes.is_empty() {
            return;
        }
        let batch = Batch::from(changes);
        let mut inboxes = self.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
        // Both a watcher that has left and one whose inbox is full are dropped: the latter finds out once it
        // has read what it has.
        inboxes.retain(|inbox| inbox.try_send(Arc::clone(&batch)).is_ok());
    }
}

/// The changes that one watcher hears of. It ends only with an error: with [`ShopError::FellBehind`].
pub struct Watcher {
    /// None once the gap has been told.
    batches: Option<mpsc::Receiver<Batch>>,
    batch: Batch,
    /// How many of the batch the watcher has heard.
    told: usize,
}

impl Stream for Watcher {
    type Item = Result<BookChange, ShopError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(change) = self.batch.get(self.told).cloned() {
                self.told += 1;
                return Poll::Ready(Some(Ok(change)));
            }
            let Some(batches) = &mut self.batches else { return Poll::Ready(None) };
            match ready!(batches.poll_recv(cx)) {
                Some(batch) => (self.batch, self.told) = (batch, 0),
                None => {
                    self.batches = None;
                    return Poll::Ready(Some(Err(ShopError::FellBehind)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_stream::StreamExt;

    fn change(kind: i32) -> BookChange {
        BookChange { kind, book: None }
    }

    #[tokio::test]
    async fn a_watcher_hears_of_what_happens_after_it_came() {
        let changes = Changes::default();
        changes.publish(vec![change(1)]);
        let mut watcher = changes.watch().expect("a place");
        changes.publish(vec![change(2), change(3)]);
        for kind in [2, 3] {
            assert_eq!(watcher.next().await.expect("a change").expect("no gap").kind, kind);
        }
    }

    #[tokio::test]
    async fn one_that_falls_behind_is_told_so_after_what_it_has() {
        let changes = Changes::default();
        let mut watcher = changes.watch().expect("a place");
        for _ in 0..=INBOX_BATCHES_MAX {
            changes.publish(vec![change(1)]);
        }
        for _ in 0..INBOX_BATCHES_MAX {
            assert!(watcher.next().await.expect("a change").is_ok());
        }
        assert!(matches!(watcher.next().await, Some(Err(ShopError::FellBehind))));
        assert!(watcher.next().await.is_none());
    }

    #[test]
    fn places_of_those_who_left_are_free_again() {
        let changes = Changes::default();
        let mut watchers: Vec<_> = (0..WATCHERS_MAX).map(|_| changes.watch().expect("a place")).collect();
        assert!(matches!(changes.watch(), Err(ShopError::TooManyWatchers(_))));
        watchers.pop();
        assert!(changes.watch().is_ok());
    }
}
