//! The erased form of a method that answers with one message.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::offload::{self, Offload};
use super::{Handler, One, Rpc};
use crate::call::{Body, Call, Reply, Scoped, Trailers, encoded};

pub(super) fn erase<R, F, Fut>(offload: Offload, function: F) -> Handler
where
    R: Rpc<Reply = One>,
    F: Fn(Request<R::Input>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<R::Response>, Status>> + Send + 'static,
{
    let target = Arc::new((offload, function));
    Arc::new(move |call: Call| {
        let target = Arc::clone(&target);
        Box::pin(async move {
            let job = target.0.job_of(&call);
            let (context, metadata, extensions, body) = call.into_parts();
            let body = offload::gather::<R::Input>(body).await?;
            let trailers = Trailers::of(context.clone());
            let scope = context.clone();
            let function = Arc::clone(&target);
            let work = async move {
                let request = offload::request::<R::Input>(context, metadata, extensions, body)?;
                let (metadata, message, extensions) = (function.1)(request).await?.into_parts();
                Ok::<_, Status>((metadata, encoded(&message), extensions))
            };
            let (metadata, message, extensions) = match job {
                None => work.await?,
                Some(job) => target.0.scheduler.run_future(job, Scoped::new(scope, work)).await??,
            };
            Ok(Reply { metadata, body: Body::Message(message), trailers, extensions })
        })
    })
}
