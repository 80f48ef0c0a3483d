//! The wires a case can go over, each with a client of its own, and one shape for what comes back.
//!
//! Every client here speaks ProtoJSON of prost-reflect on the test's side, so that an answer is compared by
//! what it says and not by who spelled it.

use std::sync::OnceLock;
use std::time::Duration;

use ambidex::client::Transport;
use ambidex::metadata::{KeyAndValueRef, MetadataKey, MetadataMap};
use ambidex::{Code, Request, Response, Service, Status, Streaming};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::Method;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Value, json};
use tokio_stream::StreamExt;

use super::envelopes::{envelope, opened};
use super::grpc_web;
use super::http_client::Answer;
use super::parity_service::ParityService;
use super::parity_v1::*;
use super::running::Running;
use super::socket::open;

/// A way to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Grpc,
    /// gRPC-Web, as bytes and as text.
    GrpcWeb,
    GrpcWebText,
    Local,
    /// REST by its rule, as a POST of everything in the body.
    Rest,
    /// `POST /package.Service/Method` with JSON.
    RpcJson,
    /// The same with protobuf.
    RpcProto,
    /// The same as the Connect protocol has it: streams in envelopes, of JSON or protobuf.
    ConnectJson,
    ConnectProto,
    /// A WebSocket at that path.
    WebSocket,
}

pub const ALL: [Wire; 10] = [
    Wire::Grpc,
    Wire::GrpcWeb,
    Wire::GrpcWebText,
    Wire::Local,
    Wire::Rest,
    Wire::RpcJson,
    Wire::RpcProto,
    Wire::ConnectJson,
    Wire::ConnectProto,
    Wire::WebSocket,
];

/// Those that carry a stream of requests: a body of protobuf is one message.
pub const STREAMING: [Wire; 9] = [
    Wire::Grpc,
    Wire::GrpcWeb,
    Wire::GrpcWebText,
    Wire::Local,
    Wire::Rest,
    Wire::RpcJson,
    Wire::ConnectJson,
    Wire::ConnectProto,
    Wire::WebSocket,
];

/// A call: one request, or a stream of them.
#[derive(Debug, Clone)]
pub struct Case {
    pub method: &'static str,
    /// The REST path that takes the whole request as its body, or for a GET as its query.
    pub rest: &'static str,
    pub request: Value,
    /// The requests of a method whose client streams.
    pub requests: Option<Vec<Value>>,
    pub metadata: Vec<(&'static str, &'static str)>,
    pub timeout: Option<Duration>,
}

impl Case {
    pub fn new(method: &'static str, rest: &'static str, request: Value) -> Self {
        Self { method, rest, request, requests: None, metadata: Vec::new(), timeout: None }
    }

    pub fn stream(method: &'static str, rest: &'static str, requests: Vec<Value>) -> Self {
        Self { requests: Some(requests), ..Self::new(method, rest, Value::Null) }
    }

    /// The body of the call in JSON, and its type.
    fn json_body(&self) -> (&'static str, String) {
        match &self.requests {
            None => ("application/json", self.request.to_string()),
            Some(requests) => {
                ("application/x-ndjson", requests.iter().map(|request| format!("{request}\n")).collect())
            }
        }
    }

    pub fn metadata(mut self, name: &'static str, value: &'static str) -> Self {
        self.metadata.push((name, value));
        self
    }

    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// How a call ended, the same on every wire.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub messages: Vec<Value>,
    pub end: Result<(), Failure>,
    /// The metadata that came back under `x-`, initial and trailing apart, sorted.
    pub metadata: Vec<(String, String)>,
    pub trailers: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub code: Code,
    pub message: String,
    /// The details as type and bytes.
    pub details: Vec<(String, Vec<u8>)>,
}

pub fn pool() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| {
        DescriptorPool::decode(<ParityServer<ParityService> as Service>::FILE_DESCRIPTOR_SET)
            .expect("descriptors")
    })
}

/// The wire bytes of a message that JSON spells, by prost-reflect.
pub fn encode(message: &str, json: &Value) -> Vec<u8> {
    let descriptor = pool().get_message_by_name(message).expect("a message of the tests");
    DynamicMessage::deserialize(descriptor, json.clone()).expect("valid JSON").encode_to_vec()
}

