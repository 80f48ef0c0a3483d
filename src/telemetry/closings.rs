//! Connections that the server ends because of what their client does, counted by the reason.
//!
//! Clients come and go, and servers stop: none of that is counted here. What is here, an operator may have to do something
//! about.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a connection is ended that its client would have gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    TlsHandshake,
    TlsClientCertificate,
    TlsTimeout,
    PlainHttp,
    SlowHead,
    HeadTooLarge,
    Malformed,
    Flood,
    ProtocolError,
    Silent,
    ReplyStalled,
    OutOfTime,
}

impl Closing {
    const ALL: [Self; 12] = [
        Self::TlsHandshake,
        Self::TlsClientCertificate,
        Self::TlsTimeout,
        Self::PlainHttp,
        Self::SlowHead,
        Self::HeadTooLarge,
        Self::Malformed,
        Self::Flood,
        Self::ProtocolError,
        Self::Silent,
        Self::ReplyStalled,
        Self::OutOfTime,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::TlsHandshake => "tls_handshake",
            Self::TlsClientCertificate => "tls_client_certificate",
            Self::TlsTimeout => "tls_timeout",
            Self::PlainHttp => "plain_http",
            Self::SlowHead => "slow_head",
            Self::HeadTooLarge => "head_too_large",
            Self::Malformed => "malformed",
            Self::Flood => "flood",
            Self::ProtocolError => "protocol_error",
            Self::Silent => "silent",
            Self::ReplyStalled => "reply_stalled",
            Self::OutOfTime => "out_of_time",
        }
    }
}

/// Connections that were ended because of what their client did, for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClosedConnections {
    /// `tls_handshake`, `slow_head`, and so on.
    pub reason: &'static str,
    /// How many there were.
    pub count: u64,
}

/// How many connections were ended.
#[derive(Debug, Default)]
pub(super) struct ClosingCounts([AtomicU64; Closing::ALL.len()]);

impl ClosingCounts {
    pub(super) fn add(&self, why: Closing) {
        self.0[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Those that there were.
    pub(super) fn read(&self) -> Vec<ClosedConnections> {
        let counted = Closing::ALL.into_iter().map(|why| ClosedConnections {
            reason: why.as_str(),
            count: self.0[why as usize].load(Ordering::Relaxed),
        });
        counted.filter(|closed| closed.count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_a_series_of_its_own() {
        let counts = ClosingCounts::default();
        Closing::ALL.into_iter().for_each(|why| counts.add(why));
        let reasons: std::collections::BTreeSet<_> = counts.read().iter().map(|it| it.reason).collect();
        assert_eq!(reasons.len(), Closing::ALL.len());
        assert!(counts.read().iter().all(|closed| closed.count == 1));
    }
}
