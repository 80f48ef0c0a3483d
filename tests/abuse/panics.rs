//! A panic in every second call: in async and blocking handlers, in streams on their way, in interceptors of both
//! kinds, and in the destructor of a stream.

use std::net::SocketAddr;

use ambidex::Code;
use http::{Method, StatusCode};
use tokio::task::JoinSet;

use super::victim::{Outcome, SLACK, Victim};
use crate::support::http_client::HttpClient;
use crate::support::parity_v1::{CountRequest, EchoRequest, ParityClient, Plan};

const CLIENTS: usize = 8;

/// Places to panic, some of them over both protocols.
const PLACES: usize = 8;

fn panics() -> Option<Plan> {
    Some(Plan { panic: true, ..Plan::default() })
}

/// One call that panics; whoever made it learns that it was INTERNAL, and no more.
async fn panic_in(place: usize, grpc: &ParityClient, http: &HttpClient) {
    let echo = EchoRequest { plan: panics(), ..EchoRequest::default() };
    let count = CountRequest { to: 3, plan: panics(), ..CountRequest::default() };
    let asked = |place: &'static str| {
        let headers = [("content-type", "application/json"), ("x-panic", place)];
        async move { http.send(Method::POST, "/v1/blocking/echo", &headers, "{}").await.status }
    };
    match place {
        0 => assert_eq!(grpc.echo(echo).await.expect_err("it panics").code(), Code::Internal),
        1 => assert_eq!(grpc.echo_blocking(echo).await.expect_err("it panics").code(), Code::Internal),
        2 | 3 => {
            let stream = if place == 2 { grpc.count(count).await } else { grpc.count_blocking(count).await };
            let mut stream = stream.expect("it begins well").into_inner();
            let end = loop {
                match stream.message().await {
                    Ok(Some(_)) => {}
                    end => break end,
                }
            };
            assert_eq!(end.expect_err("it panics").code(), Code::Internal);
        }
        4 => {
            let answer = http.get("/v1/blocking/count?to=3&plan.panic=true").await;
            let last = answer.lines().pop().expect("a line");
            assert_eq!(last["status"]["code"], Code::Internal as i32);
        }
        5 => assert_eq!(asked("interceptor").await, StatusCode::INTERNAL_SERVER_ERROR),
        6 => assert_eq!(asked("blocking").await, StatusCode::INTERNAL_SERVER_ERROR),
        _ => {
            // All was said by the time that its stream is dropped.
            let path = "/v1/count?to=3";
            let answer = http.send(Method::GET, path, &[("x-panic", "drop")], "").await;
            assert_eq!((answer.status, answer.lines().len()), (StatusCode::OK, 4));
        }
    }
}

async fn panic_often(address: SocketAddr, calls: usize) {
    let grpc = ParityClient::connect(format!("http://{address}")).await.expect("it listens");
    let http = HttpClient::new(address);
    for number in 0..calls / 2 {
        panic_in(number % PLACES, &grpc, &http).await;
        let fine = EchoRequest { text: "fine".into(), ..EchoRequest::default() };
        let answer = if number % 2 == 0 { grpc.echo(fine).await } else { grpc.echo_blocking(fine).await };
        assert_eq!(answer.expect("others are served").into_inner().text, "fine");
    }
}

pub async fn attack(calls: usize) -> Outcome {
    let mut victim = Victim::start("blocking_interceptor=1,").await;
    let honest = victim.honest().await;
    let mut half_way = 0;
    for half in 0..2 {
        let mut attacking = JoinSet::new();
        for _ in 0..CLIENTS {
            attacking.spawn(panic_often(victim.address, calls / 2 / CLIENTS));
        }
        attacking.join_all().await;
        let live = victim.settled().await;
        match half {
            0 => half_way = live,
            _ => {
                assert!(live < half_way + SLACK, "{half_way} bytes after half of the calls, {live} after all")
            }
        }
    }
    honest.until(10).await;
    let now = victim.figures().await;
    let number = |name: &str| now[name].as_u64().expect("a figure");
    assert!(number("panics") >= (calls / 2 * 3 / PLACES) as u64, "jobs of the scheduler were among them");
    let said = format!(
        "INTERNAL to each; {} of them on scheduler threads, of which {} were started and {} are there",
        number("panics"),
        number("started"),
        number("scheduler_threads"),
    );
    let size = format!("{calls} calls, every second panics");
    victim.unharmed("panics", size, said, honest.end().await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_every_second_call_harms_nobody_else() {
    attack(1600).await;
}
