//! gRPC's server reflection, `grpc.reflection.v1.ServerReflection`, for tools that have no protos: which services are
//! here, and the descriptors of all that they name.
//!
//! It is a service like others: over gRPC, Connect and WebSockets, behind the same interceptors and limits, and it waits
//! for nobody. The older `v1alpha` has the same messages, so one implementation is both. Files go out byte for byte as
//! they were compiled. As with grpc-go, a file brings along everything that it imports, directly or not, save what the
//! same stream was sent before: most tools need to ask no second time.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use ambidex_schema::{DescriptorFile, FileIndex, SchemaError};
use bytes::Bytes;
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Status};

use super::Error;
use super::builder::{Registration, ServerBuilder};
use crate::google;
use crate::handler::{Service, Streaming};
use v1::server_reflection_request::MessageRequest;
use v1::server_reflection_response::MessageResponse;
use v1::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
    ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
};

pub(crate) mod v1 {
    #![allow(
        missing_docs,
        dead_code,
        unreachable_pub,
        reason = "generated from a proto that documents itself"
    )]
    #![allow(clippy::all, reason = "the same")]
    include!(concat!(env!("OUT_DIR"), "/grpc.reflection.v1.rs"));
}

mod v1alpha {
    #![allow(
        missing_docs,
        dead_code,
        unreachable_pub,
        reason = "generated from a proto that documents itself"
    )]
    #![allow(clippy::all, reason = "the same")]
    include!(concat!(env!("OUT_DIR"), "/grpc.reflection.v1alpha.rs"));
}

type V1 = v1::ServerReflectionServer<Reflection>;
type V1Alpha = v1alpha::ServerReflectionServer<Reflection>;

/// What a server tells of itself; every clone tells the same.
#[derive(Debug, Clone)]
pub(super) struct Reflection(Arc<Known>);

#[derive(Debug)]
struct Known {
    services: BTreeSet<String>,
    files: FileIndex,
}

impl Reflection {
    /// Tells of the services by these names, and of itself. `sets` are their descriptors; in `others` each service that
    /// is declared is served.
    pub(super) fn new(
        served: impl Iterator<Item = &'static str>,
        sets: impl Iterator<Item = Bytes>,
        others: &[Bytes],
    ) -> Result<Self, SchemaError> {
        let own = [V1::FILE_DESCRIPTOR_SET, V1Alpha::FILE_DESCRIPTOR_SET].map(Bytes::from_static);
        let files = FileIndex::new(sets.chain(own).chain(others.iter().cloned()))?;
        let mut services: BTreeSet<_> = served.chain([V1::NAME, V1Alpha::NAME]).map(str::to_owned).collect();
        let others = FileIndex::new(others.iter().cloned())?;
        services.extend(others.files().flat_map(DescriptorFile::services).map(str::to_owned));
        Ok(Self(Arc::new(Known { services, files })))
    }

    pub(super) fn v1(&self) -> impl Service + Send + 'static + use<> {
        V1::new(self.clone())
    }

    pub(super) fn v1alpha(&self) -> impl Service + Send + 'static + use<> {
        V1Alpha::new(self.clone())
    }

    /// The answers to one stream of questions.
    fn answers(
        &self,
        questions: Streaming<ServerReflectionRequest>,
    ) -> impl Stream<Item = Result<ServerReflectionResponse, Status>> + use<> {
        let known = Arc::clone(&self.0);
        let mut sent = HashSet::new();
        questions.map(move |question| question.map(|question| known.answer(question, &mut sent)))
    }
}

#[ambidex_macros::service]
impl v1::ServerReflection for Reflection {
    async fn server_reflection_info(
        &self,
        questions: Streaming<ServerReflectionRequest>,
    ) -> Result<impl Stream<Item = Result<ServerReflectionResponse, Status>>, Status> {
        Ok(self.answers(questions))
    }
}

#[ambidex_macros::service]
impl v1alpha::ServerReflection for Reflection {
    async fn server_reflection_info(
        &self,
        questions: Streaming<ServerReflectionRequest>,
    ) -> Result<impl Stream<Item = Result<ServerReflectionResponse, Status>>, Status> {
        Ok(self.answers(questions))
    }
}

