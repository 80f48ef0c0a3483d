//! What gRPC replies may be compressed with, as whoever runs the server says it; and what a handler says to the contrary.

use tonic::Extensions;
use tonic::codec::SingleMessageCompressionOverride;

/// What the messages of a gRPC reply may be compressed with. Given as a list, of which the first holds that the caller
/// accepts (`grpc-accept-encoding`); where there is none, replies are sent as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "config",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum ReplyCoding {
    /// What the caller compresses its own messages with, if it does.
    Mirror,
    /// gzip, which every implementation of gRPC reads.
    Gzip,
    /// deflate, in zlib's format.
    Deflate,
    /// zstd, which packs better and faster than both; of the common clients, tonic's read it.
    Zstd,
}

/// Whether a handler wants its reply sent as it is, whatever its caller could unpack: it says so with tonic's
/// [`disable_compression`](tonic::Response::disable_compression).
pub(crate) fn is_sent_as_it_is(extensions: &Extensions) -> bool {
    extensions.get() == Some(&SingleMessageCompressionOverride::Disable)
}
