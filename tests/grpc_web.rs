//! gRPC-Web: for pages in browsers, over either version of HTTP, on every port where gRPC is. That it says what every
//! other wire says is parity's to show.

use ambidex::Code;
use ambidex::server::Cors;
use http::{Method, StatusCode};

use crate::support::grpc_web::call;
use crate::support::running::{Running, parity, parity_builder, parity_with, run, start};

const ECHO: &str = "/parity.v1.Parity/Echo";

#[tokio::test]
async fn both_forms_work_over_both_versions_of_http() {
    let server = parity().await;
    for http in [server.http.clone(), server.http.http2()] {
        for (text, content_type) in
            [(false, "application/grpc-web+proto"), (true, "application/grpc-web-text+proto")]
        {
            // `text: "hi"`.
            let web = call(&http, ECHO, &[], None, &[b"\x0a\x02hi".to_vec()], text).await;
            assert_eq!(web.status.code(), Code::Ok);
            assert_eq!(web.messages.len(), 1);
            assert!(web.messages[0].starts_with(b"\x0a\x02hi"), "{:?}", web.messages);
            assert_eq!((web.head.status, web.head.header("content-type")), (StatusCode::OK, content_type));
            assert_eq!(web.trailers.get("grpc-status").unwrap(), "0", "in a frame of its own");
        }
    }
}

#[tokio::test]
async fn an_error_is_in_the_head_and_a_wrong_method_one_too() {
    let server = parity().await;
    let web = call(&server.http, "/parity.v1.Parity/Nothing", &[], None, &[vec![]], false).await;
    assert_eq!(web.status.code(), Code::Unimplemented);
    let web = call(&server.http, ECHO, &[], None, &[b"\x0a\xff".to_vec()], true).await;
    assert_eq!(web.status.code(), Code::InvalidArgument);
    let headers = [("content-type", "application/grpc-web")];
    let answer = server.http.send(Method::PUT, ECHO, &headers, "").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    let answer =
        server.http.send(Method::POST, ECHO, &[("content-type", "application/grpc-website")], "").await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "that is no gRPC-Web");
}

/// As every media type.
#[tokio::test]
async fn capitals_and_parameters_make_no_difference() {
    let server = parity().await;
    for content_type in ["Application/gRPC-Web", "application/GRPC-web+Proto; charset=utf-8"] {
        let headers = [("content-type", content_type)];
        let answer =
            server.http.send(Method::POST, ECHO, &headers, vec![0, 0, 0, 0, 4, 10, 2, 104, 105]).await;
        assert_eq!(answer.header("content-type"), "application/grpc-web+proto", "{content_type}");
        assert_eq!(answer.body[..9], [0, 0, 0, 0, 4, 10, 2, 104, 105]);
    }
    let headers = [("content-type", "APPLICATION/GRPC-WEB-TEXT"), ("accept", "application/grpc-web-text")];
    let answer = server.http.send(Method::POST, ECHO, &headers, "AAAAAAQKAmhp").await;
    assert!(answer.text().starts_with("AAAAAAQKAmhp"), "{answer:?}");
}

/// What a browser asks first, and what it wants to see in the answer.
async fn asked_by_a_page(server: &Running, origin: &str) -> (String, String) {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,grpc-timeout,x-grpc-web"),
    ];
    let http = super::support::http_client::HttpClient::new(server.grpc_address);
    let preflight = http.send(Method::OPTIONS, ECHO, &headers, "").await;
    let web = call(&http, ECHO, &[("origin", origin)], None, &[vec![]], false).await;
    let allowed = "access-control-allow-origin";
    if !web.head.header(allowed).is_empty() {
        // Without credentials everything may be named by a star.
        let names = |list: &str, name| list == "*" || list.contains(name);
        assert!(names(web.head.header("access-control-expose-headers"), "grpc-status"));
        assert!(names(preflight.header("access-control-allow-headers"), "x-grpc-web"));
    }
    (preflight.header(allowed).to_owned(), web.head.header(allowed).to_owned())
}

#[tokio::test]
async fn pages_of_other_origins_may_call_where_they_are_allowed() {
    const PAGE: &str = "https://shop.example";
    let server = parity_with(|config| config.cors = Some(Cors::origins([PAGE]))).await;
    assert_eq!(asked_by_a_page(&server, PAGE).await, (PAGE.to_owned(), PAGE.to_owned()));
    assert_eq!(asked_by_a_page(&server, "https://else.example").await, (String::new(), String::new()));
    // On a port that speaks gRPC alone, too.
    let mut config = ambidex::server::Config::default();
    config.cors = Some(Cors::origins([PAGE]));
    let builder = parity_builder().config(config).grpc_address("127.0.0.1:0");
    let server = run(builder.bind("127.0.0.1:0").await.unwrap());
    assert_ne!(server.address, server.grpc_address);
    assert_eq!(asked_by_a_page(&server, PAGE).await, (PAGE.to_owned(), PAGE.to_owned()));
}

#[tokio::test]
async fn who_does_not_want_it_has_none() {
    let mut config = ambidex::server::Config::default();
    config.grpc_web = false;
    let server = start(parity_builder().config(config)).await;
    let answer = server.http.send(Method::POST, ECHO, &[("content-type", "application/grpc-web")], "").await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
