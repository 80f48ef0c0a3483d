//! Metadata as headers of a response: initial metadata under their own names, trailing metadata with the prefix
//! `trailer-`, which is Connect's way for replies of one message.

use http::{HeaderMap, HeaderName, header};
use tonic::metadata::MetadataMap;

use crate::call::{self, HttpResponse};

/// Adds initial metadata to the headers of a response.
#[inline]
pub(super) fn push(metadata: MetadataMap, headers: &mut HeaderMap) {
    if !metadata.is_empty() {
        push_all(metadata, headers);
    }
}

#[inline(never)]
fn push_all(metadata: MetadataMap, headers: &mut HeaderMap) {
    let metadata = call::outgoing_metadata(metadata);
    for (name, value) in &metadata {
        headers.append(name.clone(), value.clone());
    }
}

/// Adds the headers a handler chose for HTTP alone. What an answer has one of, such as its type, is replaced.
#[inline(never)]
pub(super) fn push_own(own: &HttpResponse, headers: &mut HeaderMap) {
    for (name, value) in own.headers() {
        if *name == header::CONTENT_TYPE {
            headers.insert(name.clone(), value.clone());
        } else {
            headers.append(name.clone(), value.clone());
        }
    }
}

/// Adds trailing metadata to the headers of a response of one message.
#[inline(never)]
pub(super) fn push_trailers(metadata: MetadataMap, headers: &mut HeaderMap) {
    if metadata.is_empty() {
        return;
    }
    let metadata = call::outgoing_metadata(metadata);
    for (name, value) in &metadata {
        if let Ok(name) = HeaderName::try_from(format!("trailer-{name}")) {
            headers.append(name, value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_values_of_one_name_all_go_out() {
        let mut metadata = MetadataMap::new();
        metadata.append("x-part", "1".parse().expect("a value"));
        metadata.append("x-part", "2".parse().expect("a value"));
        let mut headers = HeaderMap::new();
        push(metadata.clone(), &mut headers);
        push_trailers(metadata, &mut headers);
        assert_eq!(headers.get_all("x-part").iter().count(), 2);
        assert_eq!(headers.get_all("trailer-x-part").iter().count(), 2);
    }
}
