//! Who called: the far end of a connection, as far as the transport knows it.
//!
//! An edge hands it on and decides nothing by it, but for what a browser's page may do ([`Peer::tls`]). Who may call
//! what is an interceptor's business.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;

use http::Extensions;

/// Who called: the far end of the connection.
///
/// ```
/// use ambidex::{Request, RequestExt, Status};
///
/// fn caller<T>(request: &Request<T>) -> Result<String, Status> {
///     let identity = request.peer().identity.as_ref();
///     let name = identity.and_then(|identity| identity.spiffe_id().or(identity.common_name.as_deref()));
///     name.map(str::to_owned).ok_or_else(|| Status::unauthenticated("show a client certificate"))
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Peer {
    /// The caller's address; none for a call that came over a Unix socket, or over no socket.
    pub address: Option<SocketAddr>,
    /// The process at the other end of a Unix socket.
    pub unix: Option<UnixPeer>,
    /// Whether the connection is encrypted by TLS that ends in this server. Behind a proxy that ends it, it is not.
    pub tls: bool,
    /// Who the caller is by its client certificate, which this server has checked.
    pub identity: Option<Arc<PeerIdentity>>,
    /// The connection as tonic's own server would describe it, where somebody may ask.
    pub(crate) connection: Connection,
}

/// What is known of a connection, in types of those who want to know. It says nothing of who is at its other end.
#[derive(Clone, Default)]
pub(crate) struct Connection(Option<Arc<Extensions>>);

impl Connection {
    const UNKNOWN: Self = Self(None);

    pub(crate) fn new(known: Extensions) -> Self {
        Self(Some(Arc::new(known)))
    }

    pub(crate) fn known(&self) -> Option<&Extensions> {
        self.0.as_deref()
    }
}

/// As like as any other: callers are told apart by who they are.
impl PartialEq for Connection {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Connection {}

impl Hash for Connection {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

/// The process at the other end of a Unix socket, as the kernel knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct UnixPeer {
    /// The process; not every system tells.
    pub pid: Option<i32>,
    /// The user the process ran as when it connected.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// Who a caller is by the certificate it showed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct PeerIdentity {
    /// The certificates as they were shown, in DER: the caller's own first, then those that vouch for it.
    pub certificates: Vec<Vec<u8>>,
    /// The common name of the certificate's subject.
    pub common_name: Option<String>,
    /// The host names among its subject alternative names.
    pub dns_names: Vec<String>,
    /// The URIs among them.
    pub uris: Vec<String>,
    /// The mail addresses among them.
    pub emails: Vec<String>,
}

impl PeerIdentity {
    /// The caller's [SPIFFE ID](https://spiffe.io/docs/latest/spiffe-about/spiffe-concepts/): the one URI of its
    /// certificate, if it is one. A certificate with several URIs has none, as the standard wants it.
    pub fn spiffe_id(&self) -> Option<&str> {
        match self.uris.as_slice() {
            [id] if id.starts_with("spiffe://") => Some(id),
            _ => None,
        }
    }
}

impl Peer {
    /// The far end of a TCP connection.
    pub const fn socket(address: SocketAddr) -> Self {
        let address = Some(address);
        Self { address, unix: None, tls: false, identity: None, connection: Connection::UNKNOWN }
    }

    /// The far end of a Unix socket.
    pub const fn unix(pid: Option<i32>, uid: u32, gid: u32) -> Self {
        let unix = Some(UnixPeer { pid, uid, gid });
        Self { address: None, unix, tls: false, identity: None, connection: Connection::UNKNOWN }
    }

    /// A caller in the same process.
    pub const fn local() -> Self {
        Self { address: None, unix: None, tls: false, identity: None, connection: Connection::UNKNOWN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spiffe_id_is_the_only_uri() {
        let with = |uris: &[&str]| PeerIdentity {
            uris: uris.iter().map(|&uri| uri.to_owned()).collect(),
            ..PeerIdentity::default()
        };
        assert_eq!(with(&["spiffe://a.example/shop"]).spiffe_id(), Some("spiffe://a.example/shop"));
        assert_eq!(with(&["https://a.example"]).spiffe_id(), None);
        assert_eq!(with(&["spiffe://a.example/shop", "spiffe://b.example/shop"]).spiffe_id(), None);
        assert_eq!(with(&[]).spiffe_id(), None);
    }
}
