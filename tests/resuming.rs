//! A stream of events that goes on where its client lost it: `Last-Event-ID` is the handler's to read, as metadata.

use ambidex::{Execution, Request, Response, Server, Status, Stream};
use http::Method;

use crate::support::parity_v1::{ByHand, ByHandServer, ShoutRequest, ShoutResponse};
use crate::support::running::start;

/// Spells what its caller has not heard yet.
struct Patient<const BLOCKING: bool>;

impl<const BLOCKING: bool> ByHand for Patient<BLOCKING> {
    const SPELL: Execution = if BLOCKING { Execution::BLOCKING } else { Execution::ASYNC };

    async fn shout(&self, _: Request<ShoutRequest>) -> Result<Response<ShoutResponse>, Status> {
        Err(Status::unimplemented("it only spells"))
    }

    async fn spell(
        &self,
        request: Request<ShoutRequest>,
    ) -> Result<Response<impl Stream<Item = Result<ShoutResponse, Status>> + Send>, Status> {
        let heard = request.metadata().get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
        let letters: Vec<_> = request.get_ref().text.chars().skip(heard.unwrap_or(0)).collect();
        Ok(Response::new(tokio_stream::iter(
            letters.into_iter().map(|letter| Ok(ShoutResponse { text: letter.to_string() })),
        )))
    }
}

#[tokio::test]
async fn a_handler_finds_the_last_event_that_its_client_knows() {
    for builder in [
        Server::builder().service(ByHandServer::new(Patient::<false>)),
        Server::builder().service(ByHandServer::new(Patient::<true>)),
    ] {
        let server = start(builder).await;
        let events = async |headers: &[(&str, &str)]| {
            let headers = [&[("accept", "text/event-stream")], headers].concat();
            server.http.send(Method::GET, "/v1/spell/abcd", &headers, "").await.text()
        };
        let event = |id, letter| format!("id: {id}\ndata: {{\"text\":\"{letter}\"}}\n\n");
        let end = "event: status\ndata: {\"code\":0,\"message\":\"\"}\n\n";
        let whole = [event(1, 'a'), event(2, 'b'), event(3, 'c'), event(4, 'd'), end.into()].concat();
        assert_eq!(events(&[]).await, whole);
        // As `EventSource` says it when it opens a lost stream again.
        let rest = [event(3, 'c'), event(4, 'd'), end.into()].concat();
        assert_eq!(events(&[("last-event-id", "2")]).await, rest);
        assert_eq!(events(&[("last-event-id", "4")]).await, end, "nothing is left but the end");
    }
}
