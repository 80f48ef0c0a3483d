//! How replies over gRPC are compressed: for whom, with what, from which size on, and not at all.

use ambidex::server::{Config, MethodConfig, ReplyCoding};
use http::Method;
use serde_json::json;
use tokio_stream::StreamExt;
use tonic::codec::CompressionEncoding;

use crate::configuration::{from_toml, from_variables};
use crate::grpc::{Codec, unpacked};
use crate::support::envelopes::envelope;
use crate::support::parity_v1::{EchoRequest, EchoResponse, SumRequest, SumResponse};
use crate::support::running::{Running, parity_builder, start};

use ReplyCoding::{Deflate, Gzip, Mirror, Zstd};

const ECHO: &str = "/parity.v1.Parity/Echo";

async fn server(choices: &[ReplyCoding]) -> Running {
    server_with(choices, |_| {}).await
}

async fn server_with(choices: &[ReplyCoding], change: impl FnOnce(&mut Config)) -> Running {
    let mut config = Config::default();
    config.grpc_compression = choices.to_vec();
    change(&mut config);
    start(parity_builder().config(config)).await
}

/// The encoding that the head names, and the flags of the message.
async fn answer(
    server: &Running,
    path: &str,
    text: &str,
    headers: &[(&'static str, &'static str)],
) -> (String, u8) {
    let request = EchoRequest { text: text.to_owned(), ..EchoRequest::default() };
    let packed = headers.iter().find(|(name, _)| *name == "grpc-encoding").map(|(_, value)| *value);
    let message = prost::Message::encode_to_vec(&request);
    let body = match packed {
        Some("deflate") => envelope(1, &zlib(&message)),
        Some("gzip") => envelope(1, &gzip(&message)),
        _ => envelope(0, &message),
    };
    let mut all = vec![("content-type", "application/grpc"), ("te", "trailers")];
    all.extend_from_slice(headers);
    let answer = server.http.http2().send(Method::POST, path, &all, body).await;
    let coding = answer.header("grpc-encoding").to_owned();
    let message = unpacked(&coding, answer.body[0], &answer.body[5..]);
    let reply: EchoResponse = prost::Message::decode(&message[..]).expect("an answer");
    assert_eq!(reply.text, text, "{coding} {headers:?}");
    let says_what_it_takes = answer.headers.contains_key("grpc-accept-encoding");
    assert_eq!(says_what_it_takes, !coding.is_empty(), "who unpacks is told what it may pack with");
    (coding, answer.body[0])
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, data).unwrap();
    encoder.finish().unwrap()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, data).unwrap();
    encoder.finish().unwrap()
}

fn long() -> String {
    "compress me ".repeat(200)
}

const ACCEPTS: [(&str, &str); 1] = [("grpc-accept-encoding", "identity, deflate, gzip")];

#[tokio::test]
async fn by_default_only_who_compresses_is_answered_so() {
    let server = start(parity_builder()).await;
    assert_eq!(answer(&server, ECHO, &long(), &ACCEPTS).await, (String::new(), 0));
    let both = [ACCEPTS[0], ("grpc-encoding", "deflate")];
    assert_eq!(answer(&server, ECHO, &long(), &both).await, ("deflate".to_owned(), 1));
    let with_what_it_does_not_take = [("grpc-accept-encoding", "zstd"), ("grpc-encoding", "gzip")];
    assert_eq!(answer(&server, ECHO, &long(), &with_what_it_does_not_take).await, (String::new(), 0));
}

#[tokio::test]
async fn the_first_that_a_caller_accepts_is_taken() {
    let accepting = |what: &'static str| [("grpc-accept-encoding", what)];
    let server_of_two = server(&[Zstd, Gzip]).await;
    for (accepted, coding) in [
        ("identity,deflate,gzip", "gzip"),
        ("gzip,zstd", "zstd"),
        ("zstd", "zstd"),
        ("snappy", ""),
        ("identity", ""),
        ("", ""),
    ] {
        let expected = (coding.to_owned(), u8::from(!coding.is_empty()));
        let accepts = accepting(accepted);
        assert_eq!(answer(&server_of_two, ECHO, &long(), &accepts).await, expected, "{accepted}");
        let blocking = "/parity.v1.Parity/EchoBlocking";
        assert_eq!(answer(&server_of_two, blocking, &long(), &accepts).await, expected, "{accepted}");
    }
    assert_eq!(answer(&server_of_two, ECHO, &long(), &[]).await, (String::new(), 0), "nobody asked");
    let mirroring = server(&[Mirror, Gzip]).await;
    assert_eq!(answer(&mirroring, ECHO, &long(), &ACCEPTS).await.0, "gzip");
    let deflated = [ACCEPTS[0], ("grpc-encoding", "deflate")];
    assert_eq!(answer(&mirroring, ECHO, &long(), &deflated).await.0, "deflate");
    let off = server(&[]).await;
    assert_eq!(answer(&off, ECHO, &long(), &deflated).await, (String::new(), 0));
}

