//! The protocol-neutral vocabulary of a call: what every edge, interceptor and handler speaks of.
//!
//! A [`Call`] goes in, a [`Reply`] comes out, and between the edges a message is protobuf wire bytes
//! beside the [`MethodSpec`] of its method. Nothing here knows gRPC framing, HTTP, JSON or user types.

mod batch;
mod body;
mod cancellation;
mod code;
mod context;
mod deadline;
mod entity_tag;
mod http_request;
mod http_words;
mod internal;
pub(crate) mod media_type;
mod metadata;
mod method;
#[cfg(feature = "opentelemetry")]
mod otel;
mod pace;
mod peer;
mod preconditions;
pub(crate) mod prefix;
mod reply;
mod reply_coding;
mod request;
mod scratch;
mod spread;
pub mod timeout;
mod trace;

pub use body::{Body, MessageStream};
pub use cancellation::{CancelReason, Cancellation, Cancelled, OnCancel};
pub use context::{Context, Protocol, ServerState, check, current, preconditions, value};
pub use deadline::Deadline;
pub use entity_tag::EntityTag;
pub(crate) use http_request::HttpRequest;
pub use http_words::{HttpResponse, HttpRoute};
pub use internal::internal;
pub use method::{Idempotency, MethodKind, MethodSpec};
pub(crate) use peer::Connection;
pub use peer::{Peer, PeerIdentity, UnixPeer};
pub use preconditions::{Preconditions, Validators};
pub use reply::{Reply, Trailers};
pub use reply_coding::ReplyCoding;
pub use request::Call;
pub(crate) use request::{Entrance, Head};
pub use spread::{Share, Spread};
pub use trace::TraceContext;

pub(crate) use batch::{Batch, Bounds};
pub(crate) use body::{CountMessages, Filled, MessageSource, encode, encoded, fill};
pub(crate) use cancellation::CancelListener;
pub(crate) use code::code_name;
pub(crate) use context::{Scoped, cancelled_status};
pub(crate) use metadata::{
    RETRY_PUSHBACK_MS, first as first_header, incoming as incoming_metadata, is_metadata,
    outgoing as outgoing_metadata,
};
#[cfg(feature = "opentelemetry")]
pub(crate) use otel::adopt as adopt_span;
pub(crate) use pace::{Pace, Paced};
pub(crate) use reply_coding::is_sent_as_it_is;
pub(crate) use scratch::{gathered, with_scratch};
pub(crate) use trace::go_on as go_on_with_trace;
