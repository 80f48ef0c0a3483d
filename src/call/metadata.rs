//! Which headers are metadata of a call, the same for every edge and both ways.
//!
//! Everything is, but what speaks of the connection, of the representation or of a protocol itself. A name that
//! ends in `-bin` has bytes as its value, in base64; several values may come in one header, by comma.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use tonic::metadata::MetadataMap;

/// How long a refused caller should wait, which gRPC spells in metadata.
pub(crate) const RETRY_PUSHBACK_MS: &str = "grpc-retry-pushback-ms";

/// Whether a header is metadata.
pub(crate) fn is_metadata(name: &HeaderName) -> bool {
    let name = name.as_str();
    // The prefix is the protocol's: a name of it that we do not know is not the caller's either.
    if name.starts_with("grpc-") {
        return name == RETRY_PUSHBACK_MS;
    }
    if name.starts_with("connect-") {
        return false;
    }
    !matches!(
        name,
        "accept"
            | "accept-encoding"
            | "accept-patch"
            | "accept-post"
            | "allow"
            | "connection"
            | "content-encoding"
            | "content-length"
            | "content-type"
            | "expect"
            | "host"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authentication-info"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "x-server-timeout"
    ) && !name.starts_with("sec-websocket-")
}

/// The first value of a header. Where there are few, a look at each of them costs less than a hash.
pub(crate) fn first<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    const FEW: usize = 8;
    if headers.len() > FEW {
        return headers.get(name);
    }
    headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// The metadata among the headers of a request.
pub(crate) fn incoming(mut headers: HeaderMap) -> MetadataMap {
    // Taken out of the map rather than picked into another: most are metadata, or few there are.
    let mut of_connection = Vec::new();
    remove_all(&mut headers, |name, value| {
        let is_unwanted = !is_metadata(name) || name == RETRY_PUSHBACK_MS;
        if is_unwanted && *name == header::CONNECTION && !is_usual_option(value.as_bytes()) {
            read_options(value, &mut of_connection);
        }
        is_unwanted
    });
    for name in of_connection {
        headers.remove(name);
    }
    split_binary(&mut headers);
    MetadataMap::from_headers(headers)
}

/// Whether this is one of the options of a connection that are no header's name.
fn is_usual_option(option: &[u8]) -> bool {
    ["keep-alive", "close", "upgrade"].iter().any(|usual| option.eq_ignore_ascii_case(usual.as_bytes()))
}

/// The headers that were for this connection alone, as its options name them (RFC 9110, section 7.6.1).
#[cold]
fn read_options(value: &HeaderValue, names: &mut Vec<HeaderName>) {
    let options = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let options = options.filter(|option| !is_usual_option(option));
    names.extend(options.filter_map(|option| HeaderName::from_bytes(option).ok()));
}

/// Removes the headers that are `unwanted`.
fn remove_all(headers: &mut HeaderMap, mut unwanted: impl FnMut(&HeaderName, &HeaderValue) -> bool) {
    const AT_ONCE: usize = 8;
    loop {
        let mut found: [Option<HeaderName>; AT_ONCE] = [const { None }; AT_ONCE];
        let names =
            headers.iter().filter(|(name, value)| unwanted(name, value)).map(|(name, _)| name.clone());
        let count = found.iter_mut().zip(names).map(|(slot, name)| *slot = Some(name)).count();
        for name in found.into_iter().flatten() {
            headers.remove(name);
        }
        if count < AT_ONCE {
            return;
        }
    }
}

/// The metadata that may go out.
pub(crate) fn outgoing(metadata: MetadataMap) -> HeaderMap {
    let mut headers = metadata.into_headers();
    if !headers.is_empty() {
        remove_all(&mut headers, |name, _| !is_metadata(name));
    }
    headers
}

/// Parts the values of `-bin` headers that came joined by commas.
fn split_binary(headers: &mut HeaderMap) {
    let mut joined: Vec<_> = headers
        .iter()
        .filter(|(name, value)| name.as_str().ends_with("-bin") && value.as_bytes().contains(&b','))
        .map(|(name, _)| name.clone())
        .collect();
    // The values of one name come one after another, and are parted all at once.
    joined.dedup();
    for name in joined {
        let values: Vec<_> = headers.get_all(&name).iter().cloned().collect();
        headers.remove(&name);
        for part in values.iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b',')) {
            if let Ok(part) = HeaderValue::from_bytes(part.trim_ascii()) {
                headers.append(name.clone(), part);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn all_but_the_connections_and_the_protocols_headers_come_in() {
        let sent = headers(&[
            ("host", "h"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("content-length", "3"),
            ("grpc-timeout", "1S"),
            ("grpc-whatever", "x"),
            ("x-tenant", "a"),
            ("authorization", "b"),
        ]);
        let metadata = incoming(sent).into_headers();
        let mut left: Vec<_> = metadata.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "x-tenant"]);
    }

    #[test]
    fn however_many_headers_are_the_protocols_they_go() {
        let mut sent = HeaderMap::new();
        for number in 0..50 {
            let name = if number % 2 == 0 { format!("grpc-x-{number}") } else { format!("x-{number}") };
            sent.append(HeaderName::try_from(name).expect("a name"), HeaderValue::from_static("1"));
        }
        assert_eq!(incoming(sent).len(), 25);
    }

    #[test]
    fn binary_values_joined_by_commas_are_several() {
        let metadata = incoming(headers(&[("trace-bin", "AP8,AQI"), ("trace-bin", "AQ==")]));
        let values = metadata.get_all_bin("trace-bin").iter().map(|value| value.to_bytes().expect("base64"));
        let values: Vec<_> = values.collect();
        assert_eq!(values, [&[0, 255][..], &[1, 2], &[1]]);
    }

    #[test]
    fn what_is_for_one_connection_alone_does_not_come_in() {
        let sent = headers(&[
            ("connection", "keep-alive"),
            ("x-kept", "1"),
            ("connection", "X-Hop , close,,x-other, not a name"),
            ("x-hop", "2"),
            ("x-hop", "3"),
            ("x-other", "4"),
            ("proxy-authorization", "Basic eA=="),
            ("proxy-authenticate", "Basic"),
        ]);
        let metadata = incoming(sent);
        assert_eq!(metadata.into_headers().keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-kept"]);
    }

    #[test]
    fn what_a_handler_echoes_blindly_does_not_break_the_reply() {
        let metadata =
            MetadataMap::from_headers(headers(&[("content-length", "7"), ("x-a", "1"), ("x-a", "2")]));
        let headers = outgoing(metadata);
        assert_eq!(headers.get("content-length"), None);
        assert_eq!(headers.get_all("x-a").iter().count(), 2);
    }
}
