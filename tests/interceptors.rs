//! Interceptors: one chain, seen by every protocol and every kind of method, before a message is decoded.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ambidex::call::{self, Call, Reply};
use ambidex::interceptor::{self, Check, Next};
use ambidex::server::Health;
use ambidex::{Code, Error, Scheduler, Status};
use serde_json::json;

use crate::support::every_kind::every_kind;
use crate::support::parity_service::User;
use crate::support::parity_v1::{DescribeRequest, SumRequest};
use crate::support::running::{parity_builder, start};
use crate::support::wires::{ALL, Case};

async fn only_friends(mut call: Call, next: Next) -> Result<Reply, Status> {
    if call.metadata.get("x-friend").is_none() {
        return Err(Status::unauthenticated("friends only"));
    }
    call.extensions.insert(User("a friend".to_owned()));
    let mut reply = next.run(call).await?;
    reply.metadata.insert("x-seen", "true".parse().unwrap());
    Ok(reply)
}

#[tokio::test]
async fn every_wire_and_kind_passes_the_same_chain() {
    let server = start(parity_builder().interceptor(interceptor::from_fn(only_friends))).await;
    for wire in ALL {
        for (method, rest) in
            [("Echo", "/v1/echo"), ("Count", "GET /v1/count"), ("CountBlocking", "GET /v1/blocking/count")]
        {
            let stranger = server.call(wire, &Case::new(method, rest, json!({}))).await;
            assert_eq!(stranger.end.unwrap_err().code, Code::Unauthenticated, "{wire:?} {method}");
            let friend =
                server.call(wire, &Case::new(method, rest, json!({})).metadata("x-friend", "yes")).await;
            assert_eq!(friend.end, Ok(()), "{wire:?} {method}");
            assert_eq!(friend.metadata, [("x-seen".to_owned(), "true".to_owned())]);
        }
    }
}

