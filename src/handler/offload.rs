//! The steps that both erased forms share: reading the request, making the job, naming a refusal.

use std::collections::HashMap;
use std::sync::Arc;

use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Status};

use super::Input;
use super::method_config::Placement;
use crate::call::{Body, Call, CancelReason, Context, MethodSpec, RETRY_PUSHBACK_MS, cancelled_status};
use crate::scheduler::{Criticality, Job, Lane, LaneConfig, RunError, Scheduler};

/// On whose behalf a call is made, as a hash; see [`ServerBuilder::tenant_key`](crate::server::ServerBuilder).
pub(crate) type TenantKey = Arc<dyn Fn(&Call) -> Option<u64> + Send + Sync>;

/// The lanes of a server's blocking methods while they are registered.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// What was said of lanes, by their name.
    stated: HashMap<Arc<str>, LaneConfig>,
    /// The bounds that methods put on lanes which state none.
    bounds: HashMap<Arc<str>, usize>,
}

impl Lanes {
    pub(super) fn new(stated: &[LaneConfig]) -> Self {
        let stated = stated.iter().map(|lane| (lane.name.clone(), lane.clone())).collect();
        Self { stated, bounds: HashMap::new() }
    }

    /// The lane of a blocking method. A bound on the lane itself holds over those of its methods, of which the
    /// smallest holds.
    fn lane(&mut self, scheduler: &Scheduler, placement: &Placement) -> Lane {
        let name = &placement.lane;
        let stated = self.stated.get(name).cloned();
        let is_bounded = stated.as_ref().is_some_and(|lane| lane.max_concurrency.is_some());
        let Some(calls) = placement.max_concurrency.filter(|_| !is_bounded) else {
            return scheduler.lane(name);
        };
        let bound = self.bounds.entry(name.clone()).or_insert(calls);
        *bound = calls.min(*bound);
        let lane = stated.unwrap_or_else(|| LaneConfig::new(name.clone()));
        scheduler.lane_with(lane.max_concurrency(*bound))
    }
}

/// How the calls of one method get to where they run.
pub(super) struct Offload {
    pub(super) scheduler: Scheduler,
    /// What every call's job has in common; nothing for a method on the runtime.
    job: Option<Job>,
    tenant_key: Option<TenantKey>,
    pub(super) wanted: Wanted,
}

/// What a method takes of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Everything,
    /// Only the message: the rest stays with the call.
    Message,
}

impl Offload {
    pub(super) fn new(
        scheduler: Scheduler,
        lanes: &mut Lanes,
        method: &'static MethodSpec,
        placement: &Placement,
        tenant_key: Option<TenantKey>,
        wanted: Wanted,
    ) -> Self {
        let job = placement.blocking.then(|| {
            let lane = lanes.lane(&scheduler, placement);
            Job { criticality: placement.criticality, ..Job::new(method.full_name()).lane(lane) }
        });
        Self { scheduler, job, tenant_key, wanted }
    }

    /// Whether calls run on scheduler threads at all.
    pub(super) fn is_blocking(&self) -> bool {
        self.job.is_some()
    }

    /// What the scheduler is told of this call of a blocking method.
    pub(super) fn job_of(&self, call: &Call) -> Job {
        let job = self.job.clone().expect("only blocking methods are offloaded");
        let context = call.context();
        let job = job.deadline(context.deadline()).cancellation(context.cancellation().clone());
        let criticality = call.extensions.get::<Criticality>().copied().or(job.criticality);
        let tenant = self.tenant_key.as_ref().and_then(|key| key(call));
        Job { criticality, tenant, ..job }
    }
}

/// Reads the request of a method whose client does not stream; leaves a stream alone.
pub(super) async fn gather<I: Input>(body: Body) -> Result<Body, Status> {
    if I::STREAMS { Ok(body) } else { body.single().await.map(Body::Message) }
}

/// Decodes what a handler is given. Done where the handler runs: a large message is the scheduler's to decode.
///
/// Where that fails, the call has the rest all the same: whoever is told of it may ask.
#[inline]
pub(super) fn input<I: Input>(
    call: &Context,
    metadata: &mut MetadataMap,
    extensions: &mut Extensions,
    body: Body,
) -> Result<I, Status> {
    I::from_body(body, call).inspect_err(|_| leave(call, metadata, extensions))
}

#[cold]
fn leave(call: &Context, metadata: &mut MetadataMap, extensions: &mut Extensions) {
    call.keep_metadata(std::mem::take(metadata));
    call.keep_values(std::mem::take(extensions));
}

/// The request that a handler gets, of what it is given.
///
/// The call keeps the metadata and what interceptors left, for deep code; a handler that wants them has its own.
#[inline]
pub(super) fn request<I: Input>(
    call: &Context,
    metadata: MetadataMap,
    mut extensions: Extensions,
    input: I,
    wanted: Wanted,
) -> Request<I> {
    match wanted {
        Wanted::Message => {
            call.keep_metadata(metadata);
            call.keep_values(extensions);
            Request::new(input)
        }
        Wanted::Everything => {
            call.remember_metadata(&metadata);
            call.remember_values(&extensions);
            extensions.insert(call.clone());
            Request::from_parts(metadata, extensions, input)
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Entrance, Head, MethodKind, Peer, Protocol};
    use crate::google::api::HttpBody;

    /// An interceptor behind the handler may ask, and an access log for the trace.
    #[test]
    fn what_came_with_a_message_that_is_none_stays_with_its_call() {
        static METHOD: MethodSpec = MethodSpec::new("a.B", "C", "/a.B/C", MethodKind::Unary);
        let (protocol, peer, entrance) = (Protocol::Local, Peer::local(), Entrance::nowhere());
        let head = Head { method: &METHOD, protocol, peer, deadline: None, entrance };
        let call = Context::new(head, http::HeaderMap::new());
        let (mut metadata, mut extensions) = (MetadataMap::new(), Extensions::default());
        metadata.insert("who", "me".parse().expect("a value"));
        extensions.insert(7_i32);
        let no_message = Body::Message("\u{1}".into());
        let read = input::<HttpBody>(&call, &mut metadata, &mut extensions, no_message);
        assert_eq!(read.expect_err("it is none").code(), tonic::Code::InvalidArgument);
        assert_eq!(call.metadata().get("who").expect("it came"), "me");
        assert_eq!(call.value(), Some(&7_i32));
    }
}
