//! The erased form of a method that answers with a stream.

use std::pin::Pin;
use std::sync::Arc;

use futures_core::Stream;
use tokio_stream::StreamExt;
use tonic::{Request, Status};

use super::offload::{self, Offload};
use super::replies::{Event, Events, Replies};
use super::{Handler, Many, Rpc};
use crate::call::{Body, Call, Reply, Scoped, Trailers};

type EventStream = Pin<Box<dyn Stream<Item = Result<Event, Status>> + Send>>;

pub(super) fn erase<R, F, Fut>(offload: Offload, function: F) -> Handler
where
    R: Rpc<Reply = Many>,
    F: Fn(Request<R::Input>, Replies<R::Response>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let target = Arc::new((offload, function));
    Arc::new(move |call: Call| {
        let target = Arc::clone(&target);
        Box::pin(async move {
            let job = target.0.is_blocking().then(|| target.0.job_of(&call));
            let (context, metadata, extensions, body) = call.into_parts();
            let body = offload::gather::<R::Input>(body).await?;
            let trailers = Trailers::of(context.clone());
            let scope = context.clone();
            let function = Arc::clone(&target);
            let events = Events::new(move |replies: Replies<R::Response>| async move {
                match offload::request::<R::Input>(context, metadata, extensions, body, function.0.wanted) {
                    Ok(request) => (function.1)(request, replies).await,
                    Err(status) => replies.fail(status).await,
                }
            });
            let mut events: EventStream = match job {
                None => Box::pin(events),
                Some(job) => Box::pin(
                    target
                        .0
                        .scheduler
                        .run_stream(job, Scoped::new(scope, events))
                        .map(|event| event.unwrap_or_else(|error| Err(error.into()))),
                ),
            };
            match events.next().await.transpose()? {
                Some(Event::Head(metadata, extensions)) => {
                    let messages = events.filter_map(|event| match event {
                        Ok(Event::Message(message)) => Some(Ok(message)),
                        Ok(Event::Head(..)) => None,
                        Err(status) => Some(Err(status)),
                    });
                    Ok(Reply { metadata, body: Body::stream(messages), trailers, extensions })
                }
                // The handler's function returned without sending anything through its `Replies`.
                Some(Event::Message(_)) | None => Err(Status::internal("the handler sent no reply")),
            }
        })
    })
}
