//! A stream made by a running future, so that a handler's stream may borrow from the handler.
//!
//! The future owns the handler, calls it, and hands each message out through a slot; polled as a stream,
//! it runs until the slot is full. One message is in flight at a time, so back-pressure is the future's
//! not being polled.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use pin_project_lite::pin_project;
use prost::Message;
use tokio_stream::StreamExt;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Response, Status};

use crate::call::encoded;

/// What comes out of a method with many replies, in this order: one head, then messages.
pub(super) enum Event {
    Head(MetadataMap, Extensions),
    Message(Bytes),
}

/// Where the handler's future leaves the next event for whoever polls the stream.
type Slot = Arc<Mutex<Option<Result<Event, Status>>>>;

fn lock(slot: &Slot) -> std::sync::MutexGuard<'_, Option<Result<Event, Status>>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sending end of a method with many replies.
pub struct Replies<M> {
    slot: Slot,
    message: std::marker::PhantomData<fn(M)>,
}

impl<M: Message> Replies<M> {
    /// Sends what the handler answered: its metadata, then each message as the reader asks for it.
    pub async fn forward<S>(self, result: Result<Response<S>, Status>)
    where
        S: Stream<Item = Result<M, Status>> + Send,
    {
        let (metadata, messages, extensions) = match result {
            Ok(response) => response.into_parts(),
            Err(status) => return self.send(Err(status)).await,
        };
        self.send(Ok(Event::Head(metadata, extensions))).await;
        let mut messages = std::pin::pin!(messages);
        while let Some(message) = messages.next().await {
            let failed = message.is_err();
            self.send(message.map(|message| Event::Message(encoded(&message)))).await;
            if failed {
                return;
            }
        }
    }

    pub(super) async fn fail(self, status: Status) {
        self.send(Err(status)).await;
    }

    async fn send(&self, event: Result<Event, Status>) {
        *lock(&self.slot) = Some(event);
        // The stream polls this future again only after it has taken the event.
        let mut taken = false;
        std::future::poll_fn(|_| {
            if std::mem::replace(&mut taken, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl<M> std::fmt::Debug for Replies<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Replies")
    }
}

pin_project! {
    /// The events that a handler's future sends.
    pub(super) struct Events<F> {
        slot: Slot,
        #[pin]
        handler: Option<F>,
    }
}

impl<F: Future<Output = ()>> Events<F> {
    pub(super) fn new<M>(start: impl FnOnce(Replies<M>) -> F) -> Self {
        let slot = Slot::default();
        let replies = Replies { slot: Arc::clone(&slot), message: std::marker::PhantomData };
        Self { slot, handler: Some(start(replies)) }
    }
}

impl<F: Future<Output = ()>> Stream for Events<F> {
    type Item = Result<Event, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let Some(handler) = this.handler.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let progress = handler.poll(cx);
        if progress.is_ready() {
            this.handler.set(None);
        }
        match lock(this.slot).take() {
            Some(event) => Poll::Ready(Some(event)),
            None => progress.map(|()| None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_may_borrow_from_what_the_future_owns() {
        let mut events = std::pin::pin!(Events::new(|replies: Replies<String>| async move {
            let words = ["to".to_owned(), "lend".to_owned()];
            let borrowed = tokio_stream::iter(words.iter()).map(|word| Ok(word.clone()));
            replies.forward(Ok(Response::new(borrowed))).await;
        }));
        assert!(matches!(events.next().await, Some(Ok(Event::Head(..)))));
        for word in ["to", "lend"] {
            let Some(Ok(Event::Message(bytes))) = events.next().await else { panic!("a message") };
            assert_eq!(String::decode(bytes).expect("a string"), word);
        }
        assert!(events.next().await.is_none());
        assert!(events.next().await.is_none(), "an ended stream stays ended");
    }

    #[tokio::test]
    async fn an_error_ends_the_stream() {
        let mut events = std::pin::pin!(Events::new(|replies: Replies<String>| async move {
            let items = [Err(Status::aborted("enough")), Ok("never".to_owned())];
            replies.forward(Ok(Response::new(tokio_stream::iter(items)))).await;
        }));
        assert!(matches!(events.next().await, Some(Ok(Event::Head(..)))));
        assert!(matches!(events.next().await, Some(Err(_))));
        assert!(events.next().await.is_none());
    }
}
