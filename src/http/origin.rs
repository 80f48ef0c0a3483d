//! Which pages may call: a browser sends its user's cookies along, whoever asks it to.
//!
//! For most calls a browser asks first (CORS). Two kinds it does not ask for: a WebSocket, and a request that a form
//! could have sent. So those are looked at here. Who sends no `Origin` is no browser, and could claim any.

use http::{HeaderValue, Method, Uri};
use tonic::Status;

use super::heads::Heads;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// No page, or one of this very server.
    Own,
    /// A page of another origin that the server allows.
    Allowed,
    Foreign,
}

impl Origin {
    /// `target` has the authority of an HTTP/2 request. Where TLS ends here, a page that came without it is another's: who
    /// wrote it need not be who it says. Where it does not, a proxy may have ended it, and the scheme says nothing.
    pub(super) fn of(heads: &Heads<'_>, target: &Uri, allowed: &[String], tls: bool) -> Self {
        let Some(origin) = heads.origin else { return Self::Own };
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_ascii_lowercase();
        let origin = text(origin);
        if allowed.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(&origin)) {
            return Self::Allowed;
        }
        let host =
            heads.host.map(text).or_else(|| target.authority().map(|host| host.as_str().to_lowercase()));
        let Ok(page) = origin.parse::<Uri>() else { return Self::Foreign };
        if tls && page.scheme_str() != Some("https") {
            return Self::Foreign;
        }
        let of_page = page.authority().map(|authority| authority.as_str().to_owned());
        if host.is_some() && of_page == host { Self::Own } else { Self::Foreign }
    }
}

/// Refuses what a form of a foreign page could have sent without the browser asking anybody.
pub(super) fn check_form(
    method: &Method,
    heads: &Heads<'_>,
    target: &Uri,
    allowed: &[String],
    tls: bool,
) -> Result<(), Status> {
    if heads.origin.is_none() || method.is_safe() {
        return Ok(());
    }
    if Origin::of(heads, target, allowed, tls) != Origin::Foreign {
        return Ok(());
    }
    let content_type = heads.content_type.map(|value| value.to_str().unwrap_or_default());
    // About any other the browser has asked.
    match content_type.map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()) {
        Some(other) if !FORM_TYPES.contains(&&*other) => Ok(()),
        _ => Err(Status::permission_denied(
            "a page of this origin may not call here as a form does: send a Content-Type",
        )),
    }
}

/// What a form can send: [Fetch](https://fetch.spec.whatwg.org/#cors-safelisted-request-header) names them.
const FORM_TYPES: [&str; 4] = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain", ""];

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderName};

    fn heads(pairs: &[(&'static str, &'static str)]) -> Heads<'static> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        Heads::of(Box::leak(Box::new(HeaderMap::from_iter(pairs))))
    }

    fn allowed() -> [String; 1] {
        ["https://trusted.example".to_owned()]
    }

    #[test]
    fn pages_of_other_origins_are_told_from_the_servers_own() {
        let cases = [
            (&[("host", "a.example")][..], Origin::Own),
            (&[("host", "a.example"), ("origin", "https://a.example")], Origin::Own),
            (&[("host", "A.example:8080"), ("origin", "http://a.example:8080")], Origin::Own),
            (&[("host", "a.example"), ("origin", "https://evil.example")], Origin::Foreign),
            (&[("host", "a.example"), ("origin", "https://trusted.example")], Origin::Allowed),
            (&[("host", "a.example"), ("origin", "null")], Origin::Foreign),
            (&[("origin", "null")], Origin::Foreign),
        ];
        for (pairs, expected) in cases {
            let origin = Origin::of(&heads(pairs), &Uri::from_static("/"), &allowed(), false);
            assert_eq!(origin, expected, "{pairs:?}");
        }
        let target = Uri::from_static("http://a.example/x");
        let own = heads(&[("origin", "http://a.example")]);
        assert_eq!(Origin::of(&own, &target, &allowed(), false), Origin::Own);
    }

    #[test]
    fn over_tls_a_page_without_it_is_anothers() {
        let of = |origin| {
            let heads = heads(&[("host", "a.example"), ("origin", origin)]);
            Origin::of(&heads, &Uri::from_static("/"), &allowed(), true)
        };
        assert_eq!(of("https://a.example"), Origin::Own);
        assert_eq!(of("http://a.example"), Origin::Foreign);
        assert_eq!(of("https://trusted.example"), Origin::Allowed);
    }

    #[test]
    fn what_a_form_could_send_is_refused_from_foreign_pages() {
        let check = |method, pairs: &[(&'static str, &'static str)]| {
            check_form(&method, &heads(pairs), &Uri::from_static("/"), &allowed(), false).is_ok()
        };
        let evil = ("origin", "https://evil.example");
        assert!(!check(Method::POST, &[evil]));
        assert!(!check(Method::POST, &[evil, ("content-type", "text/plain")]));
        assert!(!check(Method::POST, &[evil, ("content-type", "application/x-www-form-urlencoded")]));
        assert!(check(Method::POST, &[evil, ("content-type", "application/json")]));
        assert!(check(Method::GET, &[evil]));
        assert!(check(Method::POST, &[]));
        assert!(check(Method::POST, &[("origin", "https://trusted.example")]));
    }
}
