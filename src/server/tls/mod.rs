//! TLS: certificates and their keys, and whose certificates a client may show.
//!
//! rustls speaks it, with ring for the arithmetic. What is configured is read and checked before the server listens; what
//! changes later is swapped in whole, or not at all. Connections that are open keep what they began with.

mod by_name;
mod error;
mod handshake;
mod identity;
mod reload;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::listener::Serves;
use by_name::ByName;
pub use error::TlsError;
pub(super) use handshake::SPEAKS_PLAIN_HTTP;
pub(super) use reload::watch;
use reload::{Seen, Stamps};

/// The keys and certificates of listeners that speak TLS 1.2 or 1.3; made by [`Tls::from_files`] or [`Tls::from_pem`] and
/// given to [`Listener::tls`](super::Listener::tls). Every clone is the same.
///
/// ```no_run
/// use ambidex::server::{Listener, Tls};
///
/// # async fn example<S: ambidex::Service + Send + 'static>(service: S) -> Result<(), ambidex::Error> {
/// let tls = Tls::from_files("/etc/shop/tls.crt", "/etc/shop/tls.key").client_ca_file("/etc/shop/clients.crt").load()?;
/// ambidex::Server::builder()
///     .service(service)
///     .serve(Listener::at("0.0.0.0:8443").tls(tls))
///     .await
/// # }
/// ```
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    sources: TlsBuilder,
    current: RwLock<Arc<Offers>>,
    seen: Mutex<Seen>,
}

/// What is offered to clients, by what the listener serves: gRPC needs HTTP/2.
struct Offers {
    any: Arc<ServerConfig>,
    http2: Arc<ServerConfig>,
}

/// Where keys and certificates are, before they are read.
#[derive(Debug, Clone)]
#[must_use = "nothing is read before `load`"]
pub struct TlsBuilder {
    own: Certified,
    /// For other names.
    others: Vec<Certified>,
    client_ca: Option<Pem>,
    client_crls: Vec<Pem>,
    client_certificate_optional: bool,
}

/// A certificate, those that vouch for it, and its key.
#[derive(Debug, Clone)]
struct Certified {
    chain: Pem,
    key: Pem,
}

/// Text in [PEM](https://www.rfc-editor.org/rfc/rfc7468), or where it is.
#[derive(Clone)]
enum Pem {
    File(PathBuf),
    Text(Arc<[u8]>),
}

impl Tls {
    /// The server's certificate from a file in PEM, followed by those that vouch for it, and its private key from another,
    /// as PKCS#8, PKCS#1 or SEC1. They are read again when they change: see [`reload`](Self::reload).
    pub fn from_files(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> TlsBuilder {
        TlsBuilder::new(Certified::files(chain, key))
    }

    /// The same from text in PEM.
    pub fn from_pem(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> TlsBuilder {
        TlsBuilder::new(Certified::pem(chain, key))
    }

    /// Reads the files again, for the connections to come; those that are open go on as they are.
    ///
    /// A server does so by itself when a file's time has changed
    /// ([`Config::tls_reload_interval_ms`](super::Config::tls_reload_interval_ms)).
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or what is in them does not fit together. Nothing changes then.
    pub fn reload(&self) -> Result<(), TlsError> {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken first: what is written meanwhile is seen as a change next time.
        seen.stamps = self.0.sources.stamps();
        let offers = self.0.sources.read();
        seen.failed = offers.is_err();
        let offers = Arc::new(offers?);
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = offers;
        Ok(())
    }

    /// What a client that connects now is offered.
    fn offered(&self, serves: Serves) -> Arc<ServerConfig> {
        let current = self.0.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(match serves {
            Serves::Grpc => &current.http2,
            Serves::All | Serves::Http => &current.any,
        })
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tls").field(&self.0.sources).finish()
    }
}

impl TlsBuilder {
    fn new(own: Certified) -> Self {
        Self {
            own,
            others: Vec::new(),
            client_ca: None,
            client_crls: Vec::new(),
            client_certificate_optional: false,
        }
    }

    /// Adds another certificate, for other names: a client is shown the one that is for the name it asks for (SNI), which
    /// its subjectAltNames say, `*.shop.example` among them. Who asks for none, or for one that nobody has, is shown the
    /// first.
    pub fn more_files(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.others.push(Certified::files(chain, key));
        self
    }

    /// The same from text in PEM.
    pub fn more_pem(mut self, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.others.push(Certified::pem(chain, key));
        self
    }

    /// Asks clients for a certificate that one of the authorities in this file, in PEM, has vouched for. Who has none may
    /// not connect; who the others are says [`Peer::identity`](crate::call::Peer::identity).
    pub fn client_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.client_ca = Some(Pem::File(path.into()));
        self
    }

    /// The same with authorities from text in PEM.
    pub fn client_ca_pem(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.client_ca = Some(Pem::Text(pem.as_ref().into()));
        self
    }

    /// Refuses clients whose certificate is on a revocation list in this file, in PEM; it may hold several, and there may
    /// be several files. Every authority that signed a part of a client's chain has to have one: who cannot be looked up is
    /// refused. A list that is out of date holds until there is a newer one.
    pub fn client_crl_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.client_crls.push(Pem::File(path.into()));
        self
    }

    /// The same with lists from text in PEM.
    pub fn client_crl_pem(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.client_crls.push(Pem::Text(pem.as_ref().into()));
        self
    }