/// The JSON of wire bytes, by prost-reflect.
pub fn decode(message: &str, bytes: &[u8]) -> Value {
    let descriptor = pool().get_message_by_name(message).expect("a message of the tests");
    let message = DynamicMessage::decode(descriptor, bytes).expect("valid bytes");
    serde_json::to_value(message).expect("JSON")
}

fn types(method: &str) -> (String, String) {
    let service = pool().get_service_by_name("parity.v1.Parity").expect("the service");
    let method = service.methods().find(|known| known.name() == method).expect("a method");
    (method.input().full_name().to_owned(), method.output().full_name().to_owned())
}

impl Running {
    /// Makes one call over `wire`.
    pub async fn call(&self, wire: Wire, case: &Case) -> Outcome {
        match wire {
            Wire::Grpc => typed(ParityClient::new(self.channel().await), case).await,
            Wire::GrpcWeb | Wire::GrpcWebText => self.grpc_web(case, wire == Wire::GrpcWebText).await,
            Wire::Local => typed(self.in_process(), case).await,
            Wire::Rest => self.rest(case).await,
            Wire::RpcJson => self.rpc(case, "application/json").await,
            Wire::RpcProto => self.rpc(case, "application/proto").await,
            Wire::ConnectJson | Wire::ConnectProto => self.connect(case, wire == Wire::ConnectProto).await,
            Wire::WebSocket => self.web_socket(case).await,
        }
    }

    async fn grpc_web(&self, case: &Case, text: bool) -> Outcome {
        let (input, output) = types(case.method);
        let requests = case.requests.as_deref().unwrap_or(std::slice::from_ref(&case.request));
        let messages: Vec<_> = requests.iter().map(|request| encode(&input, request)).collect();
        let path = format!("/parity.v1.Parity/{}", case.method);
        let web = grpc_web::call(&self.http, &path, &case.metadata, case.timeout, &messages, text).await;
        let messages = web.messages.iter().map(|message| decode(&output, message)).collect();
        let mut outcome = Outcome { messages, ..Outcome::default() };
        if web.status.code() != Code::Ok {
            outcome.end = Err(failure(&web.status));
        }
        // An error in the head has its metadata with its status: other wires tell of neither there.
        if !web.trailers.is_empty() {
            outcome.metadata = under_x(&MetadataMap::from_headers(web.head.headers));
            outcome.trailers = under_x(&MetadataMap::from_headers(web.trailers));
        }
        outcome
    }

    async fn rest(&self, case: &Case) -> Outcome {
        let timeout = case.timeout.map(|timeout| timeout.as_millis().to_string());
        let mut headers = case.metadata.clone();
        let (content_type, body) = case.json_body();
        headers.push(("content-type", content_type));
        if let Some(timeout) = &timeout {
            headers.push(("connect-timeout-ms", timeout));
        }
        let (_, output) = types(case.method);
        let answer = match case.rest.strip_prefix("GET ") {
            Some(path) => {
                let query = query(&case.request);
                self.http.send(Method::GET, &format!("{path}?{query}"), &headers, "").await
            }
            None => self.http.send(Method::POST, case.rest, &headers, body).await,
        };
        outcome_of_http(answer, &output, Spelled::Rest)
    }

    async fn rpc(&self, case: &Case, content_type: &'static str) -> Outcome {
        let (input, output) = types(case.method);
        let streams = case.method.starts_with("Count") || case.method.starts_with("Running");
        let proto = content_type == "application/proto" && !streams;
        let timeout = case.timeout.map(|timeout| timeout.as_millis().to_string());
        let mut headers = case.metadata.clone();
        let (json_type, json) = case.json_body();
        headers.push((
            "content-type",
            if content_type == "application/json" { json_type } else { content_type },
        ));
        if let Some(timeout) = &timeout {
            headers.push(("connect-timeout-ms", timeout));
        }
        let body = if content_type == "application/proto" {
            encode(&input, &case.request)
        } else {
            json.into_bytes()
        };
        let path = format!("/parity.v1.Parity/{}", case.method);
        let answer = self.http.send(Method::POST, &path, &headers, body).await;
        outcome_of_http(answer, &output, if proto { Spelled::ConnectProto } else { Spelled::Connect })
    }

