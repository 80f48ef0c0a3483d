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

use bytes::Bytes;
use pin_project_lite::pin_project;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::offload::{self, Offload, Wanted};
use super::{Handler, Input, One, Rpc};
use crate::call::{Body, Call, Context, Reply, Scoped, Share, Spread, Trailers, encode};

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
        Box::pin(OnRuntime::<R, F, Fut>::Asked {
            asked: Some(Asked { call, first: None }),
            wanted,
            function: function.share(),
            rpc: PhantomData,
        })
    })
}

/// A call that has not got to the user's function.
struct Asked {
    call: Call,
    /// The message, until it is clear that there is no second.
    first: Option<Bytes>,
}

pin_project! {
    /// A call on the runtime. Not an `async` block, which would have room for all that it ever holds, side by side: this
    /// is allocated for every call, and from a kilobyte on the allocator is slow.
    #[project = OnRuntimeNow]
    enum OnRuntime<R, F, Fut> {
        Asked { asked: Option<Asked>, wanted: Wanted, function: Share<F>, rpc: PhantomData<fn() -> R> },
        // The context goes with the answer.
        Running { context: Option<Context>, #[pin] answer: Fut },
    }
}

impl<R, F, Fut> Future for OnRuntime<R, F, Fut>
where
    R: Rpc<Reply = One>,
    F: Fn(Request<R::Input>) -> Fut,
    Fut: Future<Output = Result<Response<R::Response>, Status>>,
{
    type Output = Result<Reply, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        if let OnRuntimeNow::Asked { asked, wanted, function, .. } = self.as_mut().project() {
            if let Some(Asked { call, first }) = asked
                && !R::Input::STREAMS
            {
                call.body = Body::Message(ready!(call.body.poll_single(first, cx))?);
            }
            let asked = asked.take().ok_or_else(|| Status::internal("internal error"))?;
            let (context, metadata, extensions, body) = asked.call.into_parts();
            let request = offload::request::<R::Input>(&context, metadata, extensions, body, *wanted)?;
            let answer = function(request);
            self.set(Self::Running { context: Some(context), answer });
        }
        let OnRuntimeNow::Running { context, answer } = self.project() else {
            unreachable!("it was just set")
        };
        let (metadata, message, extensions) = ready!(answer.poll(cx))?.into_parts();
        let body = Body::Message(encode(&message, Vec::new()).into());
        let trailers = context.take().map(Trailers::of).unwrap_or_default();
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
            let (context, metadata, extensions, body) = call.into_parts();
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
                let metadata = match wanted {
                    Wanted::Everything => context.metadata().clone(),
                    Wanted::Message => MetadataMap::new(),
                };
                let request = offload::request::<R::Input>(&context, metadata, extensions, body, wanted)?;
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
