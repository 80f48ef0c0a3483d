//! What runs before the first call and after the last, and what becomes of a server whose hooks fail.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ambidex::client::Local;
use ambidex::lifespan::{self, Lifespan};
use ambidex::server::{Admin, Config, Health, ServerBuilder};
use ambidex::{Error, Scheduler};
use serde_json::json;
use tokio::sync::Notify;

use crate::support::http_client::HttpClient;
use crate::support::parity_v1::{EchoRequest, ParityClient, Plan};
use crate::support::running::{parity_builder, start};
use crate::support::wires::{Case, Wire};

mod health_v1 {
    #![allow(missing_docs, dead_code, reason = "generated code, of which the client is enough here")]
    ambidex::include_proto!("grpc.health.v1");
}

/// What happened, in its order.
#[derive(Clone, Default)]
struct Story(Arc<Mutex<Vec<String>>>);

type Told = Result<(), std::io::Error>;

impl Story {
    fn tell(&self, what: &str) -> Told {
        self.0.lock().unwrap().push(what.to_owned());
        Ok(())
    }

    fn told(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// A hook that tells its name.
    fn hook(&self, name: &'static str) -> impl FnOnce(Lifespan) -> std::future::Ready<Told> + Send + 'static {
        let story = self.clone();
        move |_| std::future::ready(story.tell(name))
    }

    /// The same, on a scheduler thread.
    fn blocking(
        &self,
        name: &'static str,
    ) -> impl FnOnce(Lifespan) -> lifespan::HookFuture + Send + 'static + use<> {
        let story = self.clone();
        lifespan::blocking(move |_| {
            assert!(Scheduler::is_scheduler_thread());
            story.tell(name)
        })
    }
}

async fn fail(_: Lifespan) -> Result<(), String> {
    Err("the database is away".to_owned())
}

fn serving(json: &str) -> serde_json::Value {
    json!({"status": json})
}

async fn health_of(local: Local) -> i32 {
    let client = health_v1::HealthClient::new(local);
    client.check(health_v1::HealthCheckRequest::default()).await.unwrap().into_inner().status
}

#[tokio::test]
async fn start_hooks_come_in_order_and_before_every_call() {
    let story = Story::default();
    let gate = Arc::new(Notify::new());
    let hold = {
        let (story, gate) = (story.clone(), Arc::clone(&gate));
        move |server: Lifespan| async move {
            // It may call the server itself.
            let client = ParityClient::new(server.local());
            let request = EchoRequest { text: "warm".to_owned(), ..EchoRequest::default() };
            let reply = client.echo_blocking(request).await.unwrap().into_inner();
            story.tell(&format!("{} up, with {}", reply.text, server.state::<u64>().unwrap()))?;
            gate.notified().await;
            story.tell("let go")
        }
    };
    let builder = parity_builder()
        .state(7_u64)
        .on_start("one", story.blocking("one"))
        .on_start("two", hold)
        .on_start("three", story.hook("three"));
    let server = start(builder).await;
    let call = tokio::spawn({
        let (http, story) = (server.http.clone(), story.clone());
        async move {
            let answer = http.get("/v1/echo/x").await;
            story.tell("a call is answered").unwrap();
            answer.status.as_u16()
        }
    });
    // It connects, since the server listens, and waits.
    let held = async {
        while story.told().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), held).await.expect("the second hook has begun");
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(story.told(), ["one", "warm up, with 7"]);
    gate.notify_one();
    assert_eq!(call.await.unwrap(), 200);
    assert_eq!(story.told(), ["one", "warm up, with 7", "let go", "three", "a call is answered"]);
    server.stopped().await.expect("a clean end");
}

#[tokio::test]
async fn health_is_not_serving_until_the_start_hooks_are_done() {
    let seen = Arc::new(Mutex::new(0));
    let look = {
        let seen = Arc::clone(&seen);
        move |server: Lifespan| async move {
            *seen.lock().unwrap() = health_of(server.local()).await;
            Ok::<_, String>(())
        }
    };
    let bound =
        parity_builder().health(Health::new()).on_start("look", look).bind("127.0.0.1:0").await.unwrap();
    assert_eq!(health_of(bound.local()).await, 2, "NOT_SERVING");
    let server = crate::support::running::run(bound);
    let answer = server.http.post("/grpc.health.v1.Health/Check", "{}").await;
    assert_eq!(answer.json(), serving("SERVING"));
    assert_eq!(*seen.lock().unwrap(), 2, "NOT_SERVING");
    // Nobody serves it, so nobody has to start it.
    let local = parity_builder().health(Health::new()).local().unwrap();
    assert_eq!(health_of(local).await, 1, "SERVING");
}

#[tokio::test]
async fn the_admin_answers_and_is_not_ready_until_the_start_hooks_are_done() {
    let gate = Arc::new(Notify::new());
    let hold = {
        let gate = Arc::clone(&gate);
        move |_: Lifespan| async move {
            gate.notified().await;
            Ok::<_, String>(())
        }
    };
    let builder = parity_builder().admin(Admin::at("127.0.0.1:0")).on_start("hold", hold);
    let bound = builder.bind("127.0.0.1:0").await.unwrap();
    let admin = HttpClient::new(bound.admin_address().unwrap());
    let server = crate::support::running::run(bound);
    assert_eq!(admin.get("/livez").await.status.as_u16(), 200);
    assert_eq!(admin.get("/readyz").await.status.as_u16(), 503);
    gate.notify_one();
    assert_eq!(server.http.get("/v1/describe").await.status.as_u16(), 200);
    assert_eq!(admin.get("/readyz").await.status.as_u16(), 200);
    server.stopped().await.unwrap();
}

async fn served(builder: ServerBuilder) -> Result<(), Error> {
    builder.bind("127.0.0.1:0").await?.serve_until(std::future::pending()).await
}

