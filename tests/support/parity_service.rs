//! The handlers of `parity.v1.Parity`: each kind of method, async and blocking, that misbehave on request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ambidex::call;
use ambidex::google::api::HttpBody;
use ambidex::tonic_types::{ErrorDetails, StatusExt};
use ambidex::{
    BlockingStreaming, Code, Request, RequestExt, Response, Scheduler, Status, Stream, Streaming,
    metadata::MetadataMap,
};
use tokio_stream::StreamExt;

use super::parity_v1::*;

/// What an interceptor of the tests leaves for the handler.
#[derive(Debug, Clone)]
pub struct User(pub String);

#[derive(Debug, Clone, Default)]
pub struct ParityService {
    /// What became of calls, by the key they gave.
    noted: Arc<Mutex<HashMap<String, String>>>,
}

/// Notes that it is gone.
struct NoteDrop(ParityService, String);

impl Drop for NoteDrop {
    fn drop(&mut self) {
        if !self.1.is_empty() {
            self.0.note(&self.1, "Dropped");
        }
    }
}

impl ParityService {
    fn note(&self, key: &str, what: impl std::fmt::Debug) {
        let what = format!("{what:?}").trim_matches('"').to_owned();
        self.noted.lock().expect("no test panics with the lock").insert(key.to_owned(), what);
    }

    async fn follow(&self, plan: &Plan) -> Result<(), Status> {
        if plan.sleep_ms > 0 {
            tokio::time::sleep(Duration::from_millis(plan.sleep_ms as u64)).await;
        }
        if !plan.await_cancel.is_empty() {
            // A task, because the handler itself is dropped when its caller leaves.
            let cancellation = call::current().expect("a call").cancellation().clone();
            let (service, key) = (self.clone(), plan.await_cancel.clone());
            let noted = tokio::spawn(async move { service.note(&key, cancellation.cancelled().await) });
            noted.await.expect("the note is taken");
        }
        self.end(plan)
    }

    fn follow_blocking(&self, plan: &Plan) -> Result<(), Status> {
        if plan.sleep_ms > 0 {
            std::thread::sleep(Duration::from_millis(plan.sleep_ms as u64));
        }
        if !plan.await_cancel.is_empty() {
            while call::current().expect("a call").check().is_ok() {
                std::thread::sleep(Duration::from_millis(1));
            }
            let context = call::current().expect("a call");
            let reason = Scheduler::current()
                .expect("a scheduler thread")
                .block_on(async { context.cancellation().cancelled().await });
            self.note(&plan.await_cancel, reason);
        }
        self.end(plan)
    }

    fn end(&self, plan: &Plan) -> Result<(), Status> {
        if plan.panic {
            panic!("the test asked for it: secret");
        }
        if !plan.only_for.is_empty() && call::value::<User>()?.0 != plan.only_for {
            return Err(Status::permission_denied("someone else calls"));
        }
        if plan.fail_code == 0 {
            return Ok(());
        }
        let code = Code::from(plan.fail_code);
        if plan.fail_details {
            let details = ErrorDetails::with_bad_request_violation("text", "is not to my liking");
            return Err(Status::with_error_details(code, plan.fail_message.as_str(), details));
        }
        Err(Status::new(code, plan.fail_message.as_str()))
    }
}

fn echoed(request: EchoRequest) -> EchoResponse {
    EchoResponse {
        text: request.text,
        item: request.item,
        mask: request.mask,
        numbers: request.numbers,
        on_scheduler: Scheduler::is_scheduler_thread(),
    }
}

/// The reply to a request, not to be compressed for who says so.
fn echo_as_asked(request: Request<EchoRequest>, metadata: MetadataMap) -> Response<EchoResponse> {
    let as_it_is = request.metadata().contains_key("x-uncompressed");
    let mut response = Response::new(echoed(request.into_inner()));
    *response.metadata_mut() = metadata;
    if as_it_is {
        response.disable_compression();
    }
    response
}

/// Sends back the metadata that a plan asks for.
fn echo_metadata(plan: &Plan, sent: &MetadataMap) -> MetadataMap {
    if plan.echo_metadata { echo_all(sent) } else { MetadataMap::new() }
}

/// The same for streams of requests, which have no plan when the reply begins.
fn echo_if_asked(sent: &MetadataMap) -> MetadataMap {
    if sent.contains_key("x-echo-asked") { echo_all(sent) } else { MetadataMap::new() }
}

