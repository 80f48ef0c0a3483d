//! Which headers of a gRPC request are the caller's metadata, and which are the protocol's.

use tonic::metadata::MetadataMap;

/// The caller's metadata: what the protocol itself says in headers stays behind.
pub(super) fn incoming(metadata: MetadataMap) -> MetadataMap {
    let mut headers = metadata.into_headers();
    for name in ["te", "content-type", "grpc-timeout", "grpc-encoding", "grpc-accept-encoding"] {
        headers.remove(name);
    }
    // The `grpc-` prefix is the protocol's: a name of it that we do not know is not the caller's either.
    let reserved: Vec<_> =
        headers.keys().filter(|name| name.as_str().starts_with("grpc-")).cloned().collect();
    for name in reserved {
        headers.remove(name);
    }
    MetadataMap::from_headers(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_do_not_reach_the_handler() {
        let mut metadata = MetadataMap::new();
        for name in ["te", "content-type", "grpc-timeout", "grpc-tags-bin-x", "x-request-id", "user-agent"] {
            metadata.insert(name, "value".parse().expect("a value"));
        }
        let metadata = incoming(metadata).into_headers();
        let mut left: Vec<_> = metadata.keys().map(|name| name.as_str()).collect();
        left.sort_unstable();
        assert_eq!(left, ["user-agent", "x-request-id"]);
    }
}
