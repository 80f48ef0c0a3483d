//! Services that were written for tonic, added as they are: tonic's own health and reflection services.

use std::sync::Arc;
use std::sync::Mutex;

use ambidex::call::Call;
use ambidex::interceptor::{self, Next};
use ambidex::{Code, Server};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::json;
use tonic_health::pb::FILE_DESCRIPTOR_SET;
use tonic_health::server::HealthReporter;

use crate::bad_input::raw_grpc;
use crate::support::envelopes::envelope;
use crate::support::grpc_web;
use crate::support::running::{Running, parity_builder, start};

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// `service: "a.B"`.
const ASK: &[u8] = b"\x0a\x03a.B";

/// `status: SERVING`.
const SERVING: &[u8] = b"\x08\x01";

async fn reporter() -> (HealthReporter, impl ambidex::server::TonicService) {
    let (reporter, service) = tonic_health::server::health_reporter();
    reporter.set_service_status("a.B", tonic_health::ServingStatus::Serving).await;
    (reporter, service)
}

/// A server with the service and an interceptor that notes which methods are called.
async fn noting(described: bool) -> (Running, Arc<Mutex<Vec<String>>>) {
    let (_, service) = reporter().await;
    let calls = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&calls);
    let note = interceptor::from_fn(move |call: Call, next: Next| {
        noted.lock().unwrap().push(call.method().full_name().to_owned());
        async move {
            if call.metadata.contains_key("x-refuse") {
                return Err(ambidex::Status::permission_denied("not you"));
            }
            call.context().edit_trailers(|trailers| {
                trailers.insert("x-noted", "yes".parse().unwrap());
            });
            next.run(call).await
        }
    });
    let builder = parity_builder().interceptor(note);
    let builder = match described {
        true => builder.tonic_service_with(service, FILE_DESCRIPTOR_SET),
        false => builder.tonic_service(service),
    };
    (start(builder).await, calls)
}

fn framed(message: &[u8]) -> Bytes {
    envelope(0, message).into()
}

#[tokio::test]
async fn its_calls_are_answered_under_our_interceptors() {
    for (described, method) in [(false, "grpc.health.v1.Health/*"), (true, "grpc.health.v1.Health/Check")] {
        let (server, calls) = noting(described).await;
        let answer = raw_grpc(&server, CHECK, &[], framed(ASK)).await;
        assert_eq!(answer.body, envelope(0, SERVING), "{described}");
        let web = grpc_web::call(&server.http, CHECK, &[], None, &[ASK.to_vec()], false).await;
        assert_eq!((web.status.code(), &web.messages[..]), (Code::Ok, &[SERVING.to_vec()][..]));
        assert_eq!(web.trailers.get("x-noted").unwrap(), "yes", "what an interceptor has to say comes along");
        assert_eq!(*calls.lock().unwrap(), [method, method]);
        // Its own errors, those of its generated server, and those of interceptors.
        let answer = raw_grpc(&server, CHECK, &[], framed(b"\x0a\x01x")).await;
        assert_eq!(answer.header("grpc-status"), "5", "{answer:?}");
        let answer = raw_grpc(&server, CHECK, &[("x-refuse", "1")], framed(ASK)).await;
        assert_eq!(answer.header("grpc-status"), "7", "{answer:?}");
        let answer = raw_grpc(&server, "/grpc.health.v1.Health/Nothing", &[], framed(ASK)).await;
        assert_eq!(answer.header("grpc-status"), "12", "{answer:?}");
        let answer = raw_grpc(&server, CHECK, &[], framed(b"\x0a\xff")).await;
        assert_ne!(answer.header("grpc-status"), "0", "{answer:?}");
        assert_eq!(server.call_echo().await, "still here");
    }
}

#[tokio::test]
async fn a_deadline_holds_for_its_streams() {
    for described in [false, true] {
        let (server, _) = noting(described).await;
        let headers = [("grpc-timeout", "200m")];
        let web = grpc_web::call(&server.http, WATCH, &headers, None, &[ASK.to_vec()], false).await;
        assert_eq!(web.messages, [SERVING], "the first is there");
        assert_eq!(web.status.code(), Code::DeadlineExceeded);
    }
}

#[tokio::test]
async fn with_descriptors_it_is_callable_over_every_protocol() {
    let (server, _) = noting(true).await;
    let answer = server.http.post(CHECK, json!({"service": "a.B"}).to_string()).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({"status": "SERVING"})));
    let answer = server.http.post(CHECK, json!({"service": "x"}).to_string()).await;
    assert_eq!((answer.status, &answer.json()["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    // Without them it is gRPC's alone.
    let (server, _) = noting(false).await;
    let answer = server.http.post(CHECK, "{}").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_stream_each_way_is_one() {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .build_v1()
        .unwrap();
    let server = start(parity_builder().tonic_service(reflection)).await;
    // `list_services: ""`, twice.
    let asked = [framed(b"\x3a\0"), framed(b"\x3a\0")].concat();
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let answer = raw_grpc(&server, path, &[], asked.into()).await;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(text.matches("grpc.health.v1.Health").count(), 2, "{text:?}");
}

#[tokio::test]
async fn descriptors_of_something_else_are_an_error_at_the_start() {
    let (_, service) = reporter().await;
    let others = tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET;
    let error = Server::builder().tonic_service_with(service, others).local().unwrap_err();
    assert!(error.to_string().contains("grpc.health.v1.Health"), "{error}");
}

impl Running {
    async fn call_echo(&self) -> String {
        let answer = self.http.send(Method::POST, "/v1/echo", &[], r#"{"text": "still here"}"#).await;
        answer.json()["text"].as_str().unwrap().to_owned()
    }
}
