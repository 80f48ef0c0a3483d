//! A service that was written for tonic, with all that tonic gave it: its generated server and client are as
//! tonic-prost-build 0.14 made them, and nothing in its handlers knows of Ambidex but where they ask for what an interceptor
//! left.

use std::sync::LazyLock;

use ambidex::Code;
use ambidex::call::{Call, MethodKind, Protocol};
use ambidex::interceptor::{self, Next};
use ambidex::server::{CallExtensions, Config, Listener, MethodConfig, ReplyCoding, ServerBuilder, Tls};
use ambidex::telemetry::Metrics;
use ambidex::tonic_types::{ErrorDetails, StatusExt};
use hyper_util::rt::TokioIo;
use prost::Message;
use serde_json::json;
use tokio::net::{TcpStream, UnixStream};
use tokio_stream::{Stream, StreamExt};
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataValue;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo, UdsConnectInfo};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};

use crate::support::certificates::Authority;
use crate::support::dialed::Bytes;
use crate::support::parity_service::{ParityService, User};
use crate::support::parity_v1::{
    CountRequest, CountResponse, EchoRequest, EchoResponse, ParityServer, SumRequest, SumResponse,
};
use crate::support::running::{Running, parity_builder, run, start};
use mounted_v1::mounted_client::MountedClient;
use mounted_v1::mounted_server::{Mounted, MountedServer};

/// Made of the service that [`DESCRIPTORS`] describe, with `.extern_path(".parity.v1", "crate::support::parity_v1")`, and kept
/// here so that nobody who builds Ambidex has to build what made it.
mod mounted_v1 {
    #![allow(missing_docs, clippy::all, reason = "as tonic-prost-build made it")]
    #![allow(clippy::allow_attributes_without_reason, reason = "so it makes them")]
    include!("golden/mounted.v1.rs");
}

/// Its descriptors: those of the messages, and of a service that no other test has.
static DESCRIPTORS: LazyLock<&'static [u8]> = LazyLock::new(|| {
    let set = <ParityServer<ParityService> as ambidex::Service>::FILE_DESCRIPTOR_SET;
    let mut set = prost_types::FileDescriptorSet::decode(set).unwrap();
    let method =
        |name: &str, kind: MethodKind, input: &str, output: &str| prost_types::MethodDescriptorProto {
            name: Some(name.to_owned()),
            input_type: Some(format!(".parity.v1.{input}")),
            output_type: Some(format!(".parity.v1.{output}")),
            client_streaming: Some(kind.client_streams()),
            server_streaming: Some(kind.server_streams()),
            ..Default::default()
        };
    set.file.push(prost_types::FileDescriptorProto {
        name: Some("mounted.proto".to_owned()),
        package: Some("mounted.v1".to_owned()),
        dependency: vec!["parity/v1/parity.proto".to_owned()],
        service: vec![prost_types::ServiceDescriptorProto {
            name: Some("Mounted".to_owned()),
            method: vec![
                method("One", MethodKind::Unary, "EchoRequest", "EchoResponse"),
                method("Many", MethodKind::ServerStreaming, "CountRequest", "CountResponse"),
                method("Sum", MethodKind::ClientStreaming, "SumRequest", "SumResponse"),
                method("Running", MethodKind::BidiStreaming, "SumRequest", "SumResponse"),
            ],
            ..Default::default()
        }],
        syntax: Some("proto3".to_owned()),
        ..Default::default()
    });
    set.encode_to_vec().leak()
});

/// The handlers.
#[derive(Clone)]
struct Written;

