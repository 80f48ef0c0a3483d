//! Services that are known by their client certificates, over gRPC, REST and Connect, and users beside them.

use std::net::SocketAddr;
use std::sync::Arc;

use ambidex::client::Channel;
use ambidex::server::{Listener, Tls};
use ambidex::{Code, Request, Status, tonic};
use hyper_util::rt::TokioIo;
use notes::v1::{AddNoteRequest, ExportNotesRequest, ListNotesRequest, NotesClient};
use notes::{Caller, Certificates};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};
use ring::signature::Ed25519KeyPair;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring as with_ring;
use tokio_rustls::rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::issuer::{bearer, claims, claims_but, new_key, signed};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for this name or ID, and its key.
fn signed_by(authority: &Authority, name: SanType) -> (rcgen::Certificate, KeyPair) {
    let mut params = CertificateParams::default();
    params.extended_key_usages = match &name {
        SanType::DnsName(_) => vec![ExtendedKeyUsagePurpose::ServerAuth],
        _ => vec![ExtendedKeyUsagePurpose::ClientAuth],
    };
    params.subject_alt_names = vec![name];
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, authority).unwrap(), key)
}

/// A service of notes, whose clients may show a certificate.
struct Notes {
    key: Ed25519KeyPair,
    address: SocketAddr,
    own: Authority,
    clients: Authority,
}

async fn notes() -> Notes {
    let (own, clients, key) = (authority(), authority(), new_key());
    let (chain, chain_key) = signed_by(&own, SanType::DnsName("localhost".try_into().unwrap()));
    let tls = Tls::from_pem(chain.pem(), chain_key.serialize_pem())
        .client_ca_pem(clients.pem())
        .client_certificate_optional()
        .load()
        .unwrap();
    let certificates = Certificates::default()
        .allow("spiffe://notes.example/backup", &["notes:read"])
        .allow("spiffe://notes.example/importer", &["notes:read", "notes:write"]);
    let caller = Caller::new(bearer(&key), certificates);
    let server = notes::server(caller).bind(Listener::at("127.0.0.1:0").tls(tls)).await.expect("a port");
    let address = server.address();
    tokio::spawn(server.serve_until(std::future::pending()));
    Notes { key, address, own, clients }
}

/// Someone who calls: by a certificate, a token, both or neither.
#[derive(Clone)]
struct Who {
    tls: Arc<ClientConfig>,
    address: SocketAddr,
    token: Option<String>,
}

impl Notes {
    fn who(&self, authority: &Authority, id: Option<&str>, token: Option<Value>) -> Who {
        let mut roots = RootCertStore::empty();
        roots.add(self.own.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(with_ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match id {
            None => config.with_no_client_auth(),
            Some(id) => {
                let (shown, key) = signed_by(authority, SanType::URI(id.try_into().unwrap()));
                let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
                config.with_client_auth_cert(vec![shown.der().clone()], key).unwrap()
            }
        };
        let token = token.map(|claims| signed(&self.key, &claims));
        Who { tls: Arc::new(config), address: self.address, token }
    }

    fn service(&self, name: &str) -> Who {
        self.who(&self.clients, Some(&format!("spiffe://notes.example/{name}")), None)
    }

    fn user(&self, claims: Value) -> Who {
        self.who(&self.clients, None, Some(claims))
    }
}

impl Who {
    async fn dial(&self, alpn: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
        let mut config = ClientConfig::clone(&self.tls);
        config.alpn_protocols = vec![alpn.to_vec()];
        let stream = TcpStream::connect(self.address).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
    }

    async fn grpc(&self) -> Result<NotesClient, tonic::transport::Error> {
        let who = self.clone();
        let connector = tower::service_fn(move |_: http::Uri| {
            let who = who.clone();
            async move { who.dial(b"h2").await.map(TokioIo::new) }
        });
        let endpoint = tonic::transport::Endpoint::from_static("http://localhost");
        let channel = endpoint.connect_with_connector(connector).await?;
        Ok(NotesClient::new(Channel::from_tonic(channel)))
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.parse().expect("a value"));
        }
        request
    }

    /// The notes by a unary call over gRPC.
    async fn listed(&self) -> Result<Vec<String>, Status> {
        let client = self.grpc().await.expect("a connection");
        let listed = client.list_notes(self.request(ListNotesRequest {})).await?;
        Ok(listed.into_inner().notes.into_iter().map(|note| note.text).collect())
    }

    /// The same by a stream.
    async fn exported(&self) -> Result<Vec<String>, Status> {
        let client = self.grpc().await.expect("a connection");
        let mut notes = client.export_notes(self.request(ExportNotesRequest {})).await?.into_inner();
        let mut texts = Vec::new();
        while let Some(note) = notes.message().await? {
            texts.push(note.text);
        }
        Ok(texts)
    }

    async fn add(&self, text: &str) -> Result<String, Status> {
        let client = self.grpc().await.expect("a connection");
        let note = client.add_note(self.request(AddNoteRequest { text: text.to_owned() })).await?;
        Ok(note.into_inner().owner)
    }

