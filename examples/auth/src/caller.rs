//! Who calls: the user whose token was sent, or else the service that the connection belongs to.

use ambidex::Status;
use ambidex::call::Call;
use ambidex::interceptor::Check;

use crate::bearer::Bearer;
use crate::certificate::Certificates;

/// Lets in who proves who they are, and leaves a `Principal` for whoever asks later.
///
/// A token that was sent is what counts, also where there is a certificate: a gateway has one, and calls for its users.
/// So one that is bad is refused, whoever has sent it.
pub struct Caller {
    bearer: Bearer,
    certificates: Certificates,
}

impl Caller {
    pub fn new(bearer: Bearer, certificates: Certificates) -> Self {
        Self { bearer, certificates }
    }
}

impl Check for Caller {
    async fn check(&self, call: &mut Call) -> Result<(), Status> {
        let has_certificate = call.context().peer().identity.is_some();
        if has_certificate && !call.metadata.contains_key("authorization") {
            return self.certificates.check(call).await;
        }
        // Who has neither is told to send a token.
        self.bearer.check(call).await
    }
}
