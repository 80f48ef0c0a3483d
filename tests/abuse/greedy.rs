//! Clients who read streams without an end as fast as they come: the handlers always have a message ready, and must
//! leave the runtime to others all the same.

use std::time::Duration;

use futures_util::StreamExt;
use http::Method;
use http_body_util::BodyExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::victim::{Outcome, Victim};
use crate::support::http_client::HttpClient;
use crate::support::parity_v1::{CountRequest, ParityClient};

pub async fn attack(attackers: usize, length: Duration) -> Outcome {
    let mut victim = Victim::start("").await;
    let honest = victim.honest().await;
    let address = victim.address;
    let until = Instant::now() + length;
    let mut reading = JoinSet::new();
    for number in 0..attackers {
        reading.spawn(async move {
            let reading = async {
                if number % 2 == 0 {
                    let client =
                        ParityClient::connect(format!("http://{address}")).await.expect("it listens");
                    let request = CountRequest { to: i32::MAX, ..CountRequest::default() };
                    let mut numbers = client.count(request).await.expect("a stream").into_inner();
                    while numbers.next().await.is_some_and(|number| number.is_ok()) {}
                } else {
                    let accept = if number % 4 == 1 { "application/x-ndjson" } else { "text/event-stream" };
                    let http = HttpClient::new(address);
                    let path = "/v1/count?to=2147483647";
                    let mut body = http.begin(Method::GET, path, &[("accept", accept)], "").await.into_body();
                    while body.frame().await.is_some_and(|frame| frame.is_ok()) {}
                }
            };
            // A stream that ended by itself was cut off, which nobody may do.
            assert!(timeout_at(until, reading).await.is_err(), "the stream has an end");
        });
    }
    reading.join_all().await;
    honest.until(10).await;
    let said = format!("{} messages", victim.figure("made").await);
    let size = format!("{attackers} streams for {length:?}");
    victim.unharmed("streams without an end, read at full speed", size, said, honest.end().await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_that_are_always_ready_leave_room_for_others() {
    attack(60, Duration::from_secs(3)).await;
}