type Replies<T> = std::pin::Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Mounted for Written {
    async fn one(&self, request: Request<EchoRequest>) -> Result<Response<EchoResponse>, Status> {
        match request.get_ref().text.as_str() {
            "panic" => panic!("the test asked for it: secret"),
            "fail" => {
                let details = ErrorDetails::with_bad_request_violation("text", "is not to my liking");
                let mut status = Status::with_error_details(Code::InvalidArgument, "no", details);
                status.metadata_mut().insert_bin("x-why-bin", MetadataValue::from_bytes(&[0, 255]));
                return Err(status);
            }
            _ => {}
        }
        let answers = answers(&request);
        let back = request.metadata().get_bin("x-echo-bin").cloned();
        let uncompressed = request.metadata().contains_key("x-uncompressed");
        let mut response =
            Response::new(EchoResponse { text: request.into_inner().text, ..EchoResponse::default() });
        for (name, value) in answers {
            response.metadata_mut().insert(name, value.parse().unwrap());
        }
        if let Some(back) = back {
            response.metadata_mut().insert_bin("x-echo-bin", back);
        }
        if uncompressed {
            response.disable_compression();
        }
        Ok(response)
    }

    type ManyStream = Replies<CountResponse>;

    async fn many(&self, request: Request<CountRequest>) -> Result<Response<Replies<CountResponse>>, Status> {
        let to = request.into_inner().to;
        let numbers = tokio_stream::iter(1..=to).map(|number| match number {
            4 => {
                let mut status = Status::out_of_range("there are three");
                status.metadata_mut().insert("x-last", "3".parse().unwrap());
                Err(status)
            }
            number => Ok(CountResponse { number }),
        });
        Ok(Response::new(Box::pin(numbers)))
    }

    async fn sum(&self, request: Request<Streaming<SumRequest>>) -> Result<Response<SumResponse>, Status> {
        let (mut numbers, mut sum) = (request.into_inner(), SumResponse::default());
        while let Some(next) = numbers.message().await? {
            sum.sum += next.number;
            sum.count += 1;
        }
        Ok(Response::new(sum))
    }

    type RunningStream = Replies<SumResponse>;

    async fn running(
        &self,
        request: Request<Streaming<SumRequest>>,
    ) -> Result<Response<Replies<SumResponse>>, Status> {
        let mut sum = SumResponse::default();
        Ok(Response::new(Box::pin(request.into_inner().map(move |next| {
            sum.sum += next?.number;
            sum.count += 1;
            Ok(sum)
        }))))
    }
}

/// What tonic's own ways to ask answer.
fn answers(request: &Request<EchoRequest>) -> Vec<(&'static str, String)> {
    let extensions = request.extensions();
    let mut answers = Vec::new();
    let mut answer = |name, value: Option<String>| answers.extend(value.map(|value| (name, value)));
    answer("x-local", request.local_addr().map(|address| address.to_string()));
    answer("x-remote", request.remote_addr().map(|address| address.to_string()));
    answer("x-certs", request.peer_certs().map(|certs| certs.len().to_string()));
    answer("x-tcp", extensions.get::<TcpConnectInfo>().map(|_| "yes".to_owned()));
    let tls = extensions.get::<TlsConnectInfo<TcpConnectInfo>>();
    answer("x-tls", tls.map(|tls| tls.get_ref().remote_addr().is_some().to_string()));
    let unix = extensions.get::<UdsConnectInfo>().and_then(|unix| unix.peer_cred);
    answer("x-uid", unix.map(|cred| cred.uid().to_string()));
    let user = extensions.get::<CallExtensions>().and_then(|CallExtensions(left)| left.get::<User>());
    answer("x-user", user.map(|User(name)| name.clone()));
    answers
}

/// Both ways to add it.
fn builders() -> [(bool, ServerBuilder); 2] {
    [false, true].map(|described| (described, added(parity_builder(), described)))
}

fn added(builder: ServerBuilder, described: bool) -> ServerBuilder {
    match described {
        false => builder.tonic_service(MountedServer::new(Written)),
        true => builder.tonic_service_with(MountedServer::new(Written), *DESCRIPTORS),
    }
}

async fn client(server: &Running) -> MountedClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    MountedClient::new(endpoint.connect().await.unwrap())
}