impl Known {
    /// Answers one question; `sent` are the names of the files that the stream has had.
    fn answer(
        self: &Arc<Self>,
        question: ServerReflectionRequest,
        sent: &mut HashSet<String>,
    ) -> ServerReflectionResponse {
        let found = match &question.message_request {
            Some(MessageRequest::FileByFilename(name)) => {
                self.found(self.files.file(name), sent, || format!("there is no file {name:?}"))
            }
            Some(MessageRequest::FileContainingSymbol(symbol)) => {
                self.found(self.files.declaring(symbol), sent, || format!("there is no symbol {symbol:?}"))
            }
            Some(MessageRequest::FileContainingExtension(extension)) => {
                let (extended, number) = (&extension.containing_type, extension.extension_number);
                self.found(self.files.extending(extended, number), sent, || {
                    format!("there is no extension {number} of {extended:?}")
                })
            }
            Some(MessageRequest::AllExtensionNumbersOfType(name)) => self.extension_numbers(name),
            Some(MessageRequest::ListServices(_)) => Ok(self.list()),
            // Nothing at all, or a question that came after this server.
            None => Err(error(Code::Unimplemented, "the request asks nothing that this server can answer")),
        };
        ServerReflectionResponse {
            valid_host: question.host.clone(),
            original_request: Some(question),
            message_response: Some(found.unwrap_or_else(MessageResponse::ErrorResponse)),
        }
    }

    /// The file, first, and all that it imports and was not sent yet.
    fn found(
        &self,
        file: Option<&DescriptorFile>,
        sent: &mut HashSet<String>,
        missing: impl FnOnce() -> String,
    ) -> Result<MessageResponse, ErrorResponse> {
        let file = file.ok_or_else(|| error(Code::NotFound, missing()))?;
        // Who asks for a file by itself gets it, had it or not.
        sent.insert(file.name().to_owned());
        let mut encoded = vec![file.encoded().clone()];
        let mut visited = HashSet::from([file.name()]);
        let mut waiting = VecDeque::from([file]);
        while let Some(file) = waiting.pop_front() {
            for import in self.files.imports(file) {
                if !visited.insert(import.name()) {
                    continue;
                }
                if sent.insert(import.name().to_owned()) {
                    encoded.push(import.encoded().clone());
                }
                waiting.push_back(import);
            }
        }
        Ok(MessageResponse::FileDescriptorResponse(FileDescriptorResponse { file_descriptor_proto: encoded }))
    }

    fn extension_numbers(&self, message: &str) -> Result<MessageResponse, ErrorResponse> {
        let numbers = self.files.extension_numbers(message);
        let extension_number =
            numbers.ok_or_else(|| error(Code::NotFound, format!("there is no message {message:?}")))?;
        let base_type_name = message.to_owned();
        let numbers = ExtensionNumberResponse { base_type_name, extension_number };
        Ok(MessageResponse::AllExtensionNumbersResponse(numbers))
    }

    fn list(&self) -> MessageResponse {
        let service = self.services.iter().map(|name| ServiceResponse { name: name.clone() }).collect();
        MessageResponse::ListServicesResponse(ListServiceResponse { service })
    }
}

fn error(code: Code, message: impl Into<String>) -> ErrorResponse {
    ErrorResponse { error_code: code as i32, error_message: message.into() }
}

impl ServerBuilder {
    /// Reflection is of all services that there are by now.
    pub(super) fn add_reflection(&mut self) -> Result<(), Error> {
        if self.reflection {
            let served = self.services.iter().map(|service| service.name);
            let sets = self.services.iter().map(|service| service.descriptors);
            let sets = sets.chain([google::FILE_DESCRIPTOR_SET]).map(Bytes::from_static);
            let reflection = Reflection::new(served, sets, &self.descriptors)?;
            self.services.push(Registration::new(reflection.v1()));
            self.services.push(Registration::new(reflection.v1alpha()));
        }
        Ok(())
    }
}
