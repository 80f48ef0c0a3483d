//! Asks whether a caller may do what they ask for.

use ambidex::Status;
use ambidex::call::Call;
use ambidex::interceptor::Check;

use crate::bearer::challenged;
use crate::principal::Principal;

/// Lets in whose token has this scope. Comes after the token was read.
pub struct Permission(pub &'static str);

impl Check for Permission {
    async fn check(&self, call: &mut Call) -> Result<(), Status> {
        let scope = self.0;
        // Without a principal the interceptors are put together wrongly, and nobody may do anything.
        let principal = call.extensions.get::<Principal>();
        if principal.is_some_and(|principal| principal.scopes.iter().any(|own| own == scope)) {
            return Ok(());
        }
        let status = Status::permission_denied(format!("this takes a token with the scope {scope}"));
        Err(challenged(
            status,
            &format!("Bearer realm=\"notes\", error=\"insufficient_scope\", scope=\"{scope}\""),
        ))
    }
}
