//! Server reflection: what tools are told that have no protos, in both versions and over every protocol.

use ambidex::call::Call;
use ambidex::interceptor::{self, Next};
use ambidex::{Code, Error, Server, Service, Status};
use http::StatusCode;
use prost::Message;
use prost_reflect::prost_types::{FileDescriptorProto, FileDescriptorSet};
use prost_reflect::{DescriptorPool, Value};
use serde_json::{Value as Json, json};

use crate::support::parity_service::ParityService;
use crate::support::parity_v1::ParityServer;
use crate::support::reflection_v1::server_reflection_request::MessageRequest::{self, *};
use crate::support::reflection_v1::server_reflection_response::MessageResponse;
use crate::support::reflection_v1::{
    ErrorResponse, ExtensionNumberResponse, ExtensionRequest, ServerReflectionClient,
    ServerReflectionRequest, ServerReflectionResponse,
};
use crate::support::running::{Running, parity_builder, start};
use crate::support::socket::open;

const V1: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const V1ALPHA: &str = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
const PARITY: &str = "parity/v1/parity.proto";

async fn reflecting() -> Running {
    start(parity_builder().health(Default::default()).reflection()).await
}

/// Asks over gRPC, all on one stream.
async fn ask(server: &Running, questions: Vec<MessageRequest>) -> Vec<ServerReflectionResponse> {
    let client = ServerReflectionClient::new(server.channel().await);
    let requests = questions
        .into_iter()
        .map(|question| ServerReflectionRequest { host: "here".to_owned(), message_request: Some(question) });
    let requests: Vec<_> = requests.collect();
    let mut answers = client.server_reflection_info(tokio_stream::iter(requests)).await.unwrap().into_inner();
    let mut all = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        all.push(answer);
    }
    all
}

async fn ask_one(server: &Running, question: MessageRequest) -> MessageResponse {
    let mut answers = ask(server, vec![question]).await;
    assert_eq!(answers.len(), 1);
    answers.remove(0).message_response.expect("an answer")
}

/// The files of an answer.
#[track_caller]
fn files(answer: MessageResponse) -> Vec<FileDescriptorProto> {
    let MessageResponse::FileDescriptorResponse(response) = answer else { panic!("no files: {answer:?}") };
    let decoded = response.file_descriptor_proto.iter();
    decoded.map(|file| FileDescriptorProto::decode(file.clone()).unwrap()).collect()
}

fn names(files: &[FileDescriptorProto]) -> Vec<&str> {
    files.iter().map(FileDescriptorProto::name).collect()
}

#[track_caller]
fn error(answer: MessageResponse) -> ErrorResponse {
    let MessageResponse::ErrorResponse(error) = answer else { panic!("no error: {answer:?}") };
    error
}

fn symbol(name: &str) -> MessageRequest {
    FileContainingSymbol(name.to_owned())
}

fn extension(of: &str, number: i32) -> MessageRequest {
    FileContainingExtension(ExtensionRequest { containing_type: of.to_owned(), extension_number: number })
}

#[tokio::test]
async fn every_service_is_listed_by_name() {
    let server = reflecting().await;
    let answer = ask_one(&server, ListServices("*".to_owned())).await;
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("no list: {answer:?}") };
    let listed: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    let served = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "parity.v1.Parity",
    ];
    // ByHand is in the same file, and not served here.
    assert_eq!(listed, served);
}

#[tokio::test]
async fn an_answer_says_what_was_asked() {
    let server = reflecting().await;
    let answers = ask(&server, vec![symbol("parity.v1.Parity"), symbol("no.such.Thing")]).await;
    for (answer, name) in answers.iter().zip(["parity.v1.Parity", "no.such.Thing"]) {
        assert_eq!(answer.valid_host, "here");
        let original = answer.original_request.as_ref().unwrap();
        assert_eq!(original.message_request, Some(symbol(name)));
    }
}

#[tokio::test]
async fn a_file_is_found_by_its_name_and_by_all_that_it_declares() {
    let server = reflecting().await;
    let symbols = [
        "parity.v1.Parity",
        "parity.v1.Parity.Echo",
        "parity.v1.Item",
        "parity.v1.Item.maker",
        "parity.v1.Item.origin",
        "parity.v1.Item.StockEntry",
        "parity.v1.Color",
        "parity.v1.RED",
    ];
    let questions: Vec<_> =
        [FileByFilename(PARITY.to_owned())].into_iter().chain(symbols.map(symbol)).collect();
    for (answer, asked) in ask(&server, questions.clone()).await.into_iter().zip(questions) {
        assert_eq!(names(&files(answer.message_response.unwrap()))[0], PARITY, "{asked:?}");
    }
    let annotations = [symbol("google.api.http"), extension("google.protobuf.MethodOptions", 72_295_728)];
    for asked in annotations {
        let answer = ask_one(&server, asked.clone()).await;
        assert_eq!(names(&files(answer))[0], "google/api/annotations.proto", "{asked:?}");
    }
}

