//! The steps that both erased forms share: reading the request, making the job, naming a refusal.

use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Status};

use super::{Execution, Input};
use crate::call::{Body, CancelReason, Context, MethodSpec, cancelled_status};
use crate::scheduler::{Job, LaneConfig, RunError, Scheduler};

/// What the scheduler is told of every call of a blocking method; nothing for one on the runtime. The lane
/// is the one the method names, or one by itself.
pub(super) fn job(scheduler: &Scheduler, method: &'static MethodSpec, execution: Execution) -> Option<Job> {
    if !execution.is_blocking() {
        return None;
    }
    let mut lane = LaneConfig::new(execution.lane_name().unwrap_or(method.full_name()));
    if let Some(calls) = execution.max_concurrency_limit() {
        lane = lane.max_concurrency(calls);
    }
    Some(Job::new(method.full_name()).lane(scheduler.lane_with(lane)))
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
                    status.metadata_mut().insert("grpc-retry-pushback-ms", value);
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
