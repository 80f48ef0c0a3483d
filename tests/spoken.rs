//! What a handler says over HTTP besides its messages, in every form and on every wire: on streams too, and where there
//! is nobody to hear it.

use ambidex::call::HttpResponse;
use ambidex::{Code, Execution, Request, Response, Server, Status, Stream, Streaming};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use prost::Message as _;
use serde_json::json;
use tokio_stream::StreamExt;

use crate::support::envelopes::{envelope, opened};
use crate::support::grpc_web;
use crate::support::http_client::Answer;
use crate::support::parity_v1::{ByHand, ByHandClient, ByHandServer, ShoutRequest, ShoutResponse};
use crate::support::running::{Running, start};
use crate::support::socket::open;

/// Says more than it is asked.
struct Talkative<const BLOCKING: bool>;

fn own(status: StatusCode) -> HttpResponse {
    HttpResponse::new(status)
        .header(HeaderName::from_static("x-own"), HeaderValue::from_static("1"))
        .header(header::SET_COOKIE, HeaderValue::from_static("a=1"))
        .header(header::SET_COOKIE, HeaderValue::from_static("b=2; HttpOnly"))
}

const fn execution(blocking: bool) -> Execution {
    if blocking { Execution::BLOCKING } else { Execution::ASYNC }
}

impl<const BLOCKING: bool> ByHand for Talkative<BLOCKING> {
    const SHOUT: Execution = execution(BLOCKING);
    const SPELL: Execution = execution(BLOCKING);

    async fn shout(&self, request: Request<ShoutRequest>) -> Result<Response<ShoutResponse>, Status> {
        let text = request.into_inner().text;
        let said = match text.strip_prefix("at ") {
            Some(place) => HttpResponse::see_other(place),
            None => own(StatusCode::NON_AUTHORITATIVE_INFORMATION),
        };
        let mut response = Response::new(ShoutResponse { text });
        response.extensions_mut().insert(said);
        Ok(response)
    }

    async fn spell(
        &self,
        request: Request<ShoutRequest>,
    ) -> Result<Response<impl Stream<Item = Result<ShoutResponse, Status>> + Send>, Status> {
        let text = request.into_inner().text;
        if text == "gone" {
            return Err(own(StatusCode::GONE).on(Status::not_found("it was here")));
        }
        let letters: Vec<_> = text.chars().map(|letter| Ok(ShoutResponse { text: letter.into() })).collect();
        let mut response = Response::new(tokio_stream::iter(letters));
        response.extensions_mut().insert(own(StatusCode::NON_AUTHORITATIVE_INFORMATION));
        Ok(response)
    }
}

async fn talkative() -> [Running; 2] {
    [
        start(Server::builder().service(ByHandServer::new(Talkative::<false>))).await,
        start(Server::builder().service(ByHandServer::new(Talkative::<true>))).await,
    ]
}

fn cookies(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect()
}

const BOTH: [&str; 2] = ["a=1", "b=2; HttpOnly"];

