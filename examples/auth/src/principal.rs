//! Who calls, once it is proved: what interceptors leave for the handler.

use ambidex::call::Call;

/// Who calls, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub subject: String,
    pub scopes: Vec<String>,
}

/// The name that calls are counted by.
pub fn subject(call: &Call) -> Option<String> {
    call.extensions.get::<Principal>().map(|principal| principal.subject.clone())
}