#[tokio::test]
async fn a_refused_call_is_never_read() {
    let refuse = interceptor::from_fn(|_: Call, _: Next| async { Err(Status::permission_denied("no")) });
    let server = start(parity_builder().interceptor(refuse)).await;
    // Not JSON, and yet the answer is the interceptor's: nobody has looked at the body.
    let answer = server.http.post("/v1/echo", "no json").await;
    assert_eq!(answer.json()["error"]["status"], "PERMISSION_DENIED");
    let status = server.grpc().await.sum(tokio_stream::pending::<SumRequest>()).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn the_first_one_added_is_the_outermost() {
    fn append(letter: &'static str) -> interceptor::FromFn<impl Clone + Fn(Call, Next) -> Boxed> {
        interceptor::from_fn(move |mut call: Call, next: Next| -> Boxed {
            let so_far = call.metadata.get("x-deep").map_or("", |value| value.to_str().unwrap());
            let value = format!("{so_far}{letter}").parse().unwrap();
            call.metadata.insert("x-deep", value);
            Box::pin(next.run(call))
        })
    }
    type Boxed = std::pin::Pin<Box<dyn Future<Output = Result<Reply, Status>> + Send>>;
    let server = start(parity_builder().interceptor(append("a")).interceptor(append("b"))).await;
    assert_eq!(server.http.get("/v1/describe").await.json()["deepMetadata"], "ab");
}

#[tokio::test]
async fn a_value_of_an_interceptor_reaches_the_handler_by_its_type() {
    let server = start(parity_builder().interceptor(interceptor::from_fn(only_friends))).await;
    for path in ["/v1/describe", "/v1/blocking/describe"] {
        let answer = server.http.send(http::Method::GET, path, &[("x-friend", "yes")], "").await;
        assert_eq!(answer.json()["user"], "a friend");
    }
}

fn slow_look_up(call: &mut Call) -> Result<(), Status> {
    assert!(Scheduler::is_scheduler_thread());
    assert!(call::current().is_some(), "deep code knows its call here too");
    std::thread::sleep(Duration::from_millis(5));
    match call.metadata.get("x-friend") {
        Some(_) => {
            call.extensions.insert(User("looked up".to_owned()));
            Ok(())
        }
        None => Err(Status::unauthenticated("friends only")),
    }
}

#[tokio::test]
async fn an_interceptor_may_block() {
    let server = start(parity_builder().interceptor(interceptor::blocking(slow_look_up))).await;
    let answer = server.http.send(http::Method::GET, "/v1/describe", &[("x-friend", "yes")], "").await;
    assert_eq!(answer.json()["user"], "looked up");
    let client = server.grpc().await;
    let status = client.describe(DescribeRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_panicking_interceptor_is_internal_to_its_caller() {
    let panicking = interceptor::from_fn(|call: Call, next: Next| async move {
        assert!(call.metadata.get("x-friend").is_some(), "strangers make me panic");
        next.run(call).await
    });
    let server = start(parity_builder().interceptor(panicking)).await;
    let answer = server.http.get("/v1/describe").await;
    assert_eq!(answer.json()["error"]["status"], "INTERNAL");
    assert_eq!(answer.json()["error"]["message"], "internal error");
    let answer = server.http.send(http::Method::GET, "/v1/describe", &[("x-friend", "yes")], "").await;
    assert!(answer.status.is_success());
}

/// Notes each method it is passed for, and its own name.
#[derive(Clone)]
struct Note {
    name: &'static str,
    passed: Arc<Mutex<Vec<(String, &'static str)>>>,
}

impl Check for Note {
    async fn check(&self, call: &mut Call) -> Result<(), Status> {
        tokio::task::yield_now().await;
        self.passed.lock().unwrap().push((call.method().method().to_owned(), self.name));
        Ok(())
    }
}

#[tokio::test]
async fn the_servers_come_before_the_services_and_those_before_the_methods() {
    let passed = Arc::new(Mutex::new(Vec::new()));
    let note = |name| interceptor::check(Note { name, passed: Arc::clone(&passed) });
    let mut builder = parity_builder().health(Health::new());
    for (case, _) in every_kind(&json!({})) {
        // Added in the wrong order of groups, and in the right one within each.
        let method = format!("parity.v1.Parity/{}", case.method);
        builder =
            builder.interceptor_for(&method, note("method 1")).interceptor_for(&method, note("method 2"));
    }
    let builder = builder
        .interceptor_for("parity.v1.Parity", note("service 1"))
        .interceptor(note("server 1"))
        .interceptor_for("/parity.v1.Parity", note("service 2"))
        .interceptor(note("server 2"));
    let server = start(builder).await;
    let chain = ["server 1", "server 2", "service 1", "service 2", "method 1", "method 2"];
    for (case, wires) in every_kind(&json!({})) {
        for &wire in wires {
            assert_eq!(server.call(wire, &case).await.end, Ok(()), "{wire:?} {}", case.method);
            let expected: Vec<_> = chain.iter().map(|&name| (case.method.to_owned(), name)).collect();
            assert_eq!(std::mem::take(&mut *passed.lock().unwrap()), expected, "{wire:?} {}", case.method);
        }
    }
    // Another method of the service has no chain of its own, and another service only the server's.
    server.http.get("/v1/describe").await;
    let names: Vec<_> =
        std::mem::take(&mut *passed.lock().unwrap()).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, chain[..4]);
    server.http.post("/grpc.health.v1.Health/Check", "{}").await;
    let names: Vec<_> = passed.lock().unwrap().iter().map(|&(_, name)| name).collect();
    assert_eq!(names, chain[..2]);
}

#[tokio::test]
async fn an_interceptor_for_nobody_is_an_error_at_start_up() {
    let pass = || interceptor::from_fn(|call: Call, next: Next| next.run(call));
    let builder = parity_builder()
        .interceptor_for("parity.v1.Parity/Ecko", pass())
        .interceptor_for("parity.v1.Party", pass())
        .interceptor_for("parity.v1.Parity/Echo", pass());
    let error = builder.local().expect_err("two names are wrong");
    let Error::UnknownMethods(names) = error else { panic!("{error}") };
    assert_eq!(names, ["parity.v1.Parity/Ecko", "parity.v1.Party"]);
}

async fn known(call: &mut Call) -> Result<(), Status> {
    let name = call.metadata.get("x-friend").and_then(|name| name.to_str().ok()).map(str::to_owned);
    let name = name.ok_or_else(|| Status::unauthenticated("friends only"))?;
    call.extensions.insert(User(name));
    Ok(())
}

fn known_blocking(call: &mut Call) -> Result<(), Status> {
    assert!(Scheduler::is_scheduler_thread());
    let name = call.metadata.get("x-friend").and_then(|name| name.to_str().ok()).map(str::to_owned);
    let name = name.ok_or_else(|| Status::unauthenticated("friends only"))?;
    call.extensions.insert(User(name));
    Ok(())
}

#[tokio::test]
async fn each_way_to_make_one_refuses_and_lets_pass_on_every_wire_and_kind() {
    let with = |call: Call, next: Next| async move {
        let mut call = call;
        known(&mut call).await?;
        next.run(call).await
    };
    let service = "parity.v1.Parity";
    for (name, builder) in [
        ("check", parity_builder().interceptor_for(service, interceptor::check(known))),
        ("blocking", parity_builder().interceptor_for(service, interceptor::blocking(known_blocking))),
        ("from_fn", parity_builder().interceptor_for(service, interceptor::from_fn(with))),
    ] {
        let server = start(builder).await;
        // Only code deep below the handler looks at the value here, and while a stream is read.
        for (case, wires) in every_kind(&json!({"onlyFor": "ada"})) {
            for &wire in wires {
                let place = format!("{name} {wire:?} {}", case.method);
                let refused = server.call(wire, &case).await.end.expect_err(&place);
                assert_eq!((refused.code, refused.message.as_str()), (Code::Unauthenticated, "friends only"));
                let ada = server.call(wire, &case.clone().metadata("x-friend", "ada")).await;
                assert_eq!(ada.end, Ok(()), "{place}");
                let eve = server.call(wire, &case.clone().metadata("x-friend", "eve")).await;
                assert_eq!(eve.end.expect_err(&place).code, Code::PermissionDenied, "{place}");
            }
        }
    }
}

#[tokio::test]
async fn a_value_that_nobody_has_left_is_the_servers_fault() {
    let server = start(parity_builder()).await;
    for (case, wires) in every_kind(&json!({"onlyFor": "ada"})) {
        for &wire in wires {
            let failure = server.call(wire, &case).await.end.expect_err("nobody has left a value");
            assert_eq!((failure.code, failure.message.as_str()), (Code::Internal, "internal error"));
        }
    }
    assert_eq!(call::value::<User>().unwrap_err().code(), Code::Internal, "outside of a call");
}

#[tokio::test]
async fn the_request_and_the_context_know_the_value_too() {
    let look = |call: Call, next: Next| async move {
        assert!(call.context().value::<User>().is_none(), "only the handler's side has it there");
        let context = call.context().clone();
        let reply = next.run(call).await?;
        assert_eq!(context.value::<User>().map(|user| user.0.as_str()), Some("ada"));
        Ok(reply)
    };
    let server = start(
        parity_builder().interceptor(interceptor::check(known)).interceptor(interceptor::from_fn(look)),
    )
    .await;
    for path in ["/v1/describe", "/v1/blocking/describe"] {
        let answer = server.http.send(http::Method::GET, path, &[("x-friend", "ada")], "").await;
        assert_eq!(answer.json()["user"], "ada");
    }
}
