//! A call on its way in: the one shape between an edge and a handler.

use std::sync::LazyLock;

use http::HeaderMap;
use tonic::Extensions;
use tonic::metadata::MetadataMap;

use super::{
    Body, CancelReason, Context, Deadline, HttpRoute, MethodSpec, Peer, Protocol, ServerState, Share, Spread,
    incoming_metadata,
};

/// A call on its way from an edge, through the interceptors, to its handler.
///
/// An interceptor may read and change the metadata, add typed values to the extensions (the handler finds
/// them on its `Request`), replace the body, or answer without calling on.
#[derive(Debug)]
pub struct Call {
    context: Context,
    /// Request metadata: the headers of the wire without those of the protocol itself.
    pub metadata: MetadataMap,
    /// Typed values that travel with the call to the handler's `Request`.
    pub extensions: Extensions,
    /// The request messages.
    pub body: Body,
}

/// What an edge says of a call it has just read the head of.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: &'static MethodSpec,
    pub(crate) protocol: Protocol,
    pub(crate) peer: Peer,
    pub(crate) deadline: Option<Deadline>,
    pub(crate) entrance: Share<Entrance>,
}

/// Where calls come in: what they know of it they have in common.
#[derive(Debug, Default)]
pub(crate) struct Entrance {
    pub(crate) state: ServerState,
    /// The HTTP binding.
    pub(crate) http_route: Option<HttpRoute>,
}

impl Entrance {
    /// That of a call which nobody serves.
    pub(crate) fn nowhere() -> Share<Self> {
        static NOWHERE: LazyLock<Spread<Entrance>> = LazyLock::new(|| Spread::new(Entrance::default()));
        NOWHERE.share()
    }
}

impl Call {
    pub(crate) fn new(head: Head, metadata: MetadataMap, body: Body) -> Self {
        let context = Context::new(head, HeaderMap::new());
        Self { context, metadata, extensions: Extensions::default(), body }
    }

    /// A call as a request brings it: where nobody reads its metadata, they stay among its headers.
    pub(crate) fn of_request(head: Head, headers: HeaderMap, reads_metadata: bool, body: Body) -> Self {
        if reads_metadata {
            return Self::new(head, incoming_metadata(headers), body);
        }
        let context = Context::new(head, headers);
        Self { context, metadata: MetadataMap::new(), extensions: Extensions::default(), body }
    }

    /// What the call knows of itself; a clone of it outlives the call.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The method that is called.
    pub fn method(&self) -> &'static MethodSpec {
        self.context.method()
    }

    /// When the caller stops waiting.
    pub fn deadline(&self) -> Option<Deadline> {
        self.context.deadline()
    }

    /// Gives the call up: whoever runs for it sees the reason.
    pub fn cancel(&self, reason: CancelReason) {
        self.context.cancellation().cancel(reason);
    }

    pub(crate) fn into_parts(self) -> (Context, MetadataMap, Extensions, Body) {
        (self.context, self.metadata, self.extensions, self.body)
    }
}
