//! All four kinds of method, async and blocking, over the wires that carry streams both ways.

use ambidex::client::Transport;
use serde_json::json;
use tokio_stream::StreamExt;

use crate::support::parity_v1::{ParityClient, SumRequest, SumResponse};
use crate::support::running::parity;

fn numbers(to: i64) -> impl tokio_stream::Stream<Item = SumRequest> + Send + 'static {
    tokio_stream::iter(1..=to).map(|number| SumRequest { number, plan: None })
}

async fn client_streams<T: Transport>(client: ParityClient<T>) {
    let expected = SumResponse { sum: 5050, count: 100 };
    assert_eq!(client.sum(numbers(100)).await.unwrap().into_inner(), expected);
    assert_eq!(client.sum_blocking(numbers(100)).await.unwrap().into_inner(), expected);
    assert_eq!(client.sum(numbers(0)).await.unwrap().into_inner(), SumResponse::default());
}

async fn both_stream<T: Transport>(client: ParityClient<T>) {
    for blocking in [false, true] {
        let response = if blocking {
            client.running_blocking(numbers(50)).await
        } else {
            client.running(numbers(50)).await
        };
        let sums: Vec<_> = response.unwrap().into_inner().map(|sum| sum.unwrap().sum).collect().await;
        let expected: Vec<_> = (1..=50).map(|n| n * (n + 1) / 2).collect();
        assert_eq!(sums, expected, "blocking: {blocking}");
    }
}

/// The second request is sent only after the first reply has come.
async fn both_take_turns<T: Transport>(client: ParityClient<T>) {
    for blocking in [false, true] {
        let (send, receive) = tokio::sync::mpsc::channel(1);
        let requests = tokio_stream::wrappers::ReceiverStream::new(receive);
        send.send(SumRequest { number: 1, plan: None }).await.unwrap();
        let response =
            if blocking { client.running_blocking(requests).await } else { client.running(requests).await };
        let mut replies = response.unwrap().into_inner();
        for number in 2..10 {
            assert_eq!(replies.message().await.unwrap().unwrap().count, number - 1);
            send.send(SumRequest { number: number.into(), plan: None }).await.unwrap();
        }
        drop(send);
        assert_eq!(replies.message().await.unwrap().unwrap().count, 9);
        assert!(replies.message().await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_client_streams_over_grpc() {
    let server = parity().await;
    client_streams(server.grpc().await).await;
}

#[tokio::test]
async fn a_client_streams_in_process() {
    client_streams(parity().await.in_process()).await;
}

#[tokio::test]
async fn a_client_streams_lines_over_http() {
    let server = parity().await;
    let ndjson = [("content-type", "application/x-ndjson")];
    let lines: String = (1..=100).map(|number| format!("{{\"number\": \"{number}\"}}\n")).collect();
    for path in ["/v1/sum", "/v1/blocking/sum", "/parity.v1.Parity/Sum", "/parity.v1.Parity/SumBlocking"] {
        let answer = server.http.send(http::Method::POST, path, &ndjson, lines.clone()).await;
        assert_eq!(answer.json(), json!({"sum": "5050", "count": 100}), "{path}");
        let empty = server.http.send(http::Method::POST, path, &ndjson, "").await;
        assert_eq!(empty.json(), json!({}), "{path}");
    }
}

#[tokio::test]
async fn both_stream_over_grpc() {
    let server = parity().await;
    both_stream(server.grpc().await).await;
    both_take_turns(server.grpc().await).await;
}

#[tokio::test]
async fn both_stream_in_process() {
    let server = parity().await;
    both_stream(server.in_process()).await;
    both_take_turns(server.in_process()).await;
}

#[tokio::test]
async fn both_stream_lines_over_http() {
    let server = parity().await;
    let ndjson = [("content-type", "application/x-ndjson")];
    let lines = "{\"number\": 1}\n{\"number\": 2}\n{\"number\": 3}";
    for client in [server.http.clone(), server.http.http2()] {
        for path in ["/v1/running", "/v1/blocking/running"] {
            let answer = client.send(http::Method::POST, path, &ndjson, lines).await;
            let expected = [
                json!({"result": {"sum": "1", "count": 1}}),
                json!({"result": {"sum": "3", "count": 2}}),
                json!({"result": {"sum": "6", "count": 3}}),
                json!({"status": {"code": 0, "message": ""}}),
            ];
            assert_eq!(answer.lines(), expected, "{path}");
        }
    }
}