#[tokio::test]
async fn a_reply_may_send_its_caller_elsewhere_and_set_several_cookies() {
    for server in talkative().await {
        let answer = server.http.get("/v1/shout/at%20%2Fv1%2Fshout%2Fa%20b").await;
        let place = (answer.status, answer.header("location"));
        assert_eq!(place, (StatusCode::SEE_OTHER, "/v1/shout/a%20b"));
        let answer = server.http.get("/v1/shout/hey").await;
        assert_eq!(answer.status, StatusCode::NON_AUTHORITATIVE_INFORMATION);
        assert_eq!((cookies(&answer), answer.header("x-own")), (BOTH.to_vec(), "1"));
        // Connect takes the headers, and no status but its own.
        let answer = server.http.post("/parity.v1.ByHand/Shout", r#"{"text": "at /v1"}"#).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::OK, "/v1"));
        let answer = server.http.post("/parity.v1.ByHand/Shout", r#"{"text": "hey"}"#).await;
        assert_eq!((answer.status, cookies(&answer)), (StatusCode::OK, BOTH.to_vec()));
    }
}

#[tokio::test]
async fn a_stream_says_it_in_its_head_whatever_its_form() {
    for server in talkative().await {
        for accept in ["application/x-ndjson", "application/json", "text/event-stream"] {
            let headers = [("accept", accept)];
            let answer = server.http.send(Method::GET, "/v1/spell/ab", &headers, "").await;
            assert_eq!(answer.status, StatusCode::NON_AUTHORITATIVE_INFORMATION, "{accept}");
            assert_eq!((cookies(&answer), answer.header("x-own")), (BOTH.to_vec(), "1"), "{accept}");
            assert_eq!(answer.header("content-type"), accept);
            assert!(answer.text().contains(r#""text":"b""#), "{}", answer.text());
            let gone = server.http.send(Method::GET, "/v1/spell/gone", &headers, "").await;
            assert_eq!((gone.status, gone.header("x-own")), (StatusCode::GONE, "1"), "{accept}");
            assert_eq!(gone.json()["error"]["status"], "NOT_FOUND");
        }
        let headers = [("content-type", "application/connect+json")];
        let body = envelope(0, br#"{"text": "ab"}"#);
        let answer = server.http.send(Method::POST, "/parity.v1.ByHand/Spell", &headers, body).await;
        assert_eq!((answer.status, answer.header("x-own")), (StatusCode::OK, "1"));
        assert_eq!((opened(&answer.body).0.len(), opened(&answer.body).1), (2, json!({})));
    }
}

/// Where HTTP is not spoken to a caller there is nobody to tell; messages and errors are the same as ever.
#[tokio::test]
async fn on_other_wires_it_means_nothing_and_harms_nothing() {
    for server in talkative().await {
        // gRPC-Web is carried by HTTP, and still gRPC.
        for (method, text, code, messages) in [
            ("Shout", "at /v1", Code::Ok, 1),
            ("Shout", "hey", Code::Ok, 1),
            ("Spell", "ab", Code::Ok, 2),
            ("Spell", "gone", Code::NotFound, 0),
        ] {
            let path = format!("/parity.v1.ByHand/{method}");
            let message = ShoutRequest { text: text.to_owned() }.encode_to_vec();
            let web = grpc_web::call(&server.http, &path, &[], None, &[message], false).await;
            assert_eq!((web.status.code(), web.messages.len()), (code, messages), "{method} {text}");
            assert_eq!(web.head.status, StatusCode::OK);
            for name in ["x-own", "location", "set-cookie"] {
                assert_eq!(web.head.header(name), "", "{method} {text}");
            }
        }
        let mut socket = open(&server, "/v1/spell/ab", &[]).await.expect("open");
        socket.send(json!({})).await;
        assert_eq!(socket.record().await["status"]["code"], 3, "this route takes no body");
        let mut socket = open(&server, "/parity.v1.ByHand/Spell", &[]).await.expect("open");
        socket.send(json!({"text": "ab"})).await;
        let records = [socket.record().await, socket.record().await, socket.record().await];
        let expected = [
            json!({"result": {"text": "a"}}),
            json!({"result": {"text": "b"}}),
            json!({"status": {"code": 0, "message": ""}}),
        ];
        assert_eq!((records, socket.closed().await.0), (expected, 1000));
        let mut socket = open(&server, "/parity.v1.ByHand/Spell", &[]).await.expect("open");
        socket.send(json!({"text": "gone"})).await;
        let status = socket.record().await["status"].clone();
        assert_eq!((&status["code"], &status["message"]), (&json!(5), &json!("it was here")));
        assert_eq!(socket.closed().await, (4005, "it was here".to_owned()));

        heard(ByHandClient::new(server.local.clone())).await;
        heard(ByHandClient::new(server.channel().await)).await;
    }
}

async fn heard<T: ambidex::client::Transport>(client: ByHandClient<T>) {
    let ask = |text: &str| ShoutRequest { text: text.to_owned() };
    let shouted = client.shout(ask("at /v1")).await.expect("an answer");
    assert!(shouted.metadata().get("location").is_none());
    assert_eq!(shouted.into_inner().text, "at /v1");
    let spelled: Response<Streaming<ShoutResponse>> = client.spell(ask("ab")).await.expect("a stream");
    assert!(spelled.metadata().get("x-own").is_none());
    assert_eq!(spelled.into_inner().filter(Result::is_ok).fold(0, |letters, _| letters + 1).await, 2);
    let gone = client.spell(ask("gone")).await.map(drop).expect_err("it is gone");
    assert_eq!((gone.code(), gone.message()), (Code::NotFound, "it was here"));
}
