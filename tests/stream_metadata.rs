//! Metadata of methods that stream: what leads, what trails, and what comes with an error, over every wire that has
//! places for them.

use ambidex::call::{Call, HttpResponse};
use ambidex::client::Transport;
use ambidex::interceptor::{self, Next};
use ambidex::metadata::MetadataMap;
use ambidex::{Code, Request, Response, Status, Streaming};
use http::{HeaderMap, Method, header};
use prost::Message;
use serde_json::json;

use crate::support::envelopes::{envelope, opened};
use crate::support::grpc_web;
use crate::support::parity_v1::{CountRequest, ParityClient, Plan, SumRequest};
use crate::support::running::{Running, parity, parity_builder, start};

/// What is sent with each call; `x-echo-…` is to lead the reply, and `x-trail-…` to trail it.
const SENT: [(&str, &str); 7] = [
    ("x-echo-asked", "yes"),
    ("x-echo-a", "1"),
    ("x-echo-a", "2"),
    ("x-echo-b-bin", "AP8"),
    ("x-trail-c", "3"),
    ("x-trail-c", "4"),
    ("x-trail-d-bin", "AQI"),
];

fn asked<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let headers = request.metadata_mut().as_mut();
    for (name, value) in SENT {
        headers.append(http::HeaderName::from_static(name), http::HeaderValue::from_static(value));
    }
    request
}

fn plan(fails: bool) -> Option<Plan> {
    let (fail_code, fail_message) = if fails { (9, "no more".to_owned()) } else { (0, String::new()) };
    Some(Plan { fail_code, fail_message, echo_metadata: true, ..Plan::default() })
}

fn has_led(what: &str, metadata: &MetadataMap) {
    assert_eq!(metadata.get_all("x-echo-a").iter().collect::<Vec<_>>(), ["1", "2"], "{what}");
    let bytes = metadata.get_bin("x-echo-b-bin").map(|value| value.to_bytes().expect("base64"));
    assert_eq!(bytes.as_deref(), Some(&[0, 255][..]), "{what}");
    assert!(metadata.get("x-trail-c").is_none(), "{what}");
}

fn has_trailed(what: &str, metadata: &MetadataMap) {
    assert_eq!(metadata.get_all("x-trail-c").iter().collect::<Vec<_>>(), ["3", "4"], "{what}");
    let bytes = metadata.get_bin("x-trail-d-bin").map(|value| value.to_bytes().expect("base64"));
    assert_eq!(bytes.as_deref(), Some(&[1, 2][..]), "{what}");
    assert!(metadata.get("x-echo-a").is_none(), "{what}");
}

/// The messages, and what trails them.
async fn read<M>(what: &str, reply: Response<Streaming<M>>) -> (usize, MetadataMap, Result<(), Status>)
where
    M: Message + Default + 'static,
{
    let (metadata, mut messages, _) = reply.into_parts();
    has_led(what, &metadata);
    let mut count = 0;
    loop {
        match messages.message().await {
            Ok(Some(_)) => count += 1,
            Ok(None) => break,
            Err(status) => return (count, status.metadata().clone(), Err(status)),
        }
    }
    let trailers = messages.trailers();
    (count, trailers, Ok(()))
}

/// Over a client that knows metadata as they are.
async fn each_kind<T: Transport>(wire: &str, client: &ParityClient<T>) {
    for fails in [false, true] {
        let expected = if fails { Err((Code::FailedPrecondition, "no more".to_owned())) } else { Ok(()) };
        let told =
            |end: Result<(), Status>| end.map_err(|status| (status.code(), status.message().to_owned()));
        let numbers = || {
            tokio_stream::iter([
                SumRequest { number: 1, plan: None },
                SumRequest { number: 2, plan: plan(fails) },
            ])
        };

        let what = format!("Count over {wire}, fails: {fails}");
        let reply = client.count(asked(CountRequest { to: 2, pause_ms: 0, plan: plan(fails) })).await;
        let (count, trailers, end) = read(&what, reply.expect("it begins well")).await;
        assert_eq!((count, told(end)), (2, expected.clone()), "{what}");
        has_trailed(&what, &trailers);

        for blocking in [false, true] {
            let what = format!("Running over {wire}, blocking: {blocking}, fails: {fails}");
            let reply = match blocking {
                false => client.running(asked(numbers())).await,
                true => client.running_blocking(asked(numbers())).await,
            };
            let (count, trailers, end) = read(&what, reply.expect("it begins well")).await;
            assert_eq!((count, told(end)), (if fails { 1 } else { 2 }, expected.clone()), "{what}");
            has_trailed(&what, &trailers);
        }

        let what = format!("Sum over {wire}, fails: {fails}");
        match client.sum(asked(numbers())).await {
            Ok(reply) => {
                assert_eq!((fails, reply.get_ref().sum), (false, 3), "{what}");
                // A client of tonic gives both at once for one message.
                let mut leads = reply.metadata().clone();
                let mut trails = MetadataMap::new();
                for value in leads.get_all("x-trail-c") {
                    trails.append("x-trail-c", value.clone());
                }
                leads.remove("x-trail-c");
                if let Some(value) = leads.remove_bin("x-trail-d-bin") {
                    trails.append_bin("x-trail-d-bin", value);
                }
                has_led(&what, &leads);
                has_trailed(&what, &trails);
            }
            Err(status) => {
                assert_eq!((fails, status.code()), (true, Code::FailedPrecondition), "{what}");
                has_trailed(&what, status.metadata());
            }
        }
    }
}

