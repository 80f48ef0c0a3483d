//! Authorities that vouch for whom a test likes, and clients that trust them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, RevokedCertParams, SanType,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, HandshakeKind, RootCertStore};

use super::dialed::{Dialed, grpc};
use super::parity_v1::ParityClient;

/// Who signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Shown {
    pub chain: String,
    pub key: String,
}

impl Shown {
    fn certificates(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.chain.as_bytes()).collect::<Result<_, _>>().unwrap()
    }

    pub fn der(&self) -> Vec<u8> {
        self.certificates()[0].to_vec()
    }
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    fn sign(&self, usage: ExtendedKeyUsagePurpose, change: impl FnOnce(&mut CertificateParams)) -> Shown {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Shown { chain: certificate.pem(), key: key.serialize_pem() }
    }

    /// The certificate of a server called `localhost`.
    pub fn server(&self) -> Shown {
        self.sign(ExtendedKeyUsagePurpose::ServerAuth, |_| {})
    }

    /// The certificate of a server of these names.
    pub fn server_of(&self, names: &[&str]) -> Shown {
        self.sign(ExtendedKeyUsagePurpose::ServerAuth, |params| {
            params.subject_alt_names =
                names.iter().map(|&name| SanType::DnsName(name.try_into().unwrap())).collect();
        })
    }

    /// The certificate of a client by which it can be revoked.
    pub fn client_with_number(&self, name: &str, number: u64) -> Shown {
        self.sign(ExtendedKeyUsagePurpose::ClientAuth, |params| {
            params.distinguished_name.push(DnType::CommonName, name);
            params.serial_number = Some(number.into());
        })
    }

    /// A list of those whom it does not vouch for any more, in PEM.
    pub fn revokes(&self, numbers: &[u64]) -> String {
        let now = rcgen::date_time_ymd(2020, 1, 1);
        let revoked = |&number: &u64| RevokedCertParams {
            serial_number: number.into(),
            revocation_time: now,
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: now,
            // Long past: a list holds until there is a newer one.
            next_update: rcgen::date_time_ymd(2020, 2, 1),
            crl_number: 1u64.into(),
            issuing_distribution_point: None,
            revoked_certs: numbers.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.0).unwrap().pem().unwrap()
    }

    pub fn expired_server(&self) -> Shown {
        self.sign(ExtendedKeyUsagePurpose::ServerAuth, expire)
    }

    /// The certificate of a client that is known by several names.
    pub fn client(&self, name: &str) -> Shown {
        self.sign(ExtendedKeyUsagePurpose::ClientAuth, |params| {
            params.distinguished_name.push(DnType::CommonName, name);
            params.subject_alt_names = vec![
                SanType::DnsName(format!("{name}.example").try_into().unwrap()),
                SanType::URI(format!("spiffe://shop.example/{name}").try_into().unwrap()),
                SanType::Rfc822Name(format!("{name}@shop.example").try_into().unwrap()),
            ];
        })
    }

    pub fn expired_client(&self, name: &str) -> Shown {
        self.sign(ExtendedKeyUsagePurpose::ClientAuth, |params| {
            params.distinguished_name.push(DnType::CommonName, name);
            expire(params);
        })
    }

    /// A client that trusts those for whom this authority vouches.
    pub fn trusted_by(&self, shows: Option<&Shown>, alpn: &[&str]) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shows {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(shown.certificates(), key).unwrap()
            }
        };
        config.alpn_protocols = alpn.iter().map(|&protocol| protocol.into()).collect();
        Client(TlsConnector::from(Arc::new(config)))
    }
}

fn expire(params: &mut CertificateParams) {
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
}

/// Speaks TLS with `localhost`.
#[derive(Clone)]
pub struct Client(TlsConnector);

impl Client {
    pub async fn over<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        self.0.connect(ServerName::try_from("localhost").unwrap(), stream).await
    }

    /// Asks for a server of another name.
    pub async fn dial_as(&self, address: SocketAddr, name: &str) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        self.0.connect(name, TcpStream::connect(address).await?).await
    }

    pub async fn dial(&self, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        self.over(TcpStream::connect(address).await?).await
    }
}

/// What was agreed to be spoken.
pub fn agreed<S>(stream: &TlsStream<S>) -> Option<&str> {
    stream.get_ref().1.alpn_protocol().map(|protocol| std::str::from_utf8(protocol).unwrap())
}

/// Whether the handshake was a whole one, and no session was resumed.
pub fn is_whole<S>(stream: &TlsStream<S>) -> bool {
    stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Full)
}

/// The certificate the server showed.
pub fn shown_by_server<S>(stream: &TlsStream<S>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// A gRPC client whose connections are that client's.
pub async fn grpc_over(
    client: &Client,
    address: SocketAddr,
) -> Result<ParityClient, ambidex::tonic::transport::Error> {
    let client = client.clone();
    grpc(move || {
        let client = client.clone();
        async move { client.dial(address).await }
    })
    .await
}

/// Whether a client comes as far as an answer. In TLS 1.3 it may think so before the server has looked at its certificate.
pub async fn gets_through(client: &Client, address: SocketAddr) -> bool {
    let Ok(stream) = client.dial(address).await else { return false };
    Dialed::http1(stream).await.echo("hi").await.is_ok()
}
