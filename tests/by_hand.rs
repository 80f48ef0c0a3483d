//! The handler trait implemented without `#[ambidex::service]`, as the crate docs show it.

use ambidex::{Execution, Request, Response, Scheduler, Server, Status, Stream};
use serde_json::json;
use tokio_stream::StreamExt;

use crate::support::parity_v1::{ByHand, ByHandClient, ByHandServer, ShoutRequest, ShoutResponse};
use crate::support::running::start;

struct Shouter {
    end: String,
}

impl ByHand for Shouter {
    // The constant says where the method runs; the default is the runtime.
    const SHOUT: Execution = Execution::BLOCKING;

    async fn shout(&self, request: Request<ShoutRequest>) -> Result<Response<ShoutResponse>, Status> {
        assert!(Scheduler::is_scheduler_thread(), "the constant has said so");
        let text = request.into_inner().text.to_uppercase() + &self.end;
        Ok(Response::new(ShoutResponse { text }))
    }

    async fn spell(
        &self,
        request: Request<ShoutRequest>,
    ) -> Result<Response<impl Stream<Item = Result<ShoutResponse, Status>> + Send>, Status> {
        assert!(!Scheduler::is_scheduler_thread(), "this one runs on the runtime");
        let letters: Vec<_> = request.into_inner().text.chars().map(String::from).collect();
        // It borrows from the handler, as those of the attribute may.
        let letters = tokio_stream::iter(letters).map(|text| Ok(ShoutResponse { text: text + &self.end }));
        Ok(Response::new(letters))
    }
}

#[tokio::test]
async fn an_implementation_by_hand_is_as_good_as_one_by_the_attribute() {
    let server = start(Server::builder().service(ByHandServer::new(Shouter { end: "!".to_owned() }))).await;
    assert_eq!(server.http.get("/v1/shout/hey").await.json(), json!({"text": "HEY!"}));
    let client = ByHandClient::new(server.local.clone());
    let shouted = client.shout(ShoutRequest { text: "you".to_owned() }).await.unwrap().into_inner();
    assert_eq!(shouted.text, "YOU!");
    let spelled = client.spell(ShoutRequest { text: "ab".to_owned() }).await.unwrap().into_inner();
    let letters: Vec<_> = spelled.map(|letter| letter.unwrap().text).collect().await;
    assert_eq!(letters, ["a!", "b!"]);
}
