//! What a REST client may ask for besides, and what a handler may say to it.

use ambidex::Code;
use ambidex::google::api::{HttpRule, http_rule::Pattern};
use http::{Method, StatusCode};
use prost::Message;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::edge_v1::{EdgeClient, Inner, SayRequest, SeeRequest, Seen, SeenList};
use crate::support::http_client::Answer;
use crate::support::running::{Running, edge_builder, edge_with, parity, start};

async fn edge() -> Running {
    start(edge_builder()).await
}

async fn say(server: &Running, request: Value) -> Answer {
    server.http.post("/edge/say", request.to_string()).await
}

#[tokio::test]
async fn a_handler_says_its_own_status_and_headers() {
    let server = edge().await;
    let headers = json!({"location": "/edge/items/7", "set-cookie": "a=b; HttpOnly", "content-length": "3"});
    let created = say(&server, json!({"status": 201, "headers": headers, "seen": {"id": "7"}})).await;
    assert_eq!((created.status, created.json()), (StatusCode::CREATED, json!({"id": "7"})));
    assert_eq!(
        (created.header("location"), created.header("set-cookie")),
        ("/edge/items/7", "a=b; HttpOnly")
    );
    for status in [204, 304] {
        let bare =
            say(&server, json!({"status": status, "headers": {"etag": "\"x\""}, "seen": {"id": "7"}})).await;
        assert_eq!((bare.status.as_u16(), bare.body.len(), bare.header("etag")), (status, 0, "\"x\""));
        assert_eq!(bare.header("content-type"), "");
    }
    let gone = say(&server, json!({"status": 410, "failCode": 5, "headers": {"x-why": "sold"}})).await;
    assert_eq!((gone.status, gone.header("x-why")), (StatusCode::GONE, "sold"));
    assert_eq!(
        (&gone.json()["error"]["code"], &gone.json()["error"]["status"]),
        (&json!(410), &json!("NOT_FOUND"))
    );
    let informational = say(&server, json!({"status": 101})).await;
    assert_eq!(informational.status, StatusCode::OK);
}

#[tokio::test]
async fn what_a_handler_says_over_http_harms_nobody_else() {
    let server = edge().await;
    let request = SayRequest {
        status: 204,
        headers: [("location".to_owned(), "/x".to_owned())].into(),
        seen: Some(Seen { id: "7".into(), ..Seen::default() }),
        ..SayRequest::default()
    };
    let endpoint = format!("http://{}", server.address);
    let client = EdgeClient::connect(endpoint).await.expect("the server listens");
    let seen = client.say(request.clone()).await.expect("an answer").into_inner();
    assert_eq!(seen.id, "7");
    let failed = client.say(SayRequest { fail_code: 5, status: 410, ..SayRequest::default() }).await;
    assert_eq!(failed.expect_err("as asked").code(), Code::NotFound);
    // Connect has 200 for success, and its own table for errors' codes.
    let rpc = [("content-type", "application/proto")];
    let answer = server.http.send(Method::POST, "/edge.v1.Edge/Say", &rpc, request.encode_to_vec()).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::OK, "/x"));
    assert_eq!(Seen::decode(answer.body).expect("a message").id, "7");
}