    async fn connect(&self, case: &Case, proto: bool) -> Outcome {
        let (input, output) = types(case.method);
        let is_unary = !["Count", "Running", "Sum"].iter().any(|kind| case.method.starts_with(kind));
        if is_unary {
            return self.rpc(case, if proto { "application/proto" } else { "application/json" }).await;
        }
        let timeout = case.timeout.map(|timeout| timeout.as_millis().to_string());
        let mut headers = case.metadata.clone();
        headers.push((
            "content-type",
            if proto { "application/connect+proto" } else { "application/connect+json" },
        ));
        headers.push(("connect-protocol-version", "1"));
        if let Some(timeout) = &timeout {
            headers.push(("connect-timeout-ms", timeout));
        }
        let spelled = |request: &Value| match proto {
            true => encode(&input, request),
            false => request.to_string().into_bytes(),
        };
        let requests = case.requests.clone().unwrap_or_else(|| vec![case.request.clone()]);
        let body: Vec<u8> = requests.iter().flat_map(|request| envelope(0, &spelled(request))).collect();
        let path = format!("/parity.v1.Parity/{}", case.method);
        let answer = self.http.send(Method::POST, &path, &headers, body).await;
        assert!(answer.status.is_success(), "the end of a stream has its status: {answer:?}");
        let mut outcome = Outcome::of_headers(&answer);
        let (messages, end) = opened(&answer.body);
        outcome.messages = messages
            .iter()
            .map(|(_, message)| match proto {
                true => decode(&output, message),
                false => canonical(&output, &serde_json::from_slice(message).expect("JSON")),
            })
            .collect();
        if !end["error"].is_null() {
            outcome.end = Err(failure_of_connect(&end["error"]));
        }
        outcome.add_trailers(&end["metadata"]);
        outcome.sorted()
    }

    async fn web_socket(&self, case: &Case) -> Outcome {
        let (_, output) = types(case.method);
        let timeout = case.timeout.map(|timeout| timeout.as_millis().to_string());
        let mut headers = case.metadata.clone();
        if let Some(timeout) = &timeout {
            headers.push(("connect-timeout-ms", timeout));
        }
        let path = format!("/parity.v1.Parity/{}", case.method);
        let mut socket = open(self, &path, &headers).await.expect("open");
        match &case.requests {
            None => socket.send(case.request.clone()).await,
            Some(requests) => {
                for request in requests {
                    socket.send(request.clone()).await;
                }
                socket.end().await;
            }
        }
        let mut outcome = Outcome::default();
        loop {
            let record = socket.record().await;
            if !record["result"].is_null() {
                outcome.messages.push(canonical(&output, &record["result"]));
            } else if !record["metadata"].is_null() {
                outcome.metadata = entries(&record["metadata"]);
            } else {
                outcome.end = failure_of_record(&record["status"]);
                outcome.add_trailers(&record["status"]["metadata"]);
                let code = outcome.end.as_ref().map_or_else(|failure| 4000 + failure.code as u16, |()| 1000);
                assert_eq!(socket.closed().await.0, code);
                return outcome.sorted();
            }
        }
    }
}

/// The names and values of metadata in JSON.
fn entries(metadata: &Value) -> Vec<(String, String)> {
    let members = metadata.as_object().into_iter().flatten();
    let values =
        members.flat_map(|(name, values)| values.as_array().unwrap().iter().map(move |value| (name, value)));
    values.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

impl Outcome {
    /// What the headers of a response say.
    fn of_headers(answer: &Answer) -> Self {
        let mut outcome = Self::default();
        for (name, value) in &answer.headers {
            let value = value.to_str().unwrap().to_owned();
            if let Some(name) = name.as_str().strip_prefix("trailer-x-") {
                outcome.trailers.push((format!("x-{name}"), value));
            } else if name.as_str().starts_with("x-") {
                outcome.metadata.push((name.to_string(), value));
            }
        }
        outcome
    }

    fn add_trailers(&mut self, metadata: &Value) {
        self.trailers.extend(entries(metadata));
    }

    fn sorted(mut self) -> Self {
        self.metadata.sort();
        self.trailers.sort();
        self
    }
}

impl Default for Outcome {
    fn default() -> Self {
        Self { messages: Vec::new(), end: Ok(()), metadata: Vec::new(), trailers: Vec::new() }
    }
}

/// A request as query parameters: `{"to": 3, "plan": {"panic": true}}` is `to=3&plan.panic=true`.
fn query(request: &Value) -> String {
    fn push(prefix: &str, value: &Value, pairs: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                    push(&name, value, pairs);
                }
            }
            Value::String(text) => {
                let text = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
                pairs.push(format!("{prefix}={text}"));
            }
            other => pairs.push(format!("{prefix}={other}")),
        }
    }
    let mut pairs = Vec::new();
    push("", request, &mut pairs);
    pairs.join("&")
}

