//! Who is let in and who is not, the same over gRPC and REST, with real tokens of an issuer of the tests' own.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use ambidex::client::Channel;
use ambidex::{Code, Request};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use notes::v1::{AddNoteRequest, DeleteNotesRequest, ListNotesRequest, NotesClient};
use notes::{Caller, Certificates};
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::issuer::{bearer, claims, claims_but, new_key, signed, unsigned};

/// An issuer, and a service that believes it.
struct Notes {
    key: Ed25519KeyPair,
    address: SocketAddr,
    client: NotesClient,
}

async fn notes() -> Notes {
    let key = new_key();
    let caller = Caller::new(bearer(&key), Certificates::default());
    let server = notes::server(caller).bind("127.0.0.1:0").await.expect("a port");
    let address = server.address();
    tokio::spawn(server.serve_until(std::future::pending()));
    let channel = Channel::connect(format!("http://{address}")).await.expect("it listens");
    Notes { key, address, client: NotesClient::new(channel) }
}

/// What a caller sees of an answer.
#[derive(Debug, PartialEq)]
struct Seen {
    code: Code,
    message: String,
    challenge: Option<String>,
}

impl Notes {
    fn token(&self, claims: &Value) -> String {
        signed(&self.key, claims)
    }

    fn request<T>(authorization: Option<&str>, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(value) = authorization {
            request.metadata_mut().insert("authorization", value.parse().expect("a value"));
        }
        request
    }

    async fn list_over_grpc(&self, authorization: Option<&str>) -> Seen {
        match self.client.list_notes(Self::request(authorization, ListNotesRequest {})).await {
            Ok(_) => Seen { code: Code::Ok, message: String::new(), challenge: None },
            Err(status) => Seen {
                code: status.code(),
                message: status.message().to_owned(),
                challenge: status
                    .metadata()
                    .get("www-authenticate")
                    .map(|value| value.to_str().unwrap().to_owned()),
            },
        }
    }

    /// The status, the challenge and the body of an answer over HTTP.
    async fn rest(
        &self,
        method: &str,
        path: &str,
        authorization: Option<&str>,
        body: &str,
    ) -> (u16, Option<String>, Value) {
        let mut stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let authorization =
            authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: notes\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n{authorization}\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let challenge =
            head.lines().find_map(|line| line.strip_prefix("www-authenticate: ")).map(str::to_owned);
        (status, challenge, serde_json::from_str(body).unwrap())
    }

    async fn list_over_rest(&self, authorization: Option<&str>) -> Seen {
        let (status, challenge, body) = self.rest("GET", "/v1/notes", authorization, "").await;
        let code = match status {
            200 => Code::Ok,
            401 => Code::Unauthenticated,
            403 => Code::PermissionDenied,
            other => panic!("{other}: {body}"),
        };
        Seen { code, message: body["error"]["message"].as_str().unwrap_or_default().to_owned(), challenge }
    }
}

#[tokio::test]
async fn without_a_good_token_nobody_is_let_in() {
    let notes = notes().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let none = unsigned("none", &claims());
    // The public key is public: a token that is signed with it as a secret must not count.
    let confused = {
        let unsigned = unsigned("HS256", &claims());
        let key = hmac::Key::new(hmac::HMAC_SHA256, notes.key.public_key().as_ref());
        format!("Bearer {unsigned}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, unsigned.as_bytes())))
    };
    let good = notes.token(&claims());
    let forged = {
        let (head, signature) = good.rsplit_once('.').unwrap();
        let (head, _) = head.rsplit_once('.').unwrap();
        let claims = claims_but("sub", json!("eve")).to_string();
        format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims))
    };
    let send = "send a bearer token as authorization";
    let invalid = "the token is not valid";
    let cases = [
        ("missing", None, send),
        ("another scheme", Some("Basic YWRhOnBhc3N3b3Jk".to_owned()), send),
        ("no token", Some("Bearer".to_owned()), send),
        ("malformed", Some("Bearer a.b.c".to_owned()), invalid),
        ("alg none", Some(format!("Bearer {none}.")), invalid),
        ("alg none, without its dot", Some(format!("Bearer {none}")), invalid),
        ("alg HS256 with the public key", Some(confused), invalid),
        ("wrong key", Some(signed(&new_key(), &claims())), invalid),
        ("forged claims", Some(forged), invalid),
        ("expired", Some(notes.token(&claims_but("exp", json!(now - 60)))), "the token has expired"),
        ("without an end", Some(notes.token(&claims_but("exp", Value::Null))), invalid),
        ("too early", Some(notes.token(&claims_but("nbf", json!(now + 600)))), "the token is not valid yet"),
        (
            "wrong audience",
            Some(notes.token(&claims_but("aud", json!("letters")))),
            "the token is for someone else",
        ),
        ("without an audience", Some(notes.token(&claims_but("aud", Value::Null))), invalid),
        ("wrong issuer", Some(notes.token(&claims_but("iss", json!("https://eve.example")))), invalid),
        ("without an issuer", Some(notes.token(&claims_but("iss", Value::Null))), invalid),
        ("without a subject", Some(notes.token(&claims_but("sub", Value::Null))), invalid),
        (
            "a service's name",
            Some(notes.token(&claims_but("sub", json!("spiffe://notes.example/backup")))),
            invalid,
        ),
    ];
    for (name, authorization, message) in cases {
        let challenge = match message {
            message if message == send => "Bearer realm=\"notes\"".to_owned(),
            message => {
                format!("Bearer realm=\"notes\", error=\"invalid_token\", error_description=\"{message}\"")
            }
        };
        let expected =
            Seen { code: Code::Unauthenticated, message: message.to_owned(), challenge: Some(challenge) };
        assert_eq!(notes.list_over_grpc(authorization.as_deref()).await, expected, "{name}");
        assert_eq!(notes.list_over_rest(authorization.as_deref()).await, expected, "{name}");
    }
    for good in [good.clone(), good.replace("Bearer", "bearer")] {
        assert_eq!(notes.list_over_grpc(Some(&good)).await.code, Code::Ok);
        assert_eq!(notes.list_over_rest(Some(&good)).await.code, Code::Ok);
    }
}

