//! Headers ↔ metadata.
//!
//! Coming in, every header is metadata but those of the connection and of the protocol itself; a name that
//! ends in `-bin` has its value as base64, as in gRPC. Going out, initial metadata become headers and
//! trailing metadata headers with the prefix `trailer-`, Connect's way for replies of one message.

use http::{HeaderMap, HeaderName};
use tonic::metadata::MetadataMap;

/// Headers that speak of the connection or the representation, not of the call.
const NOT_METADATA: &[&str] = &[
    "accept",
    "accept-encoding",
    "connect-protocol-version",
    "connect-timeout-ms",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

fn is_metadata(name: &HeaderName) -> bool {
    let name = name.as_str();
    !name.starts_with("grpc-") && NOT_METADATA.binary_search(&name).is_err()
}

/// The metadata of a request.
pub(super) fn incoming(mut headers: HeaderMap) -> MetadataMap {
    let foreign: Vec<_> = headers.keys().filter(|name| !is_metadata(name)).cloned().collect();
    for name in foreign {
        headers.remove(name);
    }
    MetadataMap::from_headers(headers)
}

/// Adds initial metadata to the headers of a response.
pub(super) fn outgoing(metadata: MetadataMap, headers: &mut HeaderMap) {
    let mut last = None;
    for (name, value) in metadata.into_headers() {
        last = name.or(last);
        let Some(name) = &last else { continue };
        if is_metadata(name) || name.as_str() == "grpc-retry-pushback-ms" {
            headers.append(name.clone(), value);
        }
    }
}

/// Adds trailing metadata to the headers of a response of one message.
pub(super) fn outgoing_trailers(metadata: MetadataMap, headers: &mut HeaderMap) {
    let mut last = None;
    for (name, value) in metadata.into_headers() {
        if let Some(name) = name {
            last = HeaderName::try_from(format!("trailer-{name}")).ok().filter(|_| is_metadata(&name));
        }
        if let Some(name) = &last {
            headers.append(name.clone(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_for_the_search() {
        assert!(NOT_METADATA.is_sorted());
    }

    #[test]
    fn all_but_the_connections_and_the_protocols_headers_come_in() {
        let mut headers = HeaderMap::new();
        for name in ["host", "content-type", "grpc-timeout", "x-tenant", "authorization", "trace-bin"] {
            headers.append(name, "value".parse().expect("a value"));
        }
        let metadata = incoming(headers).into_headers();
        let mut left: Vec<_> = metadata.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "trace-bin", "x-tenant"]);
    }

    #[test]
    fn several_values_of_one_name_all_go_out() {
        let mut metadata = MetadataMap::new();
        metadata.append("x-part", "1".parse().expect("a value"));
        metadata.append("x-part", "2".parse().expect("a value"));
        let mut headers = HeaderMap::new();
        outgoing(metadata.clone(), &mut headers);
        outgoing_trailers(metadata, &mut headers);
        assert_eq!(headers.get_all("x-part").iter().count(), 2);
        assert_eq!(headers.get_all("trailer-x-part").iter().count(), 2);
    }
}