/// A client over a connection that `dial` makes.
async fn client_over<S, F>(dial: impl Fn() -> F + Send + Sync + 'static) -> MountedClient<Channel>
where
    S: Bytes,
    F: Future<Output = std::io::Result<S>> + Send + 'static,
{
    let connector = tower::service_fn(move |_: http::Uri| {
        let stream = dial();
        async move { stream.await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://localhost");
    MountedClient::new(endpoint.connect_with_connector(connector).await.unwrap())
}

fn echo(text: &str) -> EchoRequest {
    EchoRequest { text: text.to_owned(), ..EchoRequest::default() }
}

fn numbers() -> impl Stream<Item = SumRequest> + Send + 'static {
    tokio_stream::iter([2, 40].map(|number| SumRequest { number, plan: None }))
}

#[tokio::test]
async fn each_kind_of_method_is_called_as_it_was() {
    for (described, builder) in builders() {
        let server = start(builder).await;
        let mut client = client(&server).await;
        assert_eq!(client.one(echo("hi")).await.unwrap().into_inner().text, "hi", "{described}");
        let request = CountRequest { to: 3, ..CountRequest::default() };
        let counted: Vec<_> = client.many(request).await.unwrap().into_inner().collect().await;
        assert_eq!(counted.len(), 3, "{described}");
        let sum = client.sum(numbers()).await.unwrap().into_inner();
        assert_eq!((sum.sum, sum.count), (42, 2), "{described}");
        let running = client.running(numbers()).await.unwrap().into_inner();
        let running: Vec<_> = running.map(|sum| sum.unwrap().sum).collect().await;
        assert_eq!(running, [2, 42], "{described}");
    }
}

#[tokio::test]
async fn metadata_details_and_trailers_arrive() {
    for (described, builder) in builders() {
        let said_besides = interceptor::from_fn(|call: Call, next: Next| async move {
            call.context().edit_trailers(|trailers| {
                trailers.insert("x-besides", "yes".parse().unwrap());
            });
            next.run(call).await
        });
        let server = start(builder.interceptor(said_besides)).await;
        let mut client = client(&server).await;
        let mut request = Request::new(echo("hi"));
        let bytes = [0, 159, 146, 150, 255];
        request.metadata_mut().insert_bin("x-echo-bin", MetadataValue::from_bytes(&bytes));
        let response = client.one(request).await.unwrap();
        let back = response.metadata().get_bin("x-echo-bin").expect("it came back");
        assert_eq!(back.to_bytes().unwrap(), bytes.as_slice(), "{described}");
        assert_eq!(response.metadata().get("x-besides").unwrap(), "yes");

        let status = client.one(echo("fail")).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "no"));
        let violations = status.get_details_bad_request().expect("details").field_violations;
        assert_eq!(violations[0].field, "text", "{described}");
        let why = status.metadata().get_bin("x-why-bin").expect("metadata");
        assert_eq!(why.to_bytes().unwrap(), [0, 255].as_slice());
        assert_eq!(status.metadata().get("x-besides").unwrap(), "yes");

        let request = CountRequest { to: 9, ..CountRequest::default() };
        let mut counted = client.many(request).await.unwrap().into_inner();
        for number in 1..=3 {
            assert_eq!(counted.message().await.unwrap().unwrap().number, number);
        }
        let status = counted.message().await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::OutOfRange, "there are three"));
        assert_eq!(status.metadata().get("x-last").unwrap(), "3", "{described}");
    }
}

#[tokio::test]
async fn a_panic_is_internal_and_the_server_goes_on() {
    for (described, builder) in builders() {
        let server = start(builder).await;
        let mut client = client(&server).await;
        let status = client.one(echo("panic")).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"), "{described}");
        assert_eq!(client.one(echo("hi")).await.unwrap().into_inner().text, "hi");
    }
}

