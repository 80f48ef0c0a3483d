//! The HTTP method of a rule.

use std::fmt;

/// Which requests a binding takes, by their HTTP method.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HttpVerb {
    /// `get`
    Get,
    /// `put`
    Put,
    /// `post`
    Post,
    /// `delete`
    Delete,
    /// `patch`
    Patch,
    /// `custom` with a method of its own, such as `HEAD`.
    Custom(String),
    /// `custom` with the kind `*`: every method for which there is no route of its own.
    Any,
}

impl HttpVerb {
    /// The method as a request line spells it; `*` for [`Any`](Self::Any).
    pub fn as_str(&self) -> &str {
        match self {
            HttpVerb::Get => "GET",
            HttpVerb::Put => "PUT",
            HttpVerb::Post => "POST",
            HttpVerb::Delete => "DELETE",
            HttpVerb::Patch => "PATCH",
            HttpVerb::Custom(kind) => kind,
            HttpVerb::Any => "*",
        }
    }

    /// Whether a request line with this method spells the verb. As comparing with [`as_str`](Self::as_str), but each
    /// with what is known of it.
    #[inline]
    pub(crate) fn is(&self, method: &str) -> bool {
        match self {
            HttpVerb::Get => method == "GET",
            HttpVerb::Put => method == "PUT",
            HttpVerb::Post => method == "POST",
            HttpVerb::Delete => method == "DELETE",
            HttpVerb::Patch => method == "PATCH",
            HttpVerb::Custom(kind) => method == kind,
            HttpVerb::Any => method == "*",
        }
    }

    /// The verb of a `custom` pattern. One that names a standard method is that method, so that two ways of
    /// writing the same route are found to conflict.
    pub fn from_custom_kind(kind: &str) -> Self {
        match kind {
            "GET" => HttpVerb::Get,
            "PUT" => HttpVerb::Put,
            "POST" => HttpVerb::Post,
            "DELETE" => HttpVerb::Delete,
            "PATCH" => HttpVerb::Patch,
            "*" => HttpVerb::Any,
            other => HttpVerb::Custom(other.to_owned()),
        }
    }
}

impl fmt::Display for HttpVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
