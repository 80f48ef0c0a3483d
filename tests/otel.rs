//! With tracing-opentelemetry and OpenTelemetry's SDK: one trace through several servers, and the figures of a meter.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ambidex::server::Config;
use ambidex::telemetry::Metrics;
use ambidex::{Request, Response, Server, Status, Stream};
use http::{Method, StatusCode};
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{SpanKind, Status as SpanStatus, TracerProvider};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde_json::json;
use tracing::Instrument;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::support::allocations::in_a_process_of_its_own;
use crate::support::parity_v1::{ByHand, ByHandClient, ByHandServer, ShoutRequest, ShoutResponse};
use crate::support::running::{Running, start};
use crate::support::wires::Case;
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

/// A number of a series, as OpenTelemetry has it or Prometheus' page.
#[derive(Debug, Clone, PartialEq)]
enum Figure {
    One(f64),
    /// How many in each bucket, and their sum.
    Spread(Vec<u64>, f64),
}

/// Series by name and labels.
type Series = BTreeMap<(String, BTreeMap<String, String>), Figure>;

fn labels<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> BTreeMap<String, String> {
    attributes.map(|attribute| (attribute.key.to_string(), attribute.value.to_string())).collect()
}

fn series(metrics: &[&Metric]) -> Series {
    let mut all = Series::new();
    for metric in metrics {
        let name = metric.name().to_owned();
        let figures: Vec<_> = match metric.data() {
            AggregatedMetrics::F64(MetricData::Histogram(histogram)) => histogram
                .data_points()
                .map(|p| (labels(p.attributes()), Figure::Spread(p.bucket_counts().collect(), p.sum())))
                .collect(),
            AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                assert!(sum.is_monotonic(), "{name}");
                sum.data_points().map(|p| (labels(p.attributes()), Figure::One(p.value() as f64))).collect()
            }
            AggregatedMetrics::F64(MetricData::Sum(sum)) => {
                assert!(sum.is_monotonic(), "{name}");
                sum.data_points().map(|p| (labels(p.attributes()), Figure::One(p.value()))).collect()
            }
            AggregatedMetrics::I64(MetricData::Sum(sum)) => {
                assert!(!sum.is_monotonic(), "{name}");
                sum.data_points().map(|p| (labels(p.attributes()), Figure::One(p.value() as f64))).collect()
            }
            AggregatedMetrics::F64(MetricData::Gauge(gauge)) => {
                gauge.data_points().map(|p| (labels(p.attributes()), Figure::One(p.value()))).collect()
            }
            other => panic!("{name}: {other:?}"),
        };
        for (labels, figure) in figures {
            assert!(all.insert((name.clone(), labels), figure).is_none(), "{name} is there twice");
        }
    }
    all
}

/// The last export, which has each metric once.
fn last_export(provider: &SdkMeterProvider, exporter: &InMemoryMetricExporter) -> Series {
    exporter.reset();
    provider.force_flush().unwrap();
    let exported = exporter.get_finished_metrics().unwrap();
    let metrics: Vec<_> =
        exported.iter().flat_map(|all| all.scope_metrics()).flat_map(|scope| scope.metrics()).collect();
    let names: BTreeSet<_> = metrics.iter().map(|metric| metric.name()).collect();
    assert_eq!(names.len(), metrics.len(), "each is there once");
    series(&metrics)
}

fn meter() -> (SdkMeterProvider, InMemoryMetricExporter) {
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).build();
    (SdkMeterProvider::builder().with_reader(reader).build(), exporter)
}

