//! Several certificates, of which a client is shown the one for the name that it asks for.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::TlsError;

/// Certificates by the names that they say they are for ([RFC 6066](https://www.rfc-editor.org/rfc/rfc6066#section-3)).
#[derive(Debug)]
pub(super) struct ByName {
    /// For who names nobody, or nobody who is here.
    first: Arc<CertifiedKey>,
    /// By name in lower case; one for all names below another begins with `*.`.
    named: HashMap<String, Arc<CertifiedKey>>,
}

impl ByName {
    pub(super) fn new(first: CertifiedKey) -> Self {
        let first = Arc::new(first);
        let mut named = HashMap::new();
        // One without a name, or that cannot be read, is for who names nobody.
        for name in names_of(&first).unwrap_or_default() {
            named.insert(name, Arc::clone(&first));
        }
        Self { first, named }
    }

    /// Adds a certificate for other names. Where two have the same, the earlier is shown.
    ///
    /// # Errors
    ///
    /// When it has no name, and so would be shown to nobody.
    pub(super) fn add(&mut self, certified: CertifiedKey, what: impl Fn() -> String) -> Result<(), TlsError> {
        let certified = Arc::new(certified);
        let names = names_of(&certified).map_err(|why| TlsError::new(what(), why))?;
        if names.is_empty() {
            let why = "it is for no DNS name (subjectAltName), so no client is ever shown it";
            return Err(TlsError::new(what(), why));
        }
        for name in names {
            self.named.entry(name).or_insert_with(|| Arc::clone(&certified));
        }
        Ok(())
    }

    fn of(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        self.named.get(&name).or_else(|| {
            let (_, above) = name.split_once('.')?;
            self.named.get(&format!("*.{above}"))
        })
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked_for = hello.server_name().and_then(|name| self.of(name));
        Some(Arc::clone(asked_for.unwrap_or(&self.first)))
    }
}

/// The DNS names that the first certificate of a chain is for.
fn names_of(certified: &CertifiedKey) -> Result<Vec<String>, String> {
    let own = certified.end_entity_cert().map_err(|error| error.to_string())?;
    let (_, certificate) = X509Certificate::from_der(own).map_err(|error| error.to_string())?;
    let names = certificate.subject_alternative_name().map_err(|error| error.to_string())?;
    let names = names.iter().flat_map(|names| &names.value.general_names);
    let names = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    Ok(names.collect())
}