#[tokio::test]
async fn grpc_and_in_process_lose_none_of_them_whatever_the_kind() {
    let server = parity().await;
    each_kind("gRPC", &server.grpc().await).await;
    each_kind("in-process", &ParityClient::new(server.local.clone())).await;
}

fn map(pairs: impl IntoIterator<Item = (String, String)>) -> MetadataMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name: http::HeaderName = name.parse().expect("a name");
        headers.append(name, value.parse().expect("a value"));
    }
    MetadataMap::from_headers(headers)
}

#[tokio::test]
async fn grpc_web_has_them_in_its_head_and_its_last_frame() {
    let server = parity().await;
    for fails in [false, true] {
        for text in [false, true] {
            let what = format!("fails: {fails}, text: {text}");
            let message = CountRequest { to: 2, pause_ms: 0, plan: plan(fails) }.encode_to_vec();
            let web =
                grpc_web::call(&server.http, "/parity.v1.Parity/Count", &SENT, None, &[message], text).await;
            assert_eq!(web.messages.len(), 2, "{what}");
            let expected = if fails { Code::FailedPrecondition } else { Code::Ok };
            assert_eq!(web.status.code(), expected, "{what}");
            has_led(&what, &MetadataMap::from_headers(web.head.headers));
            has_trailed(&what, &MetadataMap::from_headers(web.trailers));
        }
    }
}

/// The metadata of a JSON object of lists.
fn of_json(metadata: &serde_json::Value) -> MetadataMap {
    let entries = metadata.as_object().unwrap_or_else(|| panic!("no metadata: {metadata}"));
    map(entries.iter().flat_map(|(name, values)| {
        let values = values.as_array().expect("a list").iter();
        values.map(|value| (name.clone(), value.as_str().expect("a string").to_owned())).collect::<Vec<_>>()
    }))
}

async fn over_http(
    server: &Running,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> crate::support::http_client::Answer {
    server.http.send(Method::POST, path, &[&SENT[..], headers].concat(), body).await
}

#[tokio::test]
async fn connect_streams_have_them_in_headers_and_in_the_end() {
    let server = parity().await;
    for fails in [false, true] {
        let plan =
            json!({"echoMetadata": true, "failCode": if fails { 9 } else { 0 }, "failMessage": "no more"});
        let message = json!({"to": 2, "plan": plan}).to_string();
        let headers = [("content-type", "application/connect+json")];
        let answer =
            over_http(&server, "/parity.v1.Parity/Count", &headers, envelope(0, message.as_bytes())).await;
        has_led("Connect", &MetadataMap::from_headers(answer.headers.clone()));
        let (messages, end) = opened(&answer.body);
        assert_eq!((messages.len(), end.get("error").is_some()), (2, fails), "{end}");
        has_trailed("Connect", &of_json(&end["metadata"]));
    }
}

#[tokio::test]
async fn lines_arrays_and_events_have_them_in_the_head_and_the_last_record() {
    let server = parity().await;
    for fails in [false, true] {
        for accept in ["application/x-ndjson", "application/json", "text/event-stream"] {
            let what = format!("{accept}, fails: {fails}");
            let headers: Vec<_> = SENT.into_iter().chain([("accept", accept)]).collect();
            let code = if fails { 9 } else { 0 };
            let path = format!("/v1/count?to=2&plan.echo_metadata=true&plan.fail_code={code}");
            let answer = server.http.send(Method::GET, &path, &headers, Vec::new()).await;
            has_led(&what, &MetadataMap::from_headers(answer.headers.clone()));
            let text = answer.text();
            let status = match accept {
                "application/x-ndjson" => answer.lines().last().expect("a record")["status"].clone(),
                "application/json" => {
                    let all: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                    all.as_array().expect("an array").last().expect("a record")["status"].clone()
                }
                _ => {
                    let (_, end) = text.rsplit_once("event: status\n").expect("an end");
                    let data = end.trim().strip_prefix("data: ").expect("data");
                    serde_json::from_str(data).expect("JSON")
                }
            };
            assert_eq!(status["code"].as_i64().unwrap_or_default(), code, "{what}: {text}");
            has_trailed(&what, &of_json(&status["metadata"]));
        }
    }
}

/// Streams are not to be cached unless their handler says so.
#[tokio::test]
async fn a_handlers_own_cache_control_stands_alone() {
    async fn of(server: &Running) -> Vec<String> {
        let answer = server.http.get("/v1/count?to=1").await;
        let values = answer.headers.get_all(header::CACHE_CONTROL).iter();
        values.map(|value| value.to_str().expect("text").to_owned()).collect()
    }
    assert_eq!(of(&parity().await).await, ["no-cache"]);
    let caching = interceptor::from_fn(|call: Call, next: Next| async move {
        let mut reply = next.run(call).await?;
        let own = HttpResponse::ok().header(header::CACHE_CONTROL, "max-age=60".parse().expect("a value"));
        reply.extensions.insert(own);
        Ok::<_, Status>(reply)
    });
    assert_eq!(of(&start(parity_builder().interceptor(caching)).await).await, ["max-age=60"]);
}
