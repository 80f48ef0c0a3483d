//! The messages a client or a server streams, decoded one by one: awaited, or waited for.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use futures_core::Stream;
use prost::Message;
use tokio::task::coop;
use tokio_stream::StreamExt;
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::call::{Context, MessageStream, Trailers, cancelled_status};
use crate::scheduler::Scheduler;

/// The messages of the other side as they come: what an `async fn` is given when the client streams, and
/// what a client gets when the server does.
///
/// ```no_run
/// # async fn example(mut books: ambidex::Streaming<()>) -> Result<(), ambidex::Status> {
/// while let Some(book) = books.message().await? {
///     println!("{book:?}");
/// }
/// # Ok(()) }
/// ```
pub struct Streaming<M> {
    messages: MessageStream,
    call: Option<Context>,
    trailers: Trailers,
    over: bool,
    message: PhantomData<fn() -> M>,
}

impl<M: Message + Default> Streaming<M> {
    pub(crate) fn of_call(messages: MessageStream, call: Context) -> Self {
        Self { messages, call: Some(call), trailers: Trailers::default(), over: false, message: PhantomData }
    }

    pub(crate) fn of_reply(messages: MessageStream, trailers: Trailers) -> Self {
        Self { messages, call: None, trailers, over: false, message: PhantomData }
    }

    /// The next message, or `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// The status the other side or the wire ended the stream with; INVALID_ARGUMENT for a message that
    /// does not decode.
    pub async fn message(&mut self) -> Result<Option<M>, Status> {
        self.next().await.transpose()
    }

    /// The trailing metadata, complete once the stream has ended.
    pub fn trailers(&mut self) -> MetadataMap {
        self.trailers.take()
    }

    /// The same messages as an iterator for blocking code.
    pub fn blocking(self) -> BlockingStreaming<M> {
        BlockingStreaming(self)
    }
}

impl<M: Message + Default> Stream for Streaming<M> {
    type Item = Result<M, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        // A client that sends faster than its messages are worked on must not keep a thread of the runtime from its
        // timers: each message counts against the task's budget.
        if !coop::has_budget_remaining() {
            drop(std::task::ready!(coop::poll_proceed(cx)));
        }
        let item = std::task::ready!(Pin::new(&mut self.messages).poll_next(cx));
        if let Poll::Ready(spent) = coop::poll_proceed(cx) {
            spent.made_progress();
        }
        let item = item.map(|bytes| bytes.and_then(super::decode));
        self.over = !matches!(item, Some(Ok(_)));
        Poll::Ready(item)
    }
}

impl<M> fmt::Debug for Streaming<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Streaming")
    }
}

/// The messages a client streams, as an iterator for a plain `fn`: `next` waits for the next one.
///
/// While it waits, its scheduler thread is marked as waiting and another may run in its place. A deadline
/// that passes, or a client that leaves, ends the wait with an error.
pub struct BlockingStreaming<M>(Streaming<M>);

impl<M: Message + Default> BlockingStreaming<M> {
    /// The same messages as a stream for async code.
    pub fn into_stream(self) -> Streaming<M> {
        self.0
    }
}

impl<M: Message + Default> Iterator for BlockingStreaming<M> {
    type Item = Result<M, Status>;

    fn next(&mut self) -> Option<Self::Item> {
        let cancellation = self.0.call.as_ref().map(|call| call.cancellation().clone());
        let stream = &mut self.0;
        let next = async {
            let Some(cancellation) = cancellation else { return stream.next().await };
            tokio::select! {
                biased;
                item = stream.next() => item,
                reason = cancellation.cancelled() => {
                    stream.over = true;
                    Some(Err(cancelled_status(reason)))
                }
            }
        };
        match Scheduler::current() {
            Some(scheduler) => scheduler.block_on(next),
            // Handed to a thread of the user's own, which no slot of ours counts.
            None => tokio::runtime::Handle::current().block_on(next),
        }
    }
}

impl<M> fmt::Debug for BlockingStreaming<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlockingStreaming")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;

    use super::*;
    use crate::call::Body;

    #[tokio::test]
    async fn who_reads_a_fast_client_lets_others_run() {
        const MESSAGES: usize = 10_000;
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&turns);
        let others = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        // Not tokio's: it spends nothing of the task's budget.
        let endless = futures_util::stream::repeat_with(|| Ok(Bytes::from_static(b"\x0a\x01m")));
        let messages = Body::stream(endless).into_stream();
        let mut messages = Streaming::<String>::of_reply(messages, Trailers::default());
        for _ in 0..MESSAGES {
            assert_eq!(messages.message().await.expect("a message"), Some("m".to_owned()));
        }
        others.abort();
        let turns = turns.load(Ordering::Relaxed);
        // 128 is the budget of a task.
        assert!(turns >= MESSAGES / 128 - 1, "{turns} turns");
    }
}
