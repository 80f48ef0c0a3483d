//! The handlers of `files.v1`, which give away bytes, versions, and what a call came with.

use ambidex::call::{self, EntityTag, Validators};
use ambidex::google::api::HttpBody;
use ambidex::metadata::KeyRef;
use ambidex::{Response, Status, Stream, Streaming};
use std::time::{Duration, SystemTime};
use tokio_stream::StreamExt;

use super::files_v1::*;

#[derive(Debug, Clone, Default)]
pub struct FilesService;

/// The version of every text that there is; one called `new` is not there yet.
pub fn version() -> Validators {
    // 1994-11-06T08:49:37Z
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    Validators::from(EntityTag::strong("v1")).modified_at(modified)
}

fn body(content_type: &str, data: &'static [u8]) -> HttpBody {
    HttpBody { content_type: content_type.to_owned(), data: data.into(), extensions: Vec::new() }
}

fn looked(request: TextRequest) -> Looked {
    let call = call::current().expect("a handler runs in a call");
    let names = call.metadata().keys().map(|key| match key {
        KeyRef::Ascii(key) => key.as_str().to_owned(),
        KeyRef::Binary(key) => key.as_str().to_owned(),
    });
    let mut metadata: Vec<_> = names.collect();
    metadata.sort();
    let binding = call.http_route().map(|route| format!("{} {}", route.method, route.template));
    Looked { name: request.name, binding: binding.unwrap_or_default(), metadata, size: Size::Small.into() }
}

#[ambidex::service]
impl Files for FilesService {
    fn fetch(&self, request: FileRequest) -> Result<File, Status> {
        let FileRequest { name } = request;
        match &*name {
            "empty" => Ok(File { name, ..File::default() }),
            "none" => Err(Status::not_found("there is no such file")),
            _ => Ok(File {
                name,
                body: Some(body("image/x-test", b"\x00\xff\x01")),
                attached: vec![body("text/plain", b"a")],
            }),
        }
    }

    async fn fetch_pieces(
        &self,
        request: FileRequest,
    ) -> Result<impl Stream<Item = Result<File, Status>>, Status> {
        let pieces: &[&[u8]] = match &*request.name {
            "empty" => &[],
            "none" => return Err(Status::not_found("there is no such file")),
            _ => &[b"\x00\xff", b"", b"\x01"],
        };
        let file = |data| File { body: Some(body("image/x-test", data)), ..File::default() };
        Ok(tokio_stream::iter(pieces.iter().map(move |data| Ok(file(data)))))
    }

    async fn read(&self, request: TextRequest) -> Result<Response<Text>, Status> {
        let own = call::preconditions().answer(&version())?;
        let text = if own.is_not_modified() { String::new() } else { "a line of text\n".repeat(500) };
        let mut response = Response::new(Text { name: request.name, text });
        response.extensions_mut().insert(own);
        Ok(response)
    }

    fn write(&self, request: Text) -> Result<Text, Status> {
        let now = (request.name != "new").then(version);
        call::preconditions().check(now.as_ref())?;
        Ok(request)
    }

    async fn look(&self, request: TextRequest) -> Result<Looked, Status> {
        Ok(looked(request))
    }

    async fn look_often(
        &self,
        requests: Streaming<TextRequest>,
    ) -> Result<impl Stream<Item = Result<Looked, Status>>, Status> {
        Ok(requests.map(|request| request.map(looked)))
    }
}

#[ambidex::service]
impl Unruled for FilesService {
    async fn name(&self, request: TextRequest) -> Result<Text, Status> {
        Ok(Text { name: request.name, text: "named".to_owned() })
    }

    fn remove(&self, request: TextRequest) -> Result<Text, Status> {
        Ok(Text { name: request.name, text: "removed".to_owned() })
    }
}
