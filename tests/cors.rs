//! Pages of other origins: what a browser is told before and after a call over Connect and gRPC-Web, with cookies and
//! without.

use ambidex::Code;
use ambidex::server::Cors;
use http::{Method, StatusCode};

use crate::support::envelopes::envelope;
use crate::support::grpc_web;
use crate::support::http_client::Answer;
use crate::support::running::{Running, parity_with};

const PAGE: &str = "https://shop.example";
const ECHO: &str = "/parity.v1.Parity/Echo";

async fn trusting(cors: Cors) -> Running {
    parity_with(|config| config.cors = Some(cors)).await
}

/// What a page may read of an answer, as a browser decides it.
fn may_read(answer: &Answer, name: &str) -> bool {
    let with_credentials = answer.header("access-control-allow-credentials") == "true";
    let mut exposed = answer.header("access-control-expose-headers").split(',').map(str::trim);
    // A star is every name, and with credentials a header that is called so.
    exposed.any(|known| known.eq_ignore_ascii_case(name) || (known == "*" && !with_credentials))
}

#[tokio::test]
async fn a_page_may_call_over_connect_with_whichever_headers() {
    for cors in [Cors::origins([PAGE]), Cors::origins([PAGE]).credentials(), Cors::any()] {
        let credentials = if cors.credentials { "true" } else { "" };
        let origin = if cors.origins == ["*"] { "*" } else { PAGE };
        let server = trusting(cors).await;
        for path in [ECHO, "/parity.v1.Parity/Running", "/v1/echo"] {
            let asked = "connect-protocol-version,connect-timeout-ms,content-type,x-own-bin";
            let headers = [
                ("origin", PAGE),
                ("access-control-request-method", "POST"),
                ("access-control-request-headers", asked),
            ];
            let preflight = server.http.send(Method::OPTIONS, path, &headers, "").await;
            assert_eq!(preflight.status, StatusCode::OK);
            assert_eq!(preflight.header("access-control-allow-origin"), origin, "{path}");
            assert_eq!(preflight.header("access-control-allow-methods"), "POST");
            for name in asked.split(',') {
                let allowed = preflight.header("access-control-allow-headers");
                assert!(allowed.contains(name), "{path}: {name} is not among {allowed}");
            }
            assert_eq!(preflight.header("access-control-allow-credentials"), credentials, "{path}");
        }
    }
}

/// A call that ends well, one that fails, and a stream, by both protocols of pages.
async fn answers(server: &Running) -> Vec<(&'static str, Answer)> {
    let page = ("origin", PAGE);
    let json = [page, ("content-type", "application/json")];
    let fails = r#"{"plan": {"failCode": 5, "failDetails": true}}"#;
    let connect = [page, ("content-type", "application/connect+json")];
    let count = envelope(0, br#"{"to": 1}"#);
    // `plan { fail_code: 5 fail_details: true }`.
    let web_fails = b"\x1a\x04\x08\x05\x18\x01".to_vec();
    let web = grpc_web::call(&server.http, ECHO, &[page], None, &[web_fails], false).await;
    assert_eq!(web.status.code(), Code::NotFound);
    assert!(!web.status.details().is_empty());
    vec![
        ("Connect", server.http.send(Method::POST, ECHO, &json, "{}").await),
        ("Connect, failed", server.http.send(Method::POST, ECHO, &json, fails).await),
        (
            "Connect, a stream",
            server.http.send(Method::POST, "/parity.v1.Parity/Count", &connect, count).await,
        ),
        ("gRPC-Web", grpc_web::call(&server.http, ECHO, &[page], None, &[vec![]], false).await.head),
        ("gRPC-Web, failed", web.head),
    ]
}

#[tokio::test]
async fn a_page_may_read_how_its_call_ended() {
    for cors in [Cors::origins([PAGE]), Cors::origins([PAGE]).credentials(), Cors::any()] {
        let credentials = cors.credentials;
        let server = trusting(cors).await;
        for (what, answer) in answers(&server).await {
            assert_ne!(answer.header("access-control-allow-origin"), "", "{what}");
            for name in [
                "grpc-status",
                "grpc-message",
                "grpc-status-details-bin",
                "grpc-encoding",
                "connect-content-encoding",
                "retry-after",
            ] {
                assert!(may_read(&answer, name), "{what}: {name}, credentials: {credentials}");
            }
            // Metadata have names of their own, which a server has to say where there are credentials.
            for name in ["x-echo-own", "trailer-x-trail-own"] {
                assert_eq!(may_read(&answer, name), !credentials, "{what}: {name}");
            }
        }
    }
    let cors = Cors::origins([PAGE]).credentials();
    let server = trusting(cors.expose_header("x-echo-own").expose_header("trailer-x-trail-own")).await;
    for (what, answer) in answers(&server).await {
        for name in ["x-echo-own", "trailer-x-trail-own", "grpc-status"] {
            assert!(may_read(&answer, name), "{what}: {name}");
        }
    }
}