#[tokio::test]
async fn a_start_hook_that_fails_stops_the_start_and_what_was_started_before_it() {
    let story = Story::default();
    let builder = parity_builder()
        .on_start("one", story.hook("one"))
        .on_stop("one", story.blocking("one again"))
        .on_start("two", fail)
        .on_stop("two", story.hook("not two"))
        .on_start("three", story.hook("not three"));
    let bound = builder.bind("127.0.0.1:0").await.unwrap();
    let address = bound.address();
    let error = bound.serve_until(std::future::pending()).await.expect_err("a hook fails");
    assert_eq!(error.to_string(), "the start hook \"two\" failed: the database is away");
    let Error::StartHook(failed) = &error else { panic!("{error}") };
    assert_eq!(failed.hook(), "two");
    assert_eq!(story.told(), ["one", "one again"]);
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_hook_that_panics_has_failed() {
    let error =
        served(parity_builder().on_start("one", |_: Lifespan| async { panic!("oh no") as Told })).await;
    assert_eq!(error.unwrap_err().to_string(), "the start hook \"one\" panicked: oh no");
    let blocking = lifespan::blocking(|_| -> Told { panic!("oh no") });
    let error = served(parity_builder().on_start("two", blocking)).await;
    assert_eq!(error.unwrap_err().to_string(), "the start hook \"two\" panicked: oh no");
    let error = served(parity_builder().on_start("three", lifespan::blocking(|_| Err("no")))).await;
    assert_eq!(error.unwrap_err().to_string(), "the start hook \"three\" failed: no");
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_while_it_starts_stops() {
    let story = Story::default();
    let builder = parity_builder()
        .on_stop("zero", story.hook("zero"))
        .on_start("one", |_| std::future::pending::<Told>())
        .on_start("two", story.hook("not two"));
    let server = start(builder).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.stopped().await.expect("it was told to");
    assert_eq!(story.told(), ["zero"]);
}

#[tokio::test]
async fn stop_hooks_come_in_reverse_after_the_last_call() {
    let story = Story::default();
    let builder = parity_builder()
        .on_stop("one", story.blocking("one"))
        .on_stop("two", story.hook("two"))
        .on_stop("three", story.blocking("three"));
    let mut server = start(builder).await;
    let call = tokio::spawn({
        let (http, story) = (server.http.clone(), story.clone());
        async move {
            let answer = http.post("/v1/blocking/echo", r#"{"plan": {"sleepMs": 2000}}"#).await;
            assert_eq!(answer.status.as_u16(), 200);
            story.tell("the last call")
        }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.tell_to_stop();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(story.told(), [""; 0], "a call is under way");
    call.await.unwrap().unwrap();
    server.stopped().await.expect("a clean end");
    let mut told = story.told();
    // The client's own note may come a moment late.
    told.retain(|what| what != "the last call");
    assert_eq!(told, ["three", "two", "one"]);
}

#[tokio::test]
async fn a_stop_hook_that_fails_is_reported_and_the_others_run() {
    let story = Story::default();
    let mut config = Config::default();
    config.stop_hook_timeout_ms = 100;
    let builder = parity_builder()
        .config(config)
        .on_stop("one", story.hook("one"))
        .on_stop("two", fail)
        .on_stop("three", |_: Lifespan| async { panic!("oh no") as Told })
        .on_stop("four", |_| std::future::pending::<Told>())
        .on_stop(
            "five",
            lifespan::blocking(|_| {
                std::thread::sleep(Duration::from_secs(3));
                Ok::<_, String>(())
            }),
        )
        .on_stop("six", story.blocking("six"));
    let error = start(builder).await.stopped().await.expect_err("four of them fail");
    assert_eq!(story.told(), ["six", "one"]);
    let Error::Several(errors) = &error else { panic!("{error}") };
    let said: Vec<_> = errors.iter().map(ToString::to_string).collect();
    let expected = [
        "the stop hook \"five\" was not done after 100 ms",
        "the stop hook \"four\" was not done after 100 ms",
        "the stop hook \"three\" panicked: oh no",
        "the stop hook \"two\" failed: the database is away",
    ];
    assert_eq!(said, expected);
    assert_eq!(error.to_string(), expected.join("; "));
}

#[tokio::test]
async fn calls_that_were_cut_off_are_said_beside_the_hook_that_failed() {
    let mut config = Config::default();
    config.drain_timeout_ms = 100;
    let server = start(parity_builder().config(config).on_stop("one", fail)).await;
    let plan = Some(Plan { sleep_ms: 3_600_000, ..Plan::default() });
    let client = server.grpc().await;
    let call = tokio::spawn(async move { client.echo(EchoRequest { plan, ..EchoRequest::default() }).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let error = server.stopped().await.expect_err("cut off, and failed");
    let Error::Several(errors) = error else { panic!("{error}") };
    assert!(
        matches!(errors[..], [Error::DrainTimeout { connections: 1, .. }, Error::StopHook(_)]),
        "{errors:?}"
    );
    assert!(call.await.unwrap().is_err());
}

/// What runs in-process has no beginning and no end.
#[tokio::test]
async fn a_server_without_sockets_runs_no_hooks() {
    let story = Story::default();
    let hooked = || parity_builder().on_start("one", story.hook("one")).on_stop("two", story.hook("two"));
    drop(hooked().local().unwrap());
    drop(hooked().into_router().unwrap());
    assert_eq!(story.told(), [""; 0]);
    let server = start(hooked()).await;
    assert_eq!(server.call(Wire::Rest, &Case::new("Echo", "/v1/echo", json!({}))).await.end, Ok(()));
    server.stopped().await.unwrap();
    assert_eq!(story.told(), ["one", "two"]);
}
