//! Media types, whose names are the same in capitals: RFC 9110, section 8.3.1.

/// What comes behind `prefix` in a media type that begins with it.
pub(crate) fn behind<'v>(media_type: &'v [u8], prefix: &[u8]) -> Option<&'v [u8]> {
    let (head, rest) = media_type.split_at_checked(prefix.len())?;
    // Capitals are rare, and types of one length differ in their last letter: `application/json` is told apart by it.
    let is_same = head == prefix
        || (head.last().map(u8::to_ascii_lowercase).as_ref() == prefix.last()
            && head.eq_ignore_ascii_case(prefix));
    is_same.then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::behind;

    #[test]
    fn capitals_make_no_difference() {
        for media_type in ["application/grpc+json", "Application/gRPC+json", "APPLICATION/GRPC+json"] {
            assert_eq!(behind(media_type.as_bytes(), b"application/grpc"), Some(&b"+json"[..]));
        }
        for other in ["application/json", "application/gr", "applicatiom/grpc", ""] {
            assert_eq!(behind(other.as_bytes(), b"application/grpc"), None, "{other}");
        }
    }
}
