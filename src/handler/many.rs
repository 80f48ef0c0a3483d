//! The erased form of a method that answers with a stream.

use std::sync::Arc;

use futures_core::Stream;
use tokio_stream::StreamExt;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Status};

use super::offload::{self, Offload};
use super::replies::{Event, Events, Replies};
use super::{Handler, Many, Rpc};
use crate::call::{Body, Call, MessageStream, Reply, Scoped, Spread, Trailers};

pub(super) fn erase<R, F, Fut>(offload: Offload, function: F) -> Handler
where
    R: Rpc<Reply = Many>,
    F: Fn(Request<R::Input>, Replies<R::Response>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let target = Spread::new((offload, function));
    Arc::new(move |call: Call| {
        let target = target.share();
        Box::pin(async move {
            let job = target.0.is_blocking().then(|| target.0.job_of(&call));
            let (context, mut metadata, mut extensions, body) = call.into_parts();
            let body = offload::gather::<R::Input>(body).await?;
            let trailers = Trailers::of(context.clone());
            let scope = context.clone();
            let function = target.clone();
            let cancellation = scope.cancellation().clone();
            let events = Events::new(cancellation, move |replies: Replies<R::Response>| async move {
                match offload::input::<R::Input>(&context, &mut metadata, &mut extensions, body) {
                    Ok(input) => {
                        let wanted = function.0.wanted;
                        let request = offload::request(&context, metadata, extensions, input, wanted);
                        (function.1)(request, replies).await;
                    }
                    Err(status) => replies.fail(status),
                }
            });
            let ((metadata, extensions), messages) = match job {
                None => {
                    let mut events = Box::pin(events);
                    (head_of(&mut events).await?, MessageStream::of(events))
                }
                Some(job) => {
                    let events = target.0.scheduler.run_stream(job, Scoped::new(scope, events));
                    let mut events =
                        Box::pin(events.map(|event| event.unwrap_or_else(|error| Err(error.into()))));
                    (head_of(&mut events).await?, messages_of(events))
                }
            };
            Ok(Reply { metadata, body: Body::Stream(messages), trailers, extensions })
        })
    })
}

type EventResult = Result<Event, Status>;

/// What comes before the messages.
async fn head_of(
    events: &mut (impl Stream<Item = EventResult> + Unpin),
) -> Result<(MetadataMap, Extensions), Status> {
    match events.next().await.transpose()? {
        Some(Event::Head(metadata, extensions)) => Ok((metadata, extensions)),
        // The handler's function returned without sending anything through its `Replies`.
        Some(Event::Message(_)) | None => Err(Status::internal("the handler sent no reply")),
    }
}

/// The messages behind the head, one by one.
fn messages_of(events: impl Stream<Item = EventResult> + Send + 'static) -> MessageStream {
    let messages = events.filter_map(|event| match event {
        Ok(Event::Message(message)) => Some(Ok(message)),
        Ok(Event::Head(..)) => None,
        Err(status) => Some(Err(status)),
    });
    Body::stream(messages).into_stream()
}