    /// The status and the body of an answer over HTTP.
    async fn http(&self, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
        let mut stream = self.dial(b"http/1.1").await?;
        let token = self.token.as_deref().map(|token| format!("authorization: {token}\r\n"));
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n{}\r\n{body}",
            body.len(),
            token.unwrap_or_default()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| std::io::Error::other("no answer"))?;
        Ok((status, body.to_owned()))
    }

    /// The code of a call over each protocol, REST and Connect among them: one for all.
    async fn ends_everywhere(&self, message: &str) -> Code {
        let unary = self.listed().await.expect_err("refused");
        let stream = self.exported().await.expect_err("refused");
        assert_eq!((unary.message(), stream.message()), (message, message));
        assert_eq!(unary.code(), stream.code());
        for (method, path) in [
            ("GET", "/v1/notes"),
            ("GET", "/v1/notes:export"),
            ("POST", "/notes.v1.Notes/ListNotes"),
            ("POST", "/notes.v1.Notes/ExportNotes"),
        ] {
            let (status, body) = self.http(method, path, "{}").await.expect("an answer");
            let expected = match unary.code() {
                Code::Unauthenticated => 401,
                Code::PermissionDenied => 403,
                other => panic!("{other:?}"),
            };
            assert_eq!(status, expected, "{path}");
            assert!(body.contains(message), "{path}: {body}");
        }
        unary.code()
    }
}

#[tokio::test]
async fn a_service_is_who_its_certificate_says_over_every_protocol() {
    let notes = notes().await;
    let importer = notes.service("importer");
    let id = "spiffe://notes.example/importer";
    assert_eq!(importer.add("over gRPC").await.unwrap(), id);
    let (status, added) = importer.http("POST", "/v1/notes", r#"{"text": "over REST"}"#).await.unwrap();
    let added: Value = serde_json::from_str(&added).unwrap();
    assert_eq!((status, added), (200, json!({"owner": id, "text": "over REST"})));
    let added =
        importer.http("POST", "/notes.v1.Notes/AddNote", r#"{"text": "over Connect"}"#).await.unwrap();
    let (status, added) = (added.0, serde_json::from_str::<Value>(&added.1).unwrap());
    assert_eq!((status, added), (200, json!({"owner": id, "text": "over Connect"})));
    let texts = ["over gRPC", "over REST", "over Connect"];
    assert_eq!(importer.listed().await.unwrap(), texts);
    assert_eq!(importer.exported().await.unwrap(), texts);
    for (method, path, body) in [("GET", "/v1/notes", ""), ("POST", "/notes.v1.Notes/ListNotes", "{}")] {
        let (status, listed) = importer.http(method, path, body).await.unwrap();
        let listed: Value = serde_json::from_str(&listed).unwrap();
        assert_eq!((status, listed["notes"].as_array().map(Vec::len)), (200, Some(3)), "{path}");
    }
    let (status, lines) = importer.http("GET", "/v1/notes:export", "").await.unwrap();
    assert_eq!((status, lines.matches("\"result\"").count()), (200, 3), "{lines}");
    // Another service has notes of its own, and does what it may.
    let backup = notes.service("backup");
    assert_eq!(backup.exported().await.unwrap(), [""; 0]);
    let refused = backup.add("never").await.unwrap_err();
    let said = "this service does not have the scope notes:write";
    assert_eq!((refused.code(), refused.message()), (Code::PermissionDenied, said));
    assert!(refused.metadata().get("www-authenticate").is_none(), "no token would help");
}

#[tokio::test]
async fn a_user_needs_no_certificate_and_who_has_nothing_is_told_to_send_a_token() {
    let notes = notes().await;
    let ada = notes.user(claims());
    assert_eq!(ada.add("hers").await.unwrap(), "ada");
    assert_eq!(ada.listed().await.unwrap(), ["hers"]);
    assert_eq!(ada.exported().await.unwrap(), ["hers"]);
    let nobody = notes.who(&notes.clients, None, None);
    let code = nobody.ends_everywhere("send a bearer token as authorization").await;
    assert_eq!(code, Code::Unauthenticated);
}

/// A gateway has a certificate, and calls for its users.
#[tokio::test]
async fn a_token_counts_over_the_certificate_of_its_connection() {
    let notes = notes().await;
    let importer = Some("spiffe://notes.example/importer");
    let for_ada = notes.who(&notes.clients, importer, Some(claims()));
    assert_eq!(for_ada.add("hers").await.unwrap(), "ada");
    let expired = notes.who(&notes.clients, importer, Some(claims_but("exp", json!(1))));
    assert_eq!(expired.ends_everywhere("the token has expired").await, Code::Unauthenticated);
}

#[tokio::test]
async fn a_good_certificate_is_not_enough_of_who_is_not_known() {
    let notes = notes().await;
    let code = notes.service("stranger").ends_everywhere("this service is not known here").await;
    assert_eq!(code, Code::PermissionDenied);
    let no_id = notes.who(&notes.clients, Some("https://notes.example/importer"), None);
    let code = no_id.ends_everywhere("show a certificate with a SPIFFE ID").await;
    assert_eq!(code, Code::Unauthenticated);
}

#[tokio::test]
async fn a_certificate_that_anybody_could_have_made_does_not_come_as_far_as_a_call() {
    let notes = notes().await;
    let impostor = notes.who(&authority(), Some("spiffe://notes.example/importer"), Some(claims()));
    assert!(impostor.http("GET", "/v1/notes", "").await.is_err());
    if let Ok(client) = impostor.grpc().await {
        client.list_notes(impostor.request(ListNotesRequest {})).await.expect_err("no connection");
    }
}
