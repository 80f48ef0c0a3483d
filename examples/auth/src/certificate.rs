//! Reads client certificates: services are known by the SPIFFE ID in theirs.
//!
//! That a certificate is good, and that its key is the caller's, the handshake has found out before there was a call. What
//! is left is who that is here, and what they may do.

use std::collections::HashMap;

use ambidex::Status;
use ambidex::call::Call;
use ambidex::interceptor::Check;

use crate::principal::Principal;

/// The services that are known here, and their scopes.
#[derive(Debug, Clone, Default)]
pub struct Certificates(HashMap<String, Vec<String>>);

impl Certificates {
    /// Lets a service do what these scopes are for.
    #[must_use]
    pub fn allow(mut self, id: &str, scopes: &[&str]) -> Self {
        self.0.insert(id.to_owned(), scopes.iter().map(|&scope| scope.to_owned()).collect());
        self
    }
}

impl Check for Certificates {
    async fn check(&self, call: &mut Call) -> Result<(), Status> {
        let peer = call.context().peer();
        let identity = peer.identity.as_ref().and_then(|identity| identity.spiffe_id());
        let id = identity.ok_or_else(|| Status::unauthenticated("show a certificate with a SPIFFE ID"))?;
        // A good certificate says who somebody is. That we know them is another question.
        let scopes = self.0.get(id);
        let scopes = scopes.ok_or_else(|| Status::permission_denied("this service is not known here"))?;
        let service = Principal::service(id.to_owned(), scopes.clone());
        call.extensions.insert(service);
        Ok(())
    }
}
