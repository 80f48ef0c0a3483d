//! What a request of HTTP says of itself beside its call, for who tells of calls in HTTP's own words.
//!
//! It is kept only where somebody does, and until its call begins: nobody below an edge asks for it.

use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Uri, Version, header};

/// What a request of HTTP says of itself.
#[derive(Debug, Clone)]
pub(crate) struct HttpRequest {
    method: Method,
    uri: Uri,
    version: Version,
    /// Whom the client wanted to talk to.
    server: Option<Authority>,
    user_agent: Option<HeaderValue>,
}

impl HttpRequest {
    pub(crate) fn of(method: &Method, uri: &Uri, version: Version, headers: &HeaderMap) -> Box<Self> {
        let host = || headers.get(header::HOST)?.to_str().ok()?.parse().ok();
        Box::new(Self {
            method: method.clone(),
            uri: uri.clone(),
            version,
            server: uri.authority().cloned().or_else(host),
            user_agent: headers.get(header::USER_AGENT).cloned(),
        })
    }

    /// Its method, or `_OTHER` for one that a client has made up: there could be any number of them.
    pub(crate) fn method(&self) -> &str {
        if self.own_method().is_none() { self.method.as_str() } else { "_OTHER" }
    }

    /// The method that its client has made up.
    pub(crate) fn own_method(&self) -> Option<&str> {
        const KNOWN: [Method; 9] = [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::CONNECT,
            Method::OPTIONS,
            Method::TRACE,
            Method::PATCH,
        ];
        (!KNOWN.contains(&self.method)).then(|| self.method.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        self.uri.path()
    }

    /// The scheme, where the connection's own encryption is beyond doubt.
    pub(crate) fn scheme(&self, is_encrypted: bool) -> &str {
        if is_encrypted { "https" } else { self.uri.scheme_str().unwrap_or("http") }
    }

    pub(crate) fn version(&self) -> Option<&'static str> {
        match self.version {
            Version::HTTP_10 => Some("1.0"),
            Version::HTTP_11 => Some("1.1"),
            Version::HTTP_2 => Some("2"),
            _ => None,
        }
    }

    /// The host that its client called, without the brackets of an address of IPv6.
    pub(crate) fn host(&self) -> Option<&str> {
        let host = self.server.as_ref()?.host();
        Some(host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host))
    }

    pub(crate) fn port(&self) -> Option<u16> {
        self.server.as_ref()?.port_u16()
    }

    pub(crate) fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_ref()?.to_str().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, target: &str, host: &str) -> Box<HttpRequest> {
        let headers = [(header::HOST, HeaderValue::from_str(host).unwrap())].into_iter().collect();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        HttpRequest::of(&method, &target.parse().unwrap(), Version::HTTP_11, &headers)
    }

    #[test]
    fn who_was_called_is_in_the_target_or_in_the_host() {
        let of_target = request("GET", "http://a.example:8080/x", "b.example");
        assert_eq!((of_target.host(), of_target.port()), (Some("a.example"), Some(8080)));
        let of_host = request("GET", "/x", "[::1]:80");
        assert_eq!((of_host.host(), of_host.port()), (Some("::1"), Some(80)));
        assert_eq!(request("GET", "/x", "not a host").host(), None);
    }

    #[test]
    fn a_method_that_is_made_up_is_other() {
        let brew = request("BREW", "/x", "a");
        assert_eq!((brew.method(), brew.own_method()), ("_OTHER", Some("BREW")));
        let patch = request("PATCH", "/x", "a");
        assert_eq!((patch.method(), patch.own_method()), ("PATCH", None));
    }

    #[test]
    fn a_connection_that_is_encrypted_is_https_whatever_is_said() {
        let said = request("GET", "http://a/x", "a");
        assert_eq!((said.scheme(true), said.scheme(false)), ("https", "http"));
        assert_eq!(request("GET", "/x", "a").scheme(false), "http");
    }
}
