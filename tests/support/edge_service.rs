//! The handlers of `edge.v1.Edge`, which show what the HTTP edge made of a request.

use ambidex::call::{self, HttpResponse};
use ambidex::{Code, Response, Status, Stream, Streaming};
use http::{HeaderName, HeaderValue, StatusCode};
use tokio_stream::StreamExt;

use super::edge_v1::*;

#[derive(Debug, Clone, Default)]
pub struct EdgeService;

fn seen(request: SeeRequest) -> Seen {
    let context = call::current().expect("a handler runs in a call");
    let binding =
        context.http_route().map(|route| format!("{} {} {}", route.binding, route.method, route.template));
    let SeeRequest { name, id, made, took, flag, color, data, boxed, .. } = request;
    let SeeRequest { inner, ids, labels, inners, mask, weight, count, maybe, .. } = request;
    Seen {
        name,
        id,
        made,
        took,
        flag,
        color,
        data,
        boxed,
        inner,
        ids,
        labels,
        inners,
        mask,
        weight,
        count,
        maybe,
        binding: binding.unwrap_or_default(),
    }
}

#[ambidex::service]
impl Edge for EdgeService {
    async fn see(&self, request: SeeRequest) -> Result<Seen, Status> {
        Ok(seen(request))
    }

    fn say(&self, request: SayRequest) -> Result<Response<Seen>, Status> {
        let status = StatusCode::from_u16(request.status as u16).ok();
        let own = status.map_or_else(HttpResponse::ok, HttpResponse::new);
        let own = request.headers.iter().try_fold(own, |own, (name, value)| {
            let name =
                HeaderName::try_from(name).map_err(|error| Status::invalid_argument(error.to_string()))?;
            let value =
                HeaderValue::try_from(value).map_err(|error| Status::invalid_argument(error.to_string()))?;
            Ok::<_, Status>(own.header(name, value))
        })?;
        if request.fail_code != 0 {
            return Err(own.on(Status::new(Code::from(request.fail_code), "as asked")));
        }
        let mut response = Response::new(request.seen.unwrap_or_default());
        response.extensions_mut().insert(own);
        Ok(response)
    }

    async fn upload(&self, mut pieces: Streaming<UploadRequest>) -> Result<Uploaded, Status> {
        let mut uploaded = Uploaded::default();
        while let Some(piece) = pieces.next().await {
            let UploadRequest { name, body } = piece?;
            let body = body.unwrap_or_default();
            uploaded.name = name;
            uploaded.pieces += 1;
            uploaded.bytes += body.data.len() as i64;
            if !body.content_type.is_empty() {
                uploaded.content_type = body.content_type;
            }
        }
        Ok(uploaded)
    }

    async fn list(&self, request: SeeRequest) -> Result<SeenList, Status> {
        let count = request.count.min(1000);
        let numbered = |number: u64| SeeRequest { id: number.to_string(), ..request.clone() };
        Ok(SeenList { seen: (1..=count).map(numbered).map(seen).collect(), next_page_token: "next".into() })
    }

    async fn chat(
        &self,
        requests: Streaming<SeeRequest>,
    ) -> Result<impl Stream<Item = Result<Seen, Status>>, Status> {
        Ok(requests.map(|request| request.map(seen)))
    }

    fn many(&self, request: SeeRequest) -> Result<impl Iterator<Item = Result<Seen, Status>>, Status> {
        let one = seen(request.clone());
        Ok((1..=request.count.min(100)).map(move |count| Ok(Seen { count, ..one.clone() })))
    }

    async fn unruled(&self, request: SeeRequest) -> Result<Seen, Status> {
        Ok(seen(request))
    }
}
