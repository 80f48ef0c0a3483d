//! Why the server ends a connection: the reasons of our own, and what hyper and h2 say of theirs.

use std::error::Error;
use std::{fmt, io};

use crate::call::Peer;
use crate::telemetry::{Closing, Door, Reason, Refusals, Refused};

/// Why a connection is cut by what watches it. Its words go through h2, which keeps nothing else of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    SlowHead,
    SlowPreface,
    Pings,
    Frames,
    ReplyStalled,
    OutOfTime,
}

impl Cut {
    const ALL: [Self; 6] =
        [Self::SlowHead, Self::SlowPreface, Self::Pings, Self::Frames, Self::ReplyStalled, Self::OutOfTime];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::SlowHead => "the head of a request took too long to come",
            Self::SlowPreface => "the first bytes of a connection took too long to come",
            // gRPC's clients know this one, and ask less often.
            Self::Pings => "too_many_pings",
            Self::Frames => "too_many_control_frames",
            Self::ReplyStalled => "the client reads nothing",
            Self::OutOfTime => "its calls took too long to end",
        }
    }

    pub(super) fn error(self, kind: io::ErrorKind) -> io::Error {
        io::Error::new(kind, self)
    }

    const fn closing(self) -> Closing {
        match self {
            Self::SlowHead | Self::SlowPreface => Closing::SlowHead,
            Self::Pings | Self::Frames => Closing::Flood,
            Self::ReplyStalled => Closing::ReplyStalled,
            Self::OutOfTime => Closing::OutOfTime,
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Error for Cut {}

/// Why the server ended a connection that ended with this error; nothing if it was its client, or the network, that did.
pub(super) fn why(error: &(dyn Error + 'static)) -> Option<Closing> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(cut) = error.downcast_ref::<Cut>() {
            return Some(cut.closing());
        }
        if let Some(found) = error.downcast_ref().and_then(of_hyper) {
            return Some(found);
        }
        if let Some(found) = error.downcast_ref().and_then(of_h2) {
            return Some(found);
        }
        if let Some(found) = error.downcast_ref().and_then(of_io) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn of_hyper(error: &hyper::Error) -> Option<Closing> {
    if error.is_parse_too_large() {
        return Some(Closing::HeadTooLarge);
    }
    if error.is_parse() {
        return Some(Closing::Malformed);
    }
    // Nobody answers its pings. The clock of heads is ours.
    error.is_timeout().then_some(Closing::Silent)
}

fn of_h2(error: &h2::Error) -> Option<Closing> {
    if let Some(error) = error.get_io() {
        return of_io(error);
    }
    // What the client says of itself is its own affair.
    if error.is_remote() || !error.is_go_away() {
        return None;
    }
    match error.reason() {
        Some(h2::Reason::ENHANCE_YOUR_CALM) => Some(Closing::Flood),
        Some(h2::Reason::NO_ERROR) => None,
        _ => Some(Closing::ProtocolError),
    }
}

fn of_io(error: &io::Error) -> Option<Closing> {
    let said = error.to_string();
    Cut::ALL.into_iter().find(|cut| cut.as_str() == said).map(Cut::closing)
}

/// Why a handshake did not come to its end. Only a server's fault or a client's is worth a word: one that leaves may be a
/// balancer that looks whether somebody listens.
#[cfg(feature = "tls")]
pub(super) fn of_handshake(error: &io::Error) -> Option<Closing> {
    use tokio_rustls::rustls::Error as Tls;

    use super::tls::SPEAKS_PLAIN_HTTP;

    if error.kind() == io::ErrorKind::TimedOut {
        return Some(Closing::TlsTimeout);
    }
    if error.to_string() == SPEAKS_PLAIN_HTTP {
        return Some(Closing::PlainHttp);
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(Tls::NoCertificatesPresented | Tls::InvalidCertificate(_)) => {
            Some(Closing::TlsClientCertificate)
        }
        Some(_) => Some(Closing::TlsHandshake),
        None => (error.kind() == io::ErrorKind::InvalidData).then_some(Closing::TlsHandshake),
    }
}

/// Without the feature nobody shakes hands.
#[cfg(not(feature = "tls"))]
pub(super) fn of_handshake(_: &io::Error) -> Option<Closing> {
    Some(Closing::TlsTimeout)
}

/// Notes a request whose head nobody could read: hyper has refused it.
pub(super) fn note_head(refusals: &Refusals, why: Closing, peer: &Peer) {
    let reason = match why {
        Closing::HeadTooLarge => Reason::HeadTooLarge,
        Closing::Malformed => Reason::Malformed,
        _ => return,
    };
    refusals.note(Refused { door: Door::Http, reason, target: None, peer });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_known_by_its_words_wherever_it_went_through() {
        for cut in Cut::ALL {
            assert_eq!(why(&cut), Some(cut.closing()));
            assert_eq!(why(&cut.error(io::ErrorKind::TimedOut)), Some(cut.closing()));
            // As h2 keeps it.
            assert_eq!(why(&io::Error::other(cut.to_string())), Some(cut.closing()));
        }
        assert_eq!(why(&io::Error::from(io::ErrorKind::ConnectionReset)), None);
        assert_eq!(why(&io::Error::from(io::ErrorKind::TimedOut)), None);
    }
}
