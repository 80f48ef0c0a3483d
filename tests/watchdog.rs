//! Async code that does not give its thread back is counted, and named in the log with what to do about it.

use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use ambidex::call::Call;
use ambidex::interceptor::{self, Next};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::streams::eventually;
use crate::support::running::{Running, parity_builder, start};

/// What the watchdog has said, whoever it was about.
static SAID: OnceLock<Mutex<Vec<String>>> = OnceLock::new();

/// Listens to the watchdog's thread: it takes the process's subscriber, for it is nobody's test.
fn listen() -> &'static Mutex<Vec<String>> {
    SAID.get_or_init(|| {
        let all = tracing_subscriber::registry().with(Listener);
        tracing::subscriber::set_global_default(all).expect("no other test of this binary sets one");
        Mutex::default()
    })
}

struct Listener;

impl<S: tracing::Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("ambidex::scheduler::watchdog") {
            event.record(&mut Message);
        }
    }
}

struct Message;

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if let (Some(said), "message") = (SAID.get(), field.name()) {
            said.lock().expect("no test panics with it").push(format!("{value:?}"));
        }
    }
}

/// An interceptor that blocks for so long where it must not, if it is asked to.
async fn with_blocker(configure: impl FnOnce(&mut ambidex::server::Config)) -> Running {
    let blocking = interceptor::from_fn(|call: Call, next: Next| async move {
        if let Some(ms) = call.metadata.get("x-block-ms").and_then(|ms| ms.to_str().ok()?.parse().ok()) {
            std::thread::sleep(Duration::from_millis(ms));
        }
        next.run(call).await
    });
    let mut config = ambidex::server::Config::default();
    configure(&mut config);
    start(parity_builder().config(config).interceptor(blocking)).await
}

async fn block(server: &Running, path: &str, ms: &str) {
    let headers = [("content-type", "application/json"), ("x-block-ms", ms)];
    assert!(server.http.send(http::Method::POST, path, &headers, "{}").await.status.is_success());
}

fn blocked(server: &Running, name: &str) -> (u64, Duration) {
    let snapshot = server.scheduler.snapshot();
    let seen = snapshot.blocked_polls.iter().find(|seen| &*seen.name == name);
    seen.map_or((0, Duration::ZERO), |seen| (seen.count, seen.longest))
}

#[tokio::test]
async fn a_poll_that_blocks_is_named_once_and_counted_always() {
    let said = listen();
    let server = with_blocker(|_| {}).await;
    let (echo, blocking) = ("parity.v1.Parity/Echo", "parity.v1.Parity/EchoBlocking");
    block(&server, "/v1/echo", "600").await;
    block(&server, "/v1/echo", "600").await;
    block(&server, "/v1/blocking/echo", "600").await;
    eventually("the last is booked", || blocked(&server, blocking).0 == 1).await;
    eventually("and the first two", || blocked(&server, echo).0 == 2).await;
    eventually("to their end", || blocked(&server, echo).1 >= Duration::from_millis(200)).await;
    let about = |name: &str| -> Vec<String> {
        let said = said.lock().expect("no test panics with it");
        said.iter().filter(|said| said.starts_with(&format!("{name} has held"))).cloned().collect()
    };
    let [about_echo] = &about(echo)[..] else { panic!("told {:?}", about(echo)) };
    assert!(about_echo.contains(" has held a runtime thread for 1"), "{about_echo}");
    assert!(about_echo.ends_with(" ms; make it `fn`, or wrap the call in run_blocking"), "{about_echo}");
    let [about_blocking] = &about(blocking)[..] else { panic!("told {:?}", about(blocking)) };
    assert!(about_blocking.contains("the method itself runs elsewhere"), "{about_blocking}");
}

#[tokio::test]
async fn what_blocks_for_a_moment_or_where_it_may_is_not_blamed() {
    let server = with_blocker(|_| {}).await;
    for _ in 0..20 {
        block(&server, "/v1/echo", "20").await;
    }
    let sleeps = r#"{"plan": {"sleepMs": 300}}"#;
    assert!(server.http.post("/v1/blocking/echo", sleeps).await.status.is_success());
    assert!(server.http.post("/v1/echo", sleeps).await.status.is_success());
    assert_eq!(server.scheduler.snapshot().blocked_polls, []);
}

/// With one runtime thread: a poll that blocks in quarantine holds none. Another method than those that another test
/// listens for.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn repeated_offenders_are_polled_apart_from_the_others() {
    const OBSERVE: &str = "/parity.v1.Parity/Observe";
    let server = with_blocker(|config| config.scheduler.quarantine_after = Some(2)).await;
    let server = std::sync::Arc::new(server);
    for _ in 0..2 {
        block(&server, OBSERVE, "600").await;
    }
    eventually("it is in quarantine", || {
        server.scheduler.snapshot().blocked_polls.iter().any(|seen| seen.quarantined)
    })
    .await;
    let blocking = tokio::spawn({
        let server = server.clone();
        async move { block(&server, OBSERVE, "4000").await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let answer = tokio::time::timeout(Duration::from_millis(3500), server.http.get("/v1/describe")).await;
    assert!(answer.expect("the others are served").status.is_success());
    assert!(!blocking.is_finished(), "meanwhile");
    blocking.await.unwrap();
    assert_eq!(blocked(&server, "parity.v1.Parity/Observe").0, 2, "what blocks in quarantine blocks nobody");
}

#[tokio::test]
async fn it_can_be_turned_off() {
    let server = with_blocker(|config| config.scheduler.blocked_poll_ms = 0).await;
    block(&server, "/v1/echo", "300").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.scheduler.snapshot().blocked_polls, []);
}
