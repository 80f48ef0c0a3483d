//! The handshake: from a connection's bytes to a stream that is encrypted, and to who the client is.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::{Tls, identity};
use crate::call::Peer;
use crate::server::config::{LINGER, LINGER_MAX_BYTES};
use crate::server::listener::Serves;
use crate::server::socket::Stream;

/// What a client hears that speaks HTTP where TLS is spoken.
const PLAIN_HTTP: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\
    \r\nthis port speaks TLS: use https\r\n";

/// What is said of such a client.
pub(in crate::server) const SPEAKS_PLAIN_HTTP: &str = "the client speaks HTTP without TLS";

impl Tls {
    /// Shakes hands with a client within `timeout`, and finds out who it is.
    pub(in crate::server) async fn accept(
        &self,
        stream: Stream,
        peer: Peer,
        serves: Serves,
        timeout: Duration,
    ) -> io::Result<(Stream, Peer)> {
        let shaken = async {
            if begins_with_a_letter(&stream).await? {
                return refuse_plain_http(stream).await;
            }
            let accepted = TlsAcceptor::from(self.offered(serves)).accept(stream).await?;
            let (_, session) = accepted.get_ref();
            let mut peer = Peer { tls: true, ..peer };
            if let Some(certificates) = session.peer_certificates() {
                peer.identity = Some(Arc::new(identity::read(certificates)?));
            }
            Ok((Stream::Tls(Box::new(accepted)), peer))
        };
        match tokio::time::timeout(timeout, shaken).await {
            Ok(result) => result,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long")),
        }
    }
}

/// Whether the first byte is one of HTTP's: TLS has none that is a letter.
async fn begins_with_a_letter(stream: &Stream) -> io::Result<bool> {
    // Over a Unix socket nobody looks ahead; the client hears of it in the words of TLS.
    let Stream::Tcp(stream) = stream else { return Ok(false) };
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && first[0].is_ascii_alphabetic())
}

/// Says what is wrong, and reads on for a while: who closes on a client that is still sending resets the connection, and
/// is not heard.
async fn refuse_plain_http<T>(mut stream: Stream) -> io::Result<T> {
    stream.write_all(PLAIN_HTTP.as_bytes()).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(LINGER_MAX_BYTES as u64);
    let _ = tokio::time::timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
    Err(io::Error::new(io::ErrorKind::InvalidData, SPEAKS_PLAIN_HTTP))
}
