//! With tracing-opentelemetry and OpenTelemetry's SDK: one trace through several servers, and the figures of a meter.

use std::time::Duration;

use ambidex::server::Config;
use ambidex::telemetry::Metrics;
use ambidex::{Request, Response, Server, Status, Stream};
use http::{Method, StatusCode};
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{SpanKind, Status as SpanStatus, TracerProvider};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing::Instrument;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::support::allocations::in_a_process_of_its_own;
use crate::support::parity_v1::{ByHand, ByHandClient, ByHandServer, ShoutRequest, ShoutResponse};
use crate::support::running::{Running, start};
use crate::telemetry::{Chatty, Last, PARENT, own_place};

/// Calls the next server from within a span of its own.
struct AtWork(ByHandClient);

impl ByHand for AtWork {
    async fn shout(&self, request: Request<ShoutRequest>) -> Result<Response<ShoutResponse>, Status> {
        let work = tracing::info_span!(target: "work", "at work");
        let next = self.0.shout(request.into_inner()).instrument(work).await?.into_inner().text;
        Ok(Response::new(ShoutResponse { text: format!("{}|{next}", own_place()) }))
    }

    async fn spell(
        &self,
        _: Request<ShoutRequest>,
    ) -> Result<Response<impl Stream<Item = Result<ShoutResponse, Status>> + Send>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }
}

async fn with_spans(service: impl ambidex::Service + Send + 'static) -> Running {
    let mut config = Config::default();
    config.call_spans = true;
    start(Server::builder().config(config).service(service)).await
}

/// Waits until that many spans have been exported, in the order they ended.
async fn exported(exporter: &InMemorySpanExporter, count: usize) -> Vec<SpanData> {
    let exported = async {
        loop {
            let spans = exporter.get_finished_spans().unwrap();
            if spans.len() >= count {
                return spans;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), exported).await.expect("the spans end")
}

fn attribute(attributes: &[KeyValue], name: &str) -> String {
    let value = attributes.iter().find(|attribute| attribute.key.as_str() == name);
    value.map(|attribute| attribute.value.to_string()).unwrap_or_default()
}

#[test]
fn a_trace_is_one_trace_to_opentelemetry() {
    in_a_process_of_its_own("otel::chain");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "listens to its whole process"]
async fn chain() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let targets: Targets = "ambidex::call=info,work=info".parse().unwrap();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("ambidex"));
    tracing_subscriber::registry().with(layer.with_filter(targets)).init();

    let last = with_spans(ByHandServer::new(Last::<true>)).await;
    let first = with_spans(ByHandServer::new(AtWork(ByHandClient::new(last.channel().await)))).await;
    let headers = [("traceparent", PARENT), ("tracestate", "a=1")];
    let answer = first.http.send(Method::GET, "/v1/shout/hey", &headers, "").await;
    assert_eq!(answer.status, StatusCode::OK);
    let spans = exported(&exporter, 3).await;
    let find = |is: &dyn Fn(&SpanData) -> bool| spans.iter().find(|span| is(span)).expect("a span").clone();
    let outer = find(&|span| span.parent_span_id.to_string() == "b7ad6b7169203331");
    let work = find(&|span| span.name == "at work");
    let inner = find(&|span| span.parent_span_id == work.span_context.span_id());
    for span in [&outer, &inner] {
        assert_eq!((&*span.name, &span.span_kind), ("parity.v1.ByHand/Shout", &SpanKind::Server));
        assert_eq!(span.span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(span.parent_span_is_remote);
        assert_eq!(span.status, SpanStatus::Unset);
        assert_eq!(span.span_context.trace_state().header(), "a=1");
        assert_eq!(attribute(&span.attributes, "rpc.response.status_code"), "OK");
        assert_eq!(attribute(&span.attributes, "rpc.method"), "parity.v1.ByHand/Shout");
    }
    assert_eq!(attribute(&outer.attributes, "rpc.system.name"), "rest");
    assert_eq!(attribute(&inner.attributes, "rpc.system.name"), "grpc");
    assert_eq!(work.parent_span_id, outer.span_context.span_id());
    // What handlers know of their place is what is exported of it.
    let places = answer.json()["text"].as_str().expect("text").to_owned();
    let ids: Vec<_> = places.split('|').map(|place| place.split(' ').nth(1).expect("an id")).collect();
    assert_eq!(ids, [outer.span_context.span_id().to_string(), inner.span_context.span_id().to_string()]);

    // A trace that begins here, and a call that fails by the server's fault.
    let chatty = with_spans(ByHandServer::new(Chatty::<true>)).await;
    chatty.http.get("/v1/shout/panic").await;
    let spans = exported(&exporter, 4).await;
    let failed = &spans[3];
    assert!(matches!(failed.status, SpanStatus::Error { .. }), "{failed:?}");
    assert_eq!(attribute(&failed.attributes, "error.type"), "INTERNAL");
    assert_eq!(attribute(&failed.attributes, "trace_id"), failed.span_context.trace_id().to_string());
    assert_eq!(attribute(&failed.attributes, "span_id"), failed.span_context.span_id().to_string());
}