#[derive(Clone, Copy, PartialEq)]
enum Spelled {
    Rest,
    Connect,
    ConnectProto,
}

fn outcome_of_http(answer: Answer, output: &str, spelled: Spelled) -> Outcome {
    let mut outcome = Outcome::of_headers(&answer);
    if !answer.status.is_success() {
        assert_eq!(answer.header("content-type"), "application/json", "an error is JSON: {answer:?}");
        outcome.end = Err(failure_of_http(&answer, spelled));
    } else if answer.header("content-type") == "application/x-ndjson" {
        let mut lines = answer.lines();
        let end = lines.pop().expect("a stream ends in a record");
        outcome.messages = lines.iter().map(|line| canonical(output, &line["result"])).collect();
        outcome.end = failure_of_record(&end["status"]);
        outcome.add_trailers(&end["status"]["metadata"]);
    } else if spelled == Spelled::ConnectProto {
        assert_eq!(answer.header("content-type"), "application/proto");
        outcome.messages.push(decode(output, &answer.body));
    } else {
        assert_eq!(answer.header("content-type"), "application/json");
        outcome.messages.push(canonical(output, &answer.json()));
    }
    outcome.sorted()
}

/// JSON read and printed again by prost-reflect, so that only what it says is compared.
fn canonical(message: &str, json: &Value) -> Value {
    decode(message, &encode(message, json))
}

fn failure_of_http(answer: &Answer, spelled: Spelled) -> Failure {
    let json = answer.json();
    if spelled == Spelled::Rest {
        let error = &json["error"];
        assert_eq!(error["code"], json!(answer.status.as_u16()), "the body repeats the HTTP status");
        return Failure {
            code: code_named(error["status"].as_str().unwrap()),
            message: error["message"].as_str().unwrap().to_owned(),
            details: error["details"].as_array().into_iter().flatten().map(detail_of_any).collect(),
        };
    }
    failure_of_connect(&json)
}

fn failure_of_connect(json: &Value) -> Failure {
    let details = json["details"].as_array().into_iter().flatten().map(|detail| {
        let value = STANDARD_NO_PAD.decode(detail["value"].as_str().unwrap()).unwrap();
        (detail["type"].as_str().unwrap().to_owned(), value)
    });
    Failure {
        code: code_named(&json["code"].as_str().unwrap().to_uppercase().replace("CANCELED", "CANCELLED")),
        message: json["message"].as_str().unwrap_or_default().to_owned(),
        details: details.collect(),
    }
}

fn failure_of_record(status: &Value) -> Result<(), Failure> {
    let code = Code::from(status["code"].as_i64().expect("a code") as i32);
    if code == Code::Ok {
        return Ok(());
    }
    Err(Failure {
        code,
        message: status["message"].as_str().unwrap_or_default().to_owned(),
        details: status["details"].as_array().into_iter().flatten().map(detail_of_any).collect(),
    })
}

/// A detail as JSON `Any`: its members are those of the message, beside `@type`.
fn detail_of_any(any: &Value) -> (String, Vec<u8>) {
    let mut members = any.as_object().expect("an object").clone();
    let type_url = members.remove("@type").expect("a type");
    let name = type_url.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let pool = DescriptorPool::decode(ambidex::tonic_types::pb::FILE_DESCRIPTOR_SET).expect("descriptors");
    let descriptor = pool.get_message_by_name(&name).expect("a message of google.rpc");
    let message = DynamicMessage::deserialize(descriptor, Value::Object(members)).expect("its JSON");
    (name, message.encode_to_vec())
}

fn code_named(name: &str) -> Code {
    (0..17)
        .map(Code::from)
        .find(|code| format!("{code:?}").to_uppercase() == name.replace('_', ""))
        .unwrap_or_else(|| panic!("no code is named {name}"))
}

fn failure(status: &Status) -> Failure {
    let details = ambidex::google::rpc::Status::decode(status.details()).expect("details").details;
    let details = details
        .into_iter()
        .map(|any| (any.type_url.rsplit('/').next().unwrap_or_default().to_owned(), any.value));
    Failure { code: status.code(), message: status.message().to_owned(), details: details.collect() }
}

