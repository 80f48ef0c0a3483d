//! What goes wrong inside of a handler is told to the server's own people, by the name of its method; its caller hears
//! nothing of it.
//!
//! Whoever listens to `tracing` listens to a whole process, so these tests have processes of their own.

use ambidex::{Code, Execution, Request, Response, Server, Status, Stream, call};
use http::StatusCode;
use serde_json::json;

use crate::support::allocations::in_a_process_of_its_own;
use crate::support::captured::{Captured, Fields};
use crate::support::every_kind::every_kind;
use crate::support::parity_v1::{ByHand, ByHandClient, ByHandServer, ShoutRequest, ShoutResponse};
use crate::support::running::{parity, start};

#[test]
fn a_panic_is_logged_with_the_name_of_its_method() {
    in_a_process_of_its_own("inside::panics_of_every_kind_on_every_wire");
}

/// On the runtime the dispatcher catches them, on a thread of the scheduler the scheduler does.
fn lines(captured: &Captured) -> Vec<Fields> {
    let of = |target: &str| captured.events(target);
    [of("ambidex::dispatch::panic"), of("ambidex::scheduler::isolation")].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "listens to its whole process"]
async fn panics_of_every_kind_on_every_wire() {
    let captured = Captured::listen("ambidex=error");
    let server = parity().await;
    let mut calls = 0;
    for (case, wires) in every_kind(&json!({"panic": true})) {
        for wire in wires {
            let failure = server.call(*wire, &case).await.end.expect_err("it panics");
            assert_eq!((failure.code, &*failure.message), (Code::Internal, "internal error"));
            calls += 1;
            let own = lines(&captured)
                .into_iter()
                .filter(|line| line["method"] == format!("parity.v1.Parity/{}", case.method))
                .filter(|line| line["panic"].contains("the test asked for it"));
            let expected = wires.iter().position(|other| other == wire).expect("it is one of them") + 1;
            assert_eq!(own.count(), expected, "{wire:?} {case:?}: {:#?}", lines(&captured).last());
        }
    }
    let lines = lines(&captured);
    assert_eq!(lines.len(), calls, "each is logged once");
    assert!(lines.iter().all(|line| ["a call panicked", "a job panicked"].contains(&&*line["message"])));
}

/// Looks for a file that is not there.
struct Careless<const BLOCKING: bool>;

const MISSING: &str = "/srv/secret/receipt.txt";

impl<const BLOCKING: bool> ByHand for Careless<BLOCKING> {
    const SHOUT: Execution = if BLOCKING { Execution::BLOCKING } else { Execution::ASYNC };

    async fn shout(&self, request: Request<ShoutRequest>) -> Result<Response<ShoutResponse>, Status> {
        let missing =
            || std::io::Error::new(std::io::ErrorKind::NotFound, format!("{MISSING}: no such file"));
        if request.get_ref().text == "told" {
            Err(missing())?;
        }
        Err(call::internal(missing()))
    }

    async fn spell(
        &self,
        _: Request<ShoutRequest>,
    ) -> Result<Response<impl Stream<Item = Result<ShoutResponse, Status>> + Send>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }
}

#[test]
fn an_error_that_is_not_the_callers_business_is_logged_and_not_told() {
    in_a_process_of_its_own("inside::internal_errors");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "listens to its whole process"]
async fn internal_errors() {
    let captured = Captured::listen("ambidex=error");
    let mut calls = 0;
    for builder in [
        Server::builder().service(ByHandServer::new(Careless::<false>)),
        Server::builder().service(ByHandServer::new(Careless::<true>)),
    ] {
        let server = start(builder).await;
        let request = ShoutRequest { text: "untold".to_owned() };
        let grpc = ByHandClient::new(server.channel().await).shout(request).await.expect_err("it fails");
        assert_eq!((grpc.code(), grpc.message()), (Code::Internal, "internal error"));
        for answer in [
            server.http.get("/v1/shout/untold").await,
            server.http.post("/parity.v1.ByHand/Shout", r#"{"text": "untold"}"#).await,
        ] {
            assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
            assert!(answer.text().contains("internal error"), "{}", answer.text());
            assert!(!answer.text().contains("secret"), "{}", answer.text());
        }
        calls += 3;
        let lines = captured.events("ambidex::call::internal");
        assert_eq!(lines.len(), calls);
        for line in lines {
            assert_eq!(line["method"], "parity.v1.ByHand/Shout");
            assert_eq!(line["error"], format!("{MISSING}: no such file"));
        }
        // What docs/async-or-blocking.md warns of: tonic makes a status of such an error, with all its text.
        let told = server.http.get("/v1/shout/told").await;
        assert_eq!(told.status, StatusCode::NOT_FOUND);
        assert!(told.text().contains(MISSING), "{}", told.text());
    }
}