/// The figures of one metric: its attributes of interest, and the count or value.
fn figures(metric: &Metric) -> Vec<(Vec<String>, u64)> {
    fn names<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> Vec<String> {
        let text = |attribute: &KeyValue| match &attribute.value {
            Value::String(text) => text.to_string(),
            other => panic!("{other:?}"),
        };
        let mut names: Vec<_> = attributes.map(text).collect();
        names.sort();
        names
    }
    let mut figures: Vec<_> = match metric.data() {
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
            histogram.data_points().map(|point| (names(point.attributes()), point.count())).collect()
        }
        AggregatedMetrics::U64(MetricData::Sum(sum)) => {
            sum.data_points().map(|point| (names(point.attributes()), point.value())).collect()
        }
        AggregatedMetrics::I64(MetricData::Sum(sum)) => {
            sum.data_points().map(|point| (names(point.attributes()), point.value() as u64)).collect()
        }
        other => panic!("{}: {other:?}", metric.name()),
    };
    figures.sort();
    figures
}

#[tokio::test]
async fn a_meter_has_the_figures() {
    let exporter = InMemoryMetricExporter::default();
    let provider =
        SdkMeterProvider::builder().with_reader(PeriodicReader::builder(exporter.clone()).build()).build();
    let metrics = Metrics::new();
    metrics.export_to(&provider.meter("ambidex"));
    // Told twice, it counts once.
    metrics.export_to(&provider.meter("another"));
    let server = start(Server::builder().service(ByHandServer::new(Chatty::<false>)).metrics(metrics)).await;
    for text in ["hey", "you", "fail%205", "fail%2013"] {
        server.http.get(&format!("/v1/shout/{text}")).await;
    }
    provider.force_flush().unwrap();
    let exported = exporter.get_finished_metrics().unwrap();
    let metrics: Vec<_> =
        exported.iter().flat_map(|all| all.scope_metrics()).flat_map(|scope| scope.metrics()).collect();
    let of = |name: &str| {
        let found: Vec<_> = metrics.iter().filter(|metric| metric.name() == name).collect();
        let [metric] = found[..] else { panic!("{name} is there {} times", found.len()) };
        figures(metric)
    };
    let labels = |more: &[&str]| {
        let mut labels: Vec<_> =
            ["parity.v1.ByHand/Shout", "rest"].iter().chain(more).map(|l| (*l).to_owned()).collect();
        labels.sort();
        labels
    };
    let mut durations =
        vec![(labels(&["OK"]), 2), (labels(&["NOT_FOUND"]), 1), (labels(&["INTERNAL", "INTERNAL"]), 1)];
    durations.sort();
    assert_eq!(of("rpc.server.call.duration"), durations, "an error of the server has its type, too");
    assert_eq!(of("rpc.server.calls.started"), [(labels(&[]), 4)]);
    assert_eq!(of("rpc.server.active_calls"), [(labels(&[]), 0)]);
    assert_eq!(of("ambidex.server.connections.accepted"), [(vec![], 1)]);
    assert_eq!(of("ambidex.server.connections.open"), [(vec![], 1)]);
}
