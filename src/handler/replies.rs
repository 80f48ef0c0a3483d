//! A stream made by a running future, so that a handler's stream may borrow from the handler.
//!
//! The future owns the handler, calls it, and writes messages to a desk. Whoever polls it as a stream leaves a batch
//! there first, and the future runs until that is full, so back-pressure is the future's not being polled.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use pin_project_lite::pin_project;
use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Response, Status};

use crate::call::{Batch, Bounds, Cancellation, Filled, MessageSource};

/// What comes out of a method with many replies, in this order: one head, then messages.
pub(super) enum Event {
    Head(MetadataMap, Extensions),
    Message(Bytes),
}

/// What the handler's future and whoever polls it leave for each other.
#[derive(Default)]
struct Desk {
    batch: Batch,
    said: Said,
}

/// What the future has said besides messages, which come before it.
#[derive(Default)]
enum Said {
    #[default]
    Nothing,
    /// In a box, since all others are small.
    Head(Box<(MetadataMap, Extensions)>),
    /// There may be more, and nobody is woken for it.
    More,
    Failed(Status),
}

fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The batch, away from the desk until this is dropped, a panic or not. So no lock is held while messages are made.
struct Writing<'a> {
    desk: &'a Mutex<Desk>,
    batch: Batch,
    said: Said,
}

impl<'a> Writing<'a> {
    fn at(desk: &'a Mutex<Desk>) -> Self {
        let batch = std::mem::take(&mut lock(desk).batch);
        Self { desk, batch, said: Said::Nothing }
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let mut desk = lock(self.desk);
        std::mem::swap(&mut desk.batch, &mut self.batch);
        desk.said = std::mem::take(&mut self.said);
    }
}

/// Collects what was written into a batch of the reader's, a panic or not.
struct Reading<'a> {
    desk: &'a Mutex<Desk>,
    batch: &'a mut Batch,
}

impl Reading<'_> {
    fn collect(&mut self) -> Said {
        let mut desk = lock(self.desk);
        if !desk.batch.is_empty() {
            std::mem::swap(self.batch, &mut desk.batch);
        }
        std::mem::take(&mut desk.said)
    }

    fn end(mut self) -> Said {
        let said = self.collect();
        std::mem::forget(self);
        said
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        drop(self.collect());
    }
}

/// The sending end of a method with many replies.
pub struct Replies<M> {
    desk: Arc<Mutex<Desk>>,
    cancellation: Cancellation,
    message: std::marker::PhantomData<fn(M)>,
}

impl<M: Message> Replies<M> {
    /// Sends what the handler answered: its metadata, then the messages as the reader asks for them.
    pub async fn forward<S>(self, result: Result<Response<S>, Status>)
    where
        S: Stream<Item = Result<M, Status>> + Send,
    {
        let (metadata, messages, extensions) = match result {
            Ok(response) => response.into_parts(),
            Err(status) => return self.fail(status),
        };
        lock(&self.desk).said = Said::Head(Box::new((metadata, extensions)));
        pause().await;
        let mut messages = std::pin::pin!(messages);
        std::future::poll_fn(|cx| self.poll_messages(messages.as_mut(), cx)).await;
    }

    pub(super) fn fail(self, status: Status) {
        lock(&self.desk).said = Said::Failed(status);
    }

    /// Fills the batch on the desk. The stream is polled again when there is another.
    fn poll_messages<S>(&self, mut messages: Pin<&mut S>, cx: &mut Context<'_>) -> Poll<()>
    where
        S: Stream<Item = Result<M, Status>>,
    {
        // Only once there is a message: a stream that waits is often asked in vain.
        let mut writing = None;
        loop {
            let next = std::task::ready!(messages.as_mut().poll_next(cx));
            let Some(message) = next else { return Poll::Ready(()) };
            let writing = writing.get_or_insert_with(|| Writing::at(&self.desk));
            match message {
                Ok(message) => writing.batch.push(&message),
                Err(status) => {
                    writing.said = Said::Failed(status);
                    return Poll::Ready(());
                }
            }
            // A call that is cancelled is looked at after each message.
            if writing.batch.is_full() || self.cancellation.is_cancelled() {
                writing.said = Said::More;
                return Poll::Pending;
            }
        }
    }
}

/// Waits for the next poll.
async fn pause() {
    let mut paused = false;
    std::future::poll_fn(
        |_| {
            if std::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending }
        },
    )
    .await;
}