fn echo_all(sent: &MetadataMap) -> MetadataMap {
    let mut initial = MetadataMap::new();
    let sent = sent.clone().into_headers();
    for (name, value) in sent.iter().map(|(name, value)| (name.clone(), value.clone())) {
        if name.as_str().starts_with("x-echo-") {
            initial.as_mut().append(name, value);
        } else if name.as_str().starts_with("x-trail-") {
            call::current().expect("a call").edit_trailers(|trailers| {
                trailers.as_mut().append(name, value);
            });
        }
    }
    initial
}

fn describe(on: &Request<DescribeRequest>) -> DescribeResponse {
    DescribeResponse {
        protocol: on.protocol().as_str().to_owned(),
        method: on.method_spec().full_name().to_owned(),
        has_deadline: on.deadline().is_some(),
        has_peer: on.peer().address.is_some(),
        deep_metadata: deep_in_the_code(),
        on_scheduler: Scheduler::is_scheduler_thread(),
        user: on.value::<User>().map(|user| user.0.clone()).unwrap_or_default(),
    }
}

/// Is handed nothing, and knows all the same.
fn deep_in_the_code() -> String {
    let context = call::current().expect("code under a handler is in a call");
    let value = context.metadata().get("x-deep").and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

#[ambidex::service]
impl Parity for ParityService {
    async fn echo(&self, request: Request<EchoRequest>) -> Result<Response<EchoResponse>, Status> {
        let plan = request.get_ref().plan.clone().unwrap_or_default();
        let metadata = echo_metadata(&plan, request.metadata());
        self.follow(&plan).await?;
        Ok(echo_as_asked(request, metadata))
    }

    fn echo_blocking(&self, request: Request<EchoRequest>) -> Result<Response<EchoResponse>, Status> {
        let plan = request.get_ref().plan.clone().unwrap_or_default();
        let metadata = echo_metadata(&plan, request.metadata());
        self.follow_blocking(&plan)?;
        Ok(echo_as_asked(request, metadata))
    }

    async fn count(
        &self,
        request: Request<CountRequest>,
    ) -> Result<Response<impl Stream<Item = Result<CountResponse, Status>>>, Status> {
        let (metadata, _, request) = request.into_parts();
        let plan = request.plan.unwrap_or_default();
        let echoed = echo_metadata(&plan, &metadata);
        let gone = NoteDrop(self.clone(), plan.note_drop.clone());
        // Borrows from the service, as a stream may.
        let end = tokio_stream::iter(Some(()))
            .then(move |()| {
                let plan = plan.clone();
                async move { self.follow(&plan).await.map(|()| None) }
            })
            .filter_map(|result| result.transpose());
        let pause = Duration::from_millis(request.pause_ms as u64);
        let numbers = tokio_stream::iter(1..=request.to).then(move |number| async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            Ok(CountResponse { number })
        });
        let mut response = Response::new(numbers.chain(end).map(move |number| {
            let _held = &gone;
            number
        }));
        *response.metadata_mut() = echoed;
        Ok(response)
    }

    fn count_blocking(
        &self,
        request: CountRequest,
    ) -> Result<impl Iterator<Item = Result<CountResponse, Status>>, Status> {
        let plan = request.plan.unwrap_or_default();
        let gone = NoteDrop(self.clone(), plan.note_drop.clone());
        let end =
            std::iter::once_with(move || self.follow_blocking(&plan)).filter_map(|end| end.err().map(Err));
        let numbers = (1..=request.to).map(move |number| {
            std::thread::sleep(Duration::from_millis(request.pause_ms as u64));
            Ok(CountResponse { number })
        });
        Ok(numbers.chain(end).inspect(move |_| {
            let _held = &gone;
        }))
    }

    async fn sum(&self, numbers: Request<Streaming<SumRequest>>) -> Result<Response<SumResponse>, Status> {
        let mut response = Response::new(SumResponse::default());
        *response.metadata_mut() = echo_if_asked(numbers.metadata());
        let mut numbers = numbers.into_inner();
        let sum = response.get_mut();
        while let Some(request) = numbers.message().await? {
            self.follow(&request.plan.unwrap_or_default()).await?;
            sum.sum += request.number;
            sum.count += 1;
        }
        Ok(response)
    }

    #[blocking(lane = "sums", max_concurrency = 2)]
    fn sum_blocking(&self, numbers: BlockingStreaming<SumRequest>) -> Result<SumResponse, Status> {
        let mut response = SumResponse::default();
        for request in numbers {
            let request = request?;
            self.follow_blocking(&request.plan.unwrap_or_default())?;
            response.sum += request.number;
            response.count += 1;
        }
        Ok(response)
    }

    async fn running(
        &self,
        request: Request<Streaming<SumRequest>>,
    ) -> Result<Response<impl Stream<Item = Result<SumResponse, Status>>>, Status> {
        let mut so_far = SumResponse::default();
        let as_it_is = request.metadata().contains_key("x-uncompressed");
        let echoed = echo_if_asked(request.metadata());
        let mut response = Response::new(request.into_inner().then(move |request| {
            let next = request.map(|request| {
                so_far.sum += request.number;
                so_far.count += 1;
                (so_far, request.plan.unwrap_or_default())
            });
            async move {
                let (sum, plan) = next?;
                self.follow(&plan).await?;
                Ok(sum)
            }
        }));
        *response.metadata_mut() = echoed;
        if as_it_is {
            response.disable_compression();
        }
        Ok(response)
    }

    #[blocking(lane = "sums")]
    fn running_blocking(
        &self,
        numbers: Request<BlockingStreaming<SumRequest>>,
    ) -> Result<Response<impl Iterator<Item = Result<SumResponse, Status>>>, Status> {
        let echoed = echo_if_asked(numbers.metadata());
        let mut so_far = SumResponse::default();
        let mut response = Response::new(numbers.into_inner().map(move |request| {
            let request = request?;
            so_far.sum += request.number;
            so_far.count += 1;
            self.follow_blocking(&request.plan.unwrap_or_default())?;
            Ok(so_far)
        }));
        *response.metadata_mut() = echoed;
        Ok(response)
    }

    #[blocking]
    async fn echo_offloaded(&self, request: EchoRequest) -> Result<EchoResponse, Status> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.follow(&request.plan.clone().unwrap_or_default()).await?;
        Ok(echoed(request))
    }

    async fn describe(&self, request: Request<DescribeRequest>) -> Result<DescribeResponse, Status> {
        tokio::task::yield_now().await;
        Ok(describe(&request))
    }

    fn describe_blocking(&self, request: Request<DescribeRequest>) -> Result<DescribeResponse, Status> {
        Ok(describe(&request))
    }

    async fn raw(&self, request: RawRequest) -> Result<HttpBody, Status> {
        Ok(request.body.unwrap_or(HttpBody {
            content_type: "text/plain; charset=utf-8".to_owned(),
            data: b"raw".to_vec().into(),
            extensions: Vec::new(),
        }))
    }

    fn raw_stream(
        &self,
        request: RawRequest,
    ) -> Result<impl Iterator<Item = Result<HttpBody, Status>>, Status> {
        const TEXTS: [&str; 3] = ["one,", "two,", "three"];
        let plan = request.plan.unwrap_or_default();
        let gone = NoteDrop(self.clone(), plan.note_drop.clone());
        let end =
            std::iter::once_with(move || self.follow_blocking(&plan)).filter_map(|end| end.err().map(Err));
        let pieces = TEXTS.into_iter().cycle().take(request.pieces.unwrap_or(3).max(0) as usize);
        let pieces = pieces.map(move |text| {
            std::thread::sleep(Duration::from_millis(request.pause_ms as u64));
            Ok(HttpBody {
                content_type: "text/csv".to_owned(),
                data: text.repeat(request.repeat.max(1) as usize).into(),
                extensions: Vec::new(),
            })
        });
        Ok(pieces.chain(end).inspect(move |_| {
            let _held = &gone;
        }))
    }

    #[timeout("50ms")]
    async fn hurried(&self, request: EchoRequest) -> Result<EchoResponse, Status> {
        self.follow(&request.plan.clone().unwrap_or_default()).await?;
        Ok(echoed(request))
    }

    async fn observe(&self, request: ObserveRequest) -> Result<ObserveResponse, Status> {
        let noted = self.noted.lock().expect("no test panics with the lock");
        Ok(ObserveResponse { reason: noted.get(&request.key).cloned().unwrap_or_default() })
    }
}
