//! Spans and figures by OTLP, as a collector gets them that is told nothing else.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ambidex::telemetry::Otlp;
use ambidex::{Request, Response, Server, Status};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::support::allocations::{in_a_process_of_its_own, in_a_process_with};
use crate::support::parity_v1::EchoRequest;
use crate::support::running::{parity_builder, start};
use crate::telemetry::PARENT;

/// Keeps what it is sent.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<(Vec<ExportTraceServiceRequest>, Vec<ExportMetricsServiceRequest>)>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().0.push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.0.lock().unwrap().1.push(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

fn text(attributes: &[KeyValue], name: &str) -> String {
    let value = attributes.iter().find(|attribute| attribute.key == name).and_then(|it| it.value.clone());
    match value.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        other => panic!("{name} is {other:?}"),
    }
}

impl Collector {
    fn spans(&self) -> Vec<Span> {
        let kept = self.0.lock().unwrap();
        let of_resources = kept.0.iter().flat_map(|request| &request.resource_spans);
        of_resources.flat_map(|of| &of.scope_spans).flat_map(|scope| &scope.spans).cloned().collect()
    }

    /// The last word on a metric.
    fn metric(&self, name: &str) -> Metric {
        let kept = self.0.lock().unwrap();
        let of_resources = kept.1.iter().flat_map(|request| &request.resource_metrics);
        let mut metrics = of_resources.flat_map(|of| &of.scope_metrics).flat_map(|scope| &scope.metrics);
        metrics.rfind(|metric| metric.name == name).unwrap_or_else(|| panic!("no {name}")).clone()
    }

    /// Who everything comes from.
    fn resource(&self) -> Vec<KeyValue> {
        let kept = self.0.lock().unwrap();
        let of_spans = kept.0.iter().flat_map(|request| &request.resource_spans).map(|of| &of.resource);
        let of_metrics = kept.1.iter().flat_map(|request| &request.resource_metrics).map(|of| &of.resource);
        let mut all =
            of_spans.chain(of_metrics).map(|it| it.as_ref().expect("a resource").attributes.clone());
        let first = all.next().expect("something was exported");
        let name = text(&first, "service.name");
        assert!(all.all(|other| text(&other, "service.name") == name));
        first
    }
}

/// What a collector has that a program exported to, which ran this test by itself.
async fn exported_by(test: &'static str, variables: &'static [(&'static str, &'static str)]) -> Collector {
    let collector = Collector::default();
    let server = Server::builder()
        .tonic_service(TraceServiceServer::new(collector.clone()))
        .tonic_service(MetricsServiceServer::new(collector.clone()));
    let there = start(server).await;
    let endpoint = format!("http://{}", there.address);
    let program = move || {
        let mut all = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint)];
        all.extend_from_slice(variables);
        in_a_process_with(&all, test);
    };
    tokio::task::spawn_blocking(program).await.expect("it goes well");
    collector
}

/// A program that serves two calls, and ends.
async fn serve_two_calls(otlp: Otlp) {
    let server = start(parity_builder().otlp(otlp)).await;
    let headers = [("traceparent", PARENT), ("content-type", "application/json")];
    server.http.send(http::Method::POST, "/v1/blocking/echo", &headers, r#"{"text": "hello"}"#).await;
    server.grpc().await.echo(EchoRequest { text: "hello".into(), ..EchoRequest::default() }).await.unwrap();
    server.stopped().await.expect("all went well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_has_spans_and_figures_of_served_calls() {
    let variables = &[("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")];
    let collector = exported_by("otlp::program", variables).await;
    let resource = collector.resource();
    assert_eq!(text(&resource, "service.name"), "bookshop");
    assert_eq!(text(&resource, "deployment.environment.name"), "test");

    let spans = collector.spans();
    let mut calls: Vec<_> = spans.iter().map(|span| &*span.name).collect();
    calls.sort_unstable();
    assert_eq!(calls, ["parity.v1.Parity/Echo", "parity.v1.Parity/EchoBlocking"], "{spans:?}");
    let of_rest = spans.iter().find(|span| span.name.ends_with("EchoBlocking")).unwrap();
    assert_eq!(of_rest.trace_id[..2], [0x0a, 0xf7], "its caller's trace");
    assert_eq!(text(&of_rest.attributes, "rpc.system.name"), "rest");
    assert_eq!(text(&of_rest.attributes, "rpc.response.status_code"), "OK");

    let sum = |name: &str| match collector.metric(name).data {
        Some(metric::Data::Sum(sum)) => sum.data_points,
        other => panic!("{name}: {other:?}"),
    };
    let started = sum("rpc.server.calls.started");
    assert_eq!(started.len(), 2);
    for series in &started {
        assert_eq!(series.value, Some(number_data_point::Value::AsInt(1)));
    }
    assert!(!sum("ambidex.runtime.workers").is_empty());
    let jobs = sum("ambidex.scheduler.jobs.completed");
    let lane = jobs.iter().find(|point| text(&point.attributes, "lane") == "parity.v1.Parity/EchoBlocking");
    assert_eq!(lane.expect("a lane").value, Some(number_data_point::Value::AsInt(1)));
    for (name, unit, counted) in [
        ("rpc.server.call.duration", "s", 1),
        ("rpc.server.request.size", "By", 1),
        ("rpc.server.response.size", "By", 1),
    ] {
        let metric = collector.metric(name);
        assert_eq!(metric.unit, unit);
        let Some(metric::Data::Histogram(histogram)) = metric.data else { panic!("{name}") };
        assert_eq!(histogram.data_points.len(), 2, "{name}");
        assert!(histogram.data_points.iter().all(|series| series.count == counted), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "sets the subscriber of its whole process"]
async fn program() {
    serve_two_calls(Otlp::from_env("bookshop").expect("an endpoint")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_may_have_a_subscriber_and_a_name_of_its_own() {
    let collector = exported_by("otlp::program_with_a_subscriber", &[("OTEL_SERVICE_NAME", "theirs")]).await;
    assert_eq!(text(&collector.resource(), "service.name"), "theirs", "the environment knows better");
    assert_eq!(collector.spans().len(), 2, "and none of what the exporter does itself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "sets the subscriber of its whole process"]
async fn program_with_a_subscriber() {
    let otlp = Otlp::from_env("bookshop").expect("an endpoint");
    tracing_subscriber::registry().with(otlp.layer()).init();
    serve_two_calls(otlp).await;
}

#[test]
fn a_collector_that_is_not_there_does_no_harm() {
    in_a_process_of_its_own("otlp::alone");
}

#[tokio::test]
#[ignore = "sets the subscriber of its whole process"]
async fn alone() {
    // Nobody listens there: the port was somebody's a moment ago.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let otlp = Otlp::to(&format!("http://{nobody}"), "bookshop").expect("an address");
    let served = tokio::time::timeout(Duration::from_secs(60), serve_two_calls(otlp));
    served.await.expect("it ends");
}

#[tokio::test]
async fn what_is_no_address_is_an_error() {
    let error = Otlp::to("no address", "bookshop").expect_err("no address").to_string();
    assert!(error.starts_with("otlp: ") && error.contains("no address"), "{error}");
}