/// What is not 200 is an error to a Connect client, and what is 200 a success.
#[tokio::test]
async fn a_handlers_status_is_not_for_connect_and_one_without_a_body_has_none() {
    let server = edge().await;
    let rpc = server.http.post("/edge.v1.Edge/Say", r#"{"status": 200, "failCode": 5}"#).await;
    assert_eq!((rpc.status, &rpc.json()["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    for client in [server.http.clone(), server.http.http2()] {
        let bare = client.post("/edge/say", r#"{"status": 304, "failCode": 5}"#).await;
        assert_eq!(
            (bare.status, bare.body.len(), bare.header("content-type")),
            (StatusCode::NOT_MODIFIED, 0, "")
        );
    }
}

#[tokio::test]
async fn a_form_of_a_foreign_page_is_refused() {
    let server = edge().await;
    let own = format!("http://{}", server.address);
    for (origin, content_type, status) in [
        ("https://evil.example", "text/plain", 403),
        ("https://evil.example", "application/x-www-form-urlencoded", 403),
        ("https://evil.example", "application/json", 200),
        (&*own, "application/json", 200),
    ] {
        let headers = [("origin", origin), ("content-type", content_type)];
        for path in ["/edge/items/1:archive", "/edge.v1.Edge/See"] {
            let answer = server.http.send(Method::POST, path, &headers, "{}").await;
            assert_eq!(answer.status.as_u16(), status, "{origin} {content_type} {path}");
        }
    }
}

#[tokio::test]
async fn the_query_may_choose_the_form_of_the_answer() {
    let server = edge().await;
    let get = async |query: &str| server.http.get(&format!("/edge/items/1?color=RED&{query}")).await;
    assert_eq!(get("$alt=json").await.json()["color"], "RED");
    assert_eq!(get("$alt=json;enum-encoding=int").await.json()["color"], 1);
    assert_eq!(get("%24alt=json%3Benum-encoding%3Dint").await.json()["color"], 1);
    assert!(get("$prettyPrint=true").await.text().contains("\n  \"id\": \"1\""));
    let proto = get("$alt=proto").await;
    assert_eq!(proto.header("content-type"), "application/x-protobuf");
    assert_eq!(Seen::decode(proto.body).expect("a message").color, 1);
    assert_eq!(get("$alt=xml").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(get("$alt=sse").await.status, StatusCode::BAD_REQUEST);
    // On this route the answer is a list of strings, which protobuf has no message for.
    assert_eq!(server.http.get("/edge/ids?$alt=proto").await.status, StatusCode::BAD_REQUEST);
    let inner = server.http.get("/edge/inner?inner.id=a&$alt=proto").await;
    assert_eq!(Inner::decode(inner.body).expect("a message").id, "a");
}

#[tokio::test]
async fn bodies_and_answers_may_be_protobuf() {
    let server = edge().await;
    let proto = [("content-type", "application/x-protobuf"), ("accept", "application/x-protobuf")];
    let body = SeeRequest { name: "n".into(), id: "other".into(), ..SeeRequest::default() }.encode_to_vec();
    let answer = server.http.send(Method::POST, "/edge/items/1:archive", &proto, body).await;
    let seen = Seen::decode(answer.body).expect("a message");
    assert_eq!((&*seen.name, &*seen.id), ("n", "1"), "the path wins");
    let inner = Inner { size: 3, ..Inner::default() }.encode_to_vec();
    let answer = server.http.send(Method::PUT, "/edge/inner/a?name=x", &proto, inner).await;
    let seen = Seen::decode(answer.body).expect("a message");
    assert_eq!(seen.inner, Some(Inner { id: "a".into(), size: 3, ..Inner::default() }));
    assert_eq!(seen.name, "x");
    let strings = server.http.send(Method::POST, "/edge/ids", &proto, vec![]).await;
    assert_eq!(strings.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    // An error is read by whoever reads the answer.
    let answer = server
        .http
        .send(Method::GET, "/edge/items/1?nope=1", &[("accept", "application/protobuf")], "")
        .await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (StatusCode::BAD_REQUEST, "application/x-protobuf")
    );
    let status = ambidex::tonic_types::pb::Status::decode(answer.body).expect("a status");
    assert_eq!(status.code, Code::InvalidArgument as i32);
}

#[tokio::test]
async fn a_response_mask_shows_what_it_names() {
    let masked = edge_with(|config| config.response_masks = true).await;
    let get = async |mask: &str| {
        masked.http.get(&format!("/edge/list?count=2&name=x&inner.id=i&inner.size=3&{mask}")).await
    };
    let expected = json!({"seen": [{"id": "1", "inner": {"size": 3}}, {"id": "2", "inner": {"size": 3}}]});
    for mask in
        ["fields=seen(id,inner.size)", "$fields=seen.id,seen/inner/size", "%24fields=seen(id%2Cinner(size))"]
    {
        assert_eq!(get(mask).await.json(), expected, "{mask}");
    }
    assert_eq!(get("fields=next_page_token").await.json(), json!({"nextPageToken": "next"}));
    let proto = get("fields=nextPageToken&$alt=proto").await;
    assert_eq!(SeenList::decode(proto.body).expect("a message").seen, []);
    let wrong = get("fields=seen(nope)").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert_eq!(wrong.json()["error"]["message"], "fields: edge.v1.Seen has no field `nope`");
    assert_eq!(
        masked.http.get("/edge/inner?inner.id=a&inner.size=1&fields=size").await.json(),
        json!({"size": 1})
    );
    // Where they are not switched on, `fields` is a parameter like another, and `$fields` one of many unknown.
    let plain = edge().await;
    assert_eq!(plain.http.get("/edge/items/1?fields=id").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(plain.http.get("/edge/items/1?$fields=name").await.json()["id"], "1");
}

#[tokio::test]
async fn rules_from_elsewhere_go_before_those_of_the_proto() {
    let rule = |selector: &str, pattern| HttpRule {
        selector: selector.into(),
        pattern: Some(pattern),
        ..HttpRule::default()
    };
    let builder = edge_builder()
        .http_rule(rule("edge.v1.Edge.Unruled", Pattern::Get("/v2/unruled/{id}".into())))
        .http_rule(rule("edge.v1.Edge.See", Pattern::Get("/v2/see/{id}".into())));
    let server = start(builder).await;
    assert_eq!(server.http.get("/v2/unruled/1").await.json()["binding"], "0 GET /v2/unruled/{id}");
    assert_eq!(server.http.get("/v2/see/1").await.json()["id"], "1");
    assert_eq!(server.http.get("/edge/items/1").await.status, StatusCode::NOT_FOUND);

    let error = |rule| edge_builder().http_rule(rule).local().map(drop).expect_err("refused").to_string();
    assert!(error(rule("edge.v1.Edge.Nope", Pattern::Get("/x".into()))).contains("edge.v1.Edge.Nope"));
    assert!(error(rule("edge.v1.Edge.Unruled", Pattern::Get("/v2/{nope}".into()))).contains("nope"));
    assert!(error(rule("edge.v1.Edge.Unruled", Pattern::Get("/edge/list".into()))).contains("same requests"));
    let shadowed = error(rule("edge.v1.Edge.Unruled", Pattern::Post("/edge.v1.Edge/See".into())));
    assert!(shadowed.contains("RPC route"), "{shadowed}");
}

#[tokio::test]
async fn methods_without_a_rule_have_a_route_where_the_user_wants_one() {
    let plain = edge().await;
    assert_eq!(plain.http.post("/v1/edge:unruled", "{}").await.status, StatusCode::NOT_FOUND);
    let server = edge_with(|config| config.rest_routes_without_rule = true).await;
    let answer = server.http.post("/v1/edge:unruled", r#"{"id": "1"}"#).await;
    assert_eq!(answer.json(), json!({"id": "1", "binding": "0 POST /v1/edge:unruled"}));
}

#[tokio::test]
async fn errors_may_be_shaped_on_rest_routes_and_nowhere_else() {
    let server = start(edge_builder().rest_errors(|status, response| {
        let body = json!({"problem": status.message(), "was": !response.body().is_empty()}).to_string();
        let mut response = response.map(|_| body.into());
        response.headers_mut().insert("content-type", "application/problem+json".parse().expect("a value"));
        response
    }))
    .await;
    for path in ["/edge/items/1?nope=1", "/nowhere"] {
        let answer = server.http.get(path).await;
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.json()["was"], true);
        assert!(answer.status.is_client_error());
    }
    let rpc = server.http.post("/edge.v1.Edge/Say", r#"{"failCode": 5}"#).await;
    assert_eq!(rpc.json()["code"], "not_found");
}

#[tokio::test]
async fn bodies_are_unpacked_and_answers_packed() {
    let server = parity().await;
    let text = "a long text ".repeat(500);
    let message = json!({"text": text}).to_string();
    for coding in ["gzip", "br", "zstd"] {
        let accept = [("accept-encoding", coding)];
        let path = format!("/v1/echo/{}", "x".repeat(3000));
        let packed = server.http.send(Method::GET, &path, &accept, "").await;
        assert_eq!((packed.header("content-encoding"), packed.header("vary")), (coding, "accept-encoding"));
        assert!(packed.body.len() < 200, "{coding}: {} bytes", packed.body.len());
        // What the server packs it can unpack.
        let echo = [("content-encoding", coding), ("content-type", "application/json")];
        let back = server.http.send(Method::POST, "/v1/echo", &echo, packed.body).await;
        assert_eq!(back.json()["text"].as_str().map(str::len), Some(3000), "{coding}");
        // A small answer stays as it is, and says so.
        let small = server.http.send(Method::GET, "/v1/echo/x", &accept, "").await;
        assert_eq!((small.header("content-encoding"), small.json()), ("", json!({"text": "x"})));
    }
    let plain = parity_without_compression(&message).await;
    assert_eq!(plain.header("content-encoding"), "");
    let json = [("content-encoding", "lzma"), ("content-type", "application/json")];
    let unknown = server.http.send(Method::POST, "/v1/echo", &json, "{}").await;
    assert_eq!(
        (unknown.status, unknown.header("accept-encoding")),
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, "zstd, br, gzip")
    );
    let json = [("content-encoding", "gzip"), ("content-type", "application/json")];
    let rubbish = server.http.send(Method::POST, "/v1/echo", &json, "{}").await;
    assert_eq!(rubbish.status, StatusCode::BAD_REQUEST);
}

async fn parity_without_compression(message: &str) -> Answer {
    let server = crate::support::running::parity_with(|config| config.compress_replies = false).await;
    let headers = [("accept-encoding", "gzip"), ("content-type", "application/json")];
    server.http.send(Method::POST, "/v1/echo", &headers, message.to_owned()).await
}

#[tokio::test]
async fn a_bomb_is_413() {
    let server = crate::support::running::parity_with(|config| config.body_max_bytes = 10_000).await;
    let roomy = crate::support::running::parity_with(|config| config.target_max_bytes = 0).await;
    // Three thousand times the same letter, packed by the server itself.
    let path = format!("/v1/echo/{}", "x".repeat(12_000));
    let bomb = roomy.http.send(Method::GET, &path, &[("accept-encoding", "gzip")], "").await.body;
    assert!(bomb.len() < 1000);
    let headers = [("content-encoding", "gzip"), ("content-type", "application/json")];
    let answer = server.http.send(Method::POST, "/v1/echo", &headers, bomb).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn pages_of_named_origins_may_call() {
    let server = crate::support::running::parity_with(|config| {
        config.cors = Some(ambidex::server::Cors::origins(["https://shop.example"]).credentials());
    })
    .await;
    let ask = async |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "PATCH"),
            ("access-control-request-headers", "x-mine, connect-protocol-version"),
        ];
        server.http.send(Method::OPTIONS, "/v1/echo/items/1", &headers, "").await
    };
    let allowed = ask("https://shop.example").await;
    assert!(allowed.status.is_success());
    assert_eq!(allowed.header("access-control-allow-origin"), "https://shop.example");
    assert_eq!(allowed.header("access-control-allow-credentials"), "true");
    assert!(allowed.header("access-control-allow-headers").contains("x-mine"));
    assert!(allowed.header("access-control-allow-methods").contains("PATCH"));
    assert_eq!(ask("https://evil.example").await.header("access-control-allow-origin"), "");
    let call = server.http.send(Method::GET, "/v1/echo/x", &[("origin", "https://shop.example")], "").await;
    assert_eq!(call.header("access-control-allow-origin"), "https://shop.example");
    assert!(call.header("access-control-expose-headers").contains("grpc-status"));
    // Without the setting nobody is told anything: OPTIONS is answered as HTTP has it.
    let closed = parity().await;
    let answer =
        closed.http.send(Method::OPTIONS, "/v1/echo/x", &[("origin", "https://a.example")], "").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (StatusCode::NO_CONTENT, ""));
}

#[tokio::test]
async fn a_rest_client_says_how_long_it_waits() {
    let server = parity().await;
    let body = json!({"plan": {"sleepMs": 5_000}}).to_string();
    let headers = [("x-server-timeout", "0.05"), ("content-type", "application/json")];
    let late = server.http.send(Method::POST, "/v1/echo", &headers, body).await;
    assert_eq!(late.status, StatusCode::GATEWAY_TIMEOUT);
    let wrong = server.http.send(Method::GET, "/v1/echo/x", &[("x-server-timeout", "soon")], "").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn heads_have_their_limits() {
    let server = parity().await;
    let mut stream = tokio::net::TcpStream::connect(server.address).await.expect("the server listens");
    let request = format!("GET /v1/echo/{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(70_000));
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.expect("an answer");
    // Whichever of its limits it meets first.
    assert!([b"HTTP/1.1 414", b"HTTP/1.1 431"].contains(&&answer), "{}", String::from_utf8_lossy(&answer));
    let header = "x".repeat(40_000);
    let answer = server.http.send(Method::GET, "/v1/echo/x", &[("x-long", &header)], "").await;
    assert_eq!(answer.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}