    /// Lets clients without a certificate in, too: they have no identity. Who shows one has to show a good one.
    pub fn client_certificate_optional(mut self) -> Self {
        self.client_certificate_optional = true;
        self
    }

    /// Reads everything.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or what is in them does not fit together.
    pub fn load(self) -> Result<Tls, TlsError> {
        let seen = self.stamps();
        let offers = self.read()?;
        Ok(Tls(Arc::new(Shared {
            sources: self,
            current: RwLock::new(Arc::new(offers)),
            seen: Mutex::new(Seen { stamps: seen, failed: false }),
        })))
    }

    fn read(&self) -> Result<Offers, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let mut certified = ByName::new(self.own.read(&provider)?);
        for other in &self.others {
            certified.add(other.read(&provider)?, || other.chain.named("the certificate"))?;
        }
        let verifier = self.client_verifier(&provider)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::new("the versions of TLS", error))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(certified));
        if self.client_ca.is_some() {
            // A session that is resumed is not asked for its certificate again: it could be used for ever.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        let offering = |protocols: &[&str]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|&protocol| protocol.into()).collect();
            Arc::new(config)
        };
        Ok(Offers { any: offering(&["h2", "http/1.1"]), http2: offering(&["h2"]) })
    }

    fn client_verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        const WHAT: &str = "the authorities of clients";
        let Some(pem) = &self.client_ca else {
            if self.client_certificate_optional {
                let why = "none are named, so no client can show a certificate: call `client_ca_file`";
                return Err(TlsError::new(WHAT, why));
            }
            if !self.client_crls.is_empty() {
                let why = "none are named, so there is nobody to revoke: call `client_ca_file`";
                return Err(TlsError::new(WHAT, why));
            }
            return Ok(WebPkiClientVerifier::no_client_auth());
        };
        let failed = |error: &dyn std::fmt::Display| TlsError::new(pem.named(WHAT), error.to_string());
        let mut authorities = RootCertStore::empty();
        for authority in pem.certificates(WHAT)? {
            authorities.add(authority).map_err(|error| failed(&error))?;
        }
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(provider));
        let mut lists = Vec::new();
        for pem in &self.client_crls {
            lists.extend(pem.revocation_lists()?);
        }
        let verifier = verifier.with_crls(lists);
        let verifier =
            if self.client_certificate_optional { verifier.allow_unauthenticated() } else { verifier };
        verifier.build().map_err(|error| failed(&error))
    }

    fn stamps(&self) -> Stamps {
        let certified = std::iter::once(&self.own).chain(&self.others);
        let certified = certified.flat_map(|certified| [&certified.chain, &certified.key]);
        let files = certified.chain(&self.client_ca).chain(&self.client_crls);
        Stamps::of(files.filter_map(Pem::file))
    }
}

impl Certified {
    fn files(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { chain: Pem::File(chain.into()), key: Pem::File(key.into()) }
    }

    fn pem(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        Self { chain: Pem::Text(chain.as_ref().into()), key: Pem::Text(key.as_ref().into()) }
    }

    fn read(&self, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let chain = self.chain.certificates("the certificate chain")?;
        CertifiedKey::from_der(chain, self.key.key()?, provider).map_err(|error| {
            let (chain, key) = (self.chain.named("the certificate chain"), self.key.named("the private key"));
            TlsError::new(format!("{chain} and {key}"), error)
        })
    }
}

impl Pem {
    fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::File(path) => Some(path),
            Self::Text(_) => None,
        }
    }

    /// What it is, and where, for errors.
    fn named(&self, what: &str) -> String {
        self.file().map_or_else(|| what.to_owned(), |path| format!("{what} in {}", path.display()))
    }

    fn text(&self, what: &str) -> Result<Arc<[u8]>, TlsError> {
        match self {
            Self::File(path) => match std::fs::read(path) {
                Ok(text) => Ok(text.into()),
                Err(error) => Err(TlsError::new(self.named(what), error)),
            },
            Self::Text(text) => Ok(Arc::clone(text)),
        }
    }

    fn certificates(&self, what: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let text = self.text(what)?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let certificates = certificates.map_err(|error| TlsError::new(self.named(what), error))?;
        if certificates.is_empty() {
            let why = "there is no certificate in PEM, which begins with `-----BEGIN CERTIFICATE-----`";
            return Err(TlsError::new(self.named(what), why));
        }
        Ok(certificates)
    }

    fn revocation_lists(&self) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
        const WHAT: &str = "the revocation lists of clients";
        let lists: Result<Vec<_>, _> =
            CertificateRevocationListDer::pem_slice_iter(&self.text(WHAT)?).collect();
        let lists = lists.map_err(|error| TlsError::new(self.named(WHAT), error))?;
        if lists.is_empty() {
            let why = "there is no list in PEM, which begins with `-----BEGIN X509 CRL-----`";
            return Err(TlsError::new(self.named(WHAT), why));
        }
        Ok(lists)
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        const WHAT: &str = "the private key";
        PrivateKeyDer::from_pem_slice(&self.text(WHAT)?).map_err(|error| {
            let why = format!("there is no unencrypted key in PEM, which begins with `-----BEGIN PRIVATE KEY-----` ({error})");
            TlsError::new(self.named(WHAT), why)
        })
    }
}

/// Keys are nobody's to print.
impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            Self::Text(_) => f.write_str("PEM"),
        }
    }
}
