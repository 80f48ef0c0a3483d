//! Asks whether a caller may do what they ask for.

use ambidex::Status;
use ambidex::call::Call;
use ambidex::interceptor::Check;

use crate::bearer::challenged;
use crate::principal::{Principal, Proof};

/// Lets in who has this scope, by a token or by name. Comes after it was found out who calls.
pub struct Permission(pub &'static str);

impl Check for Permission {
    async fn check(&self, call: &mut Call) -> Result<(), Status> {
        let scope = self.0;
        // Without a principal the interceptors are put together wrongly, and nobody may do anything.
        let principal = call.extensions.get::<Principal>();
        if principal.is_some_and(|principal| principal.scopes.iter().any(|own| own == scope)) {
            return Ok(());
        }
        if principal.is_some_and(|principal| principal.proof == Proof::Certificate) {
            // No token would help: what a service may do is said here.
            return Err(Status::permission_denied(format!("this service does not have the scope {scope}")));
        }
        let status = Status::permission_denied(format!("this takes a token with the scope {scope}"));
        Err(challenged(
            status,
            &format!("Bearer realm=\"notes\", error=\"insufficient_scope\", scope=\"{scope}\""),
        ))
    }
}
