//! A reply on its way out: the one shape between a handler and an edge.

use bytes::Bytes;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Status};

use super::{Body, Context};

/// What a handler answered. An error before the first message is no reply but a `Status`.
#[derive(Debug)]
pub struct Reply {
    /// Initial metadata.
    pub metadata: MetadataMap,
    /// The reply messages.
    pub body: Body,
    /// Trailing metadata, complete when the body has ended.
    pub trailers: Trailers,
    /// Typed values that travel from the handler's `Response` to the edge.
    pub extensions: Extensions,
}

impl Reply {
    /// A reply of one message without metadata.
    pub fn message(message: Bytes) -> Self {
        Self {
            metadata: MetadataMap::new(),
            body: Body::Message(message),
            trailers: Trailers::default(),
            extensions: Extensions::default(),
        }
    }
}

/// The trailing metadata of a reply. It can grow until the last message is out, so an edge takes it then.
#[derive(Debug, Default)]
pub struct Trailers {
    call: Option<Context>,
    /// Boxed, since a reply is moved on its way out and seldom has any.
    own: Option<Box<MetadataMap>>,
}

impl Trailers {
    /// Trailers that are already known.
    pub fn known(own: MetadataMap) -> Self {
        Self { call: None, own: (!own.is_empty()).then(|| Box::new(own)) }
    }

    pub(crate) fn of(call: Context) -> Self {
        Self { call: Some(call), own: None }
    }

    /// What there is now; a second call gets what came since.
    pub fn take(&mut self) -> MetadataMap {
        self.take_if_any().map_or_else(MetadataMap::new, |taken| *taken)
    }

    /// The same for who sees to it at every reply, of which most have none.
    pub(crate) fn take_if_any(&mut self) -> Option<Box<MetadataMap>> {
        let late = self.call.as_ref().and_then(Context::take_trailers);
        match (self.own.take(), late) {
            (Some(own), Some(late)) => {
                let mut headers = own.into_headers();
                headers.extend(late.into_headers());
                Some(Box::new(MetadataMap::from_headers(headers)))
            }
            (own, late) => own.or(late),
        }
    }

    /// The status of a reply that could not be sent after all, with what its handler had to say besides.
    pub(crate) fn along_with(&mut self, mut status: Status) -> Status {
        for (name, value) in self.take().as_ref() {
            status.metadata_mut().as_mut().append(name.clone(), value.clone());
        }
        status
    }
}