#[tokio::test]
async fn each_method_takes_its_own_permission() {
    let notes = notes().await;
    let reader = notes.token(&claims_but("scope", json!("notes:read")));
    let status =
        notes.client.add_note(Notes::request(Some(&reader), AddNoteRequest::default())).await.unwrap_err();
    let challenge = "Bearer realm=\"notes\", error=\"insufficient_scope\", scope=\"notes:write\"";
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(status.message(), "this takes a token with the scope notes:write");
    assert_eq!(status.metadata().get("www-authenticate").unwrap(), challenge);
    let (status, said, body) = notes.rest("POST", "/v1/notes", Some(&reader), "{\"text\": \"hi\"}").await;
    assert_eq!((status, said.as_deref()), (403, Some(challenge)));
    assert_eq!(body["error"]["status"], "PERMISSION_DENIED");
    // A scope is a word, and not the beginning of one.
    let almost = notes.token(&claims_but("scope", json!("notes:reader xnotes:read")));
    assert_eq!(notes.list_over_grpc(Some(&almost)).await.code, Code::PermissionDenied);
    let without = notes.token(&claims_but("scope", Value::Null));
    assert_eq!(notes.list_over_rest(Some(&without)).await.code, Code::PermissionDenied);
    // Not even who may read and write.
    let writer = notes.token(&claims());
    let delete = || DeleteNotesRequest { owner: "ada".to_owned() };
    let status = notes.client.delete_notes(Notes::request(Some(&writer), delete())).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_handler_knows_who_calls() {
    let notes = notes().await;
    let ada = notes.token(&claims());
    let eve = notes.token(&claims_but("sub", json!("eve")));
    let add = AddNoteRequest { text: "over gRPC".to_owned() };
    let added = notes.client.add_note(Notes::request(Some(&ada), add)).await.unwrap().into_inner();
    assert_eq!(added.owner, "ada");
    let (status, _, added) = notes.rest("POST", "/v1/notes", Some(&eve), "{\"text\": \"over REST\"}").await;
    assert_eq!((status, added), (200, json!({"owner": "eve", "text": "over REST"})));
    // Each sees what is theirs.
    let list = |token: &str| notes.client.list_notes(Notes::request(Some(token), ListNotesRequest {}));
    let texts: Vec<_> =
        list(&ada).await.unwrap().into_inner().notes.into_iter().map(|note| note.text).collect();
    assert_eq!(texts, ["over gRPC"]);
    let (_, _, listed) = notes.rest("GET", "/v1/notes", Some(&eve), "").await;
    assert_eq!(listed, json!({"notes": [{"owner": "eve", "text": "over REST"}]}));
    let admin = notes.token(&claims_but("scope", json!("notes:admin")));
    let (status, _, deleted) = notes.rest("DELETE", "/v1/owners/eve/notes", Some(&admin), "").await;
    assert_eq!((status, deleted), (200, json!({"deleted": 1})));
    assert!(list(&eve).await.unwrap().into_inner().notes.is_empty());
}

#[tokio::test]
async fn one_user_who_calls_too_often_waits_and_the_others_do_not() {
    let notes = notes().await;
    let (busy, ada) = (notes.token(&claims_but("sub", json!("busy"))), notes.token(&claims()));
    let list = |token: &str| notes.client.list_notes(Notes::request(Some(token), ListNotesRequest {}));
    let mut refused = None;
    // More than a user has in a minute, and less than their address has at once.
    for _ in 0..150 {
        refused = list(&busy).await.err();
        if refused.is_some() {
            break;
        }
    }
    let refused = refused.expect("a hundred calls a minute");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.metadata().get("grpc-retry-pushback-ms").is_some());
    list(&ada).await.expect("she has not called yet");
}
