//! Calls over HTTP/2 that are answered where their connection found them, and those that get a task of their own.

use std::sync::{Arc, Mutex};

use ambidex::call::Call;
use ambidex::interceptor::{self, Next};
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::Id;

use crate::support::parity_v1::{EchoRequest, ParityClient, Plan, SumRequest};
use crate::support::running::{Running, parity_builder, start};

type Tasks = Arc<Mutex<Vec<Id>>>;

/// A server that notes which task each call began in.
async fn noting() -> (Running, Tasks) {
    let tasks = Tasks::default();
    let noted = Arc::clone(&tasks);
    let note = interceptor::from_fn(move |call: Call, next: Next| {
        let noted = Arc::clone(&noted);
        async move {
            noted.lock().unwrap().push(tokio::task::id());
            next.run(call).await
        }
    });
    (start(parity_builder().interceptor(note)).await, tasks)
}

async fn echo(client: &ParityClient, sleep_ms: i32) {
    let plan = Plan { sleep_ms, ..Plan::default() };
    client.echo(EchoRequest { plan: Some(plan), ..EchoRequest::default() }).await.unwrap();
}

#[tokio::test]
async fn a_method_that_answers_at_once_has_no_task_until_it_waits() {
    let (server, tasks) = noting().await;
    let client = server.grpc().await;
    // The first call of a method is always tried.
    echo(&client, 0).await;
    client.sum(tokio_stream::iter([SumRequest::default()])).await.unwrap();
    let connection = tasks.lock().unwrap()[0];
    assert_eq!(*tasks.lock().unwrap(), [connection; 2], "both in the connection's own task");
    // One that waits is found out, and the next ones have their own: they might, too.
    echo(&client, 1).await;
    for _ in 0..3 {
        echo(&client, 0).await;
    }
    let tasks = tasks.lock().unwrap();
    let last = &tasks[tasks.len() - 3..];
    assert!(last.iter().all(|task| *task != connection), "{tasks:?}");
    assert!(last[0] != last[1] && last[1] != last[2]);
}

#[tokio::test]
async fn a_method_that_blocks_never_begins_in_the_connections_task() {
    let (server, tasks) = noting().await;
    let client = server.grpc().await;
    echo(&client, 0).await;
    client.echo_blocking(EchoRequest::default()).await.unwrap();
    let tasks = tasks.lock().unwrap();
    assert_eq!(tasks.len(), 2);
    assert_ne!(tasks[0], tasks[1]);
}

/// Code of the user that is not a call's own: what panics there is one stream's, and no other's.
#[tokio::test]
async fn a_panic_outside_of_calls_is_not_the_connections() {
    let server = start(parity_builder().rest_errors(|_, _| panic!("the test asked for it"))).await;
    let stream = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let request = |path: &str, body: &'static str| {
        let uri = format!("http://{}{path}", server.address);
        let request = Request::post(uri).header("content-type", "application/json");
        request.body(Full::new(bytes::Bytes::from_static(body.as_bytes()))).unwrap()
    };
    for _ in 0..2 {
        let refused = client.send_request(request("/v1/echo", "no JSON")).await;
        assert!(refused.is_err(), "its stream is reset: {refused:?}");
        let answer = client.send_request(request("/v1/echo", r#"{"text": "here"}"#)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "the connection is none the worse");
    }
}
