//! The steps that both erased forms share: reading the request, making the job, naming a refusal.

use std::collections::HashMap;

use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Status};

use super::{Execution, Input};
use crate::call::{Body, CancelReason, Context, MethodSpec, RETRY_PUSHBACK_MS, cancelled_status};
use crate::scheduler::{Job, LaneConfig, RunError, Scheduler};

/// The lanes of a server's blocking methods while they are registered.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    bounds: HashMap<&'static str, usize>,
}

impl Lanes {
    /// What the scheduler is told of every call of a blocking method; nothing for one on the runtime. The lane
    /// is the one the method names, or one by itself. Of several bounds on one lane the smallest holds.
    pub(super) fn job(
        &mut self,
        scheduler: &Scheduler,
        method: &'static MethodSpec,
        execution: Execution,
    ) -> Option<Job> {
        if !execution.is_blocking() {
            return None;
        }
        let name = execution.lane_name().unwrap_or(method.full_name());
        let lane = match execution.max_concurrency_limit() {
            None => scheduler.lane(name),
            Some(calls) => {
                let bound =
                    self.bounds.entry(name).and_modify(|bound| *bound = calls.min(*bound)).or_insert(calls);
                scheduler.lane_with(LaneConfig::new(name).max_concurrency(*bound))
            }
        };
        Some(Job::new(method.full_name()).lane(lane))
    }
}

/// What the scheduler is told of this call of it.
pub(super) fn job_of_call(job: &Job, call: &Context) -> Job {
    job.clone().deadline(call.deadline()).cancellation(call.cancellation().clone())
}

/// Reads the request of a method whose client does not stream; leaves a stream alone.
pub(super) async fn gather<I: Input>(body: Body) -> Result<Body, Status> {
    if I::STREAMS { Ok(body) } else { body.single().await.map(Body::Message) }
}

/// Decodes the request. Runs where the handler runs: a large message is the scheduler's to decode.
pub(super) fn request<I: Input>(
    call: Context,
    metadata: MetadataMap,
    mut extensions: Extensions,
    body: Body,
) -> Result<Request<I>, Status> {
    let input = I::from_body(body, &call)?;
    call.remember_metadata(&metadata);
    extensions.insert(call);
    Ok(Request::from_parts(metadata, extensions, input))
}

/// What a caller is told when the scheduler did not run its work to the end.
impl From<RunError> for Status {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Overloaded { retry_after, .. } => {
                let mut status = Status::resource_exhausted("the server is overloaded; try again later");
                if let Ok(value) = retry_after.as_millis().to_string().parse() {
                    status.metadata_mut().insert(RETRY_PUSHBACK_MS, value);
                }
                status
            }
            RunError::Draining => cancelled_status(CancelReason::Shutdown),
            RunError::DeadlineExceeded => cancelled_status(CancelReason::DeadlineExceeded),
            RunError::Cancelled(reason) => cancelled_status(reason),
            // A panic, logged with its method where it happened; the caller learns only whose fault it was not.
            _ => Status::internal("internal error"),
        }
    }
}
