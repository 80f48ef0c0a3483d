//! What a handler can learn of its call, whether it takes the message, a `Request`, or a `Request` by another name.

use ambidex::call::{self, Call, Reply};
use ambidex::interceptor::{self, Next};
use ambidex::{Request, RequestExt, Server, Status, Stream};
use serde_json::json;

use crate::support::parity_v1::{ByHand, ByHandClient, ByHandServer, ShoutRequest, ShoutResponse};
use crate::support::running::start;

/// What an interceptor leaves for the handler.
#[derive(Clone)]
struct Tone(&'static str);

fn of_context(call: &call::Context) -> ShoutResponse {
    let word = call.metadata().get("x-word").map_or("", |word| word.to_str().unwrap());
    let Tone(tone) = *call.value().expect("the interceptor left it");
    let method = call.method().method();
    ShoutResponse { text: format!("{method} {word}{tone}") }
}

fn of_request<T>(request: &Request<T>) -> Result<ShoutResponse, Status> {
    let word = request.metadata().get("x-word").map_or("", |word| word.to_str().unwrap());
    let Tone(tone) = *request.value()?;
    assert_eq!(request.extensions().get::<Tone>().map(|Tone(tone)| *tone), Some(tone));
    assert_eq!(of_context(request.call()), of_context(&call::current().unwrap()));
    Ok(ShoutResponse { text: format!("{} {word}{tone}", request.method_spec().method()) })
}

type Once = tokio_stream::Once<Result<ShoutResponse, Status>>;

struct TakesMessages;

#[ambidex::service]
impl ByHand for TakesMessages {
    fn shout(&self, _: ShoutRequest) -> Result<ShoutResponse, Status> {
        Ok(of_context(&call::current().unwrap()))
    }

    async fn spell(
        &self,
        _: ShoutRequest,
    ) -> Result<impl Stream<Item = Result<ShoutResponse, Status>>, Status> {
        let once: Once = tokio_stream::once(Ok(of_context(&call::current().unwrap())));
        Ok(once)
    }
}

struct TakesRequests;

#[ambidex::service]
impl ByHand for TakesRequests {
    async fn shout(&self, request: Request<ShoutRequest>) -> Result<ShoutResponse, Status> {
        of_request(&request)
    }

    async fn spell(
        &self,
        request: Request<ShoutRequest>,
    ) -> Result<impl Stream<Item = Result<ShoutResponse, Status>>, Status> {
        let once: Once = tokio_stream::once(of_request(&request));
        Ok(once)
    }
}

/// What the attribute cannot know to be a request.
type Asked = Request<ShoutRequest>;

struct TakesAliases;

#[ambidex::service]
impl ByHand for TakesAliases {
    fn shout(&self, request: Asked) -> Result<ShoutResponse, Status> {
        of_request(&request)
    }

    async fn spell(
        &self,
        request: Asked,
    ) -> Result<impl Stream<Item = Result<ShoutResponse, Status>>, Status> {
        let once: Once = tokio_stream::once(of_request(&request));
        Ok(once)
    }
}

async fn loudly(mut call: Call, next: Next) -> Result<Reply, Status> {
    call.extensions.insert(Tone("!"));
    next.run(call).await
}

async fn learns_all(handler: impl ByHand) {
    let builder = Server::builder().service(ByHandServer::new(handler));
    let server = start(builder.interceptor(interceptor::from_fn(loudly))).await;
    let answer = server.http.send(http::Method::GET, "/v1/shout/hey", &[("x-word", "so")], "").await;
    assert_eq!(answer.json(), json!({"text": "Shout so!"}));

    let asked = || {
        let mut request = Request::new(ShoutRequest::default());
        request.metadata_mut().insert("x-word", "so".parse().unwrap());
        request
    };
    let local = ByHandClient::new(server.local.clone());
    assert_eq!(local.shout(asked()).await.unwrap().into_inner().text, "Shout so!");
    let grpc = ByHandClient::new(server.channel().await);
    assert_eq!(grpc.shout(asked()).await.unwrap().into_inner().text, "Shout so!");
    let mut spelled = grpc.spell(asked()).await.unwrap().into_inner();
    assert_eq!(spelled.message().await.unwrap().unwrap().text, "Spell so!");
}

#[tokio::test]
async fn a_handler_that_takes_its_message_alone_has_the_rest_at_hand() {
    learns_all(TakesMessages).await;
}

#[tokio::test]
async fn a_handler_that_takes_its_request_has_all_of_it() {
    learns_all(TakesRequests).await;
}

#[tokio::test]
async fn a_request_is_whole_by_any_name() {
    learns_all(TakesAliases).await;
}

/// A header of commas is as many values, more than a map has names.
#[tokio::test]
async fn metadata_of_many_values_are_all_there() {
    const VALUES: usize = 30_000;

    struct Counts;

    #[ambidex::service]
    impl ByHand for Counts {
        async fn shout(&self, request: Request<ShoutRequest>) -> Result<ShoutResponse, Status> {
            let count =
                |metadata: &ambidex::metadata::MetadataMap| metadata.get_all_bin("x-bin").iter().count();
            assert_eq!(count(request.metadata()), VALUES);
            assert_eq!(count(request.call().metadata()), VALUES);
            Ok(ShoutResponse { text: request.into_inner().text })
        }

        fn spell(
            &self,
            _: ShoutRequest,
        ) -> Result<impl Iterator<Item = Result<ShoutResponse, Status>>, Status> {
            Ok(std::iter::empty())
        }
    }

    let mut config = ambidex::server::Config::default();
    config.headers_max_bytes = 64 * 1024;
    let server = start(Server::builder().config(config).service(ByHandServer::new(Counts))).await;
    let commas = ",".repeat(VALUES - 1);
    let answer =
        server.http.send(http::Method::GET, "/v1/shout/hey", &[("x-bin", commas.as_str())], "").await;
    assert_eq!(answer.json(), json!({"text": "hey"}));
}
