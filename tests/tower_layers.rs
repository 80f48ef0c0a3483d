//! tower's own layers as interceptors: of the server, a service and a method, over every wire and for every kind of
//! method. What they fail with, whose calls they count together, and when a stream gives its place back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ambidex::call::{Body, Call};
use ambidex::interceptor::{self, Interceptor, Next};
use ambidex::server::{Health, ServerBuilder};
use ambidex::{Code, Status};
use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio_stream::StreamExt;
use tower::filter::{AsyncFilterLayer, FilterLayer};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::timeout::TimeoutLayer;
use tower::util::MapRequestLayer;
use tower::{BoxError, ServiceBuilder};

use crate::support::every_kind::every_kind;
use crate::support::parity_service::User;
use crate::support::parity_v1::{CountRequest, EchoRequest, ObserveRequest, Plan};
use crate::support::running::{Running, parity_builder, start};
use crate::support::wires::{ALL, Case, Failure, Wire};

const SERVICE: &str = "parity.v1.Parity";

/// Where an interceptor may be added.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Level {
    Server,
    Service,
    Methods,
}

const LEVELS: [Level; 3] = [Level::Server, Level::Service, Level::Methods];

/// A server with a layer there; on the level of methods each has one of its own.
fn with<I: Interceptor>(level: Level, layer: impl Fn() -> I) -> ServerBuilder {
    let builder = parity_builder().health(Health::new());
    match level {
        Level::Server => builder.interceptor(layer()),
        Level::Service => builder.interceptor_for(SERVICE, layer()),
        Level::Methods => every_kind(&json!({})).into_iter().fold(builder, |builder, (case, _)| {
            builder.interceptor_for(format!("{SERVICE}/{}", case.method), layer())
        }),
    }
}

async fn failure(server: &Running, wire: Wire, case: &Case) -> Failure {
    server.call(wire, case).await.end.expect_err(&format!("{wire:?} {}", case.method))
}

#[tokio::test]
async fn a_mapped_request_is_what_the_handler_sees() {
    let map = || {
        MapRequestLayer::new(|mut call: Call| {
            call.extensions.insert(User("mapped".to_owned()));
            call
        })
    };
    for level in LEVELS {
        let server = start(with(level, map)).await;
        for (case, wires) in every_kind(&json!({"onlyFor": "mapped"})) {
            for &wire in wires {
                assert_eq!(server.call(wire, &case).await.end, Ok(()), "{level:?} {wire:?} {}", case.method);
            }
        }
    }
}

fn friends_only(call: Call) -> Result<Call, BoxError> {
    match call.metadata.get("x-friend").map(|name| name.as_bytes().to_vec()).as_deref() {
        Some(b"yes") => Ok(call),
        Some(_) => Err("the secret of the filter".into()),
        None => Err(Status::permission_denied("friends only").into()),
    }
}

async fn friends_only_later(call: Call) -> Result<Call, BoxError> {
    tokio::task::yield_now().await;
    friends_only(call)
}