/// As grpc-go has it.
#[tokio::test]
async fn a_file_brings_what_it_imports_once_a_stream() {
    let server = reflecting().await;
    let questions = vec![
        symbol("parity.v1.Parity"),
        FileByFilename("google/api/annotations.proto".to_owned()),
        symbol("parity.v1.Parity"),
    ];
    let answers = ask(&server, questions.clone()).await;
    let [first, second, again] =
        <[_; 3]>::try_from(answers).unwrap().map(|answer| files(answer.message_response.unwrap()));
    assert_eq!(names(&first)[0], PARITY);
    let mut unique = names(&first);
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), first.len(), "no file comes twice");
    for import in first.iter().flat_map(|file| &file.dependency) {
        assert!(unique.contains(&import.as_str()), "{import} is missing");
    }
    assert_eq!(names(&second), ["google/api/annotations.proto"], "what it imports was there already");
    assert_eq!(names(&again), [PARITY]);
    let anew = ask(&server, questions).await.remove(0);
    assert_eq!(files(anew.message_response.unwrap()).len(), first.len(), "another stream has had nothing");
}

#[tokio::test]
async fn files_are_as_they_were_compiled_custom_options_and_all() {
    let server = reflecting().await;
    let answer = ask_one(&server, symbol("parity.v1.Parity")).await;
    let MessageResponse::FileDescriptorResponse(response) = answer else { panic!("no files: {answer:?}") };
    let set = <ParityServer<ParityService> as Service>::FILE_DESCRIPTOR_SET;
    for file in &response.file_descriptor_proto {
        assert!(set.windows(file.len()).any(|part| part == &file[..]), "every file, byte for byte");
    }
    // A tool that knows nothing else reads the rule of a method.
    let mut pool = DescriptorPool::new();
    let files = response.file_descriptor_proto.iter();
    let mut encoded = Vec::new();
    files.for_each(|file| prost::encoding::bytes::encode(1, file, &mut encoded));
    pool.decode_file_descriptor_set(encoded.as_slice()).expect("the files fit together");
    let service = pool.get_service_by_name("parity.v1.Parity").unwrap();
    let echo = service.methods().find(|method| method.name() == "Echo").unwrap();
    let http = pool.get_extension_by_name("google.api.http").unwrap();
    let rule = echo.options().get_extension(&http).into_owned();
    let Value::Message(rule) = rule else { panic!("a rule is a message: {rule:?}") };
    assert_eq!(rule.get_field_by_name("post").unwrap().as_str(), Some("/v1/echo"));
}

#[tokio::test]
async fn the_numbers_of_extensions_are_told() {
    let server = reflecting().await;
    let numbers_of =
        async |message: &str| match ask_one(&server, AllExtensionNumbersOfType(message.to_owned())).await {
            MessageResponse::AllExtensionNumbersResponse(numbers) => numbers,
            other => panic!("no numbers: {other:?}"),
        };
    let options = "google.protobuf.MethodOptions";
    let expected =
        ExtensionNumberResponse { base_type_name: options.to_owned(), extension_number: vec![72_295_728] };
    assert_eq!(numbers_of(options).await, expected);
    assert!(numbers_of("parity.v1.Item").await.extension_number.is_empty());
}

#[tokio::test]
async fn what_is_not_there_is_said_and_the_next_question_answered() {
    let server = reflecting().await;
    let questions = vec![
        FileByFilename("no/such.proto".to_owned()),
        symbol("parity.v1.Nobody"),
        symbol(""),
        extension("google.protobuf.MethodOptions", 1),
        extension("parity.v1.Nobody", 72_295_728),
        AllExtensionNumbersOfType("parity.v1.Nobody".to_owned()),
        AllExtensionNumbersOfType("parity.v1.Color".to_owned()),
        symbol("parity.v1.Item"),
    ];
    let mut answers = ask(&server, questions).await;
    let last = answers.pop().unwrap();
    assert_eq!(names(&files(last.message_response.unwrap()))[0], PARITY);
    for answer in answers {
        let error = error(answer.message_response.unwrap());
        assert_eq!(error.error_code, Code::NotFound as i32, "{error:?}");
        assert!(error.error_message.starts_with("there is no "), "{error:?}");
    }
}

/// What a WebSocket says to each of these questions; `question` is a request in JSON.
async fn ask_by_websocket(server: &Running, path: &str, questions: &[Json]) -> Vec<Json> {
    let mut socket = open(server, path, &[]).await.expect("open");
    let mut answers = Vec::new();
    for question in questions {
        socket.send(question.clone()).await;
        answers.push(socket.record().await["result"].clone());
    }
    answers
}

