//! Listeners as a configuration says them: for whoever runs a server, and not for who writes it.

#[cfg(feature = "tls")]
use std::path::PathBuf;

use super::{Error, Listener};

/// Where a server listens, and what it serves there: a [`Listener`] in the words of a file.
///
/// ```toml
/// [[listeners]]
/// address = "0.0.0.0:8443"
/// tls = { certificate_chain_file = "/etc/shop/tls.crt", private_key_file = "/etc/shop/tls.key" }
///
/// [[listeners]]
/// address = "unix:/run/shop.sock"
/// serves = "grpc"
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct ListenerConfig {
    /// `host:port`, or `unix:/path`.
    pub address: String,
    /// What is served there.
    #[cfg_attr(feature = "config", serde(default))]
    pub serves: Protocols,
    /// Whether the port is shared with other servers that ask for the same (`SO_REUSEPORT`).
    #[cfg_attr(feature = "config", serde(default))]
    pub reuse_port: bool,
    /// The permissions of a Unix socket's file: 432 is `0o660`.
    #[cfg_attr(feature = "config", serde(default))]
    pub mode: Option<u32>,
    /// The files of TLS, where it is spoken; they are read again when they change.
    #[cfg(feature = "tls")]
    #[cfg_attr(feature = "config", serde(default))]
    pub tls: Option<TlsConfig>,
}

/// Which protocols a listener serves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "config",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Protocols {
    /// All there are.
    #[default]
    All,
    /// gRPC and gRPC-Web.
    Grpc,
    /// REST, Connect and WebSockets, and the user's own routes.
    Http,
}

/// The files of a listener that speaks TLS, in PEM.
#[cfg(feature = "tls")]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct TlsConfig {
    /// The server's certificate, followed by those that vouch for it.
    pub certificate_chain_file: PathBuf,
    /// Its private key.
    pub private_key_file: PathBuf,
    /// Certificates for other names: a client is shown the one for the name it asks for, and else the first.
    #[cfg_attr(feature = "config", serde(default))]
    pub more_certificates: Vec<CertificateConfig>,
    /// The authorities of clients, which then have to show a certificate.
    #[cfg_attr(feature = "config", serde(default))]
    pub client_ca_file: Option<PathBuf>,
    /// Revocation lists: whoever is on one is refused, and so is who cannot be looked up.
    #[cfg_attr(feature = "config", serde(default))]
    pub client_crl_files: Vec<PathBuf>,
    /// Whether clients without a certificate are let in all the same.
    #[cfg_attr(feature = "config", serde(default))]
    pub client_certificate_optional: bool,
}

/// The files of one more certificate, in PEM.
#[cfg(feature = "tls")]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct CertificateConfig {
    /// The certificate, followed by those that vouch for it.
    pub certificate_chain_file: PathBuf,
    /// Its private key.
    pub private_key_file: PathBuf,
}

#[cfg(feature = "tls")]
impl CertificateConfig {
    /// A certificate and its key.
    pub fn new(certificate_chain_file: impl Into<PathBuf>, private_key_file: impl Into<PathBuf>) -> Self {
        Self {
            certificate_chain_file: certificate_chain_file.into(),
            private_key_file: private_key_file.into(),
        }
    }
}

impl ListenerConfig {
    /// Serves everything at an address, as [`Listener::at`].
    pub fn at(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            serves: Protocols::All,
            reuse_port: false,
            mode: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// The listener itself; the files of TLS are read.
    pub(super) fn listener(&self) -> Result<Listener, Error> {
        let mut listener = Listener::at(&self.address);
        listener = match self.serves {
            Protocols::All => listener,
            Protocols::Grpc => listener.grpc_only(),
            Protocols::Http => listener.http_only(),
        };
        if self.reuse_port {
            listener = listener.reuse_port();
        }
        if let Some(mode) = self.mode {
            listener = listener.mode(mode);
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            listener = listener.tls(tls.load()?);
        }
        Ok(listener)
    }
}

#[cfg(feature = "tls")]
impl TlsConfig {
    /// The certificate and the key of a server.
    pub fn new(certificate_chain_file: impl Into<PathBuf>, private_key_file: impl Into<PathBuf>) -> Self {
        Self {
            certificate_chain_file: certificate_chain_file.into(),
            private_key_file: private_key_file.into(),
            more_certificates: Vec::new(),
            client_ca_file: None,
            client_crl_files: Vec::new(),
            client_certificate_optional: false,
        }
    }

    fn load(&self) -> Result<super::Tls, super::TlsError> {
        let mut tls = super::Tls::from_files(&self.certificate_chain_file, &self.private_key_file);
        for CertificateConfig { certificate_chain_file, private_key_file } in &self.more_certificates {
            tls = tls.more_files(certificate_chain_file, private_key_file);
        }
        if let Some(authorities) = &self.client_ca_file {
            tls = tls.client_ca_file(authorities);
        }
        for lists in &self.client_crl_files {
            tls = tls.client_crl_file(lists);
        }
        if self.client_certificate_optional {
            tls = tls.client_certificate_optional();
        }
        tls.load()
    }
}
