//! Who a client is by the certificate it showed.
//!
//! That the certificate is good, the handshake has found out; here its names are read.

use std::io;

use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::call::PeerIdentity;

/// Reads the names of the first certificate, which is the client's own.
///
/// # Errors
///
/// When they cannot be read. Who may do what is decided by them, so nobody should be anybody without them.
pub(super) fn read(certificates: &[CertificateDer<'_>]) -> io::Result<PeerIdentity> {
    let unreadable = |why: &dyn std::fmt::Display| {
        io::Error::new(io::ErrorKind::InvalidData, format!("the client's certificate cannot be read: {why}"))
    };
    let own = certificates.first().ok_or_else(|| unreadable(&"there is none"))?;
    let (_, certificate) = X509Certificate::from_der(own).map_err(|error| unreadable(&error))?;
    let mut identity = PeerIdentity {
        certificates: certificates.iter().map(|certificate| certificate.to_vec()).collect(),
        ..PeerIdentity::default()
    };
    let common_name = certificate.subject().iter_common_name().next();
    identity.common_name = common_name.and_then(|name| name.as_str().ok()).map(str::to_owned);
    let names = certificate.subject_alternative_name().map_err(|error| unreadable(&error))?;
    for name in names.iter().flat_map(|names| &names.value.general_names) {
        match name {
            GeneralName::DNSName(name) => identity.dns_names.push((*name).to_owned()),
            GeneralName::URI(uri) => identity.uris.push((*uri).to_owned()),
            GeneralName::RFC822Name(email) => identity.emails.push((*email).to_owned()),
            // Addresses and the like are in the certificate for whoever wants them.
            _ => {}
        }
    }
    Ok(identity)
}
