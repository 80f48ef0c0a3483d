//! Metadata as they are on the wire: bytes in base64, padded or not, one a header or several; and the protocols' own
//! names, which are nobody's metadata.

use ambidex::call::{Call, Reply};
use ambidex::interceptor::{self, Next};
use ambidex::metadata::MetadataMap;
use ambidex::{Code, Status};
use http::Method;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::bad_input::raw_grpc;
use crate::support::envelopes::envelope;
use crate::support::grpc_web;
use crate::support::http_client::Answer;
use crate::support::running::{Running, parity, parity_builder, start};

/// `plan { echo_metadata: true }`.
const ECHO: &[u8] = b"\x1a\x02\x30\x01";
const ECHO_JSON: &str = r#"{"plan": {"echoMetadata": true}}"#;

/// Sends the same headers over every wire that has headers.
async fn over_every_wire(server: &Running, headers: &[(&str, &str)]) -> Vec<(&'static str, Answer)> {
    let typed = |content_type| [&[("content-type", content_type)], headers].concat();
    let echo = "/parity.v1.Parity/Echo";
    let grpc = raw_grpc(server, echo, headers, envelope(0, ECHO).into()).await;
    assert_eq!(grpc.status.as_u16(), 200);
    let web = grpc_web::call(&server.http, echo, headers, None, &[ECHO.to_vec()], false).await;
    assert_eq!(web.status.code(), Code::Ok);
    let json = typed("application/json");
    let connect = server.http.send(Method::POST, echo, &json, ECHO_JSON).await;
    let rest = server.http.send(Method::POST, "/v1/echo", &json, ECHO_JSON).await;
    let blocking = server.http.send(Method::POST, "/v1/blocking/echo", &json, ECHO_JSON).await;
    vec![
        ("gRPC", grpc),
        ("gRPC-Web", web.head),
        ("Connect", connect),
        ("REST", rest),
        ("REST, blocking", blocking),
    ]
}

/// A server that tells of the metadata of each of its calls, and replies with more than it should.
async fn telling() -> (Running, UnboundedReceiver<MetadataMap>) {
    let (tell, told) = unbounded_channel();
    let note = interceptor::from_fn(move |call: Call, next: Next| {
        tell.send(call.metadata.clone()).unwrap();
        async move {
            let mut reply: Reply = next.run(call).await?;
            for name in ["grpc-status", "grpc-whatever", "connect-whatever", "x-own"] {
                reply.metadata.insert(name, "7".parse().unwrap());
            }
            Ok::<_, Status>(reply)
        }
    });
    (start(parity_builder().interceptor(note)).await, told)
}

const JOINED: [(&str, &str); 3] =
    [("x-echo-parts-bin", "AP8,AQI="), ("x-echo-parts-bin", "AQ"), ("x-echo-parts-bin", "AA== ,\tAg")];

const PARTS: [&[u8]; 5] = [&[0, 255], &[1, 2], &[1], &[0], &[2]];

#[tokio::test]
async fn binary_values_are_bytes_padded_or_not_and_several_by_comma() {
    let (server, mut told) = telling().await;
    for (wire, _) in over_every_wire(&server, &JOINED).await {
        let metadata = told.recv().await.unwrap();
        let values = metadata.get_all_bin("x-echo-parts-bin").iter().map(|value| value.to_bytes().unwrap());
        assert_eq!(values.collect::<Vec<_>>(), PARTS, "{wire}");
    }
    // Where nobody stands before the handler headers are sorted out only when it asks; it finds the same.
    let server = parity().await;
    for (wire, answer) in over_every_wire(&server, &JOINED).await {
        let echoed = MetadataMap::from_headers(answer.headers);
        let values = echoed.get_all_bin("x-echo-parts-bin").iter().map(|value| value.to_bytes().unwrap());
        assert_eq!(values.collect::<Vec<_>>(), PARTS, "{wire}");
    }
}

#[tokio::test]
async fn names_of_the_protocols_are_nobodys_metadata_either_way() {
    let (server, mut told) = telling().await;
    let sent = [
        ("grpc-previous-rpc-attempts", "2"),
        ("grpc-tags-bin", "AP8"),
        ("grpc-whatever", "x"),
        ("grpc-retry-pushback-ms", "1"),
        ("connect-whatever", "x"),
        ("x-tenant", "a"),
    ];
    for (wire, answer) in over_every_wire(&server, &sent).await {
        let metadata = told.recv().await.unwrap().into_headers();
        let leaked: Vec<_> = metadata
            .keys()
            .filter(|name| ["grpc-", "connect-"].iter().any(|prefix| name.as_str().starts_with(prefix)))
            .collect();
        assert!(leaked.is_empty(), "{wire}: {leaked:?}");
        assert_eq!(metadata["x-tenant"], "a", "{wire}");
        // What an interceptor or a handler says in their names does not go out either.
        assert_eq!((answer.header("x-own"), answer.header("grpc-whatever")), ("7", ""), "{wire}");
        assert_eq!(answer.header("connect-whatever"), "", "{wire}");
        assert_ne!(answer.header("grpc-status"), "7", "{wire}");
    }
}