#[tokio::test]
async fn a_method_may_have_a_choice_of_its_own() {
    let mut config = Config::default();
    config.grpc_compression = vec![Gzip];
    let builder = parity_builder()
        .config(config)
        .method("parity.v1.Parity/Echo", MethodConfig::new().grpc_compression([]))
        .method("parity.v1.Parity/EchoBlocking", MethodConfig::new().grpc_compression([Deflate]));
    let server = start(builder).await;
    for (method, coding) in [("Echo", ""), ("EchoBlocking", "deflate"), ("EchoOffloaded", "gzip")] {
        let path = format!("/parity.v1.Parity/{method}");
        assert_eq!(answer(&server, &path, &long(), &ACCEPTS).await.0, coding, "{method}");
    }
}

#[tokio::test]
async fn small_messages_are_sent_as_they_are() {
    let server = server_with(&[Gzip], |config| config.compress_min_bytes = 100).await;
    let gzip = || "gzip".to_owned();
    assert_eq!(answer(&server, ECHO, &"x".repeat(97), &ACCEPTS).await, (gzip(), 0), "99 bytes");
    assert_eq!(answer(&server, ECHO, &"x".repeat(98), &ACCEPTS).await, (gzip(), 1), "100 bytes");
}

#[tokio::test]
async fn a_handler_may_say_that_its_reply_is_sent_as_it_is() {
    let server = server_with(&[Gzip], |config| config.compress_min_bytes = 0).await;
    let as_it_is = [ACCEPTS[0], ("x-uncompressed", "1")];
    for method in ["Echo", "EchoBlocking"] {
        let path = format!("/parity.v1.Parity/{method}");
        assert_eq!(answer(&server, &path, &long(), &ACCEPTS).await.0, "gzip", "{method}");
        assert_eq!(answer(&server, &path, &long(), &as_it_is).await, (String::new(), 0), "{method}");
    }
    // Over HTTP, too: a secret beside what an attacker chose is guessed by how well both pack together.
    let body = json!({"text": long()}).to_string();
    for path in ["/v1/echo", ECHO] {
        let headers = [("content-type", "application/json"), ("accept-encoding", "gzip")];
        let packed = server.http.send(Method::POST, path, &headers, body.clone()).await;
        assert_eq!(packed.header("content-encoding"), "gzip");
        let headers = [headers[0], headers[1], ("x-uncompressed", "1")];
        let plain = server.http.send(Method::POST, path, &headers, body.clone()).await;
        assert_eq!((plain.header("content-encoding"), &plain.json()["text"]), ("", &json!(long())));
    }
    // And for the messages of a stream.
    let running = "/parity.v1.Parity/Running";
    for (as_it_is, flags) in [(false, 1), (true, 0)] {
        let mut headers =
            vec![("content-type", "application/connect+json"), ("connect-accept-encoding", "gzip")];
        headers.extend(as_it_is.then_some(("x-uncompressed", "1")));
        let body = envelope(0, br#"{"number": 7}"#);
        let answer = server.http.send(Method::POST, running, &headers, body).await;
        assert_eq!(answer.body[0], flags, "Connect: {as_it_is}");
        let mut headers = vec![("content-type", "application/grpc"), ("te", "trailers"), ACCEPTS[0]];
        headers.extend(as_it_is.then_some(("x-uncompressed", "1")));
        let answer = server.http.http2().send(Method::POST, running, &headers, envelope(0, &[8, 7])).await;
        assert_eq!(answer.body[0], flags, "gRPC: {as_it_is}");
    }
}

/// tonic's own client, which advertises and compresses nothing itself: one reply, and a stream of them.
#[tokio::test]
async fn tonics_client_has_compressed_replies_and_streams() {
    let server = server_with(&[Zstd, Gzip], |config| config.compress_min_bytes = 0).await;
    for (encoding, name) in [(CompressionEncoding::Gzip, "gzip"), (CompressionEncoding::Zstd, "zstd")] {
        let endpoint = format!("http://{}", server.grpc_address);
        let channel = tonic::transport::Endpoint::from_shared(endpoint).unwrap().connect().await.unwrap();
        let mut grpc = tonic::client::Grpc::new(channel).accept_compressed(encoding);
        grpc.ready().await.unwrap();
        let request = tonic::Request::new(EchoRequest { text: long(), ..EchoRequest::default() });
        let path = http::uri::PathAndQuery::from_static(ECHO);
        let response = grpc.unary(request, path, Codec::<EchoRequest, EchoResponse>::new()).await.unwrap();
        assert_eq!(response.metadata().get("grpc-encoding").unwrap(), name);
        assert_eq!(response.into_inner().text, long());
        for method in ["Running", "RunningBlocking"] {
            let numbers = tokio_stream::iter((1..=300).map(|number| SumRequest { number, plan: None }));
            let path = format!("/parity.v1.Parity/{method}").parse().unwrap();
            grpc.ready().await.unwrap();
            let codec = Codec::<SumRequest, SumResponse>::new();
            let response = grpc.streaming(tonic::Request::new(numbers), path, codec).await.unwrap();
            assert_eq!(response.metadata().get("grpc-encoding").unwrap(), name);
            let sums: Vec<_> = response.into_inner().map(|sum| sum.unwrap().sum).collect().await;
            assert_eq!((sums.len(), sums.last()), (300, Some(&45_150)), "{method}");
        }
    }
}

/// An error is told as it always is.
#[tokio::test]
async fn an_error_is_not_compressed() {
    let server = server(&[Gzip]).await;
    // `plan { fail_code: 5 }`
    let body = envelope(0, &[0x1a, 2, 8, 5]);
    let headers = [("content-type", "application/grpc"), ("te", "trailers"), ACCEPTS[0]];
    let answer = server.http.http2().send(Method::POST, ECHO, &headers, body).await;
    assert_eq!((answer.header("grpc-status"), answer.body.len()), ("5", 0));
    assert!(!answer.headers.contains_key("grpc-encoding"));
}

#[tokio::test]
async fn grpc_web_may_be_compressed_for_who_asks() {
    let server = server(&[Gzip]).await;
    let message = prost::Message::encode_to_vec(&EchoRequest { text: long(), ..EchoRequest::default() });
    for (headers, flags) in [(&ACCEPTS[..], 1), (&[][..], 0)] {
        let mut all = vec![("content-type", "application/grpc-web+proto")];
        all.extend_from_slice(headers);
        let answer = server.http.send(Method::POST, ECHO, &all, envelope(0, &message)).await;
        assert_eq!(answer.body[0], flags);
        assert_eq!(answer.header("grpc-encoding"), if flags == 1 { "gzip" } else { "" });
    }
}

#[test]
fn it_can_be_said_in_a_file_and_in_a_variable() {
    let text = "grpc_compression = [\"zstd\", \"gzip\"]\n\
        [methods.\"parity.v1.Parity/Echo\"]\ngrpc_compression = []\n\
        [methods.\"parity.v1.Parity\"]\ngrpc_compression = [\"mirror\", \"deflate\"]\n";
    let config = from_toml("compression.toml", text).unwrap();
    assert_eq!(config.grpc_compression, [Zstd, Gzip]);
    assert_eq!(config.methods["parity.v1.Parity/Echo"].grpc_compression, Some(Vec::new()));
    assert_eq!(config.methods["parity.v1.Parity"].grpc_compression, Some(vec![Mirror, Deflate]));
    let config = from_variables([("AMBIDEX_GRPC_COMPRESSION", "[\"gzip\"]")]).unwrap();
    assert_eq!(config.grpc_compression, [Gzip]);
    let wrong = from_toml("wrong.toml", "grpc_compression = [\"snappy\"]").unwrap_err();
    assert!(wrong.to_string().contains("mirror"), "the choices are named: {wrong}");
}
