//! What tonic's own server tells its services of a connection, for those among ours.

use http::Extensions;
use tonic::transport::server::Connected;

use super::socket::Stream;

/// By the types under which a service that was written for tonic looks for it: `TcpConnectInfo` or `UdsConnectInfo`, and
/// with TLS `TlsConnectInfo<TcpConnectInfo>` besides, which is where `Request::peer_certs` finds the certificates.
pub(super) fn of(stream: &Stream) -> Extensions {
    let mut known = Extensions::new();
    match stream {
        Stream::Tcp(stream) => {
            known.insert(stream.connect_info());
        }
        #[cfg(unix)]
        Stream::Unix(stream) => {
            known.insert(stream.connect_info());
        }
        #[cfg(feature = "tls")]
        Stream::Tls(stream) => {
            known = of(stream.get_ref().0);
            known.insert(stream.connect_info());
        }
    }
    known
}

/// What is below TLS. `Request::peer_certs` knows TCP alone, so a Unix socket is one without addresses there.
#[cfg(feature = "tls")]
impl Connected for Stream {
    type ConnectInfo = tonic::transport::server::TcpConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        match self {
            Self::Tcp(stream) => stream.connect_info(),
            _ => Self::ConnectInfo { local_addr: None, remote_addr: None },
        }
    }
}