impl<M> std::fmt::Debug for Replies<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Replies")
    }
}

pin_project! {
    /// What a handler's future sends: as a stream with its head, and, once that is taken, as a source of messages.
    pub(super) struct Events<F> {
        desk: Arc<Mutex<Desk>>,
        limits: (Bounds, usize),
        #[pin]
        handler: Option<F>,
    }
}

impl<F: Future<Output = ()>> Events<F> {
    /// The events of a call with this cancellation.
    pub(super) fn new<M>(cancellation: Cancellation, start: impl FnOnce(Replies<M>) -> F) -> Self {
        let desk = Arc::<Mutex<Desk>>::default();
        let replies = Replies { desk: Arc::clone(&desk), cancellation, message: std::marker::PhantomData };
        Self { desk, limits: Batch::default().limits(), handler: Some(start(replies)) }
    }

    /// Runs the future until it has filled the batch, or cannot for now. `Ready` when it has ended.
    fn poll_handler(self: Pin<&mut Self>, cx: &mut Context<'_>, batch: &mut Batch) -> (Said, Poll<()>) {
        let mut this = self.project();
        let Some(handler) = this.handler.as_mut().as_pin_mut() else {
            return (Said::Nothing, Poll::Ready(()));
        };
        let limits = batch.limits();
        if !batch.is_empty() {
            // It is added to.
            std::mem::swap(batch, &mut lock(this.desk).batch);
            *this.limits = limits;
        } else if *this.limits != limits {
            lock(this.desk).batch.limit(limits);
            *this.limits = limits;
        }
        let reading = Reading { desk: this.desk, batch };
        let progress = handler.poll(cx);
        let said = reading.end();
        if progress.is_ready() {
            this.handler.set(None);
        }
        (said, progress)
    }
}

impl<F: Future<Output = ()>> Stream for Events<F> {
    type Item = Result<Event, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut batch = Batch::of_one();
        let (said, progress) = self.poll_handler(cx, &mut batch);
        if let Some((_, message)) = batch.take_alone() {
            return Poll::Ready(Some(Ok(Event::Message(message))));
        }
        match said {
            Said::Head(head) => Poll::Ready(Some(Ok(Event::Head(head.0, head.1)))),
            Said::Failed(status) => Poll::Ready(Some(Err(status))),
            Said::Nothing | Said::More => progress.map(|()| None),
        }
    }
}