#[tokio::test]
async fn messages_have_our_bounds_and_those_of_its_own_server() {
    for (described, builder) in builders() {
        let bound = MethodConfig::new().request_max_bytes(100).reply_max_bytes(50);
        let server = start(builder.method("mounted.v1.Mounted", bound)).await;
        let mut client = client(&server).await;
        assert!(client.one(echo("hi")).await.is_ok());
        for bytes in [60, 200] {
            let status = client.one(echo(&"x".repeat(bytes))).await.unwrap_err();
            assert_eq!(status.code(), Code::ResourceExhausted, "{described}: {status}");
            assert_eq!(status.message().contains("reply"), bytes == 60, "{status}");
        }
    }
    let own = MountedServer::new(Written).max_decoding_message_size(50);
    let server = start(parity_builder().tonic_service(own)).await;
    let status = client(&server).await.one(echo(&"x".repeat(60))).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "tonic's word for it: {status}");
}

#[tokio::test]
async fn messages_are_compressed_both_ways() {
    for described in [false, true] {
        let mut config = Config::default();
        config.grpc_compression = vec![ReplyCoding::Gzip];
        config.compress_min_bytes = 10;
        let server = start(added(parity_builder().config(config), described)).await;
        let mut client = client(&server)
            .await
            .send_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Gzip);
        let text = "compress me ".repeat(50);
        let response = client.one(echo(&text)).await.unwrap();
        assert_eq!(response.metadata().get("grpc-encoding").unwrap(), "gzip", "{described}");
        assert_eq!(response.into_inner().text, text);
        // tonic's own way to say no.
        let mut request = Request::new(echo(&text));
        request.metadata_mut().insert("x-uncompressed", "1".parse().unwrap());
        let response = client.one(request).await.unwrap();
        assert!(response.metadata().get("grpc-encoding").is_none(), "{described}");
        assert_eq!(response.into_inner().text, text);
        let running = client.running(numbers()).await.unwrap();
        assert_eq!(running.metadata().get("grpc-encoding").unwrap(), "gzip");
        assert_eq!(running.into_inner().collect::<Vec<_>>().await.len(), 2);
    }
}

#[tokio::test]
async fn its_calls_are_counted() {
    for (described, builder) in builders() {
        let metrics = Metrics::new();
        let server = start(builder.metrics(metrics.clone())).await;
        let mut client = client(&server).await;
        client.one(echo("hi")).await.unwrap();
        client.sum(numbers()).await.unwrap();
        client.one(echo("fail")).await.unwrap_err();
        let mut counted: Vec<_> = Vec::new();
        for calls in metrics.snapshot().calls {
            if calls.method.service() == "mounted.v1.Mounted" && calls.protocol == Protocol::Grpc {
                let ends = calls.finished.iter().map(|(code, durations)| (*code, durations.count()));
                counted.push((calls.method.method().to_owned(), ends.collect::<Vec<_>>()));
            }
        }
        counted.sort_by(|one, other| one.0.cmp(&other.0));
        let invalid = (Code::InvalidArgument, 1);
        let expected = match described {
            false => vec![("*".to_owned(), vec![(Code::Ok, 2), invalid])],
            true => vec![
                ("One".to_owned(), vec![(Code::Ok, 1), invalid]),
                ("Sum".to_owned(), vec![(Code::Ok, 1)]),
            ],
        };
        assert_eq!(counted, expected);
    }
}

/// By their documented name, as no extension of ours is of a type that tonic knows.
#[tokio::test]
async fn what_an_interceptor_left_is_among_its_extensions() {
    for (described, builder) in builders() {
        let leave = interceptor::from_fn(|mut call: Call, next: Next| async move {
            call.extensions.insert(User("alice".to_owned()));
            next.run(call).await
        });
        let server = start(builder.interceptor(leave)).await;
        let response = client(&server).await.one(echo("hi")).await.unwrap();
        assert_eq!(response.metadata().get("x-user").unwrap(), "alice", "{described}");
    }
}

