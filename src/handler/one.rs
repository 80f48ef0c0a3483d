//! The erased form of a method that answers with one message.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{Handler, One, Rpc, offload};
use crate::call::{Body, Call, Reply, Scoped, Trailers, encoded};
use crate::scheduler::{Job, Scheduler};

pub(super) fn erase<R, F, Fut>(scheduler: Scheduler, job: Option<Job>, function: F) -> Handler
where
    R: Rpc<Reply = One>,
    F: Fn(Request<R::Input>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<R::Response>, Status>> + Send + 'static,
{
    let function = Arc::new(function);
    Arc::new(move |call: Call| {
        let function = Arc::clone(&function);
        let job = job.clone();
        let scheduler = scheduler.clone();
        Box::pin(async move {
            let (context, metadata, extensions, body) = call.into_parts();
            let body = offload::gather::<R::Input>(body).await?;
            let trailers = Trailers::of(context.clone());
            let job = job.map(|job| offload::job_of_call(&job, &context));
            let scope = context.clone();
            let work = async move {
                let request = offload::request::<R::Input>(context, metadata, extensions, body)?;
                let (metadata, message, extensions) = function(request).await?.into_parts();
                Ok::<_, Status>((metadata, encoded(&message), extensions))
            };
            let (metadata, message, extensions) = match job {
                None => work.await?,
                Some(job) => {
                    let work = Scoped::new(scope, work);
                    scheduler.run_future(job, work).await??
                }
            };
            Ok(Reply { metadata, body: Body::Message(message), trailers, extensions })
        })
    })
}
