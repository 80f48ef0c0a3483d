//! The erased form of a method that answers with one message: one for the runtime, one for scheduler threads, so that
//! neither carries what the other needs.
//!
//! Memory is freed where it was allocated, as far as that is in our hands: an allocation that one thread makes and
//! another frees costs both of them a lock. So what comes from the edge stays with the call, a scheduler thread
//! works on copies of its own, and its reply goes into a buffer that it is given.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{self, Poll, ready};

use pin_project_lite::pin_project;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::offload::{self, Offload, Wanted};
use super::{Handler, Input, One, ReplyFuture, Rpc};
use crate::call::{Body, Call, Context, Reply, Scoped, Spread, Trailers, encode};

pub(super) fn erase<R, F, Fut>(offload: Offload, function: F) -> Handler
where
    R: Rpc<Reply = One>,
    F: Fn(Request<R::Input>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<R::Response>, Status>> + Send + 'static,
{
    if offload.is_blocking() {
        on_scheduler::<R, F, Fut>(offload, function)
    } else {
        on_runtime::<R, F, Fut>(offload.wanted, function)
    }
}

fn on_runtime<R, F, Fut>(wanted: Wanted, function: F) -> Handler
where
    R: Rpc<Reply = One>,
    F: Fn(Request<R::Input>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<R::Response>, Status>> + Send + 'static,
{
    let function = Spread::new(function);
    Arc::new(move |call: Call| {
        // A message that is here is decoded now. To wait for one takes a future of its own, which most calls are spared.
        if R::Input::STREAMS || matches!(call.body, Body::Message(_)) {
            return match Running::<R, Fut>::begin(call, wanted, &*function) {
                Ok(running) => running,
                Err(status) => Box::pin(std::future::ready(Err(status))),
            };
        }
        let function = function.share();
        Box::pin(async move {
            let mut call = call;
            call.body = Body::Message(call.body.single().await?);
            Running::<R, Fut>::begin(call, wanted, &*function)?.await
        })
    })
}

pin_project! {
    /// A call on the runtime that is with the user's function. Not an `async` block, which would have room for all that it
    /// ever holds, side by side: this is allocated for every call, and from a kilobyte on the allocator is slow.
    struct Running<R, Fut> {
        // Goes with the answer.
        context: Option<Context>,
        #[pin]
        answer: Fut,
        rpc: PhantomData<fn() -> R>,
    }
}

impl<R, Fut> Running<R, Fut>
where
    R: Rpc<Reply = One>,
    Fut: Future<Output = Result<Response<R::Response>, Status>> + Send + 'static,
{
    /// Hands a call to the user's function.
    fn begin(
        call: Call,
        wanted: Wanted,
        function: impl Fn(Request<R::Input>) -> Fut,
    ) -> Result<ReplyFuture, Status> {
        let (context, mut metadata, mut extensions, body) = call.into_parts();
        let input = offload::input::<R::Input>(&context, &mut metadata, &mut extensions, body)?;
        // Made where it is kept, which `Box::new` does not: it is large, and nothing but its request is in it yet.
        let place = Box::new_uninit();
        let answer = function(offload::request(&context, metadata, extensions, input, wanted));
        let running = Box::write(place, Self { context: Some(context), answer, rpc: PhantomData });
        Ok(Box::into_pin(running))
    }
}

impl<R, Fut> Future for Running<R, Fut>
where
    R: Rpc<Reply = One>,
    Fut: Future<Output = Result<Response<R::Response>, Status>>,
{
    type Output = Result<Reply, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (metadata, message, extensions) = ready!(this.answer.poll(cx))?.into_parts();
        let body = Body::Message(encode(&message, Vec::new()).into());
        let trailers = this.context.take().map(Trailers::of).unwrap_or_default();
        Poll::Ready(Ok(Reply { metadata, body, trailers, extensions }))
    }
}

fn on_scheduler<R, F, Fut>(offload: Offload, function: F) -> Handler
where
    R: Rpc<Reply = One>,
    F: Fn(Request<R::Input>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<R::Response>, Status>> + Send + 'static,
{
    let target = Spread::new((offload, function, RoomForReply::default()));
    Arc::new(move |call: Call| {
        let target = target.share();
        Box::pin(async move {
            let job = target.0.job_of(&call);
            let (context, metadata, mut extensions, body) = call.into_parts();
            let body = offload::gather::<R::Input>(body).await?;
            let _kept = match &body {
                Body::Message(message) => Some(message.clone()),
                Body::Stream(_) => None,
            };
            context.keep_metadata(metadata);
            let trailers = Trailers::of(context.clone());
            let scope = context.clone();
            let function = target.clone();
            let reply = target.2.make();
            let work = async move {
                let wanted = function.0.wanted;
                let mut metadata = match wanted {
                    Wanted::Everything => context.metadata().clone(),
                    Wanted::Message => MetadataMap::new(),
                };
                let input = offload::input::<R::Input>(&context, &mut metadata, &mut extensions, body)?;
                let request = offload::request(&context, metadata, extensions, input, wanted);
                let (metadata, message, extensions) = (function.1)(request).await?.into_parts();
                Ok::<_, Status>((metadata, encode(&message, reply), extensions))
            };
            let running = target.0.scheduler.run_future(job, Scoped::new(scope, work));
            let (metadata, message, extensions) = running.await??;
            target.2.was_enough_for(message.len());
            Ok(Reply { metadata, body: Body::Message(message.into()), trailers, extensions })
        })
    })
}

/// How large the replies of a method are, lately: room for them is made before they are.
#[derive(Debug, Default)]
struct RoomForReply {
    bytes: AtomicUsize,
}

/// Replies that are larger make their own room: their encoding costs more than where their memory comes from.
const ROOM_MAX_BYTES: usize = 1024;

impl RoomForReply {
    fn make(&self) -> Vec<u8> {
        Vec::with_capacity(self.bytes.load(Ordering::Relaxed))
    }

    /// Grows at once, and shrinks slowly.
    fn was_enough_for(&self, bytes: usize) {
        let known = self.bytes.load(Ordering::Relaxed);
        let wanted = if bytes > ROOM_MAX_BYTES { 0 } else { bytes };
        let next = if wanted >= known { wanted } else { known - (known - wanted).div_ceil(8) };
        if next != known {
            self.bytes.store(next, Ordering::Relaxed);
        }
    }
}