impl<F: Future<Output = ()> + Send> MessageSource for Events<F> {
    fn poll_batch(self: Pin<&mut Self>, cx: &mut Context<'_>, batch: &mut Batch) -> Filled {
        let (said, progress) = self.poll_handler(cx, batch);
        match said {
            Said::More => Poll::Ready(Some(Ok(()))),
            Said::Failed(status) => Poll::Ready(Some(Err(status))),
            Said::Nothing | Said::Head(..) => progress.map(|()| None),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt;

    use super::*;
    use crate::call::CancelReason;

    #[tokio::test]
    async fn a_stream_may_borrow_from_what_the_future_owns() {
        let mut events =
            std::pin::pin!(Events::new(Cancellation::new(), |replies: Replies<String>| async move {
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
        let mut events =
            std::pin::pin!(Events::new(Cancellation::new(), |replies: Replies<String>| async move {
                let items = [Err(Status::aborted("enough")), Ok("never".to_owned())];
                replies.forward(Ok(Response::new(tokio_stream::iter(items)))).await;
            }));
        assert!(matches!(events.next().await, Some(Ok(Event::Head(..)))));
        assert!(matches!(events.next().await, Some(Err(_))));
        assert!(events.next().await.is_none());
    }

    const BOUNDS: Bounds = Bounds { bytes_max: 30, alone_min_bytes: 100, message_max_bytes: 1000 };

    /// The lengths of the messages that fill one batch, and how that went.
    fn filled<F>(events: Pin<&mut Events<F>>) -> (Vec<usize>, Poll<Option<Result<(), Status>>>)
    where
        F: Future<Output = ()> + Send,
    {
        let mut batch = Batch::new(BOUNDS);
        let filled = events.poll_batch(&mut Context::from_waker(std::task::Waker::noop()), &mut batch);
        (batch.lengths_since(0).collect(), filled)
    }

    fn forwarding(
        cancellation: Cancellation,
        messages: impl Stream<Item = Result<String, Status>> + Send,
    ) -> Events<impl Future<Output = ()> + Send> {
        Events::new(cancellation, |replies: Replies<String>| async move {
            replies.forward(Ok(Response::new(messages))).await;
        })
    }

    #[tokio::test]
    async fn what_is_ready_comes_together_until_a_batch_is_full() {
        let words = ["1234567", "1234567", "1234567", "", "12"].map(|word| Ok(word.to_owned()));
        let messages = tokio_stream::iter(words).chain(tokio_stream::pending());
        let mut events = std::pin::pin!(forwarding(Cancellation::new(), messages));
        assert!(matches!(events.next().await, Some(Ok(Event::Head(..)))));
        assert!(
            matches!(filled(events.as_mut()), (lengths, Poll::Ready(Some(Ok(())))) if lengths == [9, 9, 9])
        );
        assert!(matches!(filled(events.as_mut()), (lengths, Poll::Pending) if lengths == [0, 4]));
        assert!(matches!(filled(events.as_mut()), (lengths, Poll::Pending) if lengths.is_empty()));
    }

    #[tokio::test]
    async fn an_end_and_an_error_come_after_what_was_ready_before_them() {
        let words = || tokio_stream::iter(["a", "b"].map(|word| Ok(word.to_owned())));
        let mut ending = std::pin::pin!(forwarding(Cancellation::new(), words()));
        assert!(ending.next().await.is_some_and(|head| head.is_ok()));
        assert!(matches!(filled(ending.as_mut()), (lengths, Poll::Ready(None)) if lengths == [3, 3]));
        assert!(matches!(filled(ending.as_mut()), (lengths, Poll::Ready(None)) if lengths.is_empty()));
        let failing = words().chain(tokio_stream::once(Err(Status::aborted("enough"))));
        let mut failing = std::pin::pin!(forwarding(Cancellation::new(), failing));
        assert!(failing.next().await.is_some_and(|head| head.is_ok()));
        assert!(
            matches!(filled(failing.as_mut()), (lengths, Poll::Ready(Some(Err(_)))) if lengths == [3, 3])
        );
        assert!(matches!(filled(failing.as_mut()), (lengths, Poll::Ready(None)) if lengths.is_empty()));
    }

    #[tokio::test]
    async fn a_call_that_is_cancelled_on_the_way_is_looked_at_after_the_message() {
        let cancellation = Cancellation::new();
        let cancel = cancellation.clone();
        let words = tokio_stream::iter(["a", "b", "c"]).map(move |word| {
            if word == "b" {
                cancel.cancel(CancelReason::DeadlineExceeded);
            }
            Ok(word.to_owned())
        });
        let mut events = std::pin::pin!(forwarding(cancellation, words));
        assert!(events.next().await.is_some_and(|head| head.is_ok()));
        assert!(matches!(filled(events.as_mut()), (lengths, Poll::Ready(Some(Ok(())))) if lengths == [3, 3]));
        assert!(matches!(filled(events.as_mut()), (lengths, Poll::Ready(Some(Ok(())))) if lengths == [3]));
    }
}