#[tokio::test]
async fn a_meter_has_the_figures() {
    let (provider, exporter) = meter();
    let metrics = Metrics::new();
    metrics.export_to(&provider.meter("ambidex"));
    // Told twice, it counts once.
    metrics.export_to(&provider.meter("another"));
    let server = start(Server::builder().service(ByHandServer::new(Chatty::<false>)).metrics(metrics)).await;
    let of_shout = |more: &[(&str, &str)]| -> BTreeMap<String, String> {
        let method = [("rpc.method", "parity.v1.ByHand/Shout"), ("rpc.system.name", "rest")];
        method.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    // Twice, so that what was told already is not told again.
    for round in 1..3_u64 {
        for text in ["hey", "you", "fail%205", "fail%2013"] {
            server.http.get(&format!("/v1/shout/{text}")).await;
        }
        let series = last_export(&provider, &exporter);
        let one = |name: &str, labels: BTreeMap<String, String>| match &series[&(name.to_owned(), labels)] {
            Figure::One(value) => *value,
            Figure::Spread(counts, _) => counts.iter().sum::<u64>() as f64,
        };
        let times = round as f64;
        let duration = "rpc.server.call.duration";
        assert_eq!(one(duration, of_shout(&[("rpc.response.status_code", "OK")])), 2.0 * times);
        assert_eq!(one(duration, of_shout(&[("rpc.response.status_code", "NOT_FOUND")])), times);
        let fault = of_shout(&[("rpc.response.status_code", "INTERNAL"), ("error.type", "INTERNAL")]);
        assert_eq!(one(duration, fault), times, "an error of the server has its type, too");
        assert_eq!(one("rpc.server.calls.started", of_shout(&[])), 4.0 * times);
        assert_eq!(one("rpc.server.active_calls", of_shout(&[])), 0.0);
        assert_eq!(one("rpc.server.request.size", of_shout(&[])), 4.0 * times);
        assert_eq!(one("rpc.server.response.size", of_shout(&[])), 2.0 * times);
        assert_eq!(one("ambidex.server.connections.accepted", BTreeMap::new()), 1.0);
        assert_eq!(one("ambidex.server.connections.open", BTreeMap::new()), 1.0);
    }
}

/// What a page of Prometheus says, by the names that OpenTelemetry has for it: those of `known`.
fn series_of_page(page: &str, known: &BTreeSet<String>) -> Series {
    let mut all = Series::new();
    let (mut family, mut kind, mut unit) = (String::new(), String::new(), String::new());
    for line in page.lines() {
        if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (name, of) = typed.split_once(' ').unwrap();
            (family, kind, unit) = (name.to_owned(), of.to_owned(), String::new());
            continue;
        }
        if let Some(united) = line.strip_prefix("# UNIT ") {
            unit = format!("_{}", united.split_once(' ').unwrap().1);
            continue;
        }
        if line.starts_with('#') {
            continue;
        }
        let spelled = family.strip_suffix(&unit).unwrap();
        let name = known.iter().find(|name| name.replace('.', "_") == spelled);
        let name = name.unwrap_or_else(|| panic!("OpenTelemetry has no {family}"));
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (sample, labels) = series.split_once('{').unwrap_or((series, "}"));
        let mut labels: BTreeMap<_, _> = labels
            .trim_end_matches('}')
            .split("\",")
            .filter(|label| !label.is_empty())
            .map(|label| label.split_once("=\"").unwrap())
            .map(|(name, value)| {
                let known = ["rpc.method", "rpc.system.name", "rpc.response.status_code"];
                let name = known.iter().find(|known| known.replace('.', "_") == name).unwrap_or(&name);
                ((*name).to_owned(), value.trim_end_matches('"').to_owned())
            })
            .collect();
        let upto = labels.remove("le");
        let code = labels.get("rpc.response.status_code");
        if let Some(code) = code.filter(|code| ["INTERNAL", "UNKNOWN"].contains(&code.as_str())).cloned() {
            labels.insert("error.type".to_owned(), code);
        }
        let value: f64 = value.parse().unwrap();
        if kind != "histogram" {
            if !value.is_nan() {
                all.insert((name.clone(), labels), Figure::One(value));
            }
            continue;
        }
        let spread = all.entry((name.clone(), labels)).or_insert(Figure::Spread(Vec::new(), 0.0));
        let Figure::Spread(counts, sum) = spread else { panic!("{line}") };
        if sample.ends_with("_sum") {
            *sum = value;
        } else if upto.is_some() {
            // The page adds them up.
            counts.push(value as u64 - counts.iter().sum::<u64>());
        }
    }
    all
}

/// What does not stand still between two looks.
const RESTLESS: [&str; 9] = [
    "ambidex.runtime.worker.busy",
    "ambidex.runtime.worker.parks",
    "ambidex.runtime.tasks.alive",
    "ambidex.runtime.queue.depth",
    "ambidex.scheduler.threads",
    "ambidex.scheduler.threads.idle",
    "ambidex.scheduler.jobs.running",
    "ambidex.scheduler.jobs.orphaned",
    "ambidex.scheduler.wakes",
];

#[tokio::test]
async fn a_meter_and_the_page_say_the_same() {
    let (provider, exporter) = meter();
    let metrics = Metrics::new();
    metrics.export_to(&provider.meter("ambidex"));
    let mut registry = prometheus_client::registry::Registry::default();
    registry.register_collector(Box::new(metrics.collector()));
    let server = start(crate::support::running::parity_builder().metrics(metrics.clone())).await;
    for round in 0..3 {
        for wire in crate::support::wires::ALL {
            for plan in [json!({}), json!({"failCode": 5}), json!({"failCode": 13})] {
                let request = json!({"text": "x".repeat(round * 100), "plan": plan});
                server.call(wire, &Case::new("Echo", "/v1/echo", request.clone())).await;
                server.call(wire, &Case::new("EchoBlocking", "/v1/blocking/echo", request)).await;
            }
        }
        last_export(&provider, &exporter);
    }
    let quiet = async {
        let is_busy = |now: &ambidex::telemetry::Snapshot| {
            let running = now.scheduler.as_ref().is_some_and(|scheduler| scheduler.running > 0);
            running || now.calls.iter().any(|calls| calls.in_flight > 0)
        };
        while is_busy(&metrics.snapshot()) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), quiet).await.expect("its calls end");
    let exported = last_export(&provider, &exporter);
    let mut page = String::new();
    prometheus_client::encoding::text::encode(&mut page, &registry).unwrap();
    let known: BTreeSet<_> = exported.keys().map(|(name, _)| name.clone()).collect();
    let mut on_page = series_of_page(&page, &known);
    // A series that is there, but has no value yet, is on the page alone.
    on_page
        .retain(|_, figure| !matches!(figure, Figure::Spread(counts, _) if counts.iter().sum::<u64>() == 0));
    let names = |all: &Series| -> Vec<_> { all.keys().cloned().collect() };
    assert_eq!(names(&exported), names(&on_page));
    assert!(exported.len() > 60, "{exported:?}");
    for ((name, labels), figure) in &exported {
        let other = &on_page[&(name.clone(), labels.clone())];
        match (figure, other) {
            _ if RESTLESS.contains(&name.as_str()) => {}
            (Figure::Spread(counts, sum), Figure::Spread(other_counts, other_sum)) => {
                assert_eq!(counts, other_counts, "{name} {labels:?}");
                assert!((sum - other_sum).abs() <= 1e-6 * sum, "{name} {labels:?}: {sum} {other_sum}");
            }
            _ => assert_eq!(figure, other, "{name} {labels:?}"),
        }
    }
}