/// Calls with the generated client.
async fn typed<T: Transport>(client: ParityClient<T>, case: &Case) -> Outcome {
    let (input, output) = types(case.method);
    let bytes = if case.requests.is_none() { encode(&input, &case.request) } else { Vec::new() };
    macro_rules! client_stream {
        ($method:ident) => {
            one(client.$method(requests(case, &input)).await, &output)
        };
    }
    macro_rules! both_stream {
        ($method:ident) => {
            many(client.$method(requests(case, &input)).await, &output).await
        };
    }
    macro_rules! unary {
        ($method:ident) => {
            one(client.$method(request(case, &bytes)).await, &output)
        };
    }
    macro_rules! stream {
        ($method:ident) => {
            many(client.$method(request(case, &bytes)).await, &output).await
        };
    }
    match case.method {
        "Echo" => unary!(echo),
        "EchoBlocking" => unary!(echo_blocking),
        "EchoOffloaded" => unary!(echo_offloaded),
        "Hurried" => unary!(hurried),
        "Count" => stream!(count),
        "CountBlocking" => stream!(count_blocking),
        "Sum" => client_stream!(sum),
        "SumBlocking" => client_stream!(sum_blocking),
        "Running" => both_stream!(running),
        "RunningBlocking" => both_stream!(running_blocking),
        other => panic!("the harness does not know {other}"),
    }
}

fn request<M: Message + Default>(case: &Case, bytes: &[u8]) -> Request<M> {
    with_head(case, M::decode(bytes).expect("valid bytes"))
}

fn requests(
    case: &Case,
    input: &str,
) -> Request<impl tokio_stream::Stream<Item = SumRequest> + Send + 'static> {
    let requests = case.requests.as_deref().expect("a case whose client streams");
    let requests: Vec<_> = requests
        .iter()
        .map(|request| SumRequest::decode(encode(input, request).as_slice()).expect("valid bytes"))
        .collect();
    with_head(case, tokio_stream::iter(requests))
}

fn with_head<T>(case: &Case, body: T) -> Request<T> {
    let mut request = Request::new(body);
    for (name, value) in &case.metadata {
        let name = MetadataKey::from_bytes(name.as_bytes()).expect("a key");
        request.metadata_mut().append(name, value.parse().expect("a value"));
    }
    if let Some(timeout) = case.timeout {
        request.set_timeout(timeout);
    }
    request
}

fn under_x(metadata: &MetadataMap) -> Vec<(String, String)> {
    let mut entries: Vec<_> = metadata
        .iter()
        .filter_map(|entry| match entry {
            KeyAndValueRef::Ascii(name, value) => {
                Some((name.as_str().to_owned(), value.to_str().unwrap().to_owned()))
            }
            KeyAndValueRef::Binary(..) => None,
        })
        .filter(|(name, _)| name.starts_with("x-"))
        .collect();
    entries.sort();
    entries
}

fn one<M: Message>(result: Result<Response<M>, Status>, output: &str) -> Outcome {
    let mut outcome = Outcome::default();
    match result {
        Ok(response) => {
            // A unary response shows both kinds of metadata in one map; the tests tell them by their names.
            let all = under_x(response.metadata());
            (outcome.trailers, outcome.metadata) =
                all.into_iter().partition(|(name, _)| name.starts_with("x-trail-"));
            outcome.messages.push(decode(output, &response.into_inner().encode_to_vec()));
        }
        Err(status) => outcome.end = Err(failure(&status)),
    }
    outcome
}

async fn many<M: Message + Default>(result: Result<Response<Streaming<M>>, Status>, output: &str) -> Outcome {
    let mut outcome = Outcome::default();
    let mut response = match result {
        Ok(response) => response,
        Err(status) => {
            outcome.end = Err(failure(&status));
            return outcome;
        }
    };
    outcome.metadata = under_x(response.metadata());
    while let Some(message) = response.get_mut().next().await {
        match message {
            Ok(message) => outcome.messages.push(decode(output, &message.encode_to_vec())),
            Err(status) => outcome.end = Err(failure(&status)),
        }
    }
    outcome.trailers = under_x(&response.get_mut().trailers());
    outcome
}
