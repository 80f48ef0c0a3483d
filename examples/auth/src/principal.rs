//! Who calls, once it is proved: what interceptors leave for the handler.

use ambidex::call::Call;

/// Who calls, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub subject: String,
    pub proof: Proof,
    pub scopes: Vec<String>,
}

/// How they have proved it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A user, by a token of the issuer.
    Token,
    /// A service, by the certificate of its connection.
    Certificate,
}

impl Principal {
    /// A user whose token says so.
    pub fn user(name: String, scopes: Vec<String>) -> Self {
        Self { subject: name, proof: Proof::Token, scopes }
    }

    /// A service that has shown a certificate.
    pub fn service(id: String, scopes: Vec<String>) -> Self {
        Self { subject: id, proof: Proof::Certificate, scopes }
    }
}

/// The name that calls are counted by.
pub fn subject(call: &Call) -> Option<String> {
    call.extensions.get::<Principal>().map(|principal| principal.subject.clone())
}
