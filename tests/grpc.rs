//! What is gRPC's own: metadata of every shape, compression, trailers-only errors, content types.

use ambidex::metadata::{MetadataMap, MetadataValue};
use ambidex::{Code, Request};
use bytes::Bytes;
use http::{Method, StatusCode};
use tonic::codec::CompressionEncoding;

use crate::bad_input::raw_grpc;
use crate::support::envelopes::envelope;
use crate::support::parity_v1::{EchoRequest, EchoResponse, Plan};
use crate::support::running::{Running, parity};

fn echo(metadata: &[(&'static str, &str)]) -> Request<EchoRequest> {
    let plan = Some(Plan { echo_metadata: true, ..Plan::default() });
    let mut request = Request::new(EchoRequest { plan, ..EchoRequest::default() });
    for (name, value) in metadata {
        request.metadata_mut().append(*name, value.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn several_values_of_one_key_survive() {
    let server = parity().await;
    let client = server.grpc().await;
    let sent = echo(&[("x-echo-part", "1"), ("x-echo-part", "2")]);
    let response = client.echo(sent).await.unwrap();
    let back: Vec<_> = response.metadata().get_all("x-echo-part").iter().collect();
    assert_eq!(back, ["1", "2"]);
}

#[tokio::test]
async fn binary_metadata_survive() {
    let server = parity().await;
    let client = server.grpc().await;
    let mut request = echo(&[]);
    let bytes = [0, 159, 146, 150, 255];
    request.metadata_mut().insert_bin("x-echo-trace-bin", MetadataValue::from_bytes(&bytes));
    let response = client.echo_blocking(request).await.unwrap();
    let back: &MetadataMap = response.metadata();
    assert_eq!(back.get_bin("x-echo-trace-bin").unwrap().to_bytes().unwrap(), bytes.as_slice());
}

#[tokio::test]
async fn an_error_before_the_first_message_is_trailers_only() {
    let server = parity().await;
    // `plan { fail_code: 5 fail_message: "50% böse" }` by hand.
    let message = [&[0x1a, 0x0d, 0x08, 0x05, 0x12, 0x09][..], "50% böse".as_bytes()].concat();
    let mut frame = vec![0, 0, 0, 0, message.len() as u8];
    frame.extend_from_slice(&message);
    for method in ["Echo", "EchoBlocking"] {
        let answer =
            raw_grpc(&server, &format!("/parity.v1.Parity/{method}"), &[], frame.clone().into()).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("grpc-status"), "5");
        let message = answer.header("grpc-message");
        assert!(message.contains("50%25") && message.contains("b%C3%B6se"), "percent-encoded: {message}");
        assert!(answer.body.is_empty());
    }
}

/// A message that compresses well, sent and received in each encoding.
#[tokio::test]
async fn every_encoding_works_both_ways() {
    let server = parity().await;
    let text = "compress me ".repeat(500);
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Deflate, CompressionEncoding::Zstd] {
        let answer: EchoResponse = compressed(&server, encoding, &text).await;
        assert_eq!(answer.text, text, "{encoding:?}");
    }
}

/// tonic's own client, which knows nothing of ours.
async fn compressed(server: &Running, encoding: CompressionEncoding, text: &str) -> EchoResponse {
    let endpoint =
        tonic::transport::Endpoint::from_shared(format!("http://{}", server.grpc_address)).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let mut grpc = tonic::client::Grpc::new(channel).send_compressed(encoding).accept_compressed(encoding);
    grpc.ready().await.unwrap();
    let request = Request::new(EchoRequest { text: text.to_owned(), ..EchoRequest::default() });
    let path = http::uri::PathAndQuery::from_static("/parity.v1.Parity/Echo");
    let response = grpc.unary(request, path, Codec::new()).await.unwrap();
    assert!(response.metadata().get("grpc-encoding").is_some(), "the reply is compressed too");
    response.into_inner()
}

/// Prost messages as tonic frames them.
pub struct Codec<E, D>(std::marker::PhantomData<fn(E) -> D>);

impl<E, D> Codec<E, D> {
    pub fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<E, D> tonic::codec::Codec for Codec<E, D>
where
    E: prost::Message + 'static,
    D: prost::Message + Default + 'static,
{
    type Encode = E;
    type Decode = D;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self::new()
    }

    fn decoder(&mut self) -> Self {
        Self::new()
    }
}

impl<E: prost::Message, D> tonic::codec::Encoder for Codec<E, D> {
    type Item = E;
    type Error = ambidex::Status;

    fn encode(&mut self, item: E, dst: &mut tonic::codec::EncodeBuf<'_>) -> Result<(), ambidex::Status> {
        item.encode(dst).unwrap();
        Ok(())
    }
}

impl<E, D: prost::Message + Default> tonic::codec::Decoder for Codec<E, D> {
    type Item = D;
    type Error = ambidex::Status;

    fn decode(&mut self, src: &mut tonic::codec::DecodeBuf<'_>) -> Result<Option<D>, ambidex::Status> {
        Ok(Some(D::decode(src).unwrap()))
    }
}

/// What a message says that has these flags, by the codecs themselves.
pub fn unpacked(coding: &str, flags: u8, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let read =
        |mut decoder: Box<dyn std::io::Read + '_>, out: &mut Vec<u8>| decoder.read_to_end(out).unwrap();
    match (flags, coding) {
        (0, _) => out.extend_from_slice(message),
        (1, "gzip") => drop(read(Box::new(flate2::read::GzDecoder::new(message)), &mut out)),
        (1, "deflate") => drop(read(Box::new(flate2::read::ZlibDecoder::new(message)), &mut out)),
        (1, "zstd") => drop(read(Box::new(zstd::Decoder::new(message).unwrap()), &mut out)),
        other => panic!("{other:?}"),
    }
    out
}

#[tokio::test]
async fn a_content_type_of_grpc_is_told_from_others() {
    let server = parity().await;
    let empty = Bytes::from_static(&[0, 0, 0, 0, 0]);
    for content_type in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc;charset=utf-8",
        "Application/gRPC",
        "APPLICATION/GRPC+PROTO; a=b",
    ] {
        let headers = [("content-type", content_type), ("te", "trailers")];
        let http2 = server.http.http2();
        let answer = http2.send(Method::POST, "/parity.v1.Parity/Echo", &headers, empty.clone()).await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/grpc"));
        assert_eq!(answer.body.len(), 5, "{content_type}: one empty message");
    }
}

#[tokio::test]
async fn a_unary_method_takes_exactly_one_message() {
    let server = parity().await;
    let two = Bytes::from_static(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for body in [Bytes::new(), two] {
        let answer = raw_grpc(&server, "/parity.v1.Parity/Echo", &[], body).await;
        assert_eq!(answer.header("grpc-status"), (Code::Unimplemented as i32).to_string());
    }
}

/// ProtoJSON in gRPC's frames: one message, a stream, what is wrong, and formats nobody knows.
#[tokio::test]
async fn messages_may_be_json() {
    let server = parity().await;
    let http = server.http.http2();
    let headers = [("content-type", "application/grpc+json"), ("te", "trailers")];
    let call = async |method: &str, messages: &[&str]| {
        let body: Vec<u8> = messages.iter().flat_map(|message| envelope(0, message.as_bytes())).collect();
        http.send(Method::POST, &format!("/parity.v1.Parity/{method}"), &headers, body).await
    };
    let read = |body: &Bytes| {
        let (mut rest, mut messages) = (&body[..], Vec::new());
        while let Some((prefix, behind)) = rest.split_at_checked(5) {
            let length = u32::from_be_bytes(prefix[1..].try_into().unwrap()) as usize;
            messages.push(serde_json::from_slice::<serde_json::Value>(&behind[..length]).unwrap());
            rest = &behind[length..];
        }
        messages
    };
    for method in ["Echo", "EchoBlocking"] {
        let answer = call(method, &[r#"{"text": "hi"}"#]).await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/grpc+json"));
        assert_eq!(read(&answer.body)[0]["text"], "hi");
    }
    let answer = call("Count", &[r#"{"to": 2}"#]).await;
    assert_eq!(read(&answer.body).len(), 2);
    let answer = call("Sum", &[r#"{"number": 2}"#, r#"{"number": 3}"#]).await;
    assert_eq!(read(&answer.body), [serde_json::json!({"sum": "5", "count": 2})]);
    let answer = call("Echo", &[r#"{"nobody": 1}"#]).await;
    assert_eq!(answer.header("grpc-status"), (Code::InvalidArgument as i32).to_string());
    assert!(answer.header("grpc-message").contains("nobody"), "{answer:?}");
    let headers = [("content-type", "application/grpc+thrift"), ("te", "trailers")];
    let answer = http.send(Method::POST, "/parity.v1.Parity/Echo", &headers, "").await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