#[tokio::test]
async fn it_knows_the_connection_as_over_tonics_own_server() {
    for (described, builder) in builders() {
        let path = std::env::temp_dir().join(format!("ambidex-{}-{described}.sock", std::process::id()));
        let authority = Authority::new("ours");
        let clients = Authority::new("clients");
        let shown = authority.server();
        let tls = || Tls::from_pem(&shown.chain, &shown.key).client_ca_pem(clients.pem()).load().unwrap();
        let (unix, unix_tls) = (format!("unix:{}", path.display()), format!("unix:{}.tls", path.display()));
        let builder = builder
            .listen("127.0.0.1:0")
            .listen(Listener::at("127.0.0.1:0").tls(tls()))
            .listen(Listener::at(unix))
            .listen(Listener::at(unix_tls).tls(tls()));
        let bound = builder.bind_all().await.unwrap();
        let [plain, secure] = [0, 1].map(|which| bound.addresses()[which].as_tcp().unwrap());
        let server = run(bound);
        let asked = async |mut client: MountedClient<Channel>| {
            let response = client.one(echo("who am I?")).await.unwrap();
            move |name: &str| {
                let value = response.metadata().get(name)?;
                Some(value.to_str().unwrap().to_owned())
            }
        };
        let of = |text: &str| Some(text.to_owned());

        let answers = asked(client_over(move || TcpStream::connect(plain)).await).await;
        assert_eq!(answers("x-local"), of(&plain.to_string()), "{described}");
        assert!(answers("x-remote").unwrap().starts_with("127.0.0.1:"));
        assert_eq!((answers("x-tcp"), answers("x-tls"), answers("x-certs")), (of("yes"), None, None));

        let alice = authority.trusted_by(Some(&clients.client("alice")), &["h2"]);
        let over_tls = alice.clone();
        let dial = move || {
            let alice = over_tls.clone();
            async move { alice.dial(secure).await }
        };
        let answers = asked(client_over(dial).await).await;
        assert_eq!((answers("x-certs"), answers("x-tls")), (of("1"), of("true")), "{described}");
        assert_eq!((answers("x-local"), answers("x-tcp")), (of(&secure.to_string()), of("yes")));

        let own = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&path).unwrap()).to_string();
        let socket = path.clone();
        let answers = asked(client_over(move || UnixStream::connect(socket.clone())).await).await;
        assert_eq!((answers("x-uid"), answers("x-tcp"), answers("x-local")), (of(&own), None, None));

        let socket = format!("{}.tls", path.display());
        let dial = move || {
            let (alice, socket) = (alice.clone(), socket.clone());
            async move { alice.over(UnixStream::connect(socket).await?).await }
        };
        let answers = asked(client_over(dial).await).await;
        assert_eq!((answers("x-uid"), answers("x-certs")), (of(&own), of("1")), "{described}");
        server.stopped().await.expect("a clean drain");
    }
}

/// Over the protocols that it was not written for.
#[tokio::test]
async fn with_descriptors_every_kind_is_callable_over_connect() {
    let [_, (_, builder)] = builders();
    let server = start(builder).await;
    let answer = server.http.post("/mounted.v1.Mounted/One", json!({"text": "hi"}).to_string()).await;
    assert_eq!(answer.json(), json!({"text": "hi"}));
    let ndjson = [("content-type", "application/x-ndjson")];
    let lines = "{\"number\": 2}\n{\"number\": 40}\n";
    let answer = server.http.send(http::Method::POST, "/mounted.v1.Mounted/Sum", &ndjson, lines).await;
    assert_eq!(answer.json(), json!({"sum": "42", "count": 2}));
    let answer = server.http.send(http::Method::POST, "/mounted.v1.Mounted/Running", &ndjson, lines).await;
    assert_eq!(answer.lines().len(), 3, "{}", answer.text());
    let answer = server.http.post("/mounted.v1.Mounted/Many", json!({"to": 9}).to_string()).await;
    let lines = answer.lines();
    assert_eq!((lines.len(), &lines[3]["status"]["code"]), (4, &json!(Code::OutOfRange as i32)), "{lines:?}");
    assert_eq!(lines[3]["status"]["metadata"]["x-last"], json!(["3"]));
}