/// A status in a box is that status, and what else is in one is nobody's business.
#[tokio::test]
async fn a_filter_refuses_with_its_status_and_tells_nothing_else() {
    for level in LEVELS {
        let at_once = start(with(level, || FilterLayer::new(friends_only))).await;
        let later = start(with(level, || AsyncFilterLayer::new(friends_only_later))).await;
        for (case, wires) in every_kind(&json!({})) {
            for &wire in wires {
                for server in [&at_once, &later] {
                    let place = format!("{level:?} {wire:?} {}", case.method);
                    let refused = failure(server, wire, &case).await;
                    let said = (refused.code, refused.message.as_str());
                    assert_eq!(said, (Code::PermissionDenied, "friends only"), "{place}");
                    let broken = failure(server, wire, &case.clone().metadata("x-friend", "no")).await;
                    let said = (broken.code, broken.message.as_str());
                    assert_eq!(said, (Code::Internal, "internal error"), "{place}");
                    let friend = server.call(wire, &case.clone().metadata("x-friend", "yes")).await;
                    assert_eq!(friend.end, Ok(()), "{place}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_timeout_is_a_deadline_that_has_passed() {
    for level in LEVELS {
        let server = start(with(level, || TimeoutLayer::new(Duration::from_millis(200)))).await;
        // They wait for as long as they are let; methods with a stream of replies answer before they do that.
        let waiting = every_kind(&json!({"awaitCancel": "for the layer"}));
        let unary = |method: &str| method.starts_with("Echo") || method.starts_with("Sum");
        let waiting = waiting.iter().filter(|(case, _)| unary(case.method));
        let calls = waiting.flat_map(|(case, wires)| wires.iter().map(move |&wire| (case, wire)));
        let ends = calls.map(|(case, wire)| {
            let server = &server;
            async move {
                let late = failure(server, wire, case).await;
                let message = "the call cannot be answered before its deadline";
                assert_eq!((late.code, late.message.as_str()), (Code::DeadlineExceeded, message), "{wire:?}");
            }
        });
        join_all(ends).await;
    }
}

/// Blocking code goes on when the layer has dropped what it waited for, and would never know.
#[tokio::test]
async fn code_that_runs_on_learns_that_a_layers_timeout_has_passed() {
    // Enough to begin in.
    let timeout = TimeoutLayer::new(Duration::from_secs(4));
    let server = start(parity_builder().interceptor_for("parity.v1.Parity/EchoBlocking", timeout)).await;
    let client = server.in_process();
    let plan = Plan { await_cancel: "told".to_owned(), ..Plan::default() };
    let request = EchoRequest { plan: Some(plan), ..EchoRequest::default() };
    assert_eq!(client.echo_blocking(request).await.unwrap_err().code(), Code::DeadlineExceeded);
    let patience = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        assert!(std::time::Instant::now() < patience, "it learns nothing");
        let seen = client.observe(ObserveRequest { key: "told".to_owned() }).await.unwrap().into_inner();
        if !seen.reason.is_empty() {
            assert_eq!(seen.reason, "DeadlineExceeded");
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An `Echo` that stays in its handler until it is dropped.
async fn held(server: &Running, arrived: &AtomicUsize) -> tokio::task::JoinHandle<()> {
    let before = arrived.load(Ordering::SeqCst);
    let client = server.in_process();
    let call = tokio::spawn(async move {
        let plan = Plan { await_cancel: "held".to_owned(), ..Plan::default() };
        let request = EchoRequest { plan: Some(plan), ..EchoRequest::default() };
        let _ = client.echo(request).await;
    });
    while arrived.load(Ordering::SeqCst) == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    call
}

/// Counts the calls that have come past the layer under test; added to the methods, it is behind those of every level.
fn counting(builder: ServerBuilder, arrived: &Arc<AtomicUsize>) -> ServerBuilder {
    let arrived = Arc::clone(arrived);
    builder.interceptor_for(
        "parity.v1.Parity/Echo",
        MapRequestLayer::new(move |call: Call| {
            arrived.fetch_add(1, Ordering::SeqCst);
            call
        }),
    )
}

/// One place for all that the layer was added for, and not one for each method.
#[tokio::test]
async fn the_places_of_a_limit_are_shared_by_all_it_was_added_for() {
    for level in LEVELS {
        let arrived = Arc::default();
        let one_place = || ServiceBuilder::new().load_shed().concurrency_limit(1);
        let server = start(counting(with(level, one_place), &arrived)).await;
        let call = held(&server, &arrived).await;
        for (case, wires) in every_kind(&json!({})) {
            for &wire in wires {
                let place = format!("{level:?} {wire:?} {}", case.method);
                let is_counted = level != Level::Methods || case.method == "Echo";
                let end = server.call(wire, &case).await.end;
                if !is_counted {
                    assert_eq!(end, Ok(()), "{place}");
                    continue;
                }
                let shed = end.expect_err(&place);
                let said = "too many calls are under way; try again later";
                assert_eq!((shed.code, shed.message.as_str()), (Code::ResourceExhausted, said), "{place}");
            }
        }
        let health = server.http.post("/grpc.health.v1.Health/Check", "{}").await;
        assert_eq!(health.status.is_success(), level != Level::Server, "another service: {level:?}");
        if level == Level::Server {
            assert_eq!(health.status, http::StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(health.header("retry-after"), "1");
        }
        call.abort();
        let echo = Case::new("Echo", "/v1/echo", json!({}));
        while server.call(Wire::Rest, &echo).await.end.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// One semaphore in several layers is one limit, wherever they were added.
#[tokio::test]
async fn a_limit_may_be_shared_by_methods_that_have_little_in_common() {
    let arrived = Arc::default();
    let limit = GlobalConcurrencyLimitLayer::new(1);
    let one_place = || ServiceBuilder::new().load_shed().layer(limit.clone());
    let builder = parity_builder()
        .interceptor_for("parity.v1.Parity/Echo", one_place())
        .interceptor_for("parity.v1.Parity/Sum", one_place());
    let server = start(counting(builder, &arrived)).await;
    let _call = held(&server, &arrived).await;
    for (case, wires) in every_kind(&json!({})) {
        let shares = ["Echo", "Sum"].contains(&case.method);
        for &wire in wires {
            assert_eq!(server.call(wire, &case).await.end.is_err(), shares, "{wire:?} {}", case.method);
        }
    }
}

fn endless() -> CountRequest {
    CountRequest { to: i32::MAX, pause_ms: 5, plan: None }
}

/// What tower has of a stream is its head, and a place is given back with that.
#[tokio::test]
async fn a_stream_gives_the_place_of_a_layer_back_at_its_head() {
    let one_place = || ServiceBuilder::new().load_shed().concurrency_limit(1);
    let server = start(with(Level::Server, one_place)).await;
    let mut stream = server.grpc().await.count(endless()).await.unwrap().into_inner();
    assert_eq!(stream.next().await.unwrap().unwrap().number, 1);
    for (case, wires) in every_kind(&json!({})) {
        for &wire in wires {
            assert_eq!(server.call(wire, &case).await.end, Ok(()), "{wire:?} {}", case.method);
        }
    }
    assert_eq!(stream.next().await.unwrap().unwrap().number, 2, "it goes on");
}

/// What is to be kept for as long as the stream goes into the stream.
#[tokio::test]
async fn a_place_that_is_in_the_stream_is_kept_until_its_end() {
    let places = Arc::new(Semaphore::new(1));
    let one_at_once = interceptor::from_fn(move |call: Call, next: Next| {
        let place = Arc::clone(&places).try_acquire_owned();
        async move {
            let place = place.map_err(|_| Status::resource_exhausted("too many streams; try again later"))?;
            let mut reply = next.run(call).await?;
            if let Body::Stream(messages) = reply.body {
                reply.body = Body::stream(messages.map(move |message| {
                    let _kept = &place;
                    message
                }));
            }
            Ok(reply)
        }
    });
    let server = start(parity_builder().interceptor_for(SERVICE, one_at_once)).await;
    let mut stream = server.grpc().await.count(endless()).await.unwrap().into_inner();
    assert_eq!(stream.next().await.unwrap().unwrap().number, 1);
    let count = Case::new("Count", "GET /v1/count", json!({"to": 1}));
    for wire in ALL {
        assert_eq!(failure(&server, wire, &count).await.code, Code::ResourceExhausted, "{wire:?}");
    }
    drop(stream);
    for wire in ALL {
        while server.call(wire, &count).await.end.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// tower's rate limit is not `Clone`; behind a buffer it need not be.
#[tokio::test]
async fn a_layer_that_cannot_be_cloned_goes_behind_a_buffer() {
    let three = ServiceBuilder::new()
        .timeout(Duration::from_secs(2))
        .buffer(64)
        .rate_limit(3, Duration::from_secs(3_600));
    let server = start(parity_builder().interceptor_for(SERVICE, three)).await;
    let echo = Case::new("Echo", "/v1/echo", json!({}));
    for wire in [Wire::Grpc, Wire::Rest, Wire::Local] {
        assert_eq!(server.call(wire, &echo).await.end, Ok(()), "{wire:?}");
    }
    let calls = ALL.map(|wire| {
        let (server, echo) = (&server, &echo);
        async move { assert_eq!(failure(server, wire, echo).await.code, Code::DeadlineExceeded, "{wire:?}") }
    });
    join_all(calls).await;
}

/// Those of the server before those of a service before those of a method, and tower's among ours.
#[tokio::test]
async fn layers_of_tower_keep_the_order_of_interceptors() {
    let passed = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &'static str| {
        let passed = Arc::clone(&passed);
        MapRequestLayer::new(move |call: Call| {
            passed.lock().unwrap().push(name);
            call
        })
    };
    let pass = || interceptor::from_fn(|call: Call, next: Next| next.run(call));
    let server = start(
        parity_builder()
            .interceptor_for("parity.v1.Parity/Echo", note("method"))
            .interceptor_for(SERVICE, note("service"))
            .interceptor(note("server 1"))
            .interceptor(pass())
            .interceptor(note("server 2")),
    )
    .await;
    for wire in ALL {
        server.call(wire, &Case::new("Echo", "/v1/echo", json!({}))).await.end.unwrap();
        let seen = std::mem::take(&mut *passed.lock().unwrap());
        assert_eq!(seen, ["server 1", "server 2", "service", "method"], "{wire:?}");
    }
}