#[tokio::test]
async fn both_versions_say_the_same() {
    let server = reflecting().await;
    let questions = [
        json!({"listServices": ""}),
        json!({"fileContainingSymbol": "parity.v1.Parity"}),
        json!({"allExtensionNumbersOfType": "nobody.at.All"}),
        json!({"host": "asks nothing"}),
    ];
    let newer = ask_by_websocket(&server, V1, &questions).await;
    assert_eq!(ask_by_websocket(&server, V1ALPHA, &questions).await, newer);
    assert_eq!(newer[0]["listServicesResponse"]["service"][3]["name"], "parity.v1.Parity");
    assert_eq!(newer[2]["errorResponse"]["errorCode"], Code::NotFound as i32);
    // A question that is newer than the server looks like none.
    assert_eq!(newer[3]["errorResponse"]["errorCode"], Code::Unimplemented as i32);
    assert_eq!(newer[3]["validHost"], "asks nothing");
}

#[tokio::test]
async fn interceptors_come_first() {
    let refuse = interceptor::from_fn(async |call: Call, next: Next| {
        if call.context().method().full_name().starts_with("grpc.reflection.v1.") {
            return Err(Status::permission_denied("not for you"));
        }
        next.run(call).await
    });
    let server = start(parity_builder().reflection().interceptor(refuse)).await;
    let client = ServerReflectionClient::new(server.channel().await);
    let nothing = tokio_stream::empty::<ServerReflectionRequest>();
    let refused = client.server_reflection_info(nothing).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let older = ask_by_websocket(&server, V1ALPHA, &[json!({"listServices": ""})]).await;
    assert!(older[0]["listServicesResponse"].is_object());
}

#[tokio::test]
async fn nobody_is_told_who_was_not_to_be() {
    let server = start(parity_builder()).await;
    for path in [V1, V1ALPHA] {
        assert_eq!(server.http.post(path, "{}").await.status, StatusCode::NOT_FOUND);
    }
}

/// The descriptors of a service that is served by other means, made by other means.
fn foreign() -> Vec<u8> {
    let message =
        prost_reflect::prost_types::DescriptorProto { name: Some("Hello".to_owned()), ..Default::default() };
    let service = prost_reflect::prost_types::ServiceDescriptorProto {
        name: Some("Greeter".to_owned()),
        ..Default::default()
    };
    let file = FileDescriptorProto {
        name: Some("foreign.proto".to_owned()),
        package: Some("foreign.v1".to_owned()),
        syntax: Some("proto3".to_owned()),
        message_type: vec![message],
        service: vec![service],
        ..Default::default()
    };
    FileDescriptorSet { file: vec![file] }.encode_to_vec()
}

#[tokio::test]
async fn descriptors_of_others_are_told_of_too() {
    let server = start(parity_builder().reflection().descriptors(foreign())).await;
    let found = ask_one(&server, symbol("foreign.v1.Hello")).await;
    assert_eq!(names(&files(found)), ["foreign.proto"]);
    let MessageResponse::ListServicesResponse(list) = ask_one(&server, ListServices(String::new())).await
    else {
        panic!("a list")
    };
    assert!(list.service.iter().any(|service| service.name == "foreign.v1.Greeter"));
}

/// With its descriptors or without: what is served is listed, and what is described can be asked for.
#[tokio::test]
async fn services_that_were_written_for_tonic_are_told_of_too() {
    for described in [true, false] {
        let (_, health) = tonic_health::server::health_reporter();
        let builder = parity_builder().reflection();
        let builder = match described {
            true => builder.tonic_service_with(health, tonic_health::pb::FILE_DESCRIPTOR_SET),
            false => builder.tonic_service(health),
        };
        let server = start(builder).await;
        let questions = vec![ListServices(String::new()), symbol("grpc.health.v1.Health.Check")];
        let mut answers = ask(&server, questions).await.into_iter().map(|it| it.message_response.unwrap());
        let Some(MessageResponse::ListServicesResponse(list)) = answers.next() else { panic!("a list") };
        assert!(list.service.iter().any(|service| service.name == "grpc.health.v1.Health"));
        let file = answers.next().unwrap();
        if described {
            assert_eq!(files(file)[0].package(), "grpc.health.v1");
        } else {
            assert_eq!(error(file).error_code, Code::NotFound as i32);
        }
    }
}

#[tokio::test]
async fn descriptors_that_are_none_are_refused_at_start_up() {
    for builder in [Server::builder(), Server::builder().reflection()] {
        let error = builder.descriptors(&b"\xff"[..]).local().unwrap_err();
        assert!(matches!(error, Error::Schema(_)), "{error}");
    }
}
